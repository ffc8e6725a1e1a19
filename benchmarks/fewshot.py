"""Is DRTL worth it? Few pairs of a real camera, few steps on them, and several places to begin from.

    python benchmarks/fewshot.py path/to/training_photos path/to/camera

The camera's folder holds `train` and `test`, each with HR/ and LR/ (x2). One network per seed learns all auxiliary
distortions alike; from there it goes on in each way for as long again as half of that: all alike, or by the relation to
the camera. Then each is fine-tuned on pairs of `train`, and measured on the centre of every image of `test`, on which
nothing is ever chosen. The relation sees one pair of 128 px, the smallest support. Before any of that, how well does a
relation foretell transfer? For every distortion a network goes on with it alone, and is measured without fine-tuning.

What is finished is kept under --runs and not done again; seeds can be computed side by side.
"""

import logging
import statistics
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import torch
import typer
from fewshot_study import CURVE, EQUAL, GRADIENT, LIKENESS, SCALE, SUPPORTS, TEMPERATURE, WAYS, Study
from rich.console import Console
from rich.table import Table
from safetensors.torch import load_file
from scipy.stats import spearmanr

from realsr_mod.degradations.resize import resize


def spread(values: Sequence[float], form: str) -> str:
    """Mean of the seeds, and half of what lies between the least and the most."""
    return f"{statistics.mean(values):{form}} ±{(max(values) - min(values)) / 2:.2f}"


def foretold(studies: Sequence[Study]) -> Table:
    """Rank correlation of each relation with transfer."""
    table = Table(title="Does a relation foretell transfer? Spearman over the distortions")
    table.add_column("relation")
    table.add_column("all", justify="right")
    table.add_column("without those that sharpen", justify="right")
    transfers = [study.noted("transfer", study.transfer) for study in studies]
    for name in (GRADIENT, "cosine of scaled gradients", "cosine of gradients", LIKENESS):
        row = [name]
        for without in (None, "sharpened"):
            found = []
            for study, transfer in zip(studies, transfers, strict=True):
                index = [i for i, task in enumerate(study.found["names"]) if without is None or without not in task]
                found.append(spearmanr([study.found[name][i] for i in index], [transfer[i] for i in index]).statistic)
            row.append(spread(found, "+.2f"))
        table.add_row(*row)
    return table


def weighed(studies: Sequence[Study]) -> Table:
    """What counts how much, and what each distortion alone is worth."""
    table = Table(title="Weights of the distortions, and PSNR-Y after a little of each alone: means of the seeds")
    for column in ("distortion", "gradient", "likeness", "alone (dB)"):
        table.add_column(column, justify="left" if column == "distortion" else "right")
    names = studies[0].found["names"]
    gradient = torch.tensor([study.found[GRADIENT] for study in studies]).div(TEMPERATURE).softmax(1).mean(0)
    likeness = torch.tensor([study.found["likeness weights"] for study in studies]).mean(0)
    alone = torch.tensor([study.noted("transfer", study.transfer) for study in studies]).mean(0)
    for k in alone.argsort(descending=True).tolist():
        table.add_row(names[k], f"{gradient[k]:.2f}", f"{likeness[k]:.2f}", f"{alone[k]:.2f}")
    return table


def curves(studies: Sequence[Study], support: str, ways: Sequence[str]) -> Table:
    """PSNR-Y over steps of fine-tuning on one support; the area is the mean over steps on a logarithmic axis."""
    count, side = SUPPORTS[support]
    pairs = f"{count} pair{'s' * (count > 1)}" + (f" of {side} px" if side else "")
    table = Table(title=f"{pairs}: PSNR-Y (dB) by steps of fine-tuning")
    table.add_column("begins with")
    for column in (*map(str, CURVE), "area"):
        table.add_column(column, justify="right")
    rows = {way: [list(study.curve(way, support).values()) for study in studies] for way in ways}
    for way, values in rows.items():
        table.add_row(way, *(spread(column, ".2f") for column in zip(*[[*v, area(v)] for v in values], strict=True)))
    if EQUAL in rows and GRADIENT in rows:
        gains = [
            [a - b for a, b in zip([*g, area(g)], [*e, area(e)], strict=True)]
            for g, e in zip(rows[GRADIENT], rows[EQUAL], strict=True)
        ]
        table.add_row("gradient over equal", *(spread(column, "+.2f") for column in zip(*gains, strict=True)))
    return table


def area(values: Sequence[float]) -> float:
    """Mean height of a curve over log(1 + steps)."""
    places = torch.tensor(CURVE).double().log1p()
    return (torch.trapezoid(torch.tensor(values).double(), places) / (places[-1] - places[0])).item()


def main(
    photos: Annotated[Path, typer.Argument(help="Folder of HR photos to pre-train on, for example BSDS.")],
    camera: Annotated[Path, typer.Argument(help="Folder with train/ and test/, each with HR/ and LR/.")],
    seeds: Annotated[str, typer.Option(help="Comma-separated seeds.")] = "0,1,2",
    supports: Annotated[str, typer.Option(help="Comma-separated: 128 (one pair of 128 px), 1, 4, 10.")] = "128,1,4,10",
    begin: Annotated[str, typer.Option(help="Comma-separated: what fine-tuning begins with.")] = ",".join(WAYS),
    foretell: Annotated[bool, typer.Option(help="Measure what each distortion alone is worth.")] = True,
    channels: Annotated[int, typer.Option(help="Feature channels of the SRResNet.")] = 16,
    blocks: Annotated[int, typer.Option(help="Its residual blocks.")] = 4,
    runs: Annotated[Path, typer.Option(help="Where weights and figures go.")] = Path("runs/fewshot"),
) -> None:
    """Train, measure, and print what a relation foretells and what it is worth."""
    torch.set_num_threads(1)
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore")
    folder = runs.resolve() / f"{channels}x{blocks}"
    folder.mkdir(parents=True, exist_ok=True)
    network = ["network=srresnet", f"network.channels={channels}", f"network.num_blocks={blocks}"]
    chosen = [int(seed) for seed in seeds.split(",")]
    studies = [Study(photos.resolve(), camera.resolve(), folder, network, seed) for seed in chosen]
    plan = {support: ways(support, begin.split(",")) for support in supports.split(",")}
    for support, chosen_ways in plan.items():  # the few-shot corner first
        for study in studies:
            for way in chosen_ways:
                study.curve(way, support)
    tables = [curves(studies, support, chosen_ways) for support, chosen_ways in plan.items()]
    if foretell:
        tables = [foretold(studies), weighed(studies), *tables]
    console = Console(width=120)
    bicubic = studies[0].measure(lambda lr: resize(lr, scale=SCALE))
    size = sum(value.numel() for value in load_file(studies[0].general).values())
    about = f"{camera.name}, x{SCALE}: SRResNet of {size} parameters; bicubic {bicubic:.2f} dB"
    console.print(f"{about}; seeds {seeds}, mean ± half the range")
    for table in tables:
        console.print(table)


def ways(support: str, wanted: Sequence[str]) -> list[str]:
    """What fine-tuning on this support begins with; likeness at the small end alone."""
    return [way for way in WAYS if way in wanted and (way != LIKENESS or support == "128")]


if __name__ == "__main__":
    typer.run(main)
