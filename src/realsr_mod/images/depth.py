"""Pixels of any depth as 8 or 16 bits.

Legend: H height, W width, C channels.
"""

import numpy as np

from realsr_mod.images.image import ImageReadError

_OVERSHOOT = 0.5  # how far float pixels may leave [0, 1], as resizing filters make them do


def as_integers(pixels_HWC: np.ndarray, name: str) -> np.ndarray:
    """Pixels of any type as uint8 or uint16; see the rules at the top of `read.py`. Raises ImageReadError."""
    if pixels_HWC.dtype in (np.uint8, np.uint16):
        return pixels_HWC
    low, high = pixels_HWC.min(), pixels_HWC.max()
    if np.issubdtype(pixels_HWC.dtype, np.integer):
        if low < 0 or high > 65535:
            raise ImageReadError(
                name, f"its integers run from {low} to {high}, expected 0 to 65535; save it with 16 or 8 bits a channel"
            )
        return pixels_HWC.astype(np.uint16)
    if not (low >= -_OVERSHOOT and high <= 1 + _OVERSHOOT):  # written so that NaN fails it
        raise ImageReadError(
            name,
            f"its float pixels run from {low:g} to {high:g}, expected 0 to 1; scale them, or save it with 16 or 8 bits "
            "a channel",
        )
    wide = pixels_HWC.astype(np.promote_types(pixels_HWC.dtype, np.float32), copy=False)
    levels: np.ndarray = np.round(np.clip(wide, 0, 1) * 65535.0).astype(np.uint16)
    return levels


def stretched(values: np.ndarray, bits: int) -> np.ndarray:
    """Whole numbers of so many bits with white at 255, up to 8 bits, or at 65535."""
    full, dtype = (255, np.uint8) if bits <= 8 else (65535, np.uint16)
    white = 2**bits - 1
    if white == full:
        return values.astype(dtype, copy=False)
    levels = ((np.arange(white + 1, dtype=np.uint64) * full + white // 2) // white).astype(dtype)
    scaled: np.ndarray = levels[values]
    return scaled
