"""How do models look on real photos, for which there is no truth? Bicubic and every model, side by side.

python benchmarks/contact_sheet.py path/to/photos sheet.png kdsr-real-x4 mmrealsr-x4
"""

from itertools import chain
from pathlib import Path
from typing import Annotated

import typer
from PIL import Image
from rich.console import Console
from rich.progress import track

from realsr_mod import Upscaler
from realsr_mod.images.find import find_images
from realsr_mod.images.grid import captioned_grid
from realsr_mod.images.rgb import read_rgb


def center(image: Image.Image, side_px: int) -> Image.Image:
    """The middle of an image, with black around it where the image is smaller."""
    left, top = ((n - side_px) // 2 for n in image.size)
    return image.crop((left, top, left + side_px, top + side_px))


def main(
    photos: Annotated[Path, typer.Argument(help="Folder of photos.")],
    output: Annotated[Path, typer.Argument(help="The image to write.")],
    models: Annotated[list[str], typer.Argument(help="Run folders, or names of the zoo; all of one scale.")],
    crop_px: Annotated[int, typer.Option(help="Side of what is shown of each result.")] = 320,
    photos_per_row: Annotated[int, typer.Option()] = 2,
) -> None:
    """Upscale every photo with every model and put the middles into one image."""
    upscalers = {Path(name).name: Upscaler.load(name) for name in models}
    scale = next(iter(upscalers.values())).scale
    groups = []
    for path in track(find_images(photos), description="upscaling", console=Console(stderr=True)):
        lr = Image.fromarray(read_rgb(path))
        bicubic = lr.resize([n * scale for n in lr.size], Image.Resampling.BICUBIC)
        shown = {f"{path.stem}: bicubic": bicubic} | {name: upscaler(lr) for name, upscaler in upscalers.items()}
        groups.append([(caption, center(image, crop_px)) for caption, image in shown.items()])
    per_row = range(0, len(groups), photos_per_row)
    captioned_grid([list(chain(*groups[i : i + photos_per_row])) for i in per_row]).save(output)


if __name__ == "__main__":
    typer.run(main)
