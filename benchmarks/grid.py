"""Is there a grid in restored photos? Power at the frequencies of a grid, over the power around them.

    python benchmarks/grid.py path/to/RealSRSet --models kdsr-texture-x4,mmrealsr-x4

Upsamplers that enlarge by pixel shuffle compute the places in a square of s x s pixels by different weights; what of
that shows in a result repeats every s pixels, so its spectrum has peaks at multiples of 1/s per pixel. Of rows and of
columns: the largest power within a bin of such a frequency, over the median of those up to 24 bins beside it. Where
there is no grid it is about 1. Printed is the geometric mean over photos, and the worst. Of large photos the middle
counts.

Legend: H and W a result's size, s the scale.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from PIL import Image
from rich.console import Console
from rich.progress import track
from rich.table import Table

from realsr_mod import Upscaler
from realsr_mod.images.find import find_images
from realsr_mod.images.rgb import read_rgb
from realsr_mod.runtime.errors import user_errors

BICUBIC, SCALE = "bicubic", 4
LUMA = (0.299, 0.587, 0.114)
NEAR_BINS, NEXT_BINS = 24, 4  # what counts as around a frequency, and what is too close to it


def spectrum(luma_HW: np.ndarray, scale: int) -> np.ndarray:
    """Power of the rows' differences by frequency, 0 to 1/2 per pixel; a multiple of `scale` pixels is looked at."""
    differences = np.diff(luma_HW, axis=1)
    width = differences.shape[1] // scale * scale
    differences = differences[:, :width] - differences[:, :width].mean(1, keepdims=True)
    return np.asarray((np.abs(np.fft.rfft(differences * np.hanning(width), axis=1)) ** 2).mean(0))


def peaks(luma_HW: np.ndarray, scale: int) -> list[float]:
    """The power at multiples of 1/s per pixel, over that around each."""
    power = spectrum(luma_HW, scale)
    bins = 2 * (len(power) - 1)  # of the whole spectrum
    found = []
    for k in range(1, scale // 2 + 1):
        at = round(k * bins / scale)
        near = np.concatenate([power[at - NEAR_BINS : at - NEXT_BINS], power[at + NEXT_BINS + 1 : at + NEAR_BINS + 1]])
        found.append(float(power[at - 1 : at + 2].max() / np.median(near)))
    return found


def grid(image_HW3: np.ndarray, scale: int) -> float:
    """Geometric mean of the peaks of rows and of columns."""
    luma_HW = image_HW3.astype(np.float64) @ LUMA
    return float(np.exp(np.mean(np.log(peaks(luma_HW, scale) + peaks(luma_HW.T, scale)))))


def enlarged(image_HW3: np.ndarray) -> np.ndarray:
    """By bicubic, as Pillow does it."""
    size = (SCALE * image_HW3.shape[1], SCALE * image_HW3.shape[0])
    return np.asarray(Image.fromarray(image_HW3).resize(size, Image.Resampling.BICUBIC))


def middle(image_HW3: np.ndarray, side: int) -> np.ndarray:
    """The middle of an image, at most `side` pixels high and wide."""
    top, left = (max(0, (n - side) // 2) for n in image_HW3.shape[:2])
    return image_HW3[top : top + side, left : left + side]


def main(
    folder: Annotated[Path, typer.Argument(help="A folder of photos.")],
    models: Annotated[str, typer.Option(help="Comma-separated: names of the zoo, runs, checkpoints.")],
    side_px: Annotated[int, typer.Option(help="Of a photo, at least 64; the middle of a larger one.", min=64)] = 128,
) -> None:
    """Measure bicubic and every model on every photo, and print the means."""
    table = Table(title=f"Power at a grid's frequencies, over that around them: photos of {folder.name}")
    for column in ("model", "photos", "geometric mean", "worst photo"):
        table.add_column(column, justify="left" if column == "model" else "right")
    with user_errors():
        photos = [middle(read_rgb(path), side_px) for path in find_images(folder)]
        for name in (BICUBIC, *models.split(",")):
            upscaler = None if name == BICUBIC else Upscaler.load(name)
            shown = track(photos, name, console=Console(stderr=True), transient=True)
            found = [grid(upscaler(one), upscaler.scale) if upscaler else grid(enlarged(one), SCALE) for one in shown]
            table.add_row(name, str(len(photos)), f"{np.exp(np.mean(np.log(found))):.2f}", f"{max(found):.1f}")
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
