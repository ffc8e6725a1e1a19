"""Does distillation help? Teachers, their students, and the same networks without a teacher, over several seeds.

    python benchmarks/distillation.py path/to/Set14
    python benchmarks/distillation.py path/to/Set14 --train-on path/to/BSDS400

Trains with the real commands (finished runs are taken as they are, interrupted ones go on), measures every model
on the photos of the given folder under isotropic blur, and prints means and each seed. A student is compared with the
same network trained alone for as many steps as the student, and for as many as teacher and student together; or, where
several students share a teacher, for its own and its share of the teacher's:

    python benchmarks/distillation.py path/to/Set14 --teacher-steps 6000 --sharing 1,3 --no-half
"""

import json
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

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


def summary_of(run: Path) -> dict[str, Any]:
    """What a finished run says of itself."""
    summary: dict[str, Any] = json.loads((run / SUMMARY_NAME).read_text())
    return summary


def measured(run: Path, photos: Path, protocol: str = "iso") -> dict[str, float]:
    """Mean figures of a run's model on `photos` under a protocol; measured once, kept in the run's folder."""
    output = run / f"{protocol}_{photos.name}.json"
    if not output.is_file():
        place = f"hydra.run.dir={run / 'evaluation'}"
        command("evaluate", f"model={run}", f"data.root={photos}", f"protocol={protocol}", f"output={output}", place)
    return next(row for row in json.loads(output.read_text())["summary"] if row["set"] == "all")


EQUAL_STEPS = "alone, the student's steps"
HALF, HALF_ALONE = "student of half the blocks", "alone, half the blocks"


def equal_in_all(students: int) -> str:
    """What the table calls the control that trains as long as a teacher and its students, each its share."""
    return f"alone, and 1/{students} of the teacher's" if students > 1 else "alone, teacher's and student's steps"


@dataclass(frozen=True)
class Plan:
    """Where the trainings of one seed go and what they have in common."""

    runs: Path
    seed: str
    common: tuple[str, ...]
    teacher_steps: int | None  # None: as its experiment says
    sharing: tuple[int, ...]  # by how many students the teacher's steps are divided, for a control each

    def train(self, name: str, experiment: str, *changes: str) -> Path:
        """One run of this seed."""
        given = (f"experiment={experiment}", f"seed={self.seed}", *self.common, *changes)
        return trained(self.runs, f"{name}_{self.seed}", *given)

    def everything(self, half: bool, blind_too: bool) -> dict[str, Path]:
        """All runs of this seed, in the table's order, by what the table calls them."""
        length = [] if self.teacher_steps is None else [f"trainer.max_steps={self.teacher_steps}"]
        teacher = self.train("teacher", "kdsr_teacher", *length)
        student = self.train("student", "kdsr_student", f"teacher={teacher}")
        alone = self.train("alone", "kdsr_student", "teacher=null")
        found = {"teacher (sees HR)": teacher, "student": student, EQUAL_STEPS: alone}
        for number in self.sharing:
            steps = summary_of(teacher)["steps"] // number + summary_of(student)["steps"]
            only = self.train(f"alone_{steps}", "kdsr_student", "teacher=null", f"trainer.max_steps={steps}")
            found[equal_in_all(number)] = only
        if half:
            small = "network.restorer_blocks=4"
            found[HALF] = self.train("half", "kdsr_student", f"teacher={teacher}", small)
            found[HALF_ALONE] = self.train("half_alone", "kdsr_student", "teacher=null", small)
        if blind_too:
            as_published = ("network.teacher_input=plain", "network.zero_dc_start=false")
            blind = self.train("blind_teacher", "kdsr_teacher", *as_published)
            found["teacher that reads HR as it is"] = blind
            found["its student"] = self.train("misled", "kdsr_student", f"teacher={blind}")
        return found


def cells(rows: list[dict[str, float]], runs: list[Path]) -> tuple[str, ...]:
    """A row of the table: PSNR-Y with each seed, its gain over bicubic, SSIM-Y, what degradation explains."""
    psnr = [row["psnr_y"] for row in rows]
    gain = statistics.mean(row["psnr_y"] - row["bicubic_psnr_y"] for row in rows)
    ssim = statistics.mean(row["ssim_y"] for row in rows)
    shares = ", ".join(f"{summary_of(run)['degradation_share']:.0%}" for run in runs)
    each = ", ".join(f"{value:.2f}" for value in psnr)
    return f"{statistics.mean(psnr):.2f} ({each})", f"{gain:+.2f}", f"{ssim:.4f}", shares


def difference(figures: dict[str, list[dict[str, float]]], one: str, other: str) -> str:
    """How much better `one` is than `other`, seed by seed."""
    gains = [a["psnr_y"] - b["psnr_y"] for a, b in zip(figures[one], figures[other], strict=True)]
    each = ", ".join(f"{gain:+.2f}" for gain in gains)
    return f"{one} over {other}: {statistics.mean(gains):+.2f} dB ({each})"


def main(
    photos: Annotated[Path, typer.Argument(help="Folder of HR photos to measure on, for example Set14.")],
    seeds: Annotated[str, typer.Option(help="Comma-separated seeds.")] = "0,1,2",
    runs: Annotated[Path, typer.Option(help="Where the trainings go.")] = Path("runs/distillation"),
    train_on: Annotated[Path | None, typer.Option(help="Folder to train on; the embedded photos if not given.")] = None,
    teacher_steps: Annotated[int | None, typer.Option(help="How long the teacher trains.")] = None,
    sharing: Annotated[str, typer.Option(help="By how many students its steps are divided, a control each.")] = "1",
    half: Annotated[bool, typer.Option(help="Also a student of half the blocks.")] = True,
    blind: Annotated[bool, typer.Option(help="Also a teacher that reads HR as published, and its student.")] = False,
    change: Annotated[list[str] | None, typer.Option(help="An override for every training, KEY=VALUE.")] = None,
) -> None:
    """Train, measure, and print PSNR-Y over bicubic for teachers, students, and students without a teacher."""
    data = [] if train_on is None else ["data=folder", f"data.root={train_on}", "data.batch_size=8"]
    controls = tuple(int(number) for number in sharing.split(","))
    figures: dict[str, list[dict[str, float]]] = {}
    found: dict[str, list[Path]] = {}
    for seed in seeds.split(","):
        plan = Plan(runs, seed, (*data, *(change or ())), teacher_steps, controls)
        for name, run in plan.everything(half, blind).items():
            figures.setdefault(name, []).append(measured(run, photos))
            found.setdefault(name, []).append(run)
    table = Table(title=f"{photos.name}, σ 1.2, 2.4, 3.6; mean over seeds {seeds} (each seed)")
    for column in ("model", "PSNR-Y (dB)", "over bicubic", "SSIM-Y", "explained by degradation"):
        table.add_column(column, justify="left" if column == "model" else "right")
    for name, rows in figures.items():
        table.add_row(name, *cells(rows, found[name]))
    console = Console(width=130)
    console.print(table)
    for one, other in (
        *(("student", name) for name in (EQUAL_STEPS, *map(equal_in_all, controls))),
        (HALF, HALF_ALONE),
        ("its student", EQUAL_STEPS),
    ):
        if one in figures:
            console.print(difference(figures, one, other), highlight=False)


if __name__ == "__main__":
    typer.run(main)
