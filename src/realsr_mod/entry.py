"""The way into every Hydra command: resuming, and errors that a person can act on."""

import difflib
import os
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import hydra
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import ConfigCompositionException, HydraException, InstantiationException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from realsr_mod.config import CONF_DIR
from realsr_mod.runs import SUMMARY_NAME, read_overrides, unfinished_run

USER_ERRORS = (ValueError, OSError, HydraException, OmegaConfBaseException)
FIXED_WHEN_RESUMED = (
    "method", "scheduler", "network", "degradation", "seed", "scale", "trainer.max_steps", "pairs", "relation", "init",
)  # fmt: skip


def run_command(config_name: str, task: Callable[[DictConfig], object]) -> None:
    """Run `task` under `conf/CONFIG_NAME.yaml` and the command line; end with one clear message where it fails."""
    traceback_wanted = os.environ.get("HYDRA_FULL_ERROR") == "1"
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises, and the message is ours
    try:
        if "LOCAL_RANK" not in os.environ:  # a process that Lightning starts gets its parent's finished arguments
            sys.argv[1:] = resumed_arguments([readable(argument) for argument in sys.argv[1:]])
        hydra.main(version_base="1.3", config_path=str(CONF_DIR), config_name=config_name)(task)()
    except USER_ERRORS as error:
        if traceback_wanted:
            raise
        print(f"\nerror: {explain(error, config_name, sys.argv[1:])}", file=sys.stderr)
        sys.exit(1)


def resumed_arguments(arguments: Sequence[str]) -> list[str]:
    """Turn `resume=RUN` or `resume=auto` into the overrides and the folder of the run that goes on.

    The run's own overrides come first, then what is given now, so `resume=RUN` alone is enough.
    `resume=auto` takes the newest unfinished run that was started with the same overrides; without one it starts anew.
    """
    wanted = [item.removeprefix("resume=") for item in arguments if item.startswith("resume=")]
    others = [item for item in arguments if not item.startswith("resume=")]
    if not wanted or wanted[-1] == "null":
        return list(arguments)
    if wanted[-1] == "auto":
        given = [item for item in others if is_override(item) and not item.startswith("hydra")]
        roots = [item.removeprefix("runs_dir=") for item in others if item.startswith("runs_dir=")]
        run = unfinished_run((roots or ["runs"])[-1], given)
        if run is None:
            print("resume=auto: no unfinished run of this command, starting a new one", flush=True)
            return others
    else:
        run = Path(wanted[-1].strip("'\""))
        given = read_overrides(run)
        added = [item for item in others if item not in given]
        check_resumable(run, added)
        others = [*given, *added]
    print(f"resuming {run}", flush=True)
    flags = [item for item in others if not is_override(item)]  # Hydra wants them first
    others = [item for item in others if is_override(item)]
    folder = in_quotes(str(run.resolve()))
    return [*flags, *others, f"resume={folder}", f"hydra.run.dir={folder}"]


def readable(argument: str) -> str:
    """`KEY=VALUE` with VALUE in quotes where Hydra's grammar has no place for it: a path with brackets or umlauts."""
    key, _, value = argument.partition("=")
    if not is_override(argument) or value.startswith(("[", "{")):
        return argument
    try:
        OverridesParser.create().parse_override(argument)
    except HydraException:
        return f"{key}={in_quotes(value)}"
    return argument


def in_quotes(value: str) -> str:
    """A value that Hydra takes as it is, whatever characters it has."""
    return "'" + value.replace("'", "\\'") + "'"


def is_override(argument: str) -> bool:
    """Whether a command-line argument sets something (KEY=VALUE, ~KEY), or is a flag of Hydra's or its value."""
    return not argument.startswith("-") and ("=" in argument or argument.startswith("~"))


def check_resumable(run: Path, added: Sequence[str]) -> None:
    """Raise if the run has finished, or if an added override would change what its checkpoint has fixed."""
    advice = f"to train on from its weights, start a new run with start_from={run}"
    if (run / SUMMARY_NAME).exists():
        raise ValueError(f"{run} has finished; {advice}")
    for item in added:
        if item.lstrip("+~").startswith(FIXED_WHEN_RESUMED):
            raise ValueError(
                f"{item} cannot change when {run} is resumed: its checkpoint goes on as it began; {advice}"
            )


def explain(error: BaseException, config_name: str = "train", arguments: Sequence[str] = ()) -> str:
    """One message for a person: what is wrong, what exists, what to do."""
    while isinstance(error, InstantiationException) and isinstance(error.__cause__, Exception):
        error = error.__cause__
    message = str(error).strip()
    missing = re.search(r"Missing mandatory value: (\S+)", message)
    if missing:
        key = missing[1].removeprefix("method.")  # whose mandatory values are all references to the top level
        return f"{key} is needed and has no default; give {key}=..."
    experiment = re.search(r"Could not find 'experiment/([^']+)'", message)
    if experiment:
        return f"there is no experiment '{experiment[1]}'; " + suggestion(experiment[1], experiments(), "experiments")
    if isinstance(error, ConfigCompositionException):
        key = re.search(r"Key '([^']+)' is not in struct\s+full_key: (\S+)", message + str(error.__cause__))
        if key:
            parent = key[2].rpartition(".")[0]
            known = known_keys(config_name, arguments, parent)
            where = f" in '{parent}'" if parent else ""
            if key[1] in known:
                return f"not every job of this sweep has a key '{key[2]}'; set what they share, or sweep apart"
            return f"there is no key '{key[1]}'{where}; " + suggestion(key[1], known, "keys there")
    return message


def suggestion(wrong: str, known: Sequence[str], what: str) -> str:
    """Name the nearest of `known`, if one is near, and list them all."""
    near = difflib.get_close_matches(wrong, known, n=1)
    return (f"did you mean '{near[0]}'? " if near else "") + f"{what}: {', '.join(sorted(known))}"


def experiments() -> list[str]:
    """The names that `experiment=` takes."""
    root = CONF_DIR / "experiment"
    return sorted(str(path.relative_to(root).with_suffix("")) for path in root.rglob("*.yaml"))


def known_keys(config_name: str, arguments: Sequence[str], parent: str) -> list[str]:
    """The keys under `parent` in the config that the group choices among `arguments` (data=folder …) make."""
    choices = [item for item in arguments if (CONF_DIR / item.split("=")[0]).is_dir() and "," not in item]  # no sweeps
    with initialize_config_dir(str(CONF_DIR), version_base="1.3"):
        cfg = compose(config_name, overrides=choices)
    node = OmegaConf.select(cfg, parent) if parent else cfg
    return [str(key) for key in node] if OmegaConf.is_dict(node) else []
