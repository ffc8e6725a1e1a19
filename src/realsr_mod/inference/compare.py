"""Before and after, side by side or one over the other, for people to judge."""

import cv2
import numpy as np

from realsr_mod.images.image import LoadedImage
from realsr_mod.images.rgb import to_rgb

MAX_SIDE_PX = 2048  # larger ones are shrunk: screens are no larger
GAP_PX = 8


def same_size_previews(
    before: LoadedImage, after: LoadedImage, max_side: int = MAX_SIDE_PX
) -> tuple[np.ndarray, np.ndarray]:
    """Two 8-bit RGB images of one size: what came in, enlarged bicubically to the result's size, and the result."""
    right = to_rgb(after.pixels_HWC)
    height, width = right.shape[:2]
    shrink = min(1.0, max_side / max(height, width))
    size = max(1, round(width * shrink)), max(1, round(height * shrink))
    left = cv2.resize(to_rgb(before.pixels_HWC), size, interpolation=cv2.INTER_CUBIC)
    return left, cv2.resize(right, size, interpolation=cv2.INTER_AREA)


def before_after(before: LoadedImage, after: LoadedImage) -> LoadedImage:
    """One image: before on the left, after on the right."""
    left, right = same_size_previews(before, after)
    gap = np.full((left.shape[0], GAP_PX, 3), 255, np.uint8)
    icc = after.icc if after.pixels_HWC.shape[2] > 2 else None
    return LoadedImage(np.concatenate([left, gap, right], axis=1), icc=icc)
