"""Before and after, side by side or one over the other, for people to judge."""

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

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
    """One image: before on the left, after on the right, each under a label with its size."""
    left, right = same_size_previews(before, after)
    icc = after.icc if after.pixels_HWC.shape[2] > 2 else None
    gap = np.full((left.shape[0], GAP_PX, 3), 255, np.uint8)
    both = np.concatenate([left, gap, right], axis=1)
    labels = _labels(both.shape[1], left.shape[1] + GAP_PX, _label("before", before), _label("after", after))
    return LoadedImage(np.concatenate([labels, both]), icc=icc)


def _label(what: str, image: LoadedImage) -> str:
    height, width = image.pixels_HWC.shape[:2]
    return f"{what}  {width}x{height}"  # the font at hand has no ×


def _labels(width: int, middle: int, left: str, right: str) -> np.ndarray:
    """A white strip with a label over each image; without the sizes where they do not fit."""
    size = max(11, min(28, middle // 14))
    strip = Image.new("RGB", (width, size + size // 2), "white")
    draw, font = ImageDraw.Draw(strip), ImageFont.load_default(size)
    for text, start in ((left, 0), (right, middle)):
        fits = draw.textlength(text, font) <= middle - GAP_PX
        draw.text((start + 2, size // 8), text if fits else text.split()[0], fill="black", font=font)
    return np.asarray(strip)
