"""Reading people's pictures without losing what they hold: bit depth, alpha, ICC profile, EXIF.

Legend: H height, W width, C channels (1 grey, 2 grey + alpha, 3 RGB, 4 RGB + alpha).
"""

import io
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageCms, UnidentifiedImageError

from realsr_mod.data.images import without_pixel_limit
from realsr_mod.data.tiff import UnsupportedTiffError, decode_tiff, has_planes, upright

MAX_PIXELS = 100_000_000
ORIENTATION = 0x0112
# What describes a photo: description, maker, model, software, date, artist, copyright. Other tags of a file's main
# directory describe its pixels, which will be others.
DESCRIPTIVE_TAGS = (0x010E, 0x010F, 0x0110, 0x0131, 0x0132, 0x013B, 0x8298)
EXIF_DIRECTORY, GPS_DIRECTORY = 0x8769, 0x8825
PIXEL_SIZE_TAGS = (0xA002, 0xA003)
PHOTOMETRIC, BITS_PER_SAMPLE, ICC_PROFILE = 0x0106, 0x0102, 0x8773
MIN_IS_WHITE, CMYK = 0, 5  # values of PHOTOMETRIC
TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


@dataclass(frozen=True)
class PictureFormat:
    """What a file format can hold."""

    suffix: str
    alpha: bool = False
    deep: bool = False  # 16 bits a channel
    icc: bool = True
    exif: bool = True
    max_side: int = 2**31 - 1


FORMATS = {
    "png": PictureFormat(".png", alpha=True, deep=True),
    "jpeg": PictureFormat(".jpg", max_side=65500),
    "webp": PictureFormat(".webp", alpha=True, max_side=16383),
    "tiff": PictureFormat(".tif", alpha=True, deep=True),
    "bmp": PictureFormat(".bmp", icc=False, exif=False, max_side=32767),
}
SUFFIXES = {
    ".png": "png",
    ".jpg": "jpeg",
    ".jpeg": "jpeg",
    ".webp": "webp",
    ".tif": "tiff",
    ".tiff": "tiff",
    ".bmp": "bmp",
}


@dataclass(frozen=True)
class Picture:
    """A picture as a file holds it, upright.

    Args:
        pixels_HWC: uint8 or uint16; C = 1 grey, 2 grey + alpha, 3 RGB, 4 RGB + alpha.
        format: a key of `FORMATS`.
        icc: colour profile.
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


def read_picture(path: str | Path, max_pixels: int = MAX_PIXELS) -> Picture:
    """Read a PNG, JPEG, WebP, TIFF or BMP file.

    Raises:
        FileNotFoundError: no such file.
        ValueError: empty, truncated, not a picture, larger than `max_pixels`; the message names the file and a remedy.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    return decode_picture(path.read_bytes(), str(path), max_pixels)


class UnreadablePictureError(ValueError):
    """A file that is not read. The message names the file, what is wrong with it and a remedy."""


def decode_picture(content: bytes, name: str, max_pixels: int = MAX_PIXELS) -> Picture:
    """Decode the content of a picture file; `name` is what messages call it. See `read_picture`."""
    if not content:
        raise UnreadablePictureError(f"{name}: the file is empty; copy it again")
    try:
        with without_pixel_limit():  # there is one limit, `max_pixels`
            return _decode(content, name, max_pixels)
    except (UnreadablePictureError, MemoryError):
        raise
    except UnidentifiedImageError as error:
        raise UnreadablePictureError(
            f"{name}: not a PNG, JPEG, WebP, TIFF or BMP picture; convert it with another program"
        ) from error
    except UnsupportedTiffError as error:
        raise UnreadablePictureError(f"{name}: {error}") from error
    except Exception as error:  # decoders raise nearly anything on a damaged file
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UnreadablePictureError(
            f"{name}: truncated or damaged ({reason}); copy it again from where it came"
        ) from error


def _decode(content: bytes, name: str, max_pixels: int) -> Picture:
    def check_size(width: int, height: int) -> None:
        if width * height > max_pixels:
            raise UnreadablePictureError(
                f"{name}: it has {width}x{height} pixels, the limit is {max_pixels / 1e6:g} megapixels; "
                "shrink it, cut it into parts, or raise the limit if you trust the file"
            )

    try:
        image = Image.open(io.BytesIO(content), formats=["PNG", "JPEG", "WEBP", "TIFF", "BMP"])
    except UnidentifiedImageError:
        if not content.startswith(TIFF_STARTS):
            raise
        pixels, tags = _decode_16bit_tiff(content, name, check_size), Image.Exif()
        with suppress(struct.error, SyntaxError):  # BigTIFF, of which it knows no tags alone
            tags.load(content)
        return _picture(pixels, "tiff", tags.get(ICC_PROFILE), lambda: tags, [], is_upright=True)
    check_size(*image.size)
    if has_planes(image):
        pixels, icc = _decode_16bit_tiff(content, name, check_size), image.info.get("icc_profile")
        return _picture(pixels, "tiff", icc, image.getexif, _notes(image), is_upright=True)
    image.load()
    return _from_image(image, name, content)


def from_pil(image: Image.Image) -> Picture:
    """The picture that a Pillow image holds, upright."""
    return _from_image(image, "image", None)


def _from_image(image: Image.Image, name: str, content: bytes | None) -> Picture:
    notes = _notes(image)
    pixels, icc = _pixels(image, name, content)
    return _picture(
        pixels, {"MPO": "jpeg"}.get(image.format or "PNG", (image.format or "PNG").lower()), icc, image.getexif, notes
    )


def _notes(image: Image.Image) -> list[str]:
    several = getattr(image, "n_frames", 1) > 1 and image.format != "MPO"  # a photo with a preview beside it is MPO
    return ["only the first of its pictures is used"] if several else []


def _picture(
    pixels: np.ndarray,
    file_format: str,
    icc: bytes | None,
    read_tags: Callable[[], Image.Exif],
    notes: list[str],
    is_upright: bool = False,
) -> Picture:
    try:
        orientation, exif = _split_exif(read_tags())
    except (struct.error, ValueError, SyntaxError, TypeError, KeyError, OverflowError, OSError):
        orientation, exif = 1, None
        notes.append("its EXIF is damaged and was dropped")
    if not is_upright:
        pixels = upright(pixels, orientation)
    pixels = np.ascontiguousarray(pixels)
    return Picture(pixels, file_format if file_format in FORMATS else "png", icc, exif, tuple(notes))


def _pixels(image: Image.Image, name: str, content: bytes | None) -> tuple[np.ndarray, bytes | None]:
    icc = image.info.get("icc_profile")
    if content is not None and _is_16bit_colour(image, content):
        return (_decode_16bit_tiff if image.format == "TIFF" else _decode_16bit_png)(content, name), icc
    if image.mode.startswith("I"):
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65535:
            raise UnreadablePictureError(
                f"{name}: 32-bit pictures are not supported; save it with 16 or 8 bits a channel"
            )
        values = values.astype(np.uint16)[:, :, None]
        is_negative = image.format == "TIFF" and image.tag_v2.get(PHOTOMETRIC) == MIN_IS_WHITE
        return (65535 - values if is_negative else values), icc
    if image.mode == "F":
        raise UnreadablePictureError(
            f"{name}: floating-point pictures are not supported; save it with 16 or 8 bits a channel"
        )
    if image.mode in ("CMYK", "LAB", "YCbCr", "HSV"):
        return np.asarray(_to_srgb(image, icc)), None  # the profile described other colours
    transparent = "transparency" in image.info or image.mode in ("LA", "La", "PA", "RGBA", "RGBa")
    grey = image.mode in ("1", "L", "LA", "La")
    mode = ("LA" if transparent else "L") if grey else ("RGBA" if transparent else "RGB")
    values = np.asarray(image if image.mode == mode else image.convert(mode))
    return (values[:, :, None] if values.ndim == 2 else values), icc


def _to_srgb(image: Image.Image, icc: bytes | None) -> Image.Image:
    """CMYK and its like to RGB, through their profile where there is one."""
    if icc:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
            return ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
        except (ImageCms.PyCMSError, OSError):
            pass  # a profile of another colour space, or a damaged one: as good as none
    return image.convert("RGB")


def _is_16bit_colour(image: Image.Image, content: bytes) -> bool:
    """Whether the file holds what Pillow would cut to 8 bits, and other decoders would not."""
    if image.format == "PNG":
        depth, colour_type = content[24], content[25]
        return depth == 16 and colour_type != 0
    if image.format == "TIFF":
        bits = image.tag_v2.get(BITS_PER_SAMPLE, (8,))
        return max(bits) == 16 and len(bits) > 1 and image.tag_v2.get(PHOTOMETRIC) != CMYK
    return False


def _decode_16bit_png(content: bytes, name: str) -> np.ndarray:
    values = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None or values.dtype != np.uint16 or values.ndim != 3 or values.shape[2] not in (3, 4):
        raise UnreadablePictureError(_unsupported(name))
    swapped = cv2.cvtColor(values, cv2.COLOR_BGRA2RGBA if values.shape[2] == 4 else cv2.COLOR_BGR2RGB)
    is_grey_alpha = content[25] == 4
    return np.ascontiguousarray(swapped[:, :, [0, 3]]) if is_grey_alpha else swapped


def _decode_16bit_tiff(
    content: bytes, name: str, check_size: Callable[[int, int], None] = lambda width, height: None
) -> np.ndarray:
    values = decode_tiff(content, check_size)
    if values.dtype != np.uint16:
        raise UnreadablePictureError(_unsupported(name))
    return values


def _unsupported(name: str) -> str:
    return f"{name}: this kind of picture is not supported; save it as 16-bit RGB or 8-bit"


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
