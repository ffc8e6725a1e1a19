"""Writing images: as much as a format can hold, atomically, with a note of what it cannot.

Legend: H height, W width, C channels (1 grey, 2 grey + alpha, 3 RGB, 4 RGB + alpha).
"""

from dataclasses import replace
from pathlib import Path
from typing import IO, Any

import numpy as np
import tifffile
from PIL import Image

from realsr_mod.images.formats import FORMATS
from realsr_mod.images.png import write_png
from realsr_mod.images.read import LoadedImage
from realsr_mod.images.rgb import on_white, to_8bit
from realsr_mod.runtime.files import atomic_write

JPEG_QUALITY = 95
WEBP_QUALITY = 95


def fit_format(image: LoadedImage, file_format: str) -> LoadedImage:
    """The image as `file_format` can hold it; what is lost is added to its notes."""
    holds, pixels, notes = FORMATS[file_format], image.pixels_HWC, list(image.notes)
    height, width = pixels.shape[:2]
    if max(height, width) > holds.max_side:
        notes.append(f"saved as png: {file_format} holds sides up to {holds.max_side}, this one is {width}x{height}")
        return fit_format(replace(image, notes=tuple(notes)), "png")
    if image.has_alpha and not holds.alpha:
        pixels = on_white(pixels)
        notes.append(f"{file_format} holds no transparency: put on white")
    if pixels.dtype == np.uint16 and not holds.deep:
        pixels = to_8bit(pixels)
        notes.append(f"{file_format} holds no 16 bits: rounded to 8")
    # The TIFF writers at hand know EXIF for 8-bit images and 16-bit grey ones.
    keeps_exif = holds.exif and not (file_format == "tiff" and _needs_tifffile(pixels))
    if image.exif and not keeps_exif:
        notes.append(f"{file_format} holds no EXIF here: dropped")
    return LoadedImage(
        pixels, file_format, image.icc if holds.icc else None, image.exif if keeps_exif else None, tuple(notes)
    )


def _needs_tifffile(pixels_HWC: np.ndarray) -> bool:
    return pixels_HWC.dtype == np.uint16 and pixels_HWC.shape[2] > 1


def write_image(path: str | Path, image: LoadedImage) -> None:
    """Write an image in its format, atomically: at `path` there is the old file or the whole new one.

    The image must be one that its format holds, see `fit_format`.
    """
    with atomic_write(path) as file:
        encode_image(file, image)


def encode_image(file: IO[bytes], image: LoadedImage) -> None:
    """Write an image in its format to an open file."""
    pixels = image.pixels_HWC
    extra: dict[str, Any] = {}
    if image.format == "png":
        write_png(file, pixels, image.icc, image.exif)
        return
    if image.format == "tiff" and _needs_tifffile(pixels):
        photometric = "rgb" if pixels.shape[2] > 2 else "minisblack"
        alpha = ["unassalpha"] if image.has_alpha else None
        tifffile.imwrite(file, pixels, photometric=photometric, extrasamples=alpha, iccprofile=image.icc)
        return
    if image.icc:
        extra["icc_profile"] = image.icc
    if image.exif:
        extra["exif"] = image.exif
    if image.format == "jpeg":
        extra |= {"quality": JPEG_QUALITY, "subsampling": 0, "optimize": False}
    elif image.format == "webp":
        extra |= {"quality": WEBP_QUALITY}
    elif image.format == "tiff" and not image.exif:  # Pillow's compressing writer cannot nest EXIF's directories
        extra |= {"compression": "tiff_adobe_deflate"}
    to_pil(image).save(file, format=image.format.upper(), **extra)


def to_pil(loaded: LoadedImage) -> Image.Image:
    """A Pillow image with profile and EXIF in its `info`; 16-bit colour becomes 8-bit, all that Pillow has."""
    pixels = loaded.pixels_HWC
    if _needs_tifffile(pixels):
        pixels = to_8bit(pixels)
    image = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    if loaded.icc:
        image.info["icc_profile"] = loaded.icc
    if loaded.exif:
        image.info["exif"] = loaded.exif
    return image
