"""Images for people: comparison grids with captions.

Legend: images are (3, H, W), RGB in [0, 1].
"""

from collections.abc import Mapping, Sequence

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from realsr_mod.images.luma import MIN_SIDE_PX, psnr_y
from realsr_mod.images.tensors import to_uint8

CAPTION_PX = 18
GAP_PX = 4


def comparison_grid(rows: Sequence[Mapping[str, Tensor]], scale: int, crop_px: int) -> Image.Image:
    """Centre crops side by side: one row per photo, one column per name, PSNR-Y under what has an HR beside it.

    Each row maps a name to an image; "LR" is shown enlarged without smoothing, "HR" is the truth.
    `crop_px` is the crop's side in HR pixels, brought down to a multiple of `scale` that fits every photo.
    """
    smallest = min(min(row["HR"].shape[-2:]) for row in rows)
    side = min(crop_px, smallest) // scale * scale
    cells: list[list[tuple[str, Image.Image]]] = []
    for row in rows:
        top, left = ((n - side) // 2 // scale for n in row["HR"].shape[-2:])
        truth = _crop(row["HR"], top * scale, left * scale, side)
        cells.append([])
        for name, image in row.items():
            if name == "LR":
                shown = Image.fromarray(to_uint8(_crop(image, top, left, side // scale)))
                cells[-1].append((name, shown.resize((side, side), Image.Resampling.NEAREST)))
                continue
            crop = _crop(image, top * scale, left * scale, side)
            measured = name != "HR" and side > MIN_SIDE_PX
            figure = f"  {psnr_y(crop[None], truth[None], 0).item():.2f} dB" if measured else ""
            cells[-1].append((name + figure, Image.fromarray(to_uint8(crop))))
    return captioned_grid(cells)


def captioned_grid(rows: Sequence[Sequence[tuple[str, Image.Image]]], caption_px: int = CAPTION_PX) -> Image.Image:
    """Images of one size in rows, each under its caption, a line of `caption_px`."""
    width, height = rows[0][0][1].size
    cell_w, cell_h = width + GAP_PX, height + caption_px + GAP_PX
    columns = max(len(row) for row in rows)
    canvas = Image.new("RGB", (columns * cell_w + GAP_PX, len(rows) * cell_h + GAP_PX), "white")
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(0.72 * caption_px)
    for i, row in enumerate(rows):
        for j, (caption, image) in enumerate(row):
            x, y = GAP_PX + j * cell_w, GAP_PX + i * cell_h
            draw.text((x + 2, y), caption, fill="black", font=font)
            canvas.paste(image, (x, y + caption_px))
    return canvas


def _crop(image_3HW: Tensor, top: int, left: int, side: int) -> Tensor:
    return image_3HW[:, top : top + side, left : left + side]
