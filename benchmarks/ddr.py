"""Do networks see the degradation or the content? DDR's claims, and KDSR's, over several seeds.

    python benchmarks/ddr.py path/to/BSDS400 path/to/BSD100

Trains SRResNet with and without global residual, and SRGAN from the former, with the real commands on the first
folder (finished runs are taken as they are, interrupted ones go on). Shows each the photos of the second folder under
DDR's degradations, and prints the Calinski–Harabasz index by degradation and by content, how far each degradation
lies from clean images, how often a linear probe names the degradation of an unseen photo, and SRGA as its authors take
it: of the last layer, at every position, of 800 patches.
With `--kdsr runs/distillation`, also the runs of benchmarks/distillation.py.
"""

import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from distillation import command, trained
from rich.console import Console
from rich.table import Table

from realsr_mod.analysis.contents import load_contents
from realsr_mod.analysis.embeddings import collect
from realsr_mod.analysis.grid import DegradedImages
from realsr_mod.analysis.indices import srga
from realsr_mod.runtime.compose import compose, instantiate
from realsr_mod.weights.release import load_model

SRRESNET = {
    "residual": "SRResNet",
    "plain": "SRResNet, no global residual",
    "srgan": "SRGAN (from SRResNet)",
}
PATCHES, PATCH_PX, LAST_LAYER = 800, 64, "refine"  # of SRGA
KDSR = {"teacher": "KDSR teacher (sees HR)", "student": "KDSR student", "alone": "the same, no teacher"}
Figures = dict[str, Any]


def train_all(runs: Path, photos: Path, seed: str, steps: int, gan_steps: int, changes: list[str]) -> dict[str, Path]:
    """The three networks of one seed."""
    given = ["data=folder", f"data.root={photos}", "data.batch_size=8", "data.num_workers=0", f"seed={seed}", *changes]
    alone, game = (["experiment=srresnet", f"trainer.max_steps={steps}"], f"trainer.max_steps={gan_steps}")
    residual = trained(runs, f"residual_{seed}", *alone, *given)
    plain = trained(runs, f"plain_{seed}", *alone, "network.global_residual=false", *given)
    srgan = trained(runs, f"srgan_{seed}", "experiment=srgan", game, *given, f"start_from={residual}")
    return {"residual": residual, "plain": plain, "srgan": srgan}


def explored(run: Path, photos: Path, conditions: str, pool: str, taps: str = "null") -> Figures:
    """What the explorer finds at a run's tap; measured once, kept in the run's folder."""
    folder = run / f"explore_{photos.name}_{conditions}_{pool}"
    if not (folder / "figures.json").is_file():
        options = [f"conditions={conditions}", f"pool={pool}", f"taps={taps}"]
        options += [f"output={folder}", f"hydra.run.dir={folder}"]
        command("explore", f"model={run}", f"data.root={photos}", *options)
    figures: Figures = json.loads((folder / "figures.json").read_text())["studies"][0]
    return figures


def generalization(run: Path, photos: Path) -> Figures:
    """SRGA of each of DDR's conditions against clean; measured once, kept in the run's folder."""
    output = run / f"srga_{photos.name}.json"
    if not output.is_file():
        network = load_model(run)
        grid = instantiate(compose("explore", ["conditions=ddr"]).conditions)
        images = DegradedImages.make(load_contents(photos, PATCH_PX, PATCHES), grid, network.scale)
        features = (  # one condition at a time: those of all would fill the memory
            collect(network, of_condition(images, k), [LAST_LAYER], "flatten")[LAST_LAYER]
            for k in range(len(grid.conditions))
        )
        clean = next(features)
        scores = [srga(clean, degraded) for degraded in features]
        output.write_text(json.dumps({"conditions": images.condition_names, "srga": [None, *scores]}))
    figures: Figures = json.loads(output.read_text())
    return figures


def of_condition(images: DegradedImages, condition: int) -> DegradedImages:
    """Those of one condition alone."""
    rows = images.condition_N == condition
    lr = images.lr_N3hw[torch.from_numpy(rows)]
    return replace(images, lr_N3hw=lr, condition_N=images.condition_N[rows], content_N=images.content_N[rows])


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
    steps: Annotated[int, typer.Option(help="How long SRResNets train.")] = 1200,
    gan_steps: Annotated[int, typer.Option(help="And how long SRGAN goes on.")] = 400,
    change: Annotated[list[str] | None, typer.Option(help="An override for every training, KEY=VALUE.")] = None,
    runs: Annotated[Path, typer.Option(help="Where trainings go, of one length a place.")] = Path("runs/ddr"),
    kdsr: Annotated[Path | None, typer.Option(help="Runs of benchmarks/distillation.py, to look at them too.")] = None,
) -> None:
    """Train, look, and print the tables."""
    networks: dict[str, list[Path]] = {}
    for seed in seeds.split(","):
        for name, run in train_all(runs, training, seed, steps, gan_steps, change or []).items():
            networks.setdefault(SRRESNET[name], []).append(run)
    of_kdsr = {KDSR[name]: [kdsr / f"{name}_{seed}" for seed in seeds.split(",")] for name in KDSR} if kdsr else {}
    by_pool = {"mean": "mean of the feature map", "flatten": "every position of the feature map"}
    for pool, what in by_pool.items():
        figures = {name: [explored(run, photos, "ddr", pool) for run in group] for name, group in networks.items()}
        print_indices(figures, f"{photos.name}, DDR's degradations, last block, {what}; mean (each seed)")
        print_growth(figures, "chi_from_clean", f"CHI of each degradation against clean, {what}")
    scores = {name: [generalization(run, photos) for run in group] for name, group in networks.items()}
    print_growth(
        scores, "srga", f"SRGA of each degradation against clean, last layer, {PATCHES} patches of {photos.name}"
    )
    for grid in ("ddr", "blur") if of_kdsr else ():
        figures = {
            name: [explored(run, photos, grid, "mean", "embedding") for run in group] for name, group in of_kdsr.items()
        }
        print_indices(figures, f"{photos.name}, conditions={grid}, KDSR's IDR; mean (each seed)")


if __name__ == "__main__":
    typer.run(main)
