"""Writing pictures: as much as a format can hold, atomically, with a note of what it cannot.

Legend: H height, W width, C channels (1 grey, 2 grey + alpha, 3 RGB, 4 RGB + alpha).
"""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import tifffile
from PIL import Image

from realsr_mod.inference.image_io import FORMATS, Picture
from realsr_mod.inference.png import write_png

JPEG_QUALITY = 95
WEBP_QUALITY = 95


def fit_format(picture: Picture, file_format: str) -> Picture:
    """The picture as `file_format` can hold it; what is lost is added to its notes."""
    holds, pixels, notes = FORMATS[file_format], picture.pixels_HWC, list(picture.notes)
    height, width = pixels.shape[:2]
    if max(height, width) > holds.max_side:
        notes.append(f"saved as png: {file_format} holds sides up to {holds.max_side}, this one is {width}x{height}")
        return fit_format(replace(picture, notes=tuple(notes)), "png")
    if picture.has_alpha and not holds.alpha:
        pixels = _on_white(pixels)
        notes.append(f"{file_format} holds no transparency: put on white")
    if pixels.dtype == np.uint16 and not holds.deep:
        pixels = _to_8bit(pixels)
        notes.append(f"{file_format} holds no 16 bits: rounded to 8")
    # The TIFF writers at hand know EXIF for 8-bit pictures and 16-bit grey ones.
    keeps_exif = holds.exif and not (file_format == "tiff" and _needs_tifffile(pixels))
    if picture.exif and not keeps_exif:
        notes.append(f"{file_format} holds no EXIF here: dropped")
    return Picture(
        pixels, file_format, picture.icc if holds.icc else None, picture.exif if keeps_exif else None, tuple(notes)
    )


def _on_white(pixels_HWC: np.ndarray) -> np.ndarray:
    white = np.iinfo(pixels_HWC.dtype).max
    alpha_HW1 = pixels_HWC[:, :, -1:].astype(np.float32) / white
    mixed = pixels_HWC[:, :, :-1] * alpha_HW1 + white * (1 - alpha_HW1)
    return mixed.round().astype(pixels_HWC.dtype)


def _to_8bit(pixels_HWC: np.ndarray) -> np.ndarray:
    return ((pixels_HWC.astype(np.uint32) + 128) // 257).astype(np.uint8)  # 65535 = 257 * 255


def _needs_tifffile(pixels_HWC: np.ndarray) -> bool:
    return pixels_HWC.dtype == np.uint16 and pixels_HWC.shape[2] > 1


def write_picture(path: str | Path, picture: Picture) -> None:
    """Write a picture in its format, atomically: at `path` there is the old file or the whole new one.

    The picture must be one that its format holds, see `fit_format`.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            encode_picture(file, picture)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def encode_picture(file: BinaryIO, picture: Picture) -> None:
    """Write a picture in its format to an open file."""
    pixels = picture.pixels_HWC
    extra: dict[str, Any] = {}
    if picture.format == "png":
        return write_png(file, pixels, picture.icc, picture.exif)
    if picture.format == "tiff" and _needs_tifffile(pixels):
        photometric = "rgb" if pixels.shape[2] > 2 else "minisblack"
        alpha = ["unassalpha"] if picture.has_alpha else None
        return tifffile.imwrite(file, pixels, photometric=photometric, extrasamples=alpha, iccprofile=picture.icc)
    if picture.icc:
        extra["icc_profile"] = picture.icc
    if picture.exif:
        extra["exif"] = picture.exif
    if picture.format == "jpeg":
        extra |= {"quality": JPEG_QUALITY, "subsampling": 0, "optimize": False}
    elif picture.format == "webp":
        extra |= {"quality": WEBP_QUALITY}
    elif picture.format == "tiff" and not picture.exif:  # Pillow's compressing writer cannot nest EXIF's directories
        extra |= {"compression": "tiff_adobe_deflate"}
    return to_pil(picture).save(file, format=picture.format.upper(), **extra)


def to_pil(picture: Picture) -> Image.Image:
    """A Pillow image with profile and EXIF in its `info`; 16-bit colour becomes 8-bit, all that Pillow has."""
    pixels = picture.pixels_HWC
    if _needs_tifffile(pixels):
        pixels = _to_8bit(pixels)
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    if picture.icc:
        image.info["icc_profile"] = picture.icc
    if picture.exif:
        image.info["exif"] = picture.exif
    return image
