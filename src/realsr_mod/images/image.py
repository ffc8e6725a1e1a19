"""An image and all that its file says of it, and the one error for files that are none.

Legend: H height, W width, C channels (1 grey, 2 grey + alpha, 3 RGB, 4 RGB + alpha).
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

INCH_M = 0.0254
_METERS = {"inch": INCH_M, "cm": 0.01, "m": 1.0}


class ImageReadError(ValueError):
    """A file that cannot be read as an image. The message names the file, the reason and a remedy."""

    def __init__(self, path: Path | str, reason: str = "") -> None:
        # A data-loading worker's error is made anew from its message alone.
        super().__init__(f"{path}: {reason}" if reason else str(path))
        self.path, self.reason = Path(path), reason

    def __reduce__(self) -> tuple[Any, ...]:  # so that a data-loading worker can hand it to the main process
        return type(self), (self.path, self.reason)


class Resolution(NamedTuple):
    """Pixels per `unit` (inch, cm or m), across and down; without a unit only their ratio means something."""

    x: float
    y: float
    unit: str

    def per(self, unit: str) -> "Resolution":
        """The same in another unit; whole numbers a meter are taken for those an inch that they stand for."""
        if not self.unit or unit == self.unit:
            return self
        factor = _METERS[unit] / _METERS[self.unit]
        x, y = self.x * factor, self.y * factor
        if self.unit == "m":
            x, y = (round(side) if abs(side - round(side)) < factor / 2 else side for side in (x, y))
        return Resolution(x, y, unit)


class Color(NamedTuple):
    """What colors mean where no ICC profile says it, in the numbers of PNG's chunks.

    Args:
        cicp: numbers of ITU-T H.273 for primaries, transfer and matrix, and whether the range is full.
        gamma: the exponent that encoded the values, times 100,000.
        chromaticities: x and y of white, red, green and blue, times 100,000.
        intent: how sRGB is to be rendered.
    """

    cicp: tuple[int, int, int, int] | None = None
    gamma: int | None = None
    chromaticities: tuple[int, ...] | None = None
    intent: int | None = None


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """What a file says of its image besides the pixels; bytes are as they were in the file where nothing had to change.

    Args:
        icc: color profile.
        exif: a block in the form of TIFF, upright and without a thumbnail.
        xmp: a packet, upright.
        photoshop: image resources, IPTC among them.
        comment: text of a JPEG or GIF.
        chunks: texts and light levels of a PNG, whole chunks.
        segments: continued XMP of a JPEG, whole segments.
        resolution: pixels per unit of length.
        color: what colors mean, besides or instead of `icc`.
    """

    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    photoshop: bytes | None = None
    comment: bytes | None = None
    chunks: bytes | None = None
    segments: bytes | None = None
    resolution: Resolution | None = None
    color: Color | None = None


@dataclass(frozen=True)
class LoadedImage(Metadata):
    """An image and all that its file holds, upright.

    Args:
        pixels_HWC: uint8 or uint16; C = 1 grey, 2 grey + alpha, 3 RGB, 4 RGB + alpha.
        format: a key of `FORMATS`, in which it is written.
        notes: what of a file could not be kept, for people to read.
    """

    pixels_HWC: np.ndarray
    format: str = "png"
    notes: tuple[str, ...] = field(default=())

    @property
    def has_alpha(self) -> bool:
        return self.pixels_HWC.shape[2] in (2, 4)
