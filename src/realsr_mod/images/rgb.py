"""Images as networks and measurements take them: 8-bit RGB, transparency on white.

Legend: H height, W width, C channels (1 grey, 2 grey + alpha, 3 RGB, 4 RGB + alpha).
"""

from pathlib import Path

import numpy as np

from realsr_mod.images.bounds import MAX_PIXELS
from realsr_mod.images.image import ImageReadError
from realsr_mod.images.read import read_image


def read_rgb(path: Path | str, max_pixels: int | None = MAX_PIXELS) -> np.ndarray:
    """Read an image as uint8 RGB, (H, W, 3), upright; what becomes of other kinds is written in `read.py`.

    Transparency is composited on white, since what lies under transparent pixels is arbitrary. Color profiles are not
    applied. Raises ImageReadError, also for an image of more than `max_pixels` (None: no limit).
    """
    try:
        return to_rgb(read_image(path, max_pixels).pixels_HWC)
    except ImageReadError:
        raise
    except OSError as error:
        reason = "no such file" if isinstance(error, FileNotFoundError) else str(error)
        raise ImageReadError(path, reason) from error


def to_rgb(pixels_HWC: np.ndarray) -> np.ndarray:
    """Pixels of any kind that `LoadedImage` has as uint8 RGB, (H, W, 3)."""
    pixels = on_white(to_8bit(pixels_HWC))
    return pixels if pixels.shape[2] == 3 else pixels.repeat(3, axis=2)


def to_8bit(pixels_HWC: np.ndarray) -> np.ndarray:
    """uint8 as it is, uint16 rounded."""
    if pixels_HWC.dtype == np.uint8:
        return pixels_HWC
    return ((pixels_HWC.astype(np.uint32) + 128) // 257).astype(np.uint8)  # 65535 = 257 * 255


def on_white(pixels_HWC: np.ndarray) -> np.ndarray:
    """Grey or RGB, (H, W, 1 or 3), of the same depth: what shows where transparent pixels lie on white."""
    if pixels_HWC.shape[2] not in (2, 4):
        return pixels_HWC
    white = np.iinfo(pixels_HWC.dtype).max
    alpha_HW1 = pixels_HWC[:, :, -1:].astype(np.float32) / white
    mixed = pixels_HWC[:, :, :-1] * alpha_HW1 + white * (1 - alpha_HW1)
    return mixed.round().astype(pixels_HWC.dtype)
