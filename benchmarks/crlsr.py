"""What does each of CRL-SR's terms do? L1 alone, with one contrast, with the other, with both, over several seeds.

    python benchmarks/crlsr.py path/to/BSD400 path/to/Set14 path/to/BSD100

Trains on the first folder with the real commands (finished runs are taken as they are, interrupted ones go on),
measures every model on the other folders under a spatially variant degradation and under isotropic blur, and prints
PSNR-Y; then how near the remover's features of one place are under two degradations, before and after the training.

Legend: M places of an image.
"""

import statistics
from pathlib import Path
from typing import Annotated, NamedTuple

import torch
import typer
from distillation import measured, trained
from rich.console import Console
from rich.table import Table

from realsr_mod.data.protocols import Seeded
from realsr_mod.degradations.stored import build_degradation, read_degradation
from realsr_mod.methods.crlsr.loss import cosines
from realsr_mod.methods.crlsr.network import CRLSRNet, at_places
from realsr_mod.runtime.rng import derive_seed
from realsr_mod.weights.release import build_network, load_model, read_config

VARIANTS = {  # what it is called, and the weights of L_bc, L_cc, L_rec
    "l1": ("L1", (0, 0, 0)),
    "bc": ("L1 + L_bc", (0.002, 0, 0)),
    "cc": ("L1 + L_cc + L_rec", (0, 0.01, 1)),
    "full": ("full", (0.002, 0.01, 1)),
    "strong": ("full, five times L_bc", (0.01, 0.01, 1)),
}
PROTOCOLS = {"spatial": "spatially variant", "iso": "σ 1.2, 2.4, 3.6"}
NUM_PLACES = 256  # of each image, for the cosines


class Nearness(NamedTuple):
    """Mean cosines of features under two degradations, and how often a place's nearest is itself."""

    same_place: float
    other_place: float
    found: float


def train(photos: Path, runs: Path, variant: str, seed: str, steps: int) -> Path:
    """The finished run of one variant and seed; all differ in the loss alone."""
    data = ("data=folder", f"data.root={photos}", "data.batch_size=8", "data.num_workers=0", "data.val_crop_px=256")
    length = (f"trainer.max_steps={steps}", f"trainer.val_check_interval={steps}", "trainer.precision=float32")
    terms = zip(("bidirectional", "conditional", "reconstruction"), VARIANTS[variant][1], strict=True)
    weights = (f"method.{name}_weight={weight}" for name, weight in terms)
    return trained(runs, f"{variant}_{seed}", "experiment=crlsr", f"seed={seed}", *data, *length, *weights)


@torch.no_grad()
def nearness(network: CRLSRNet, photos: Path) -> Nearness:
    """Compare the remover's features of every photo under two degradations."""
    degradation = build_degradation(read_degradation("spatial_classic", network.scale))
    cases = list(Seeded(network.scale, degradation, seeds=(0, 1)).cases(photos))
    figures = []
    for index, (one, other) in enumerate(zip(cases[::2], cases[1::2], strict=True)):
        generator = torch.Generator().manual_seed(derive_seed(index))
        order = torch.randperm(one.lr.shape[-2] * one.lr.shape[-1], generator=generator)
        places = order[None, :NUM_PLACES]
        similarity_MM = cosines(*(at_places(network.remover(case.lr), places) for case in (one, other)))[0]
        count, same = len(similarity_MM), similarity_MM.diagonal()
        others = (similarity_MM.sum() - same.sum()) / (count * (count - 1))
        found = (similarity_MM.argmax(dim=1) == torch.arange(count)).float().mean()
        figures.append((same.mean().item(), others.item(), found.item()))
    return Nearness(*(statistics.mean(values) for values in zip(*figures, strict=True)))


def untrained(run: Path, seed: str) -> CRLSRNet:
    """The network of a run as its seed makes it, with random weights."""
    torch.manual_seed(int(seed))
    return build_network(read_config(run)["network"]).eval()


def restoration_table(runs: dict[str, list[Path]], sets: list[Path], title: str) -> Table:
    """PSNR-Y of every variant on every set, under both protocols: mean, each seed, and what it gains over L1."""
    table = Table(title=title)
    for column in ("set, degradation", "loss", "PSNR-Y (dB)", "each seed", "over L1", "SSIM-Y"):
        table.add_column(column, justify="left" if column in ("set, degradation", "loss") else "right")
    for photos in sets:
        for protocol, shown in PROTOCOLS.items():
            rows = {name: [measured(run, photos, protocol) for run in of_name] for name, of_name in runs.items()}
            first = next(iter(rows.values()))[0]
            bicubic = (f"{first['bicubic_psnr_y']:.2f}", "", "", f"{first['bicubic_ssim_y']:.4f}")
            table.add_row(f"{photos.name}, {shown}", "bicubic", *bicubic)
            for name, figures in rows.items():
                psnr = [row["psnr_y"] for row in figures]
                each = ", ".join(f"{value:.2f}" for value in psnr)
                gain = statistics.mean(psnr) - statistics.mean(row["psnr_y"] for row in next(iter(rows.values())))
                ssim = statistics.mean(row["ssim_y"] for row in figures)
                over = "" if figures is next(iter(rows.values())) else f"{gain:+.3f}"
                table.add_row("", VARIANTS[name][0], f"{statistics.mean(psnr):.2f}", each, over, f"{ssim:.4f}")
            table.add_section()
    return table


def nearness_table(runs: dict[str, list[Path]], photos: Path, seeds: list[str]) -> Table:
    """Cosines of the remover's features before the training and after it, mean over the seeds."""
    table = Table(title=f"remover's features of {photos.name} under two degradations, mean over seeds (each seed)")
    for column in ("loss", "same place", "other place", "nearest is the same place"):
        table.add_column(column, justify="left" if column == "loss" else "right")
    any_runs = next(iter(runs.values()))
    networks = {"before training": [untrained(run, seed) for run, seed in zip(any_runs, seeds, strict=True)]}
    networks |= {VARIANTS[name][0]: [load_model(run) for run in of_name] for name, of_name in runs.items()}
    for name, of_name in networks.items():
        figures = zip(*(nearness(network, photos) for network in of_name), strict=True)
        cells = [
            f"{statistics.mean(values):.3f} ({', '.join(f'{value:.3f}' for value in values)})" for values in figures
        ]
        table.add_row(name, *cells)
    return table


def main(
    photos: Annotated[Path, typer.Argument(help="Folder of photos to train on, for example BSD400.")],
    sets: Annotated[list[Path], typer.Argument(help="Folders of HR photos to measure on.")],
    seeds: Annotated[str, typer.Option(help="Comma-separated seeds.")] = "0,1,2",
    variants: Annotated[str, typer.Option(help=f"Comma-separated, of {', '.join(VARIANTS)}.")] = "l1,bc,cc,full",
    steps: Annotated[int, typer.Option(help="Training steps of every run.")] = 700,
    runs: Annotated[Path, typer.Option(help="Where the trainings go.")] = Path("runs/crlsr_ablation"),
) -> None:
    """Train what is missing, measure, and print."""
    if unknown := set(variants.split(",")) - set(VARIANTS):
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}: no such variant; take some of {', '.join(VARIANTS)}")
    found: dict[str, list[Path]] = {name: [] for name in variants.split(",")}
    for seed in seeds.split(","):
        for name, folders in found.items():
            folders.append(train(photos, runs, name, seed, steps))
    console = Console(width=110)
    console.print(restoration_table(found, sets, f"{steps} steps on {photos.name}, seeds {seeds}"))
    console.print(nearness_table(found, sets[0], seeds.split(",")))


if __name__ == "__main__":
    typer.run(main)
