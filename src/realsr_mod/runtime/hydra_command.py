"""The way into every Hydra command: its help at once, then the configuration, and errors that a person can act on."""

import difflib
import os
import re
import sys
from collections.abc import Callable, Sequence

import hydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import ConfigCompositionException, HydraException, InstantiationException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from realsr_mod.runtime.config import CONF_DIR, MAIN_OPTIONS, compose

USER_ERRORS = (ValueError, OSError, HydraException, OmegaConfBaseException)


def run_command(
    config_name: str,
    task: Callable[[DictConfig], object],
    prepare: Callable[[list[str]], list[str]] = lambda arguments: arguments,
) -> None:
    """Run `task` under `conf/CONFIG_NAME.yaml` and the command line; end with one clear message where it fails.

    `prepare` may change the command line before Hydra reads it; a process that Lightning starts gets its parent's.
    """
    traceback_wanted = os.environ.get("HYDRA_FULL_ERROR") == "1"
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then raises, and the message is ours
    try:
        if "LOCAL_RANK" not in os.environ:
            sys.argv[1:] = prepare([readable(argument) for argument in sys.argv[1:]])
        hydra.main(config_path=str(CONF_DIR), config_name=config_name, **MAIN_OPTIONS)(task)()
    except USER_ERRORS as error:
        if traceback_wanted:
            raise
        print(f"\nerror: {explain(error, config_name, sys.argv[1:])}", file=sys.stderr)
        sys.exit(1)


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
        key = re.search(r"Key '([^']+)' is not in struct.*\s+full_key: (\S+)", message + str(error.__cause__))
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
    cfg = compose(config_name, choices)
    node = OmegaConf.select(cfg, parent) if parent else cfg
    return [str(key) for key in node] if OmegaConf.is_dict(node) else []
