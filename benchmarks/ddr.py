"""Do networks see the degradation or the content? DDR's claims, and KDSR's, over several seeds.

    python benchmarks/ddr.py path/to/BSDS400 path/to/BSD100

Trains SRResNet with and without global residual, and SRGAN from the former, with the real commands on the first
folder (finished runs are taken as they are, interrupted ones go on). Shows each the photos of the second folder under
DDR's degradations, and prints the Calinski–Harabasz index by degradation and by content, how far each degradation
lies from clean images, and how often a linear probe names the degradation of an unseen photo.
With `--kdsr runs/distillation`, also the runs of benchmarks/distillation.py.
"""

import json
import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from distillation import command, trained
from rich.console import Console
from rich.table import Table

SRRESNET = {
    "residual": "SRResNet",
    "plain": "SRResNet, no global residual",
    "srgan": "SRGAN (from SRResNet)",
}
KDSR = {"teacher": "KDSR teacher (sees HR)", "student": "KDSR student", "alone": "the same, no teacher"}
Figures = dict[str, Any]


def train_all(runs: Path, photos: Path, seed: str) -> dict[str, Path]:
    """The three networks of one seed."""
    given = ["data=folder", f"data.root={photos}", "data.batch_size=8", "data.num_workers=0", f"seed={seed}"]
    residual = trained(runs, f"residual_{seed}", "experiment=srresnet", *given)
    plain = trained(runs, f"plain_{seed}", "experiment=srresnet", "network.global_residual=false", *given)
    srgan = trained(runs, f"srgan_{seed}", "experiment=srgan", *given, f"start_from={residual}")
    return {"residual": residual, "plain": plain, "srgan": srgan}


def explored(run: Path, photos: Path, conditions: str, pool: str, taps: str = "null") -> Figures:
    """What the explorer finds at a run's tap; measured once, kept in the run's folder."""
    folder = run / f"explore_{photos.name}_{conditions}_{pool}"
    if not (folder / "figures.json").is_file():
        options = [f"conditions={conditions}", f"pool={pool}", f"taps={taps}"]
        options += [f"output={folder}", f"hydra.run.dir={folder}"]
        command("explore", f"model={run}", f"data.root={photos}", *options)
    return json.loads((folder / "figures.json").read_text())["studies"][0]


def cell(rows: Sequence[Figures], value: Callable[[Figures], float], spec: str) -> str:
    """Mean over the seeds, and in brackets each one."""
    values = [value(row) for row in rows]
    return f"{statistics.mean(values):{spec}} ({', '.join(format(one, spec) for one in values)})"


def print_indices(figures: dict[str, list[Figures]], title: str) -> None:
    """One row per network: indices by both labels, silhouette, probes."""
    table = Table(title=title)
    table.add_column("network")
    columns: dict[str, tuple[Callable[[Figures], float], str]] = {
        "CHI degradation": (lambda row: row["chi_degradation"], ".2f"),
        "CHI content": (lambda row: row["chi_content"], ".1f"),
        "in the plane: degradation": (lambda row: row["plane_chi_degradation"], ".1f"),
        "content": (lambda row: row["plane_chi_content"], ".1f"),
        "linear probe %": (lambda row: 100 * row["linear"], ".0f"),
        "neighbours %": (lambda row: 100 * row["knn"], ".0f"),
    }
    for name in columns:
        table.add_column(name, justify="right")
    for name, rows in figures.items():
        table.add_row(name, *(cell(rows, value, spec) for value, spec in columns.values()))
    table.caption = f"chance {100 * next(iter(figures.values()))[0]['chance']:.1f} %"
    Console(width=170).print(table)


def print_growth(figures: dict[str, list[Figures]], key: str, title: str) -> None:
    """One row per network: the figure `key` of each degradation against clean, mean over the seeds."""
    table = Table(title=title)
    table.add_column("network")
    conditions = next(iter(figures.values()))[0]["conditions"]
    for name in conditions[1:]:
        table.add_column(name, justify="right")
    for name, rows in figures.items():
        means = [statistics.mean(row[key][k] for row in rows) for k in range(1, len(conditions))]
        table.add_row(name, *(f"{mean:.2f}" for mean in means))
    Console(width=140).print(table)


def main(
    training: Annotated[Path, typer.Argument(help="Folder of photos to train on, for example BSDS400.")],
    photos: Annotated[Path, typer.Argument(help="Folder of other photos to look at, for example BSD100.")],
    seeds: Annotated[str, typer.Option(help="Comma-separated seeds.")] = "0,1,2",
    runs: Annotated[Path, typer.Option(help="Where the trainings go.")] = Path("runs/ddr"),
    kdsr: Annotated[Path | None, typer.Option(help="Runs of benchmarks/distillation.py, to look at them too.")] = None,
) -> None:
    """Train, look, and print the tables."""
    networks: dict[str, list[Path]] = {}
    for seed in seeds.split(","):
        for name, run in train_all(runs, training, seed).items():
            networks.setdefault(SRRESNET[name], []).append(run)
    of_kdsr = {KDSR[name]: [kdsr / f"{name}_{seed}" for seed in seeds.split(",")] for name in KDSR} if kdsr else {}
    by_pool = {"mean": "mean of the feature map", "flatten": "every position of the feature map"}
    for pool, what in by_pool.items():
        figures = {name: [explored(run, photos, "ddr", pool) for run in group] for name, group in networks.items()}
        print_indices(figures, f"{photos.name}, DDR's degradations, last block, {what}; mean (each seed)")
        print_growth(figures, "chi_from_clean", f"CHI of each degradation against clean, {what}")
        print_growth(figures, "srga", f"SRGA of each degradation against clean, {what}")
    for grid in ("ddr", "blur") if of_kdsr else ():
        figures = {
            name: [explored(run, photos, grid, "mean", "embedding") for run in group] for name, group in of_kdsr.items()
        }
        print_indices(figures, f"{photos.name}, conditions={grid}, KDSR's IDR; mean (each seed)")


if __name__ == "__main__":
    typer.run(main)
