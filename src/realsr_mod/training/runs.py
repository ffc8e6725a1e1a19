"""Run folders: where trainings leave their results, and who works in them.

A run folder holds `.hydra/` (its configuration), `checkpoints/`, `images/`, `metrics.csv`, and, once it has
finished, `model/` and `summary.json`.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from omegaconf import OmegaConf

from realsr_mod.weights.locate import SUMMARY_NAME

FAILURE_NAME = "failed.json"  # of a job in a sweep
LAST_CHECKPOINT = Path("checkpoints") / "last.ckpt"


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
    overrides = [str(item) for item in OmegaConf.load(path)]
    return [item for item in overrides if not item.startswith("resume=")]


def read_summary(run: Path) -> dict[str, Any]:
    """What a finished training wrote about itself."""
    path = run / SUMMARY_NAME
    if not path.is_file():
        raise FileNotFoundError(f"{run}: no finished training here ({SUMMARY_NAME} is missing); give its run folder")
    summary: dict[str, Any] = json.loads(path.read_text())
    return summary


def headline(summary: dict[str, Any]) -> str:
    """The one figure that says how good a finished run is."""
    return f"{summary['psnr_y']:.2f} dB" if "psnr_y" in summary else f"accuracy {summary['accuracy']:.3f}"


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
