"""What a sweep shows when its jobs are done."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig
from rich.console import Console
from rich.table import Table

from realsr_mod.metrics.named import MetricName, metric_named
from realsr_mod.runtime.files import read_json, write_json
from realsr_mod.training.pruning import read_pruned
from realsr_mod.training.runs import (
    FAILURE_NAME,
    PRUNED_NAME,
    RANKING_NAME,
    SWEEP_NAME,
    read_overrides,
    read_summary,
)
from realsr_mod.weights.locate import SUMMARY_NAME, skipping_damaged

_SHOWN = {"psnr_y", "ssim_y", "bicubic_psnr_y"}


def _place(job: dict[str, Any], metric: MetricName) -> tuple[bool, float]:
    """Where a job stands: those without the figure last, by their accuracy if they have one."""
    if not isinstance(job.get(metric.name), float | int):
        return True, -float(job.get("accuracy", 0))
    value = float(job[metric.name])
    return False, -value if metric.higher_is_better else value


def _pruned(folder: Path, common: set[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    """What each trial that was ended early had of its own, and its mark."""
    for run in sorted((path.parent for path in folder.glob(f"*/{PRUNED_NAME}")), key=lambda run: (len(run.name), run)):
        with skipping_damaged(run):
            if not (run / SUMMARY_NAME).is_file() and (mark := read_pruned(run)):
                yield " ".join(item for item in read_overrides(run) if item not in common), mark


class Ranking(Callback):
    """After a multirun, print its jobs by `rank_by` (or accuracy), best first, and write them to `ranking.json` in the
    sweep's folder.

    Reads the jobs' own summaries, so it works with every launcher. At the start it writes down what the sweep was asked
    for, so that the same command with `resume=auto` finds it.
    """

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        folder = Path(config.hydra.sweep.dir)
        folder.mkdir(parents=True, exist_ok=True)
        overrides = [item for item in config.hydra.overrides.task if not item.startswith("resume=")]
        write_json(folder / SWEEP_NAME, {"overrides": overrides})

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        folder = Path(config.hydra.sweep.dir)
        jobs, failures = [], {}
        for run in (path.parent for path in folder.glob(f"*/{SUMMARY_NAME}")):
            with skipping_damaged(run):
                summary = read_summary(run)
                if not summary.keys() >= _SHOWN and not isinstance(summary.get("accuracy"), float):
                    raise ValueError(f"{SUMMARY_NAME} lacks the figures of a training")
                jobs.append({"overrides": read_overrides(run), "run": str(run), **summary})
        for run in (path.parent for path in sorted(folder.glob(f"*/{FAILURE_NAME}"))):
            with skipping_damaged(run):
                failures[" ".join(read_overrides(run))] = read_json(run / FAILURE_NAME)["error"]
        common = set.intersection(*(set(job["overrides"]) for job in jobs)) if len(jobs) > 1 else set()
        metric = metric_named(config.get("rank_by", "psnr_y"))
        jobs.sort(key=lambda job: _place(job, metric))
        write_json(folder / RANKING_NAME, jobs)
        table = Table(title=f"{len(jobs)} jobs, best first")
        restores = any("psnr_y" in job for job in jobs)
        own_column = metric.name not in ("psnr_y", "ssim_y")
        figures = ("PSNR-Y (dB)", "over bicubic", "SSIM-Y", *([metric.title] if own_column else []))
        for column in (*(figures if restores else ("accuracy",)), "overrides"):
            table.add_column(column, justify="left" if column == "overrides" else "right")
        for job in jobs:
            own = " ".join(item for item in job["overrides"] if item not in common)
            if "psnr_y" in job:
                gain = job["psnr_y"] - job["bicubic_psnr_y"]
                more = (
                    [metric.shown(job[metric.name]) if isinstance(job.get(metric.name), float) else "–"]
                    if own_column
                    else []
                )
                table.add_row(f"{job['psnr_y']:.3f}", f"{gain:+.3f}", f"{job['ssim_y']:.4f}", *more, own)
            elif restores:  # one that classifies, among others that restore
                table.add_row(f"accuracy {job['accuracy']:.3f}", *[""] * (len(figures) - 1), own)
            else:
                table.add_row(f"{job['accuracy']:.3f}", own)
        Console().print(table)
        for own, mark in _pruned(folder, common):
            print(f"ended early, after step {mark['step']}: {own}")
        for overrides, error in failures.items():
            print(f"failed: {overrides}\n  {error}")
