"""Run folders: where trainings leave their results, and how later commands find them.

A run folder holds `.hydra/` (its configuration), `checkpoints/`, `pictures/`, `metrics.csv`, and, once it has
finished, `model/` and `summary.json`.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from realsr_mod.weights.release import CONFIG_NAME

SUMMARY_NAME = "summary.json"
LAST_CHECKPOINT = Path("checkpoints") / "last.ckpt"
NOT_FORWARDED = ("experiment", "method", "resume", "name", "prerequisites", "adversarial", "perceptual", "+", "~")


def finished_runs(root: str | Path = "runs") -> list[Path]:
    """Run folders with a released model under `root`, newest first."""
    summaries = Path(root).rglob(SUMMARY_NAME)
    folders = [s.parent for s in summaries if (s.parent / "model" / CONFIG_NAME).is_file()]
    return sorted(folders, key=lambda folder: (folder / SUMMARY_NAME).stat().st_mtime, reverse=True)


def newest_model(root: str | Path = "runs") -> Path | None:
    """The newest finished run whose model works on LR pictures alone (no teachers), or None."""
    for folder in finished_runs(root):
        network = json.loads((folder / "model" / CONFIG_NAME).read_text())["network"]
        if not network.get("sees_hr", False):
            return folder
    return None


def unfinished_run(root: str | Path, overrides: Sequence[str]) -> Path | None:
    """The newest run started with these overrides that has a checkpoint and no summary, or None."""
    found = [
        checkpoint.parents[1]
        for checkpoint in Path(root).rglob(str(LAST_CHECKPOINT))
        if not (checkpoint.parents[1] / SUMMARY_NAME).exists()
        and sorted(read_overrides(checkpoint.parents[1])) == sorted(overrides)
    ]
    return max(found, key=lambda folder: (folder / LAST_CHECKPOINT).stat().st_mtime, default=None)


def read_overrides(run: Path) -> list[str]:
    """The command-line overrides that a run was started with, but for `resume`."""
    path = run / ".hydra" / "overrides.yaml"
    if not path.is_file():
        raise FileNotFoundError(f"{run}: no run here ({path} is missing); give a folder that a training has made")
    return [item for item in OmegaConf.load(path) if not item.startswith("resume=")]


def find_or_train(cfg: DictConfig, key: str, overrides: Sequence[str]) -> str:
    """The run that `cfg.prerequisites[key]` asks for: the newest that fits, or one trained now.

    A prerequisite names an `experiment` and the config keys in which that run must be the `same` as this one.
    It is trained by the real command in a process of its own, with this run's overrides but for the method's.
    """
    need = cfg.prerequisites[key]
    for folder in finished_runs(cfg.runs_dir):
        other = OmegaConf.load(folder / ".hydra" / "config.yaml")
        if other.name == need.name and all(_select(other, k) == _select(cfg, k) for k in need.same):
            summary = json.loads((folder / SUMMARY_NAME).read_text())
            figures = f"{summary['steps']} steps, {summary['psnr_y']:.2f} dB"
            print(f"{key}: {folder}, the newest that fits ({figures})", flush=True)
            return str(folder)
    if int(os.environ.get("RANK", os.environ.get("SLURM_PROCID", "0"))) > 0:
        raise ValueError(f"{key}=auto found no run of {need.experiment}; train it first in a job of its own")
    skipped = (*NOT_FORWARDED, *cfg.prerequisites)
    forwarded = [item for item in overrides if not item.startswith(skipped)]
    arguments = [f"experiment={need.experiment}", "resume=auto", *forwarded]
    print(f"{key}: no run fits, training one first: python -m realsr_mod.train {' '.join(arguments)}\n", flush=True)
    status = subprocess.run([sys.executable, "-m", "realsr_mod.train", *arguments], check=False).returncode
    if status:
        sys.exit(status)  # it has said why
    print(flush=True)
    return str(finished_runs(Path(cfg.runs_dir) / need.name)[0])


def _select(cfg: DictConfig, key: str) -> Any:
    value = OmegaConf.select(cfg, key)
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
