"""Does distillation help? Teacher, students, and the same network without a teacher, over several seeds.

    python benchmarks/distillation.py path/to/Set14

Trains with the real commands (finished runs are taken as they are, interrupted ones go on), measures every model
on the photos of the given folder under isotropic blur, and prints the mean and spread over the seeds.
"""

import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from realsr_mod.weights.locate import SUMMARY_NAME


def command(module: str, *arguments: str) -> None:
    """Run `python -m realsr_mod.MODULE ARGUMENTS`; its own message stands if it fails."""
    if subprocess.run([sys.executable, "-m", f"realsr_mod.{module}", *arguments], check=False).returncode:
        sys.exit(1)


def trained(runs: Path, name: str, *arguments: str) -> Path:
    """The finished run `runs/name`, trained now if need be."""
    folder = runs / name
    if not (folder / SUMMARY_NAME).is_file():
        started = (folder / ".hydra").is_dir()
        begin = [f"resume={folder}"] if started else [*arguments, f"hydra.run.dir={folder}"]
        command("train", *begin)
    return folder


def steps_of(run: Path) -> int:
    """How many steps a finished run has trained for."""
    return json.loads((run / SUMMARY_NAME).read_text())["steps"]


def measured(run: Path, photos: Path, protocol: str = "iso") -> dict[str, float]:
    """Mean figures of a run's model on `photos` under a protocol; measured once, kept in the run's folder."""
    output = run / f"{protocol}_{photos.name}.json"
    if not output.is_file():
        place = f"hydra.run.dir={run / 'evaluation'}"
        command("evaluate", f"model={run}", f"data.root={photos}", f"protocol={protocol}", f"output={output}", place)
    return next(row for row in json.loads(output.read_text())["summary"] if row["set"] == "all")


def main(
    photos: Annotated[Path, typer.Argument(help="Folder of HR photos to measure on, for example Set14.")],
    seeds: Annotated[str, typer.Option(help="Comma-separated seeds.")] = "0,1,2",
    runs: Annotated[Path, typer.Option(help="Where the trainings go.")] = Path("runs/distillation"),
) -> None:
    """Train, measure, and print PSNR-Y over bicubic for teacher, student, and student without teacher."""
    figures: dict[str, list[dict[str, float]]] = {}
    for seed in seeds.split(","):
        given = f"seed={seed}"
        teacher = trained(runs, f"teacher_{seed}", "experiment=kdsr_teacher", given)
        taught = ("experiment=kdsr_student", given, f"teacher={teacher}")
        student = trained(runs, f"student_{seed}", *taught)
        heavy = trained(runs, f"student_kl1_{seed}", *taught, "method.distillation_weight=1")
        steps = f"trainer.max_steps={steps_of(teacher) + steps_of(student)}"  # as many as both stages together
        alone = trained(runs, f"alone_{seed}", "experiment=kdsr_student", given, "teacher=null", steps)
        found = {
            "teacher (sees HR)": teacher,
            "student": student,
            "student, KL weighs 1": heavy,
            "student, no teacher": alone,
        }
        for name, run in found.items():
            figures.setdefault(name, []).append(measured(run, photos))
    table = Table(title=f"{photos.name}, σ 1.2, 2.4, 3.6; mean over seeds {seeds} (each seed)")
    for column in ("model", "PSNR-Y (dB)", "over bicubic", "SSIM-Y"):
        table.add_column(column, justify="left" if column == "model" else "right")
    for name, rows in figures.items():
        psnr = [row["psnr_y"] for row in rows]
        gain = statistics.mean(row["psnr_y"] - row["bicubic_psnr_y"] for row in rows)
        each = ", ".join(f"{value:.2f}" for value in psnr)
        ssim = statistics.mean(row["ssim_y"] for row in rows)
        table.add_row(name, f"{statistics.mean(psnr):.2f} ({each})", f"{gain:+.2f}", f"{ssim:.4f}")
    Console(width=100).print(table)


if __name__ == "__main__":
    typer.run(main)
