"""What a run's record may ask for, when the run may be another person's.

What `resume=RUN` reads is a list of overrides, and an override can name any callable, file or address. A training that
goes on from one runs nothing but what this package's own configuration names, writes into the run's folder alone, and
asks and sends nothing to anybody.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import OmegaConf
from torch import nn

from realsr_mod.runtime.compose import compose
from realsr_mod.runtime.config import CONF_DIR
from realsr_mod.runtime.door import TARGET, named_class
from realsr_mod.runtime.overrides import is_override
from realsr_mod.runtime.plugins import conf_files, how_to_trust, is_group, is_trusted

Place = tuple[str, ...]  # the keys that lead to a value

ADVICE = "if the run is yours, resume it by its own command and resume=auto, or give the setting anew after resume=RUN"
_KNOWN_PACKAGES = ("realsr_mod", "torch", "pytorch_lightning")  # which need no trust
SENDING = "realsr_mod.training.loggers.wandb_logger"
_PLAIN_REFERENCE = re.compile(r"\$\{\.*[\w.]+\}")  # to another key, which is looked at as well
_RUN_FOLDER = "${hydra:runtime.output_dir}"
_REMOTE = re.compile(r"\w\w+:[/\\]|^\s*[/\\]{2}")  # an address, or a folder of another computer
_WRITING = ("callbacks", "logger")  # what writes files; "trainer" does by some of its options
# Options of Lightning's trainer that conf/ does not have and that concern the training alone.
_TRAINER_OPTIONS = frozenset(
    ("limit_train_batches", "limit_val_batches", "overfit_batches", "fast_dev_run", "gradient_clip_algorithm",
     "detect_anomaly", "sync_batchnorm", "min_steps", "max_time", "inference_mode")
)  # fmt: skip
_STRATEGY = re.compile(r"auto|(ddp|fsdp)(_\w+)?")


def check_foreign(run: Path, overrides: Sequence[str]) -> None:
    """Raise a ValueError if the record of a run asks for more than a training of ours does, here and alone.

    No flags and nothing of Hydra's own. In the configuration that comes out: only what `conf/` itself names, our
    networks and losses, and torch's layers, optimizers and schedules; nothing that is computed; no addresses but those
    in `conf/`; callbacks and logs where `conf/` puts them, and none that send anything; the prerequisites of `conf/`.
    What a package brings that a person trusts, and the folders that they give by `--config-dir`, count as ours.
    """
    for item in overrides:
        if not _is_setting(item):
            raise ValueError(f"{run}: its record asks for {item!r:.100}, which is no setting of a training; {ADVICE}")
    try:
        cfg = _composed(overrides)
        plain = _composed([item for item in overrides if _group(item) is not None])
    except Exception as error:  # Hydra's own, and what its parser stumbles over: a TypeError for trainer=[1,2]
        reason = " ".join(str(error).split())[:300]
        raise ValueError(f"{run}: its record does not describe a training: {reason}") from error
    known = _conf_targets()
    for place, target in _targets(cfg):
        if not _may_stand(target, place, known, run):
            said = f"{run}: its record names {target!r:.100}, which this package's settings do not; {ADVICE}"
            raise ValueError(said + _opening(target))
    check_computed(cfg, f"{run}: its record")
    _check_places(run, cfg, plain)


def check_computed(config: object, what: str) -> None:
    """Raise a ValueError if a configuration computes a value in a way that `conf/` does not."""
    ours = conf_texts()
    for text in texts(config):
        computed = "${" in text.replace(_RUN_FOLDER, "") and not _PLAIN_REFERENCE.fullmatch(text)
        if computed and text not in ours:
            raise ValueError(f"{what} computes a value, {text!r:.100}; {ADVICE}")


def _check_places(run: Path, cfg: Mapping[str, Any], plain: Mapping[str, Any]) -> None:
    """Raise a ValueError for what a configuration would ask, write or send elsewhere; `plain` is what `conf/` makes."""
    given = conf_texts()
    for text in texts(cfg):
        if _REMOTE.search(text) and text not in given:
            raise ValueError(f"{run}: its record names another place, {text!r:.100}; {ADVICE}")
    if any(target == SENDING for _, target in _targets(cfg)):
        raise ValueError(f"{run}: its record sends what it measures away (logger=wandb); {ADVICE}, or logger=csv")
    ours = {key: dict(_leaves(plain.get(key))) for key in _WRITING}
    for key in _WRITING:
        for place, value in _leaves(cfg.get(key)):
            if isinstance(value, str) and ours[key].get(place) != value:
                name = ".".join((key, *place))
                raise ValueError(f"{run}: its record writes to {value!r:.100} ({name}), as no run of ours; {ADVICE}")
    known = _trainer_options()
    trainer = cfg.get("trainer")
    for option, value in trainer.items() if isinstance(trainer, Mapping) else ():
        if option not in known or (option == "strategy" and not _STRATEGY.fullmatch(str(value))):
            raise ValueError(f"{run}: its record sets trainer.{option}={value!r:.80}, as no run of ours; {ADVICE}")
    if cfg.get("prerequisites") != plain.get("prerequisites"):
        raise ValueError(f"{run}: its record says what the training builds on in a way of its own; {ADVICE}")
    root = Path(str(cfg.get("runs_dir"))).expanduser().resolve()
    if cfg.get("runs_dir") != plain.get("runs_dir") and root not in run.resolve().parents[1:3]:
        raise ValueError(f"{run}: its record writes to {cfg.get('runs_dir')!r:.100} (runs_dir); {ADVICE}")


def _composed(overrides: Sequence[str]) -> dict[str, Any]:
    config: Any = OmegaConf.to_container(compose("train", overrides), resolve=False)
    return {str(key): value for key, value in config.items()}


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


def _group(item: str) -> str | None:
    """The group that an override chooses in, if it does and puts the choice where it belongs."""
    override = OverridesParser.create().parse_override(item)
    group: str = override.key_or_group
    return group if override.package is None and is_group(group) else None


@cache
def _content(path: Path) -> Any:
    return OmegaConf.to_container(OmegaConf.load(path), resolve=False)


def conf_texts() -> frozenset[str]:
    """Every text in the files of `conf/`, and of the folders that a person has added to it, as it stands there."""
    return frozenset(text for _, path in conf_files() for text in texts(_content(path)))


def _conf_targets() -> dict[str, str]:
    """What those files name, and under which key: that of its group, or of an experiment.

    What is not ours counts if it lies in a package that the person trusts.
    """
    found: dict[str, str] = {}
    for name, path in conf_files():
        group = name.partition("/")[0]
        for place, target in _targets(_content(path)):
            if isinstance(target, str) and (path.is_relative_to(CONF_DIR) or is_trusted(target)):
                found[target] = place[0] if group == "experiment" and len(place) > 1 else group
    return found


def _trainer_options() -> frozenset[str]:
    named = {str(key) for _, path in conf_files("trainer") for key in _content(path)}
    return (_TRAINER_OPTIONS | named) - {"defaults"}


def _may_stand(target: object, place: Place, known: Mapping[str, str], run: Path) -> bool:
    """Whether a configuration of another person may name this here: callbacks, loggers and trainers in their places."""
    if not isinstance(target, str):
        return False
    group = known.get(target)
    if group in (*_WRITING, "trainer", "hydra"):
        return place[0] == group
    return group is not None or _is_harmless(target, run)


def _opening(target: object) -> str:
    """What a person may do who trusts the package that a record names, to end a sentence."""
    package = target.partition(".")[0] if isinstance(target, str) else ""
    if not package.isidentifier() or package in _KNOWN_PACKAGES:
        return ""
    return how_to_trust(package)


def texts(config: object) -> Iterator[str]:
    """Every text in a configuration, keys included, however deep."""
    for place, value in _leaves(config):
        yield from place
        if isinstance(value, str):
            yield value


def _targets(config: object) -> Iterator[tuple[Place, object]]:
    """Everything that a configuration names, however deep, and where."""
    for place, value in _leaves(config):
        if TARGET in place:
            yield place, value


def _leaves(config: object, place: Place = ()) -> Iterator[tuple[Place, object]]:
    """Every value that holds no others, and the keys that lead to it."""
    if isinstance(config, Mapping | list) and config:
        inner = config.items() if isinstance(config, Mapping) else enumerate(config)
        for key, value in inner:
            yield from _leaves(value, (*place, str(key)))
    else:
        yield place, config


def _is_harmless(target: object, run: Path) -> bool:
    """Whether it is a network, loss or degradation of ours, or one of torch's layers, optimizers or schedules."""
    if isinstance(target, str) and re.fullmatch(r"torch\.(nn|optim|optim\.lr_scheduler)\.[A-Z]\w*", target):
        return True
    try:
        named_class(target, (nn.Module,), run)
    except ValueError:
        return False
    return True
