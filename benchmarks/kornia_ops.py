"""Our degradation ops beside kornia's: milliseconds per 256-pixel image, and how far the results differ.

python benchmarks/kornia_ops.py [--device cuda] [--batch 12] [--repeats 5]
"""

import io
import time
from collections.abc import Callable
from typing import Annotated, Any

import kornia
import numpy as np
import torch
import typer
from degradation import hr_batch
from kornia.filters import gaussian_blur2d, unsharp_mask
from PIL import Image
from rich.console import Console
from rich.table import Table
from torch import Tensor

from realsr_mod.degradations.base import shape_of, uniform
from realsr_mod.degradations.blur import blur_separable
from realsr_mod.degradations.jpeg import JPEG
from realsr_mod.degradations.kernels import gaussian_kernels_1d
from realsr_mod.degradations.kornia_op import KorniaOp
from realsr_mod.degradations.noise import GaussianNoise
from realsr_mod.degradations.resize import resize
from realsr_mod.degradations.sharpen import usm_sharpen

Make = Callable[[], Tensor]
MOTION: dict[str, Any] = {"kernel_size": 21, "angle": [0.0, 360.0], "direction": [-1.0, 1.0], "border_type": "reflect"}


def pillow(x_BCHW: Tensor, quality_B: Tensor) -> Tensor:
    """What Pillow's JPEG makes of images: the yardstick."""
    coded = []
    for image, quality in zip(x_BCHW.cpu(), quality_B.tolist(), strict=True):
        file = io.BytesIO()
        pixels = (image.permute(1, 2, 0) * 255).round().byte().numpy()
        Image.fromarray(pixels).save(file, "JPEG", quality=int(quality), subsampling="4:2:0")
        coded.append(torch.from_numpy(np.array(Image.open(file))).permute(2, 0, 1).float() / 255)
    return torch.stack(coded).to(x_BCHW.device)


def pairs(x: Tensor, generator: torch.Generator) -> dict[str, tuple[Make, Make, Tensor | None]]:
    """By op: ours, kornia's, and the right result where somebody else says what that is."""
    batch = len(x)
    sigma = uniform((batch,), 0.2, 4.0, generator)
    quality = torch.randint(30, 96, (batch,), generator=generator, device=x.device).float()
    noise, drawn = GaussianNoise((10, 10)), GaussianNoise((10, 10)).sample(shape_of(x), generator)
    motion = KorniaOp("RandomMotionBlur", **MOTION)
    paths = motion.sample(shape_of(x), generator)
    theirs = {name: paths[name] for name in motion.levels} | {"batch_prob": torch.ones(batch)}
    factor = 1 / 4
    return {
        "Gaussian blur, 21 taps": (
            lambda: blur_separable(x, gaussian_kernels_1d(sigma, 21)),
            lambda: gaussian_blur2d(x, (21, 21), sigma[:, None].expand(-1, 2), "reflect"),
            None,
        ),
        "bicubic to a quarter": (
            lambda: resize(x, scale=factor),
            lambda: kornia.geometry.rescale(x, factor, "bicubic", align_corners=False, antialias=True),
            None,
        ),
        "JPEG, against Pillow's": (
            lambda: JPEG()(x, {"quality": quality}),
            lambda: kornia.enhance.jpeg_codec_differentiable(x, quality),
            pillow(x, quality),
        ),
        "white noise": (lambda: noise(x, drawn), lambda: x + torch.randn_like(x) * 10 / 255, None),
        "unsharp mask, radius 50": (
            lambda: usm_sharpen(x),
            lambda: unsharp_mask(x, (51, 51), (8.0, 8.0), "reflect"),
            None,
        ),
        "motion blur: by row; at once": (
            lambda: motion(x, paths),
            lambda: motion.augmentation(x, params=theirs),
            None,
        ),
    }


def now(device: torch.device) -> float:
    """Seconds; on a CPU those of this process, so that others beside it do not count."""
    if device.type != "cuda":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def milliseconds(make: Make, images: int, repeats: int, device: torch.device) -> float:
    """Per image; the fastest of the repeats, after one that does not count."""
    make()
    times = []
    for _ in range(repeats):
        started = now(device)
        make()
        times.append(now(device) - started)
    return 1000 * min(times) / images


def decibels(a: Tensor, b: Tensor) -> str:
    """PSNR between two results."""
    error = (a.clamp(0, 1) - b.clamp(0, 1)).square().mean().item()
    return "equal" if error == 0 else f"{-10 * float(np.log10(error)):.1f}"


@torch.no_grad()
def main(
    device: Annotated[str, typer.Option(help="cpu or cuda")] = "cpu",
    batch: Annotated[int, typer.Option(help="images at a time")] = 12,
    repeats: Annotated[int, typer.Option(help="of which the fastest counts")] = 5,
) -> None:
    """Print one row per op: milliseconds of ours and kornia's, PSNR between them or against the right result."""
    where = torch.device(device)
    x = hr_batch(batch, where)
    table = Table(
        "op", "ours, ms", "kornia's, ms", "ours against kornia's, dB", "against the right one: ours, kornia's"
    )
    for name, (ours, theirs, right) in pairs(x, torch.Generator(where).manual_seed(0)).items():
        times = [f"{milliseconds(make, batch, repeats, where):.2f}" for make in (ours, theirs)]
        judged = "" if right is None else f"{decibels(ours(), right)}, {decibels(theirs(), right)}"
        table.add_row(name, *times, decibels(ours(), theirs()), judged)
    Console(width=120).print(table)
    threads = f", {torch.get_num_threads()} threads" if device == "cpu" else ""
    print(f"kornia {kornia.__version__}, {device}{threads}, batch {batch}")


if __name__ == "__main__":
    typer.run(main)
