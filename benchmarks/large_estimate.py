"""How well do a few tiles of a large photo tell what the whole of it does? By number and side of the tiles.

    python -m realsr_mod.degrade path/to/photos -o degraded --degradation severe_or_mild --scale 1
    python benchmarks/large_estimate.py path/to/photos degraded --models mmrealsr-x4,kdsr-real-x4

The whole photo's estimate is that of `upscale`, which looks at two million pixels where the rest would not fit in
memory; that of the tiles is their mean, as the page takes it. Of a model with degrees the error is the largest
difference of a degree (0 to 1); of another one the distance of the embeddings, in units of how far those of the
photos lie from their mean (root mean square), so that 1 tells nothing.

Legend: P photos, D the embedding's length.
"""

import time
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
from realsr_mod.inference.large import samples
from realsr_mod.runtime.errors import user_errors

SETTINGS = "25x128,100x64,44x96,11x192,6x256,4x320"


def of_tiles(upscaler: Upscaler, photo_HW3: np.ndarray, setting: str) -> np.ndarray:
    """The mean of tiles: "25x128" is 25 of 128 px."""
    count, side = map(int, setting.split("x"))
    return np.asarray(np.mean([upscaler.estimate(tile) for tile in samples(photo_HW3, count, side)], axis=0))


def errors(upscaler: Upscaler, found_PD: np.ndarray, whole_PD: np.ndarray) -> np.ndarray:
    """How far estimates are from those of the whole photos, (P,)."""
    difference_PD = found_PD - whole_PD
    if upscaler.sliders:
        return np.asarray(np.abs(difference_PD).max(1))
    spread = np.sqrt(np.square(whole_PD - whole_PD.mean(0)).sum(1).mean())
    return np.asarray(np.linalg.norm(difference_PD, axis=1) / spread)


def main(
    folders: Annotated[list[Path], typer.Argument(help="Folders of large photos.")],
    models: Annotated[str, typer.Option(help="Comma-separated.")] = "mmrealsr-x4,kdsr-real-x4",
    settings: Annotated[str, typer.Option(help="Tiles, as NUMBERxSIDE, comma-separated.")] = SETTINGS,
) -> None:
    """Estimate every photo whole and by tiles, and print how far they are apart."""
    table = Table()
    for column in ("model", "tiles", "pixels", "median error", "worst", "seconds a photo"):
        table.add_column(column, justify="left" if column in ("model", "tiles") else "right")
    with user_errors():
        paths = [path for folder in folders for path in find_images(folder)]
        for name in models.split(","):
            upscaler = Upscaler.load(name)
            found: dict[str, list[np.ndarray]] = {}
            seconds: dict[str, float] = {}
            for path in track(paths, name, console=Console(stderr=True), transient=True):
                photo_HW3 = read_rgb(path)
                for setting in ("whole", *settings.split(",")):
                    start = time.process_time()
                    estimate_D = (
                        upscaler.estimate(photo_HW3) if setting == "whole" else of_tiles(upscaler, photo_HW3, setting)
                    )
                    found.setdefault(setting, []).append(estimate_D)
                    seconds[setting] = seconds.get(setting, 0.0) + time.process_time() - start
            whole_PD = np.stack(found["whole"])
            for setting, estimates in found.items():
                error_P = errors(upscaler, np.stack(estimates), whole_PD)
                count, _, side = setting.partition("x")
                pixels = f"{int(count) * int(side) ** 2 / 1e6:.2f} M" if side else ""
                numbers = (f"{np.median(error_P):.3f}", f"{error_P.max():.3f}", f"{seconds[setting] / len(paths):.2f}")
                table.add_row(name, setting, pixels, *numbers)
    Console(width=100).print(table)


if __name__ == "__main__":
    typer.run(main)
