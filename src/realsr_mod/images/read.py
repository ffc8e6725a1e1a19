"""The one decoder: what a file holds, upright, without loss: bit depth, alpha, and what it says of its photo.

What is decided here, for training, checks, upscaling, pairs and the page alike:

- 8-bit channels stay 8-bit. More bits, integers up to 65535 and floats, become 16-bit; floats count as [0, 1], values
  up to half a unit outside (filters overshoot) are cut, and what lies further out has an unknown unit and is refused.
- Grey stays grey, palettes become RGB. CMYK, Lab and YCbCr become sRGB, through their profile if they have one.
- Alpha stays, straight (not multiplied into the colors). Who cannot use it composites on white (`rgb.py`).
- Of several frames or pages the first is read, and a note says so.
- What a file says of its photo is carried as the bytes that it is: profile, EXIF with makers' notes, XMP, IPTC, texts.
  How it lies is applied to the pixels and put right in EXIF and XMP; a thumbnail goes, since it shows another image.
  What colors mean without a profile (PNG's gAMA, cHRM, cICP) stays numbers, pixels are not converted (`image.py`).
- Pixels per inch stay as they are, so a result that is four times larger is so on paper too.
- What a file may ask of a decoder is bounded (`bounds.py`); who serves strangers decodes apart (`sandbox.py`).
- A decoder is given the pixels alone (`prepare.py`); what a library's own limit would refuse is read here. TIFF and PNG
  of 16-bit colors, which Pillow would cut to 8 bits, are decoded by OpenCV or tifffile (`tiff.py`).

Legend: H height, W width, C channels (1 grey, 2 grey + alpha, 3 RGB, 4 RGB + alpha).
"""

import re
import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from realsr_mod.images.bounds import MAX_PIXELS, BoundError, check_bytes, check_pixels
from realsr_mod.images.decode import Decoded, decode, from_pillow
from realsr_mod.images.exif import upright_exif
from realsr_mod.images.formats import (
    FORMATS,
    JXL_BOXED,
    ORIENTATION,
    PILLOW_FORMATS,
    READABLE,
    TIFF_STARTS,
    UNKNOWN_TO_PILLOW,
)
from realsr_mod.images.headers import read_header
from realsr_mod.images.heif import heif_size, kind_of
from realsr_mod.images.image import ImageReadError, LoadedImage, Metadata
from realsr_mod.images.jxl import is_jxl, jxl_header
from realsr_mod.images.pillow import without_pixel_limit
from realsr_mod.images.tiff import UnsupportedTiffError, upright
from realsr_mod.images.xmp import upright_xmp

_NO_MEMORY = "it does not fit into the memory that there is; shrink it, or cut it up"


def read_image(path: str | Path, max_pixels: int | None = MAX_PIXELS) -> LoadedImage:
    """Read an image file of one of `SUFFIXES`' kinds, whatever its name.

    Args:
        path: of the file.
        max_pixels: refuse larger ones before they are decoded; None: no limit.

    Raises:
        FileNotFoundError: no such file.
        ImageReadError: empty, truncated, not an image, too large; the message names the file and a remedy.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    with explained(str(path)):
        check_bytes(path.stat().st_size, max_pixels)
    return decode_image(path.read_bytes(), str(path), max_pixels)


def decode_image(content: bytes, name: str, max_pixels: int | None = MAX_PIXELS) -> LoadedImage:
    """Decode the content of an image file; `name` is what messages call it. See `read_image`."""
    if not content:
        raise ImageReadError(name, "the file is empty; copy it again")
    with explained(name), without_pixel_limit():  # there is one limit, `max_pixels`
        return _loaded(decode(content, name, max_pixels))


Decode = Callable[[Path, int | None], LoadedImage]


def image_size(path: Path | str, max_pixels: int | None = None, decode: Decode = read_image) -> tuple[int, int]:
    """(height, width) as `read_image` would find them, from the file's header alone where possible.

    Args:
        path: of the file.
        max_pixels: refuse larger images; None: no limit.
        decode: reads the rare TIFF that only a decoder can tell from damage.

    Raises ImageReadError, also for an image of more than `max_pixels`.
    """
    path = Path(path)
    if not path.is_file():
        raise ImageReadError(path, "no such file")
    try:
        with explained(str(path)), without_pixel_limit():
            check_bytes(path.stat().st_size, max_pixels)
            width, height, orientation = _header(path, max_pixels, decode)
            check_pixels(width, height, max_pixels)
    except UnicodeDecodeError as error:  # of some damaged headers
        raise ImageReadError(path, _reason(error)) from error
    return (width, height) if orientation in (5, 6, 7, 8) else (height, width)


def _header(path: Path, max_pixels: int | None, decode: Decode) -> tuple[int, int, int]:
    """Width and height as stored, and EXIF's orientation."""
    with path.open("rb") as file:
        start = file.read(len(JXL_BOXED))
        if not start:
            raise ImageReadError(path, "the file is empty; copy it again")
        if is_jxl(start):
            return jxl_header(path.read_bytes())[:3]
        found = read_header(file, max_pixels)
        file.seek(0)
        head = file.read(256)
        start = head[:4]
    if found and start not in TIFF_STARTS:
        return found
    if found is None and kind_of(head):
        return *heif_size(path.read_bytes(), max_pixels), 1
    try:
        if start == UNKNOWN_TO_PILLOW:
            raise UnidentifiedImageError
        with Image.open(path, formats=PILLOW_FORMATS) as image:
            return found or (*image.size, int(image.getexif().get(ORIENTATION, 1)))
    except UnidentifiedImageError:  # Pillow does not know every TIFF that others read
        if found is None:
            raise
        check_pixels(*found[:2], max_pixels)
        decode(path, max_pixels)
        return found


@contextmanager
def explained(name: str) -> Iterator[None]:
    """Turn whatever a decoder raises into an ImageReadError that says what is wrong and what to do."""
    try:
        yield
    except ImageReadError:
        raise
    except MemoryError as error:
        raise ImageReadError(name, _NO_MEMORY) from error
    except UnidentifiedImageError as error:
        raise ImageReadError(name, f"not a {READABLE} image; convert it with another program") from error
    except (BoundError, UnsupportedTiffError) as error:
        raise ImageReadError(name, str(error)) from error
    except Exception as error:  # decoders raise nearly anything on a damaged file
        if re.search("out of memory|insufficient memory|failed to allocate", str(error).lower()):
            raise ImageReadError(name, _NO_MEMORY) from error
        raise ImageReadError(
            name, f"truncated or damaged ({_reason(error)}); copy it again from where it came"
        ) from error


def _reason(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def from_pil(image: Image.Image) -> LoadedImage:
    """What a Pillow image holds, upright."""
    return _loaded(from_pillow(image))


def _loaded(decoded: Decoded) -> LoadedImage:
    """Bring an image upright, and have what is said of it say so."""
    metadata, notes = decoded.metadata, list(decoded.notes)
    if metadata.exif:
        try:
            metadata = replace(metadata, exif=upright_exif(metadata.exif))
        except (struct.error, ValueError):
            metadata = replace(metadata, exif=None)
            notes.append("its EXIF is damaged and was dropped")
    if metadata.xmp:
        metadata = replace(metadata, xmp=upright_xmp(metadata.xmp))
    return LoadedImage(
        np.ascontiguousarray(upright(decoded.pixels_HWC, decoded.orientation)),
        decoded.format if decoded.format in FORMATS else "png",
        tuple(notes),
        **{part.name: getattr(metadata, part.name) for part in fields(Metadata)},
    )
