"""Before and after, side by side or one over the other, for people to judge."""

import cv2
import numpy as np

from realsr_mod.inference.image_io import Picture
from realsr_mod.inference.image_save import fit_format

MAX_SIDE_PX = 2048  # larger ones are shrunk: screens are no larger
GAP_PX = 8


def same_size_previews(before: Picture, after: Picture, max_side: int = MAX_SIDE_PX) -> tuple[np.ndarray, np.ndarray]:
    """Two 8-bit RGB pictures of one size: what came in, enlarged bicubically to the result's size, and the result."""
    right = _plain_rgb(after)
    height, width = right.shape[:2]
    shrink = min(1.0, max_side / max(height, width))
    size = max(1, round(width * shrink)), max(1, round(height * shrink))
    left = cv2.resize(_plain_rgb(before), size, interpolation=cv2.INTER_CUBIC)
    return left, cv2.resize(right, size, interpolation=cv2.INTER_AREA)


def before_after(before: Picture, after: Picture) -> Picture:
    """One picture: before on the left, after on the right."""
    left, right = same_size_previews(before, after)
    gap = np.full((left.shape[0], GAP_PX, 3), 255, np.uint8)
    icc = after.icc if after.pixels_HWC.shape[2] > 2 else None
    return Picture(np.concatenate([left, gap, right], axis=1), "png", icc)


def _plain_rgb(picture: Picture) -> np.ndarray:
    """8-bit RGB on white."""
    pixels = fit_format(picture, "bmp").pixels_HWC
    return pixels if pixels.shape[2] == 3 else pixels.repeat(3, axis=2)
