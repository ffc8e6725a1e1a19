"""Pictures for people: comparison grids with captions.

Legend: pictures are (3, H, W), RGB in [0, 1].
"""

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from realsr_mod.metrics import MIN_SIDE_PX, psnr_y

CAPTION_PX = 18
GAP_PX = 4


def to_uint8(picture_3HW: Tensor) -> np.ndarray:
    """(3, H, W) in [0, 1] to uint8 (H, W, 3)."""
    return (picture_3HW.detach().float().clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()


def comparison_grid(rows: Sequence[Mapping[str, Tensor]], scale: int, crop_px: int) -> Image.Image:
    """Centre crops side by side: one row per photo, one column per name, PSNR-Y under what has an HR beside it.

    Each row maps a name to a picture; "LR" is shown enlarged without smoothing, "HR" is the truth.
    `crop_px` is the crop's side in HR pixels, brought down to a multiple of `scale` that fits every photo.
    """
    smallest = min(min(row["HR"].shape[-2:]) for row in rows)
    side = min(crop_px, smallest) // scale * scale
    names = list(rows[0])
    cell_w, cell_h = side + GAP_PX, side + CAPTION_PX + GAP_PX
    canvas = Image.new("RGB", (len(names) * cell_w + GAP_PX, len(rows) * cell_h + GAP_PX), "white")
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(13)
    for i, row in enumerate(rows):
        top, left = ((n - side) // 2 // scale for n in row["HR"].shape[-2:])
        truth = _crop(row["HR"], top * scale, left * scale, side)
        for j, name in enumerate(names):
            caption = name
            if name == "LR":
                crop = Image.fromarray(to_uint8(_crop(row[name], top, left, side // scale)))
                crop = crop.resize((side, side), Image.Resampling.NEAREST)
            else:
                picture = _crop(row[name], top * scale, left * scale, side)
                crop = Image.fromarray(to_uint8(picture))
                if name != "HR" and side > MIN_SIDE_PX:
                    caption = f"{name}  {psnr_y(picture[None], truth[None], 0).item():.2f} dB"
            x, y = GAP_PX + j * cell_w, GAP_PX + i * cell_h
            canvas.paste(crop, (x, y + CAPTION_PX))
            draw.text((x + 2, y), caption, fill="black", font=font)
    return canvas


def _crop(picture_3HW: Tensor, top: int, left: int, side: int) -> Tensor:
    return picture_3HW[:, top : top + side, left : left + side]
