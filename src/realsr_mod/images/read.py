"""The one decoder: what a file holds, upright, without loss: bit depth, alpha, ICC profile, EXIF.

What is decided here, for training, checks, upscaling, pairs and the page alike:

- 8-bit channels stay 8-bit. More bits, integers up to 65535 and floats, become 16-bit; floats count as [0, 1], values
  up to half a unit outside (filters overshoot) are cut, and what lies further out has an unknown unit and is refused.
- Grey stays grey, palettes become RGB. CMYK, Lab and YCbCr become sRGB, through their profile if they have one.
- Alpha stays, straight (not multiplied into the colors). Who cannot use it composites on white (`rgb.py`).
- Of several frames or pages the first is read, and a note says so.
- What a file may ask of a decoder is bounded (`bounds.py`); who serves strangers decodes apart (`sandbox.py`).
- TIFF and PNG of 16-bit colors, which Pillow would cut to 8 bits, are decoded by OpenCV or tifffile (`tiff.py`).

Legend: H height, W width, C channels (1 grey, 2 grey + alpha, 3 RGB, 4 RGB + alpha).
"""

import io
import re
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError

from realsr_mod.images.bounds import (
    MAX_PIXELS,
    BoundError,
    check_bytes,
    check_pixels,
)
from realsr_mod.images.formats import (
    CMYK,
    DESCRIPTIVE_TAGS,
    EXIF_DIRECTORY,
    FORMATS,
    GPS_DIRECTORY,
    ICC_PROFILE,
    ORIENTATION,
    PHOTOMETRIC,
    PILLOW_FORMATS,
    PIXEL_SIZE_TAGS,
    READABLE,
    TIFF_STARTS,
)
from realsr_mod.images.headers import check_content, check_scans, read_header
from realsr_mod.images.ppm import decode_deep_ppm
from realsr_mod.images.tiff import UnsupportedTiffError, decode_by_opencv, decode_tiff, is_deep_tiff, upright

_FIRST_ALONE = "only the first of its images is used"
_NO_MEMORY = "it does not fit into the memory that there is; shrink it, or cut it up"
_OVERSHOOT = 0.5  # how far float pixels may leave [0, 1], as resizing filters make them do


class ImageReadError(ValueError):
    """A file that cannot be read as an image. The message names the file, the reason and a remedy."""

    def __init__(self, path: Path | str, reason: str = "") -> None:
        # A data-loading worker's error is made anew from its message alone.
        super().__init__(f"{path}: {reason}" if reason else str(path))
        self.path, self.reason = Path(path), reason

    def __reduce__(self) -> tuple[Any, ...]:  # so that a data-loading worker can hand it to the main process
        return type(self), (self.path, self.reason)


@dataclass(frozen=True)
class LoadedImage:
    """An image and all that its file holds, upright.

    Args:
        pixels_HWC: uint8 or uint16; C = 1 grey, 2 grey + alpha, 3 RGB, 4 RGB + alpha.
        format: a key of `FORMATS`, in which it is written.
        icc: color profile.
        exif: what describes the photo; its orientation is applied and removed.
        notes: what of a file could not be kept, for people to read.
    """

    pixels_HWC: np.ndarray
    format: str = "png"
    icc: bytes | None = None
    exif: bytes | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def has_alpha(self) -> bool:
        return self.pixels_HWC.shape[2] in (2, 4)


class _PixelLimit:
    """Pillow's limit on pixels, and how many threads have asked for it to be lifted."""

    lock = threading.Lock()
    lifted_by = 0
    theirs: int | None = None


@contextmanager
def without_pixel_limit() -> Iterator[None]:
    """Lift Pillow's own limit on pixels while any thread is inside; callers have limits of their own, or none.

    It is a global of the process, also asked while pixels are loaded, so it is put back for the program around us.
    """
    with _PixelLimit.lock:
        if _PixelLimit.lifted_by == 0:
            _PixelLimit.theirs, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        _PixelLimit.lifted_by += 1
    try:
        yield
    finally:
        with _PixelLimit.lock:
            _PixelLimit.lifted_by -= 1
            if _PixelLimit.lifted_by == 0:
                Image.MAX_IMAGE_PIXELS = _PixelLimit.theirs


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
    with _explained(str(path)):
        check_bytes(path.stat().st_size, max_pixels)
    return decode_image(path.read_bytes(), str(path), max_pixels)


def decode_image(content: bytes, name: str, max_pixels: int | None = MAX_PIXELS) -> LoadedImage:
    """Decode the content of an image file; `name` is what messages call it. See `read_image`."""
    if not content:
        raise ImageReadError(name, "the file is empty; copy it again")
    with _explained(name), without_pixel_limit():  # there is one limit, `max_pixels`
        return _decode(check_content(content, max_pixels), content, name, max_pixels)


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
        with _explained(str(path)), without_pixel_limit():
            check_bytes(path.stat().st_size, max_pixels)
            width, height, orientation = _header(path, max_pixels, decode)
            check_pixels(width, height, max_pixels)
    except UnicodeDecodeError as error:  # of some damaged headers
        raise ImageReadError(path, _reason(error)) from error
    return (width, height) if orientation in (5, 6, 7, 8) else (height, width)


def _header(path: Path, max_pixels: int | None, decode: Decode) -> tuple[int, int, int]:
    """Width and height as stored, and EXIF's orientation."""
    with path.open("rb") as file:
        if not file.read(1):
            raise ImageReadError(path, "the file is empty; copy it again")
        found = read_header(file, max_pixels)
        file.seek(0)
        is_tiff = file.read(4) in TIFF_STARTS
    if found and not is_tiff:
        return found
    try:
        with Image.open(path, formats=PILLOW_FORMATS) as image:
            return found or (*image.size, int(image.getexif().get(ORIENTATION, 1)))
    except UnidentifiedImageError:  # Pillow does not know every TIFF that others read
        if found is None:
            raise
        check_pixels(*found[:2], max_pixels)
        decode(path, max_pixels)
        return found


@contextmanager
def _explained(name: str) -> Iterator[None]:
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


def _decode(content: bytes, whole: bytes, name: str, max_pixels: int | None) -> LoadedImage:
    """Decode what `check_content` left of a whole file."""

    def check_size(width: int, height: int) -> None:
        check_pixels(width, height, max_pixels)

    notes = [_FIRST_ALONE] if content.startswith(TIFF_STARTS) and content is not whole else []
    try:
        image = Image.open(io.BytesIO(content), formats=PILLOW_FORMATS)
    except UnidentifiedImageError:
        if not content.startswith(TIFF_STARTS):
            raise
        pixels, tags = as_integers(decode_tiff(content, check_size), name), Image.Exif()
        with suppress(struct.error, SyntaxError):  # BigTIFF, of which Pillow knows no tags alone
            tags.load(content)
        return _loaded(pixels, "tiff", tags.get(ICC_PROFILE), lambda: tags, notes, is_upright=True)
    check_size(*image.size)
    if is_deep_tiff(image) and image.tag_v2.get(PHOTOMETRIC) != CMYK:
        pixels = as_integers(decode_tiff(content, check_size), name)
        return _loaded(pixels, "tiff", image.info.get("icc_profile"), image.getexif, notes, is_upright=True)
    if image.format in ("JPEG", "MPO") and max_pixels is not None:
        check_scans(content, *image.size)
    if image.format == "PPM" and (deep := decode_deep_ppm(content)) is not None:
        return LoadedImage(deep, "png")
    image.load()
    return _from_image(image, name, content, notes)


def from_pil(image: Image.Image) -> LoadedImage:
    """What a Pillow image holds, upright."""
    return _from_image(image, "image", None)


def _from_image(image: Image.Image, name: str, content: bytes | None, notes: Sequence[str] = ()) -> LoadedImage:
    notes = [*notes, *_notes(image)]
    pixels, icc = _pixels(image, name, content)
    file_format = {"MPO": "jpeg"}.get(image.format or "PNG", (image.format or "PNG").lower())
    return _loaded(pixels, file_format, icc, image.getexif, notes)


def _notes(image: Image.Image) -> list[str]:
    return [_FIRST_ALONE] if _has_several(image) else []


def _has_several(image: Image.Image) -> bool:
    if image.format == "MPO":
        return False  # a photo with a preview beside it
    if image.format != "TIFF":
        return getattr(image, "n_frames", 1) > 1
    try:  # counting a TIFF's pages means reading all of them
        image.seek(1)
    except EOFError:
        return False
    finally:
        image.seek(0)
    return True


def _loaded(
    pixels: np.ndarray,
    file_format: str,
    icc: bytes | None,
    read_tags: Callable[[], Image.Exif],
    notes: list[str],
    is_upright: bool = False,
) -> LoadedImage:
    try:
        orientation, exif = _split_exif(read_tags())
    except (struct.error, ValueError, SyntaxError, TypeError, KeyError, OverflowError, OSError):
        orientation, exif = 1, None
        notes.append("its EXIF is damaged and was dropped")
    if not is_upright:
        pixels = upright(pixels, orientation)
    pixels = np.ascontiguousarray(pixels)
    return LoadedImage(pixels, file_format if file_format in FORMATS else "png", icc, exif, tuple(notes))


def _pixels(image: Image.Image, name: str, content: bytes | None) -> tuple[np.ndarray, bytes | None]:
    icc = image.info.get("icc_profile")
    if content is not None and _is_16bit_color_png(image, content):
        return _decode_16bit_png(content), icc
    if image.mode == "F" or image.mode.startswith("I"):
        return as_integers(np.asarray(image)[:, :, None], name), icc
    if image.mode in ("CMYK", "LAB", "YCbCr", "HSV"):
        return np.asarray(_to_srgb(image, icc)), None  # the profile described other colors
    transparent = "transparency" in image.info or image.mode in ("LA", "La", "PA", "RGBA", "RGBa")
    grey = image.mode in ("1", "L", "LA", "La")
    mode = ("LA" if transparent else "L") if grey else ("RGBA" if transparent else "RGB")
    values = np.asarray(image if image.mode == mode else image.convert(mode))
    return (values[:, :, None] if values.ndim == 2 else values), icc


def as_integers(pixels_HWC: np.ndarray, name: str) -> np.ndarray:
    """Pixels of any type as uint8 or uint16; see the rules at the top. Raises ImageReadError."""
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
    levels: np.ndarray = np.round(np.clip(pixels_HWC, 0, 1) * 65535.0).astype(np.uint16)
    return levels


def _to_srgb(image: Image.Image, icc: bytes | None) -> Image.Image:
    """CMYK and its like to RGB, through their profile where there is one."""
    if icc:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
            converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
            assert converted is not None, "a new image, since inPlace is false"
            return converted
        except (ImageCms.PyCMSError, OSError):
            pass  # a profile of another color space, or a damaged one: as good as none
    return image.convert("RGB")


def _is_16bit_color_png(image: Image.Image, content: bytes) -> bool:
    """Whether Pillow would cut the file to 8 bits, which OpenCV would not."""
    return image.format == "PNG" and content[24] == 16 and content[25] != 0  # depth and color type in IHDR


def _decode_16bit_png(content: bytes) -> np.ndarray:
    pixels = decode_by_opencv(content)
    is_grey_alpha = content[25] == 4
    return np.ascontiguousarray(pixels[:, :, [0, 3]]) if is_grey_alpha else pixels


def _split_exif(tags: Image.Exif) -> tuple[int, bytes | None]:
    """A file's orientation, and what else of its EXIF describes the photo rather than its pixels."""
    kept = Image.Exif()
    for tag in DESCRIPTIVE_TAGS:
        if tag in tags:
            kept[tag] = tags[tag]
    for directory in (EXIF_DIRECTORY, GPS_DIRECTORY):
        if entries := tags.get_ifd(directory):
            kept[directory] = {tag: value for tag, value in entries.items() if tag not in PIXEL_SIZE_TAGS}
    return int(tags.get(ORIENTATION, 1)), kept.tobytes() if len(kept) else None
