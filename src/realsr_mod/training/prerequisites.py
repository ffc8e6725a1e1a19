"""Runs that a run builds on, such as a student's teacher: found, or trained first."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from realsr_mod.runtime.files import write_json
from realsr_mod.training.runs import headline, read_summary
from realsr_mod.weights.locate import finished_runs

# Overrides that are this run's own, and no business of what it builds on.
NOT_FORWARDED = (
    "experiment",
    "method",
    "resume",
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
    record = run / "prerequisites.json"
    known = json.loads(record.read_text()) if record.is_file() else {}
    for key in cfg.prerequisites:
        if cfg[key] == "auto":
            cfg[key] = known[key] if key in known else find_or_train(cfg, key, overrides)
    if cfg.prerequisites and "LOCAL_RANK" not in os.environ:
        write_json(record, {key: cfg[key] for key in cfg.prerequisites})


def find_or_train(cfg: DictConfig, key: str, overrides: Sequence[str]) -> str:
    """The run that `cfg.prerequisites[key]` asks for: the newest that fits, or one trained now.

    A prerequisite names an `experiment` and the config keys in which that run must be the `same` as this one.
    It is trained by the real command in a process of its own, with this run's overrides but for the method's and those
    that the prerequisite names under `drop`.
    """
    need = cfg.prerequisites[key]
    found = fitting_run(cfg, key)
    if found is None:
        if int(os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0"))) > 0:
            raise ValueError(f"{key}=auto found no run of {need.experiment}; train it first in a job of its own")
        skipped = (*NOT_FORWARDED, *cfg.prerequisites, *need.get("drop", ()))
        forwarded = [item for item in overrides if not item.startswith(skipped)]
        arguments = [f"experiment={need.experiment}", "resume=auto", *forwarded]
        print(f"{key}: no run fits, training one first: python -m realsr_mod.train {' '.join(arguments)}\n", flush=True)
        if status := wait_for([sys.executable, "-m", "realsr_mod.train", *arguments]):
            sys.exit(status)  # it has said why
        print(flush=True)
        found = fitting_run(cfg, key)
        if found is None:
            raise ValueError(f"the run of {need.experiment} just trained does not fit; give its folder: {key}=RUN")
    summary = read_summary(found)
    print(f"{key}: {found} ({summary['steps']} steps, {headline(summary)})", flush=True)
    return str(found)


def fitting_run(cfg: DictConfig, key: str) -> Path | None:
    """The newest finished run that fits `cfg.prerequisites[key]`, or None."""
    need = cfg.prerequisites[key]
    for folder in finished_runs(cfg.runs_dir):
        other = OmegaConf.load(folder / ".hydra" / "config.yaml")
        if other.name == need.name and all(_select(other, k) == _select(cfg, k) for k in need.same):
            return folder
    return None


def wait_for(command: Sequence[str]) -> int:
    """Run a command that deals with Ctrl-C itself (the terminal sends it to both); SIGTERM is passed on to it."""
    process = subprocess.Popen(command)
    previous = {
        signal.SIGINT: signal.signal(signal.SIGINT, signal.SIG_IGN),
        signal.SIGTERM: signal.signal(signal.SIGTERM, lambda *_: process.terminate()),
    }
    try:
        return process.wait()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _select(cfg: DictConfig | ListConfig, key: str) -> Any:
    value = OmegaConf.select(cfg, key)
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
