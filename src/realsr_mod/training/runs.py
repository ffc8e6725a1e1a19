"""Run folders: where trainings leave their results, and who works in them.

A run folder holds `.hydra/` (its configuration), `checkpoints/`, `images/`, `metrics.csv`, and, once it has
finished, `model/` and `summary.json`.
"""

import shutil
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from realsr_mod.runtime.files import read_json
from realsr_mod.runtime.folders import is_taken
from realsr_mod.weights.locate import SUMMARY_NAME, skipping_damaged

RECORD_NAME = "prerequisites.json"  # which runs a run builds on
FAILURE_NAME = "failed.json"  # of a job in a sweep
PRUNED_NAME = "pruned.json"  # of a trial of a search that was ended early
SWEEP_NAME, RANKING_NAME = "sweep.json", "ranking.json"  # what a sweep was started with, and its end
_LARGEST_RECORD_BYTES = 100_000
_NUMBER = (int, float)
_FIGURES = ("psnr_y", "ssim_y", "bicubic_psnr_y", "bicubic_ssim_y", "accuracy", "seconds")
_SUMMARY = {"name": str, "steps": int, "prerequisites": dict} | dict.fromkeys(_FIGURES, _NUMBER)  # of what is read
_BEFORE_TRAINING = (".hydra", ".lock", "train.log", RECORD_NAME)
LAST_CHECKPOINT = Path("checkpoints") / "last.ckpt"


def unfinished_runs(root: str | Path) -> list[Path]:
    """Run folders under `root` in which a training has begun and not ended, the one that was begun last first."""
    records = Path(root).rglob(".hydra/overrides.yaml")
    found = [record.parents[1] for record in records if not (record.parents[1] / SUMMARY_NAME).exists()]
    return sorted(found, key=lambda run: (run / ".hydra" / "overrides.yaml").stat().st_mtime, reverse=True)


def unfinished_run(root: str | Path, overrides: Sequence[str]) -> Path | None:
    """The newest run started with these overrides that has a checkpoint, no summary, and no process, or None."""
    found = []
    for run in unfinished_runs(root):
        if last_checkpoint(run) is None:
            continue
        with skipping_damaged(run):
            if sorted(read_overrides(run)) == sorted(overrides) and not is_taken(run):
                found.append(run)
    return max(found, key=lambda run: (run / "checkpoints").stat().st_mtime, default=None)


def unfinished_sweep(root: str | Path, overrides: Sequence[str]) -> Path | None:
    """The newest sweep started with these overrides that has not been ranked and has no process, or None."""
    found = []
    for record in Path(root).glob(f"sweeps/*/{SWEEP_NAME}"):
        sweep = record.parent
        with skipping_damaged(sweep):
            same = sorted(read_json(record)["overrides"]) == sorted(overrides)
            if same and not (sweep / RANKING_NAME).exists() and not is_taken(sweep):
                found.append(sweep)
    return max(found, key=lambda sweep: (sweep / SWEEP_NAME).stat().st_mtime, default=None)


def remove_unused(run: Path, runs_dir: str | Path) -> None:
    """Remove the folder of a run that was refused before it made anything, and what is empty then up to `runs_dir`."""
    files = (path.relative_to(run) for path in run.rglob("*") if not path.is_dir())
    if any(path.parts[0] not in _BEFORE_TRAINING for path in files):
        return
    shutil.rmtree(run)
    around = [folder for folder in run.resolve().parents if folder.is_relative_to(Path(runs_dir).resolve())]
    with suppress(OSError):  # from the first on that holds something else
        for folder in around:
            folder.rmdir()


def last_checkpoint(run: Path) -> Path | None:
    """Where the run's newest checkpoint belongs, if that or the one before it is there."""
    path = run / LAST_CHECKPOINT
    return path if path.is_file() or previous_checkpoint(path).is_file() else None


def previous_checkpoint(path: Path) -> Path:
    """Where the checkpoint before the one at `path` is kept."""
    return path.with_name(f"{path.stem}.previous{path.suffix}")


def read_overrides(run: Path) -> list[str]:
    """The command-line overrides that a run was started with, but for `resume` and `finish`.

    Raises FileNotFoundError if there is no run, ValueError if its record is damaged; an empty file is no record.
    """
    path = run / ".hydra" / "overrides.yaml"
    if not path.is_file():
        raise FileNotFoundError(f"{run}: no run here ({path} is missing); give a folder that a training has made")
    if path.stat().st_size > _LARGEST_RECORD_BYTES:
        raise ValueError(f"{path}: {path.stat().st_size / 1e6:.1f} MB, a record has a few lines; it cannot be resumed")
    try:
        items = yaml.safe_load(path.read_text("utf-8"))
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        raise ValueError(f"{path}: damaged ({str(error).splitlines()[0]:.80}); the run cannot be resumed") from error
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise ValueError(f"{path}: damaged: expected the list of what the run was started with; it cannot be resumed")
    return [item for item in items if not item.startswith(("resume=", "finish="))]


def read_summary(run: Path) -> dict[str, Any]:
    """What a finished training wrote about itself. Raises FileNotFoundError, or ValueError for a damaged record."""
    path = run / SUMMARY_NAME
    if not path.is_file():
        raise FileNotFoundError(f"{run}: no finished training here ({SUMMARY_NAME} is missing); give its run folder")
    try:
        summary = read_json(path, 100_000_000)  # it names every photo that was left out
    except ValueError as error:
        raise ValueError(f"{error}; the run's record is damaged") from error
    if not isinstance(summary, dict):
        raise ValueError(f"{path}: a {type(summary).__name__}, expected a mapping; the run's record is damaged")
    wrong = [key for key, kind in _SUMMARY.items() if key in summary and not isinstance(summary[key], kind)]
    runs = summary.get("prerequisites", {})
    if not wrong and not all(value is None or isinstance(value, str) for value in runs.values()):
        wrong = ["prerequisites"]
    if wrong:
        raise ValueError(f"{path}: {wrong[0]} is {summary[wrong[0]]!r:.60}; the run's record is damaged")
    return summary


def ranked_figure(figures: Mapping[str, float], rank_by: str) -> float:
    """What sweeps go by: the figure of that name, or the accuracy of what classifies."""
    return figures[rank_by if rank_by in figures or "accuracy" not in figures else "accuracy"]


def headline(summary: dict[str, Any]) -> str:
    """The one figure that says how good a finished run is. Raises ValueError if there is none."""
    if not {"psnr_y", "accuracy"} & summary.keys():
        raise ValueError(f"{SUMMARY_NAME} has neither psnr_y nor accuracy; the run's record is damaged")
    return f"{summary['psnr_y']:.2f} dB" if "psnr_y" in summary else f"accuracy {summary['accuracy']:.3f}"
