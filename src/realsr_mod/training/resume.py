"""Going on with a run that was interrupted: `resume=RUN` and `resume=auto`."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException
from torch import nn

from realsr_mod.runtime.compose import compose
from realsr_mod.runtime.config import CONF_DIR
from realsr_mod.runtime.door import TARGET, named_class
from realsr_mod.runtime.folders import hold
from realsr_mod.runtime.overrides import in_quotes, is_override
from realsr_mod.runtime.plugins import conf_files, how_to_trust, is_group, is_trusted
from realsr_mod.training.runs import last_checkpoint, read_overrides, unfinished_run, unfinished_sweep
from realsr_mod.weights.locate import SUMMARY_NAME

_KNOWN_PACKAGES = ("realsr_mod", "torch", "pytorch_lightning")  # which need no trust
_PLAIN_REFERENCE = re.compile(r"\$\{\.*[\w.]+\}")  # to another key, which is looked at as well
FIXED_WHEN_RESUMED = (
    "method", "scheduler", "network", "degradation", "seed", "scale", "trainer.max_steps", "pairs", "relation", "init",
)  # fmt: skip


def resumed_arguments(arguments: Sequence[str]) -> list[str]:
    """Turn `resume=RUN` or `resume=auto` into the overrides and the folder of the run that goes on.

    The run's own overrides come first, then what is given now, so `resume=RUN` alone is enough.
    `resume=auto` takes the newest unfinished run that was started with the same overrides; without one it starts anew.
    For a sweep (`-m`) it takes the newest unfinished sweep of the same overrides: finished jobs are not done again.
    The folder is held from here on, before Hydra writes into it.
    """
    wanted = [item.removeprefix("resume=") for item in arguments if item.startswith("resume=")]
    others = [item for item in arguments if not item.startswith("resume=")]
    flags = [item for item in others if not is_override(item)]  # Hydra wants them first
    if not wanted or wanted[-1] == "null":
        return list(arguments)
    if wanted[-1] != "auto":
        run = Path(wanted[-1].strip("'\"")).expanduser()
        given = read_overrides(run)
        check_foreign(run, given)
        added = [item for item in others if item not in given]
        check_resumable(run, added)
        hold(run)
        settings = [item for item in (*given, *added) if is_override(item)]
        return [*flags, *settings, *_going_on(run, "hydra.run.dir")]
    settings = [item for item in others if is_override(item)]
    given = [item for item in settings if not item.startswith("hydra")]
    roots = [item.removeprefix("runs_dir=") for item in given if item.startswith("runs_dir=")]
    is_sweep = bool({"-m", "--multirun"} & set(flags))
    find, key = (unfinished_sweep, "hydra.sweep.dir") if is_sweep else (unfinished_run, "hydra.run.dir")
    found = find((roots or ["runs"])[-1], given)
    if found is None:
        what = "sweep" if is_sweep else "run"
        print(f"resume=auto: no unfinished {what} of this command, starting a new one", flush=True)
        return others
    hold(found)
    return [*flags, *settings, *_going_on(found, key)]


def _going_on(folder: Path, key: str) -> list[str]:
    print(f"resuming {folder}", flush=True)
    place = in_quotes(str(folder.resolve()))
    return [f"resume={place if key == 'hydra.run.dir' else 'auto'}", f"{key}={place}"]


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


def check_foreign(run: Path, overrides: Sequence[str]) -> None:
    """Raise if a run's record, which may be another person's, asks for more than our own configuration does.

    What `resume=RUN` reads is a list of overrides, and an override can name any callable. So: no flags and nothing of
    Hydra's own; and in the configuration that comes out, only what `conf/` itself names, our networks and losses, and
    torch's layers, optimizers and schedules. What a package brings that a person trusts, and the folders that they give
    by `--config-dir`, count as ours.
    """
    advice = "if the run is yours, resume it by its own command and resume=auto"
    for item in overrides:
        if not _is_setting(item):
            raise ValueError(f"{run}: its record asks for {item!r:.100}, which is no setting of a training; {advice}")
    try:
        cfg: Any = OmegaConf.to_container(compose("train", list(overrides)), resolve=False)
    except (HydraException, OmegaConfBaseException) as error:
        reason = " ".join(str(error).split())[:300]
        raise ValueError(f"{run}: its record does not describe a training: {reason}") from error
    known, ours = conf_targets(), conf_texts()
    for target in named_targets(cfg):
        if target not in known and not _is_harmless(target, run):
            raise ValueError(
                f"{run}: its record names {target!r:.100}, which this package's settings do not; {advice}"
                + _opening(target)
            )
    for text in texts(cfg):
        if "${" in text and not _PLAIN_REFERENCE.fullmatch(text) and text not in ours:
            raise ValueError(f"{run}: its record computes a value, {text!r:.100}; {advice}")
    for text in texts([cfg.get("callbacks"), cfg.get("logger")]):  # which write files, and send figures away
        if re.search(r"[/\\:]|\.\.", text) and text not in ours:
            raise ValueError(f"{run}: its record writes to {text!r:.100}, outside of the run's folder; {advice}")


def _is_setting(item: str) -> bool:
    """Whether an override sets a value, or takes a choice of our own groups; neither a flag nor anything of Hydra's."""
    if not is_override(item):
        return False
    try:
        override = OverridesParser.create().parse_override(item)
    except HydraException:
        return False
    group, choice = override.key_or_group, item.partition("=")[2]
    if (
        override.is_sweep_override()
        or group.split(".")[0].split("/")[0] == "hydra"
        or "hydra" in (override.package or "")
    ):
        return False
    return not (is_group(group) and (".." in choice or "/" in choice.strip("'\"[ ")[:1]))


def _opening(target: object) -> str:
    """What a person may do who trusts the package that a record names, to end a sentence."""
    package = target.partition(".")[0] if isinstance(target, str) else ""
    if not package.isidentifier() or package in _KNOWN_PACKAGES:
        return ""
    return how_to_trust(package)


def conf_texts() -> frozenset[str]:
    """Every text in the files of `conf/`, and of the folders that a person has added to it, as it stands there."""
    return frozenset().union(*(_texts_of(path) for _, path in conf_files()))


@cache
def _texts_of(path: Path) -> frozenset[str]:
    return frozenset(texts(OmegaConf.to_container(OmegaConf.load(path), resolve=False)))


def texts(config: object) -> Iterator[str]:
    """Every text in a configuration, keys included, however deep."""
    if isinstance(config, str):
        yield config
    elif isinstance(config, Mapping):
        for key, value in config.items():
            yield from texts(key)
            yield from texts(value)
    elif isinstance(config, list):
        for value in config:
            yield from texts(value)


def conf_targets() -> frozenset[str]:
    """Everything that the files of `conf/` name, and what those of others name in packages that a person trusts."""
    found = {path: re.findall(r"_target_:\s*([\w.]+)", path.read_text("utf-8")) for _, path in conf_files()}
    return frozenset(
        target
        for path, targets in found.items()
        for target in targets
        if path.is_relative_to(CONF_DIR) or is_trusted(target)
    )


def named_targets(config: object) -> Iterator[object]:
    """Everything that a configuration names, however deep."""
    if isinstance(config, Mapping):
        yield from (value for key, value in config.items() if key == TARGET)
    children = config.values() if isinstance(config, Mapping) else config if isinstance(config, list) else ()
    for child in children:
        yield from named_targets(child)


def _is_harmless(target: object, run: Path) -> bool:
    """Whether it is a network, loss or degradation of ours, or one of torch's layers, optimizers or schedules."""
    if isinstance(target, str) and re.fullmatch(r"torch\.(nn|optim|optim\.lr_scheduler)\.[A-Z]\w*", target):
        return True
    try:
        named_class(target, (nn.Module,), run)
    except ValueError:
        return False
    return True


def checkpoint_to_resume(cfg: DictConfig, run: Path) -> str | None:
    """The checkpoint in `run` if the run is resumed and has got that far, else None: it begins at step 0."""
    checkpoint = last_checkpoint(run) if cfg.resume else None
    return None if checkpoint is None else str(checkpoint)
