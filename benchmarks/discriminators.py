"""How fast do discriminators learn? Each is to tell what a trained network makes of photos from the photos.

    python benchmarks/discriminators.py path/to/BSD400 --model kdsr-camera-x4

The photos are degraded as `mild` does and restored once; then each discriminator trains on patches, the network at
rest. A loss of 1.386 is that of one that knows nothing (twice the logarithm of 2).
"""

import statistics
import time
from itertools import islice
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor

from realsr_mod.data.protocols import Seeded
from realsr_mod.degradations.stored import build_degradation, read_degradation
from realsr_mod.methods.adversarial import AdversarialGame
from realsr_mod.runtime.compose import compose, instantiate
from realsr_mod.runtime.errors import user_errors
from realsr_mod.weights.release import load_restorer

PATCH_PX, BATCH = 96, 6
SHOWN = 40  # steps at the end that are averaged
KNOWN = ("adversarial=unet", "adversarial=patch")
SEES = ("image", "difference")
RATES = (3e-4, 2e-3)  # that of short trainings here, and a high one
CHANNELS = {"adversarial=unet": 16, "adversarial=patch": 24}
Photo = tuple[Tensor, Tensor, Tensor]  # LR, the truth, the restored image, (1, 3, H, W)


@torch.no_grad()
def restored(folder: Path, model: str, count: int) -> list[Photo]:
    """So many photos, degraded, and what the model makes of them."""
    network = load_restorer(model)
    cases = Seeded(network.scale, build_degradation(read_degradation("mild", network.scale))).cases(folder)
    shown = track(islice(cases, count), "restoring", total=count, console=Console(stderr=True), transient=True)
    return [(case.lr, case.hr, network(case.lr).clamp(0, 1)) for case in shown if case.hr is not None]


def patches(photos: list[Photo], generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """A batch of patches at the same places of LR images, truths and restored images."""
    found: list[tuple[Tensor, Tensor, Tensor]] = []
    for index in torch.randint(len(photos), (BATCH,), generator=generator).tolist():
        lr, hr, sr = photos[index]
        scale = hr.shape[-1] // lr.shape[-1]
        side = PATCH_PX // scale
        top, left = (int(torch.randint(n - side + 1, (), generator=generator)) for n in lr.shape[-2:])
        high = (slice(top * scale, (top + side) * scale), slice(left * scale, (left + side) * scale))
        found.append((lr[0, :, top : top + side, left : left + side], hr[0, :, *high], sr[0, :, *high]))
    lr, hr, sr = (torch.stack(parts) for parts in zip(*found, strict=True))
    return lr, hr, sr


def learned(photos: list[Photo], game: AdversarialGame, steps: int) -> tuple[float, float, float]:
    """At the end: mean loss, share of pairs whose truth is rated higher; and seconds a step."""
    generator = torch.Generator().manual_seed(0)
    losses, right = [], []
    start = time.perf_counter()
    for _ in range(steps):
        lr, hr, sr = patches(photos, generator)
        real, fake = game.shown(hr, lr), game.shown(sr, lr)
        losses.append(float(game.discriminator_backward(fake, real)["discriminator"]))
        with torch.no_grad():
            rated = [game.discriminator(x).mean(dim=(1, 2, 3)) for x in (real, fake)]
        right.append((rated[0] > rated[1]).float().mean().item())
        game.step()
    seconds = (time.perf_counter() - start) / steps
    return statistics.mean(losses[-SHOWN:]), statistics.mean(right[-SHOWN:]), seconds


def main(
    photos: Annotated[Path, typer.Argument(help="Folder of photos, for example BSD400.")],
    model: Annotated[str, typer.Option(help="Whose images are to be told from them.")] = "kdsr-camera-x4",
    steps: Annotated[int, typer.Option(help="Training steps of each discriminator.")] = 120,
    count: Annotated[int, typer.Option(help="Photos.")] = 40,
) -> None:
    """Train each discriminator on either view at either rate, and print what it learned."""
    with user_errors():
        images = restored(photos, model, count)
    table = Table(title=f"{steps} steps on {count} photos and {model}")
    for column in ("discriminator", "sees", "rate", "loss, last 40", "truth rated higher", "s a step"):
        table.add_column(column, justify="left" if column in ("discriminator", "sees") else "right")
    for known in KNOWN:
        for sees in SEES:
            for rate in RATES:
                torch.manual_seed(0)
                size = f"adversarial.discriminator.channels={CHANNELS[known]}"
                view = (f"adversarial.sees={sees}", f"adversarial.optimizer.lr={rate}")
                game = instantiate(compose("train", ["experiment=srgan", known, size, *view]).adversarial)
                loss, right, seconds = learned(images, game, steps)
                table.add_row(known, sees, f"{rate:g}", f"{loss:.3f}", f"{right:.0%}", f"{seconds:.2f}")
    Console(width=120).print(table)


if __name__ == "__main__":
    typer.run(main)
