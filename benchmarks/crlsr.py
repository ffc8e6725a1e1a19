"""What does each of CRL-SR's terms do? L1 alone, the published loss, and every change to it, over several seeds.

    python benchmarks/crlsr.py path/to/BSD400 path/to/Set14 path/to/BSD100

Trains on the first folder with the real commands (finished runs are taken as they are, interrupted ones go on),
measures every model on the other folders under a spatially variant degradation and under isotropic blur (once, kept
in its run's folder), and prints PSNR-Y; then how often the place that is nearest under another degradation is the same
one, by the remover's features as they are and without their local mean, which holds the color; and what was left of
L_bc at the end of the training, where guessing among 256 places is 5.5 nats. About twice as fast on a processor that
multiplies bf16: --change trainer.precision=bfloat16 --change method.channels_last=true

Legend: M places of an image.
"""

import json
import statistics
from functools import cache
from pathlib import Path
from typing import Annotated, NamedTuple

import torch
import typer
from distillation import trained
from omegaconf import OmegaConf
from rich.console import Console
from rich.table import Table
from torch import Tensor

from realsr_mod.analysis.evaluation import measure, summarize
from realsr_mod.analysis.models import Judged
from realsr_mod.data.protocols import Case, Seeded
from realsr_mod.degradations.stored import build_degradation, read_degradation
from realsr_mod.methods.crlsr.loss import cosines, without_local_mean
from realsr_mod.methods.crlsr.network import CRLSRNet, at_places
from realsr_mod.metrics.named import metric_named, named_measures
from realsr_mod.runtime.compose import compose, instantiate
from realsr_mod.runtime.files import write_json
from realsr_mod.runtime.rng import derive_seed
from realsr_mod.training.loggers import read_metrics
from realsr_mod.weights.release import build_network, load_restorer, read_config


class Variant(NamedTuple):
    """A loss: what it is called, the weights of L_bc, L_cc and L_rec, and other overrides of the training."""

    title: str
    weights: tuple[float, float, float]
    overrides: tuple[str, ...] = ()


WINDOW_PX = 5  # whose mean is taken away, in LR pixels
NO_COLOR = (f"method.local_mean_px={WINDOW_PX}",)
NEAR = (*NO_COLOR, "method.neighborhood_px=4")
TWICE = ("degradation=spatial_twice", "data.batch_size=4")  # as many rows as the others have
LEAVES_LR = ("method.conditional_negatives=degraded",)
VARIANTS = {
    "l1": Variant("L1", (0, 0, 0)),
    "bc": Variant("L1 + L_bc", (0.002, 0, 0)),
    "cc": Variant("L1 + L_cc + L_rec", (0, 0.01, 1)),
    "full": Variant("published form", (0.002, 0.01, 1)),
    "strong": Variant("L_bc 0.02", (0.02, 0, 0)),
    "no_color": Variant("L_bc 0.02, no local mean", (0.02, 0, 0), NO_COLOR),
    "near": Variant("... and near places", (0.02, 0, 0), NEAR),
    "twice": Variant("... and two draws", (0.02, 0, 0), (*NEAR, *TWICE)),
    "leaves_lr": Variant("L_cc + L_rec, away from LR", (0, 0.01, 1), LEAVES_LR),
    "leaves_lr_more": Variant("... with L_cc 0.05", (0, 0.05, 1), LEAVES_LR),
    "leaves_lr_most": Variant("... with L_cc 0.2", (0, 0.2, 1), LEAVES_LR),
}
METRICS = "psnr_y,ssim_y"
NUM_PLACES = 256  # of each image, for the cosines


class Nearness(NamedTuple):
    """Mean cosines of features under two degradations, and how often a place's nearest is itself."""

    same_place: float
    other_place: float
    found: float
    found_without_mean: float


def train(photos: Path, runs: Path, variant: str, seed: str, steps: int, changes: list[str]) -> Path:
    """The finished run of one variant and seed; all differ in the loss, or the pairs of rows it needs, alone."""
    data = ("data=folder", f"data.root={photos}", "data.batch_size=8", "data.num_workers=0", "data.val_crop_px=256")
    length = (f"trainer.max_steps={steps}", f"trainer.val_check_interval={steps}", "trainer.precision=float32")
    terms = zip(("bidirectional", "conditional", "reconstruction"), VARIANTS[variant].weights, strict=True)
    published = ("method.local_mean_px=null", "method.neighborhood_px=null", "method.conditional_negatives=encoded")
    weights = (f"method.{name}_weight={weight}" for name, weight in terms)
    given = (*data, *length, *published, *weights, *VARIANTS[variant].overrides, *changes)
    return trained(runs, f"{variant}_{seed}", "experiment=crlsr", f"seed={seed}", *given)


@cache
def cases_of(photos: Path, protocol: str) -> list[Case]:
    """The images to restore, made once for all models."""
    return list(instantiate(compose("evaluate", ["model=bicubic", f"protocol={protocol}"]).protocol).cases(photos))


def measured(run: Path, photos: Path, protocol: str, metrics: list[str]) -> dict[str, float]:
    """Mean figures of a run's model on `photos` under a protocol; measured once, kept in the run's folder."""
    output = run / f"{protocol}_{photos.name}_{'_'.join(metrics)}.json"
    if not output.is_file():
        model = Judged(run.name, str(run), load_restorer(run))
        for case in cases_of(photos, protocol):
            measure([model], photos.name, case, 4, named_measures(metrics), torch.device("cpu"), torch.float32)
        write_json(output, summarize(model.rows, metrics)[-1])
    figures: dict[str, float] = json.loads(output.read_text())
    return figures


@torch.no_grad()
def nearness(network: CRLSRNet, photos: Path) -> Nearness:
    """Compare the remover's features of every photo under two degradations."""
    figures = []
    for index, (one, other) in enumerate(pairs_of(photos, network.scale)):
        features = [network.remover(case.lr) for case in (one, other)]
        generator = torch.Generator().manual_seed(derive_seed(index))
        order = torch.randperm(one.lr.shape[-2] * one.lr.shape[-1], generator=generator)
        places = order[None, :NUM_PLACES]
        similarity_MM = cosines(*(at_places(each, places) for each in features))[0]
        without_MM = cosines(*(at_places(without_local_mean(each, WINDOW_PX), places) for each in features))[0]
        count, same = len(similarity_MM), similarity_MM.diagonal()
        others = (similarity_MM.sum() - same.sum()) / (count * (count - 1))
        figures.append((same.mean().item(), others.item(), share_found(similarity_MM), share_found(without_MM)))
    return Nearness(*(statistics.mean(values) for values in zip(*figures, strict=True)))


@cache
def pairs_of(photos: Path, scale: int) -> list[tuple[Case, Case]]:
    """Every photo under two degradations."""
    degradation = build_degradation(read_degradation("spatial_classic", scale))
    cases = list(Seeded(scale, degradation, seeds=(0, 1)).cases(photos))
    return list(zip(cases[::2], cases[1::2], strict=True))


def share_found(similarity_MM: Tensor) -> float:
    """How many places have themselves as their nearest."""
    return (similarity_MM.argmax(dim=1) == torch.arange(len(similarity_MM))).float().mean().item()


def untrained(run: Path, seed: str) -> CRLSRNet:
    """The network of a run as its seed makes it, with random weights."""
    torch.manual_seed(int(seed))
    network = build_network(read_config(run)["network"]).eval()
    assert isinstance(network, CRLSRNet)
    return network


def trained_network(run: Path) -> CRLSRNet:
    """The network that a run made."""
    network = load_restorer(run)
    assert isinstance(network, CRLSRNet)
    return network


def restoration_table(metric: str, figures: dict[str, dict[str, list[dict[str, float]]]], title: str) -> Table:
    """One metric of every variant by set and protocol: mean, each seed's, and what each differs by from the first's."""
    known = metric_named(metric)
    table = Table(title=f"{title}: {known.title}{' (dB)' if metric == 'psnr_y' else ''}")
    for column in ("set, protocol", "loss", "mean", "each seed", "difference", "each seed"):
        table.add_column(column, justify="left" if column in ("set, protocol", "loss") else "right")
    for name_of_set, rows in figures.items():
        first = next(iter(rows.values()))
        table.add_row(name_of_set, "bicubic", known.shown(first[0][f"bicubic_{metric}"]), "", "", "")
        for name, of_seeds in rows.items():
            values = [row[metric] for row in of_seeds]
            apart = [value - row[metric] for value, row in zip(values, first, strict=True)]
            digits, difference = known.decimals, ("", "")
            if of_seeds is not first:
                difference = (f"{statistics.mean(apart):+.{digits + 1}f}", listed(apart, f"+.{digits}f"))
            shown = known.shown(statistics.mean(values))
            table.add_row("", VARIANTS[name].title, shown, listed(values, f".{digits}f"), *difference)
        table.add_section()
    return table


def listed(values: list[float], form: str) -> str:
    """Numbers in a row."""
    return ", ".join(f"{value:{form}}" for value in values)


def contrast_left(run: Path) -> float | None:
    """L_bc without its weight, over the last five rows of the log, in nats; None where it was not trained."""
    weight = OmegaConf.load(run / ".hydra" / "config.yaml").method.bidirectional_weight
    logged = [
        float(row["train/bidirectional"]) for row in read_metrics(run / "metrics.csv") if row.get("train/bidirectional")
    ]
    return statistics.mean(logged[-5:]) / weight if logged else None


def nearness_table(runs: dict[str, list[Path]], photos: Path, seeds: list[str]) -> Table:
    """Cosines of the remover's features before the training and after it, mean over the seeds."""
    table = Table(title=f"remover's features of {photos.name} under two degradations, mean over seeds (each seed)")
    for column in (
        "loss",
        "same place",
        "other place",
        "nearest is the same place",
        "... without local mean",
        "L_bc left",
    ):
        table.add_column(column, justify="left" if column == "loss" else "right")
    any_runs = next(iter(runs.values()))
    of_title = {VARIANTS[name].title: of_name for name, of_name in runs.items()}
    networks = {"before training": [untrained(run, seed) for run, seed in zip(any_runs, seeds, strict=True)]}
    networks |= {title: [trained_network(run) for run in of_name] for title, of_name in of_title.items()}
    for name, of_name in networks.items():
        figures = zip(*(nearness(network, photos) for network in of_name), strict=True)
        forms = (".3f", ".3f", ".1%", ".1%")
        cells = (
            f"{statistics.mean(values):{form}} ({listed(list(values), form)})"
            for values, form in zip(figures, forms, strict=True)
        )
        left = [contrast_left(run) for run in of_title.get(name, [])]
        table.add_row(name, *cells, listed([value for value in left if value is not None], ".3f"))
    return table


def main(
    photos: Annotated[Path, typer.Argument(help="Folder of photos to train on, for example BSD400.")],
    sets: Annotated[list[Path], typer.Argument(help="Folders of HR photos to measure on.")],
    seeds: Annotated[str, typer.Option(help="Comma-separated seeds.")] = "0,1,2",
    variants: Annotated[str, typer.Option(help=f"Comma-separated, of {', '.join(VARIANTS)}.")] = "l1,bc,cc,full",
    protocols: Annotated[str, typer.Option(help="Comma-separated protocols to measure under.")] = "spatial,iso",
    metrics: Annotated[str, typer.Option(help="Comma-separated metrics, as evaluate takes them.")] = METRICS,
    steps: Annotated[int, typer.Option(help="Training steps of every run.")] = 700,
    change: Annotated[list[str] | None, typer.Option(help="An override for every training, KEY=VALUE.")] = None,
    runs: Annotated[Path, typer.Option(help="Where the trainings go.")] = Path("runs/crlsr_ablation"),
) -> None:
    """Train what is missing, measure, and print."""
    if unknown := set(variants.split(",")) - set(VARIANTS):
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: no such variant; take some of {', '.join(VARIANTS)}")
    found: dict[str, list[Path]] = {name: [] for name in variants.split(",")}
    for seed in seeds.split(","):
        for name, folders in found.items():
            folders.append(train(photos, runs, name, seed, steps, change or []))
    console = Console(width=140)
    title = f"{steps} steps on {photos.name}, seeds {seeds}"
    figures = {
        f"{photos.name}, {protocol}": {
            name: [measured(run, photos, protocol, metrics.split(",")) for run in of_name]
            for name, of_name in found.items()
        }
        for photos in sets
        for protocol in protocols.split(",")
    }
    for metric in metrics.split(","):
        console.print(restoration_table(metric, figures, title))
    console.print(nearness_table(found, sets[0], seeds.split(",")))


if __name__ == "__main__":
    typer.run(main)
