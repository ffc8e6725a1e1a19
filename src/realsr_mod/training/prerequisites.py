"""Runs that a run builds on, such as a student's teacher: found, or trained first."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from omegaconf import DictConfig, ListConfig, OmegaConf

from realsr_mod.runtime.door import check_plain
from realsr_mod.runtime.files import read_json, write_json
from realsr_mod.runtime.folders import is_taken
from realsr_mod.runtime.hydra_command import users_environment
from realsr_mod.runtime.processes import finding_modules, run_child
from realsr_mod.runtime.ranks import is_first, started_together
from realsr_mod.runtime.yaml_files import check_yaml
from realsr_mod.training.foreign import check_computed
from realsr_mod.training.runs import RECORD_NAME, headline, read_summary, unfinished_runs
from realsr_mod.weights.locate import SUMMARY_NAME, finished_runs, skipping_damaged

_LOOK_EVERY_S = 1.0
_LARGEST_RECORD_BYTES = 100_000
_LARGEST_CONFIG_BYTES = 1_000_000
# Overrides that are this run's own, and no business of what it builds on.
NOT_FORWARDED = (
    "experiment",
    "method",
    "resume",
    "finish",
    "name",
    "prerequisites",
    "adversarial",
    "perceptual",
    "output_distillation",
    "+",
    "~",
)


def resolve_prerequisites(cfg: DictConfig, run: Path, overrides: Sequence[str]) -> None:
    """Replace every `auto` among the prerequisites by a run's path; what was chosen stays chosen when `run` goes on."""
    record = run / RECORD_NAME
    wanted = [key for key in cfg.prerequisites if cfg[key] == "auto"]
    known = _read_record(record) if wanted and record.is_file() else {}
    for key in wanted:
        cfg[key] = known[key] if key in known else find_or_train(cfg, key, overrides)
    if cfg.prerequisites and is_first():
        write_json(record, {key: cfg[key] for key in cfg.prerequisites})


def trains_others_first(cfg: DictConfig, run: Path) -> bool:
    """Whether something that this run builds on is neither named, nor chosen before, nor found."""
    record = run / RECORD_NAME
    known = _read_record(record) if record.is_file() else {}
    return any(cfg[key] == "auto" and key not in known and fitting_run(cfg, key) is None for key in cfg.prerequisites)


def _read_record(record: Path) -> dict[str, str | None]:
    """What was chosen when the run began. Raises ValueError for a record that is none, which may be anyone's."""
    try:
        known = read_json(record, _LARGEST_RECORD_BYTES)
        check_plain(known, record)
        if not isinstance(known, dict) or not all(isinstance(value, str | None) for value in known.values()):
            raise ValueError(f"{record}: expected the path of a run under each key")
    except ValueError as error:
        raise ValueError(
            f"{error}; it says which runs this one builds on: give them yourself, as in teacher=RUN"
        ) from error
    return known


def find_or_train(cfg: DictConfig, key: str, overrides: Sequence[str]) -> str:
    """The run that `cfg.prerequisites[key]` asks for: the newest that fits, or one trained now.

    A prerequisite names an `experiment` and the config keys in which that run must be the `same` as this one.
    It is trained by the real command in a process of its own, with this run's overrides but for the method's and those
    that the prerequisite names under `drop`; those under `rename` go by the name that they have there. One that another
    process is training already is waited for.
    """
    need = cfg.prerequisites[key]
    found = fitting_run(cfg, key)
    if found is None:
        if started_together():
            raise ValueError(f"{key}=auto found no run of {need.experiment}; train it first in a job of its own")
        Path(cfg.runs_dir).mkdir(parents=True, exist_ok=True)
        turn = FileLock(Path(cfg.runs_dir) / f".{need.name}.prerequisite.lock")
        if not _is_free(turn):
            print(f"{key}: another command trains a run of {need.experiment}; waiting for it …", flush=True)
        with turn:
            found = awaited_run(cfg, key) or train_now(cfg, key, overrides)
    summary = read_summary(found)
    print(f"{key}: {found} ({summary['steps']} steps, {headline(summary)})", flush=True)
    return str(found)


def awaited_run(cfg: DictConfig, key: str) -> Path | None:
    """The run that fits, once nobody trains one that would; None if there is none then either."""
    while (found := fitting_run(cfg, key)) is None:
        running = next((run for run in unfinished_runs(cfg.runs_dir) if fits(cfg, key, run) and is_taken(run)), None)
        if running is None:
            return None
        print(f"{key}: {running} is being trained by another process; waiting for it …", flush=True)
        while is_taken(running):
            time.sleep(_LOOK_EVERY_S)
    return found


def train_now(cfg: DictConfig, key: str, overrides: Sequence[str]) -> Path:
    """Train what is asked for by the real command; ends this process where that fails, since it has said why."""
    need = cfg.prerequisites[key]
    skipped = (*NOT_FORWARDED, *cfg.prerequisites, *need.get("drop", ()))
    forwarded = [item for item in overrides if not item.startswith(skipped)]
    for mine, its in need.get("rename", {}).items():
        forwarded += [item.replace(mine, its, 1) for item in overrides if item.startswith(f"{mine}=")]
    arguments = [f"experiment={need.experiment}", "resume=auto", *forwarded]
    print(f"{key}: no run fits, training one first: python -m realsr_mod.train {' '.join(arguments)}\n", flush=True)
    # -P: modules of the current folder only if this process finds them there
    command = [sys.executable, "-P", "-m", "realsr_mod.train", *arguments]
    if status := run_child(command, finding_modules(users_environment())):
        sys.exit(status)
    print(flush=True)
    found = fitting_run(cfg, key)
    if found is None:
        raise ValueError(f"the run of {need.experiment} just trained does not fit; give its folder: {key}=RUN")
    return found


def fitting_run(cfg: DictConfig, key: str) -> Path | None:
    """The newest finished run that fits `cfg.prerequisites[key]`, or None."""
    return next((run for run in finished_runs(cfg.runs_dir) if fits(cfg, key, run)), None)


def fits(cfg: DictConfig, key: str, run: Path) -> bool:
    """Whether a run is of the kind that `cfg.prerequisites[key]` asks for; a damaged folder is not, and is named."""
    need = cfg.prerequisites[key]
    with skipping_damaged(run):
        other = _read_config(run / ".hydra" / "config.yaml")
        if (run / SUMMARY_NAME).is_file():
            headline(read_summary(run))
        return bool(other.name == need.name and all(is_same(_select(other, k), _select(cfg, k)) for k in need.same))
    return False


def _read_config(path: Path) -> DictConfig:
    """The configuration of a run that lies among ours. Raises ValueError for one that is none or computes values."""
    check_yaml(path, _LARGEST_CONFIG_BYTES)
    config = OmegaConf.load(path)
    if not isinstance(config, DictConfig):
        raise ValueError(f"{path}: expected a mapping")
    check_computed(OmegaConf.to_container(config, resolve=False), str(path))
    return config


def is_same(one: object, other: object) -> bool:
    """Whether two values of a configuration are equal, or two ways to write the path of one folder that exists."""
    if one != other and isinstance(one, str) and isinstance(other, str):
        paths = Path(one).expanduser(), Path(other).expanduser()
        return all(path.exists() for path in paths) and paths[0].samefile(paths[1])
    return one == other


def _is_free(lock: FileLock) -> bool:
    try:
        with lock.acquire(timeout=0):
            return True
    except Timeout:
        return False


def _select(cfg: DictConfig | ListConfig, key: str) -> Any:
    value = OmegaConf.select(cfg, key)
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
