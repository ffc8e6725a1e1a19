"""Show what a spatially variant degradation does: photo, masks, degraded photo.

python benchmarks/spatial.py sheet.png [PHOTO …] [--degradation spatial_second_order] [--seed 0]

Legend: H and W the HR size, R regions.
"""

from pathlib import Path
from typing import Annotated

import torch
import typer
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from realsr_mod.data.photos import embedded_photos
from realsr_mod.degradations.base import Params, shape_of
from realsr_mod.degradations.spatial import MASKS, SpatialDegradation, spread_masks
from realsr_mod.degradations.stored import build_degradation, read_degradation
from realsr_mod.images.tensors import to_tensor, to_uint8
from realsr_mod.runtime.rng import derive_seed

SIDE_PX = 256  # of each cell
GAP_PX, CAPTION_PX = 4, 18


def described(params: Params, name: str) -> str:
    """A region's name and, where its pipeline is a classic one, its levels."""
    blur, noise = params[name].get("blur"), params[name].get("noise")
    shown = name.replace("_", " ")
    if blur is None:
        return shown
    sigmas = " x ".join(f"{blur[key].item():.1f}" for key in ("sigma_x", "sigma_y") if key in blur)
    return f"{shown}: blur {sigmas} px" + (f", noise {255 * noise['sigma'].item():.0f}" if noise else "")


def cells(degradation: SpatialDegradation, hr_13HW: Tensor, seed: int) -> list[tuple[str, Tensor]]:
    """Captions and images (3, H, W): the photo, the mask of every region, and the degraded photo, enlarged."""
    params = degradation.sample(shape_of(hr_13HW), torch.Generator().manual_seed(derive_seed(seed)))
    masks_RHW = spread_masks(params[MASKS], (hr_13HW.shape[2], hr_13HW.shape[3]))[0]
    shown = [("photo", hr_13HW[0])]
    for name, mask_HW in zip(degradation.ops, masks_RHW, strict=True):
        caption = described(params, name) if mask_HW.any() else f"{name.replace('_', ' ')}: left out"
        shown.append((caption, mask_HW.expand(3, -1, -1)))
    lr_13hw = degradation(hr_13HW, params)
    enlarged = torch.nn.functional.interpolate(lr_13hw, scale_factor=degradation.scale)
    return [*shown, (f"degraded, 1/{degradation.scale} of the size", enlarged[0])]


@torch.no_grad()
def main(
    sheet: Annotated[Path, typer.Argument(help="The image to write.")],
    photos: Annotated[list[Path] | None, typer.Argument(help="Default: the embedded validation photos.")] = None,
    degradation: Annotated[str, typer.Option(help="A spatially variant one, or a .yaml file.")] = "spatial_classic",
    scale: Annotated[int, typer.Option(help="How many times smaller.")] = 4,
    seed: Annotated[int, typer.Option(help="Of the first photo; the next has the next.")] = 0,
) -> None:
    """Write one row per photo."""
    pipeline = build_degradation(read_degradation(degradation, scale))
    if not isinstance(pipeline, SpatialDegradation):
        raise typer.BadParameter(f"{degradation} does not vary over the image; take spatial_classic")
    side = SIDE_PX // scale * scale
    paths = photos or embedded_photos()[1]
    rows = []
    for index, path in enumerate(paths):
        hr = to_tensor(path, scale)
        top, left = ((n - side) // 2 for n in hr.shape[-2:])
        if min(top, left) < 0:
            raise typer.BadParameter(f"{path} is smaller than the {side} px that are shown of it")
        rows.append(cells(pipeline, hr[..., top : top + side, left : left + side], seed + index))
    step_x, step_y = side + GAP_PX, side + CAPTION_PX + GAP_PX
    canvas = Image.new("RGB", (len(rows[0]) * step_x + GAP_PX, len(rows) * step_y + GAP_PX), "white")
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(13)
    for i, row in enumerate(rows):
        for j, (caption, image) in enumerate(row):
            x, y = GAP_PX + j * step_x, GAP_PX + i * step_y
            draw.text((x + 2, y), caption, fill="black", font=font)
            canvas.paste(Image.fromarray(to_uint8(image)), (x, y + CAPTION_PX))
    canvas.save(sheet)


if __name__ == "__main__":
    typer.run(main)
