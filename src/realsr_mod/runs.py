"""Run folders: where trainings leave their results, and how later commands find them.

A run folder holds `.hydra/` (its configuration), `checkpoints/`, `pictures/`, `metrics.csv`, and, once it has
finished, `model/` and `summary.json`.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from omegaconf import DictConfig, OmegaConf

from realsr_mod.weights.release import CONFIG_NAME, write_json

SUMMARY_NAME = "summary.json"
FAILURE_NAME = "failed.json"  # of a job in a sweep
LAST_CHECKPOINT = Path("checkpoints") / "last.ckpt"
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


def finished_runs(root: str | Path = "runs") -> list[Path]:
    """Run folders with a released model under `root`, newest first."""
    summaries = Path(root).rglob(SUMMARY_NAME)
    folders = [s.parent for s in summaries if (s.parent / "model" / CONFIG_NAME).is_file()]
    return sorted(folders, key=lambda folder: (folder / SUMMARY_NAME).stat().st_mtime, reverse=True)


def upscaling_runs(root: str | Path = "runs") -> list[Path]:
    """Finished runs whose model makes pictures, of LR pictures alone (no teachers), newest first."""

    def upscales(folder: Path) -> bool:
        config = json.loads((folder / "model" / CONFIG_NAME).read_text())
        return config.get("restores", True) and not config["network"].get("sees_hr", False)

    return [folder for folder in finished_runs(root) if upscales(folder)]


def newest_model(root: str | Path = "runs") -> Path | None:
    """The newest finished run whose model upscales, or None."""
    return next(iter(upscaling_runs(root)), None)


def unfinished_run(root: str | Path, overrides: Sequence[str]) -> Path | None:
    """The newest run started with these overrides that has a checkpoint, no summary, and no process, or None."""
    found = [
        checkpoint.parents[1]
        for checkpoint in Path(root).rglob(str(LAST_CHECKPOINT))
        if not (checkpoint.parents[1] / SUMMARY_NAME).exists()
        and sorted(read_overrides(checkpoint.parents[1])) == sorted(overrides)
        and not is_running(checkpoint.parents[1])
    ]
    return max(found, key=lambda folder: (folder / LAST_CHECKPOINT).stat().st_mtime, default=None)


def read_overrides(run: Path) -> list[str]:
    """The command-line overrides that a run was started with, but for `resume`."""
    path = run / ".hydra" / "overrides.yaml"
    if not path.is_file():
        raise FileNotFoundError(f"{run}: no run here ({path} is missing); give a folder that a training has made")
    return [item for item in OmegaConf.load(path) if not item.startswith("resume=")]


def run_lock(run: Path) -> FileLock:
    """Held by the process that trains in a run folder; acquiring it does not wait."""
    return FileLock(run / ".lock", timeout=0)


def is_running(run: Path) -> bool:
    """Whether a process trains in this run folder now."""
    try:
        with run_lock(run):
            return False
    except Timeout:
        return True


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
    summary = json.loads((found / SUMMARY_NAME).read_text())
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


def headline(summary: dict[str, Any]) -> str:
    """The one figure that says how good a finished run is."""
    return f"{summary['psnr_y']:.2f} dB" if "psnr_y" in summary else f"accuracy {summary['accuracy']:.3f}"


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


def _select(cfg: DictConfig, key: str) -> Any:
    value = OmegaConf.select(cfg, key)
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
