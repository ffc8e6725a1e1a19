"""Writing images in the format that they were fitted to, atomically.

Legend: H height, W width, C channels (1 grey, 2 grey + alpha, 3 RGB, 4 RGB + alpha).
"""

import io
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image

from realsr_mod.images.chunks import color_chunks, photo_chunks
from realsr_mod.images.exif import HEADER
from realsr_mod.images.heif import AVIF_QUALITY, write_heic
from realsr_mod.images.image import LoadedImage
from realsr_mod.images.jpeg import photo_segments, with_density
from realsr_mod.images.jxl import write_jxl
from realsr_mod.images.png import write_png
from realsr_mod.images.rgb import to_8bit
from realsr_mod.images.tiff_write import write_tiff
from realsr_mod.runtime.files import atomic_write

JPEG_QUALITY = 95
WEBP_QUALITY = 95
_AVIF = {"quality": AVIF_QUALITY, "subsampling": "4:4:4"}


def write_image(path: str | Path, image: LoadedImage) -> None:
    """Write an image in its format, atomically: at `path` there is the old file or the whole new one.

    The image must be one that its format holds, see `fit.py`.
    """
    with atomic_write(path) as file:
        encode_image(file, image)


def encode_image(file: IO[bytes], image: LoadedImage) -> None:
    """Write an image in its format to an open file."""
    if image.format == "png":
        write_png(file, image.pixels_HWC, color_chunks(image) + photo_chunks(image))
    elif image.format == "tiff":
        write_tiff(file, image.pixels_HWC, image)
    elif image.format == "jpeg":
        _write_jpeg(file, image)
    elif image.format == "heic":
        write_heic(file, image)
    elif image.format == "jxl":
        write_jxl(file, image)
    else:
        extra: dict[str, Any] = {}
        if image.format in ("webp", "avif"):
            extra = {
                "quality": WEBP_QUALITY,
                "icc_profile": image.icc,
                "exif": image.exif or b"",
                "xmp": image.xmp or b"",
            }
        elif image.resolution is not None and image.resolution.unit:
            extra = {"dpi": image.resolution.per("inch")[:2]}
        _bare(image).save(file, format=image.format.upper(), **extra)


def _write_jpeg(file: IO[bytes], image: LoadedImage) -> None:
    options: dict[str, Any] = {"quality": JPEG_QUALITY, "subsampling": 0, "optimize": False}
    options |= {"icc_profile": image.icc, "extra": photo_segments(image), "comment": image.comment or b""}
    if image.exif:
        options["exif"] = HEADER + image.exif
    coded = io.BytesIO()
    _bare(image).save(coded, format="JPEG", **options)
    content = coded.getbuffer()
    file.write(with_density(bytes(content[:20]), image.resolution))
    file.write(content[20:])


def _bare(image: LoadedImage) -> Image.Image:
    """A Pillow image of the pixels alone; 16-bit colors become 8-bit, all that Pillow has."""
    pixels = image.pixels_HWC
    if pixels.dtype == np.uint16 and pixels.shape[2] > 1:
        pixels = to_8bit(pixels)
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


def to_pil(loaded: LoadedImage) -> Image.Image:
    """A Pillow image with profile, EXIF, XMP and resolution in its `info`."""
    image = _bare(loaded)
    resolution = loaded.resolution
    info = {"icc_profile": loaded.icc, "exif": loaded.exif, "xmp": loaded.xmp}
    image.info |= {name: value for name, value in info.items() if value}
    if resolution is not None and resolution.unit:
        image.info["dpi"] = resolution.per("inch")[:2]
    return image
