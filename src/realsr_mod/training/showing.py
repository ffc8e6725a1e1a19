"""What a training says when it has finished."""

from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from realsr_mod.metrics.named import METRICS
from realsr_mod.training.runs import headline
from realsr_mod.weights.locate import SUMMARY_NAME


def show(summary: dict[str, Any], run: Path, is_job_of_sweep: bool = False) -> None:
    """Print the figures of a finished run as a small table, and where to find things.

    What is still below bicubic upscaling is told to train on, but for the jobs of a sweep, which ranks them beside
    bicubic in the end and may have been short on purpose.
    """
    title = f"{summary['name']}: {summary['steps']} steps in {summary['seconds']:.0f} s"
    console = Console()
    if "psnr_y" in summary:
        table = Table(title=title)
        table.add_column("validation photos")
        table.add_column("PSNR-Y (dB)", justify="right")
        table.add_column("SSIM-Y", justify="right")
        more = [metric for metric in METRICS.values() if metric.name in summary][2:]
        for metric in more:
            table.add_column(metric.title, justify="right")
        rest = [metric.shown(summary[f"bicubic_{metric.name}"]) for metric in more]
        table.add_row("bicubic", f"{summary['bicubic_psnr_y']:.2f}", f"{summary['bicubic_ssim_y']:.4f}", *rest)
        rest = [metric.shown(summary[metric.name]) for metric in more]
        table.add_row(summary["name"], f"{summary['psnr_y']:.2f}", f"{summary['ssim_y']:.4f}", *rest, style="bold")
        console.print(table)
        if "degradation_share" in summary:
            console.print(f"degradation explains {summary['degradation_share']:.0%} of its representation's variance")
        if summary["psnr_y"] < summary["bicubic_psnr_y"] and not is_job_of_sweep:
            console.print(
                f"below bicubic upscaling: train on, with start_from={shown(run)} and more trainer.max_steps "
                "(GANs trade PSNR for texture: there, judge by the images)",
                highlight=False, soft_wrap=True,
            )  # fmt: skip
    else:
        console.print(f"{title}, {headline(summary)}", highlight=False)
    console.print(f"model     {shown(run / summary['model'])}", highlight=False, soft_wrap=True)
    if summary.get("other_model"):
        best = summary["best"]
        said = (
            f"best on validation, step {best['step']}: {best['figure']:.4g}"
            if summary["released"] == "last"
            else "last"
        )
        console.print(f"          {shown(run / summary['other_model'])} ({said})", highlight=False, soft_wrap=True)
    if (run / "images").is_dir():
        console.print(f"images    {shown(run / 'images' / 'latest.png')}", highlight=False, soft_wrap=True)
    console.print(f"summary   {shown(run / SUMMARY_NAME)}", highlight=False, soft_wrap=True)


def shown(path: Path) -> Path:
    """A path as a person would write it: relative to the current folder where it lies inside."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
