"""Does a restored photo stay the same photo? How far the mean colors of its areas move, for every model.

    python benchmarks/faithful.py path/to/RealSRSet path/to/Set14

A result is reduced to the size of its photo by the mean of every area, and the mean colors of squares of 32 px are
compared with the photo's: the largest difference of a channel, of 255. Beside it the largest difference between the
channels of what is made of the photo in grey, which should be none. Of large photos the middle counts.

Legend: H and W a photo's size, h and w that in squares.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from realsr_mod import Upscaler
from realsr_mod.images.find import find_images
from realsr_mod.images.rgb import read_rgb
from realsr_mod.runtime.errors import user_errors
from realsr_mod.weights.catalog import entries

SIDE = 32  # px of the photo


def means(image_HW3: np.ndarray, side: int) -> np.ndarray:
    """Mean colors of squares (h, w, 3); what is left over at the right and at the bottom counts nowhere."""
    height, width = (n // side for n in image_HW3.shape[:2])
    squares = image_HW3[: height * side, : width * side].astype(np.float64).reshape(height, side, width, side, 3)
    return np.asarray(squares.mean((1, 3)))


def moved(upscaler: Upscaler, photo_HW3: np.ndarray) -> float:
    """The largest difference of a square's channel, of 255."""
    return float(np.abs(means(upscaler(photo_HW3), SIDE * upscaler.scale) - means(photo_HW3, SIDE)).max())


def colored(upscaler: Upscaler, photo_HW3: np.ndarray) -> int:
    """The largest difference between two channels of what is made of the photo in grey."""
    grey = photo_HW3.mean(-1, keepdims=True).round().astype(np.uint8).repeat(3, -1)
    return int(np.ptp(upscaler(grey).astype(int), axis=-1).max())


def main(
    folders: Annotated[list[Path], typer.Argument(help="Folders of photos.")],
    models: Annotated[str, typer.Option(help="Comma-separated; the zoo's small ones by default.")] = "",
    most_pixels: Annotated[int, typer.Option(help="Of a photo; the middle of a larger one.")] = 102_400,
) -> None:
    """Measure every model on every photo, and print the worst and the mean of each set."""
    table = Table(title=f"squares of {SIDE} px, of 255")
    for column in (
        "set",
        "photos",
        "model",
        "mean color moves by, at most",
        "mean over photos",
        "grey gets colored by",
    ):
        table.add_column(column, justify="left" if column in ("set", "model") else "right")
    with user_errors():
        small = [entry.name for entry in entries() if entry.backbone is None]
        for folder in folders:
            photos = [cut(read_rgb(path), most_pixels) for path in find_images(folder)]
            for name in models.split(",") if models else small:
                upscaler = Upscaler.load(name)
                shown = track(photos, f"{folder.name}, {name}", console=Console(stderr=True), transient=True)
                found = [(moved(upscaler, photo), colored(upscaler, photo)) for photo in shown]
                far, tint = zip(*found, strict=True)
                numbers = (f"{max(far):.1f}", f"{np.mean(far):.1f}", str(max(tint)))
                table.add_row(folder.name, str(len(photos)), name, *numbers)
    Console(width=120).print(table)


def cut(photo_HW3: np.ndarray, most_pixels: int) -> np.ndarray:
    """The middle of a photo, in its own shape, if it has more pixels."""
    share = min(1.0, (most_pixels / (photo_HW3.shape[0] * photo_HW3.shape[1])) ** 0.5)
    top, left = (round(n * (1 - share) / 2) for n in photo_HW3.shape[:2])
    return photo_HW3[top : photo_HW3.shape[0] - top, left : photo_HW3.shape[1] - left]


if __name__ == "__main__":
    typer.run(main)
