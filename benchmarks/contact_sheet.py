"""How do models look on real photos, for which there is no truth? Bicubic and every model, a row each.

    python benchmarks/contact_sheet.py path/to/photos sheet.png kdsr-real-x4 mmrealsr-x4
    python benchmarks/contact_sheet.py examples benchmarks/images/models.webp kdsr-classic-x4 kdsr-camera-x4 \\
        kdsr-real-x4 mmrealsr-x4 mmrealsr-distilled-x4 kdsr-distilled-x4 kdsr-texture-x4 realesrgan-x4plus

The examples are four small photos made of scikit-image's, which no network of the zoo has seen: fur and a face as small
sharp pictures of larger ones, night under the first draw of `degradation=night`, and print as it was photographed.
"""

from pathlib import Path
from typing import Annotated

import skimage
import torch
import typer
from PIL import Image
from rich.console import Console
from rich.progress import track
from torch import Tensor

from realsr_mod import Upscaler
from realsr_mod.degradations.base import shape_of
from realsr_mod.degradations.stored import build_degradation, read_degradation
from realsr_mod.images.find import find_images
from realsr_mod.images.grid import captioned_grid
from realsr_mod.images.rgb import read_rgb
from realsr_mod.images.tensors import to_tensor, to_uint8
from realsr_mod.runtime.errors import user_errors
from realsr_mod.runtime.rng import image_generator

SIDE = 96  # px of an example
# By name: scikit-image's photo, how it is degraded and reduced, and where the example is cut out of the result.
EXAMPLES = {
    "fur": ("chelsea.png", "bicubic", 2, (22, 14)),
    "night": ("rocket.jpg", "night", 2, (104, 115)),
    "print": ("page.png", None, 1, (60, 30)),
    "face": ("astronaut.png", "bicubic", 3, (35, 0)),
}
CAPTION_PX = 25  # legible when the sheet is shown at half its size
WEBP_QUALITY = 70


def example(photo: str, degradation: str | None, scale: int, corner: tuple[int, int]) -> Image.Image:
    """A photo of `SIDE` px."""
    path = Path(skimage.__file__).with_name("data") / photo
    image_13HW = to_tensor(path, scale)
    if degradation is not None:
        image_13HW = degraded(image_13HW, degradation, scale, photo)
    x, y = corner
    return Image.fromarray(to_uint8(image_13HW[0])).crop((x, y, x + SIDE, y + SIDE))


def degraded(image_13HW: Tensor, name: str, scale: int, photo: str) -> Tensor:
    """A photo under the first draw of a degradation."""
    degradation = build_degradation(read_degradation(name, scale))
    with torch.no_grad():
        return degradation(image_13HW, degradation.sample(shape_of(image_13HW), image_generator(0, photo)))


def center(image: Image.Image, side_px: int) -> Image.Image:
    """The middle of an image, with black around it where the image is smaller."""
    left, top = ((n - side_px) // 2 for n in image.size)
    return image.crop((left, top, left + side_px, top + side_px))


def main(
    photos: Annotated[Path, typer.Argument(help="Folder of photos; examples: four that come along.")],
    output: Annotated[Path, typer.Argument(help="The image to write.")],
    models: Annotated[list[str], typer.Argument(help="Runs, or names of the zoo, of one scale.")],
    crop_px: Annotated[int, typer.Option(help="Side of what is shown of each result.")] = 320,
    photos_per_row: Annotated[int, typer.Option()] = 4,
) -> None:
    """Upscale every photo with every model and put the middles into one image."""
    with user_errors():
        if photos.name == "examples":
            shown = {name: example(*of) for name, of in EXAMPLES.items()}
        else:
            shown = {path.stem: Image.fromarray(read_rgb(path)) for path in find_images(photos)}
        upscalers = {Path(name).name: Upscaler.load(name) for name in models}
    scale = next(iter(upscalers.values())).scale
    rows: dict[str, list[tuple[str, Image.Image]]] = {name: [] for name in ["bicubic", *upscalers]}
    for photo, lr in track(shown.items(), description="upscaling", console=Console(stderr=True)):
        bicubic = lr.resize((lr.width * scale, lr.height * scale), Image.Resampling.BICUBIC)
        results = {"bicubic": bicubic} | {name: upscaler(lr) for name, upscaler in upscalers.items()}
        for name, result in results.items():
            rows[name].append((f"{photo}: {name}", center(result, crop_px)))
    blocks = range(0, len(shown), photos_per_row)
    sheet = captioned_grid([row[i : i + photos_per_row] for i in blocks for row in rows.values()], CAPTION_PX)
    sheet.save(output, quality=WEBP_QUALITY)


if __name__ == "__main__":
    typer.run(main)
