"""How large results are: a factor, the very pixels that they fit inside, or what the network makes.

Legend: H, W an image's size; a size is (width, height), as image libraries and screens have it.
"""

import logging
import re
from collections.abc import Sequence

import numpy as np

from realsr_mod.inference.pixels import resized

logger = logging.getLogger(__name__)

LARGEST_FACTOR = 16
LONGEST_SIDE_PX = 65_535

Size = int | tuple[int, int]  # of the longer side, or (width, height) to fit inside


def parse_size(text: str) -> Size:
    """`3840x2160`, which results fit inside, or `3840`, their longer side. Raises ValueError for other texts."""
    found = re.fullmatch(r"\s*(\d{1,9})\s*(?:[x×*]\s*(\d{1,9})\s*)?", text, re.IGNORECASE)
    if not found:
        raise ValueError(
            f"size {text!r} must be WIDTHxHEIGHT, which results fit inside, such as 3840x2160, or one number, their "
            "longer side"
        )
    width, height = found.groups()
    return int(width) if height is None else (int(width), int(height))


def check_size(outscale: float | None, size: Size | None) -> None:
    """Raise a ValueError for what no result can have."""
    if outscale is not None and size is not None:
        raise ValueError(f"outscale={outscale:g} and size={size} both say how large the result is; give one of them")
    if outscale is not None and not 0 < outscale <= LARGEST_FACTOR:
        raise ValueError(f"outscale must be above 0 and at most {LARGEST_FACTOR}, got {outscale}")
    sides: Sequence[int] = (size if isinstance(size, Sequence) else (size,)) if size is not None else ()
    if size is not None and (len(sides) > 2 or not all(1 <= side <= LONGEST_SIDE_PX for side in sides)):
        raise ValueError(f"size must be one or two lengths from 1 to {LONGEST_SIDE_PX} px, got {size}")


def result_size(height: int, width: int, scale: int, outscale: float | None, size: Size | None) -> tuple[int, int]:
    """(height, width) of the result of an image; its shape is kept, so of a size one side alone may be reached."""
    if size is None:
        factor = float(scale) if outscale is None else outscale
    else:
        most_width, most_height = (size, size) if isinstance(size, int) else size
        factor = min(most_width / width, most_height / height, LARGEST_FACTOR)
    return max(1, int(height * factor + 0.5)), max(1, int(width * factor + 0.5))


def brought_to(pixels_HWC: np.ndarray, height: int, width: int) -> np.ndarray:
    """What a network made, at the size that is wanted; says so where that is larger than the network goes."""
    made_height, made_width = pixels_HWC.shape[:2]
    if height > made_height or width > made_width:
        logger.warning(
            "the network makes %dx%d of this photo; what %dx%d has beyond that is interpolated, without new detail",
            made_width,
            made_height,
            width,
            height,
        )
    return resized(pixels_HWC, height, width)
