"""Files to pixels: every kind of image file becomes 8-bit RGB, and what cannot is named with the reason.

Legend: H height, W width, in pixels after the camera's rotation (EXIF) is applied.
"""

import io
import math
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import tifffile
from PIL import Image

IMAGE_SUFFIXES = frozenset([".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm"])

_EXIF_ORIENTATION = 0x0112
_TIFF_SIZE = (256, 257)
_TIFF_BITS_PER_SAMPLE = 258
_TIFF_PHOTOMETRIC = 262
_TIFF_PLANAR_CONFIGURATION = 284
_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB, _CMYK = 0, 1, 2, 5  # values of _TIFF_PHOTOMETRIC
_UNSPECIFIED, _ASSOCIATED_ALPHA = 0, 1  # what an extra channel of a TIFF may be
_ZLIB = (8, 32946)
_TILE_PIXELS = 2**24  # a small picture may lie in a tile of this size; a larger one is damage
_OVERSHOOT = 0.5  # how far float pixels may leave [0, 1], as resizing filters make them do; beyond, the unit is unknown
# How pixels stored under each EXIF orientation are brought upright.
UPRIGHT: dict[int, Callable[[np.ndarray], np.ndarray]] = {
    2: lambda x: x[:, ::-1],
    3: lambda x: x[::-1, ::-1],
    4: lambda x: x[::-1],
    5: lambda x: x.swapaxes(0, 1),
    6: lambda x: np.rot90(x, -1),
    7: lambda x: x[::-1, ::-1].swapaxes(0, 1),
    8: lambda x: np.rot90(x),
}


class ImageReadError(ValueError):
    """A file that cannot be read as a picture. The message names the file and the reason."""

    def __init__(self, path: Path | str, reason: str = "") -> None:
        # A data-loading worker's error is made anew from its message alone.
        super().__init__(f"{path}: {reason}" if reason else str(path))
        self.path, self.reason = Path(path), reason

    def __reduce__(self) -> tuple:  # so that a data-loading worker can hand it to the main process
        return type(self), (self.path, self.reason)


class UnsupportedTiffError(ValueError):
    """A sound TIFF of a kind that is not read. The message says what it is and how to save it instead."""


class _PixelLimit:
    """Pillow's limit on pixels, and how many threads have asked for it to be lifted."""

    lock, lifted_by, theirs = threading.Lock(), 0, None


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


def find_images(root: Path | str) -> list[Path]:
    """All image files in `root` and the folders inside it, sorted by path; suffixes in any case, hidden files left out.

    Raises FileNotFoundError if there is no such folder or no image in it.
    """
    root = Path(root).expanduser()
    if not root.is_dir():
        kind = "is a file, not a folder" if root.exists() else "does not exist"
        raise FileNotFoundError(f"image folder {root} {kind}; give the path of a folder of photos (data.root=...)")
    found = [p for p in root.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES and not p.name.startswith(".")]
    found = sorted(p for p in found if p.is_file())
    if not found:
        raise FileNotFoundError(
            f"no images in {root} or the folders inside it; looked for files ending in "
            f"{' '.join(sorted(IMAGE_SUFFIXES))}. Check the path, or convert the photos to one of these formats"
        )
    return found


def image_size(path: Path | str) -> tuple[int, int]:
    """(height, width) as `read_rgb` would return it, from the file's header alone where possible.

    Raises ImageReadError.
    """
    try:
        with without_pixel_limit(), Image.open(path) as image:
            turned = image.getexif().get(_EXIF_ORIENTATION, 1) in (5, 6, 7, 8)
            is_tiff = image.format == "TIFF"  # some versions of Pillow swap its sides already, hence the tags
            width, height = (image.tag_v2[tag] for tag in _TIFF_SIZE) if is_tiff else image.size
    except Image.UnidentifiedImageError:
        return read_rgb(path).shape[:2]  # Pillow does not know every TIFF that OpenCV reads
    except Exception as error:
        raise ImageReadError(path, _reason(error)) from error
    return (width, height) if turned else (height, width)


def read_rgb(path: Path | str) -> np.ndarray:
    """Read a picture as uint8 RGB, (H, W, 3), upright.

    Transparency is composited on white, since what lies under transparent pixels is arbitrary. 16-bit pixels are
    rounded to 8 bits, float pixels are read as [0, 1]. Of several frames or pages the first is read. Colour profiles
    are not applied. There is no limit on the size. Raises ImageReadError.
    """
    try:
        with without_pixel_limit():
            pixels, orientation = _decode(Path(path))
        return np.ascontiguousarray(upright(_composite(_to_uint8(pixels)), orientation))
    except Exception as error:  # decoders raise nearly anything on a damaged file; the caller wants one kind
        raise ImageReadError(path, _reason(error)) from error


def _reason(error: Exception) -> str:
    if isinstance(error, Image.UnidentifiedImageError):
        return "not an image, or a kind of image that neither Pillow nor OpenCV knows"
    if isinstance(error, FileNotFoundError):
        return "no such file"
    return " ".join(str(error).split())[:200] or type(error).__name__


def _decode(path: Path) -> tuple[np.ndarray, int]:
    """Pixels as the file holds them, (H, W) or (H, W, 1..4) with colours in RGB(A) order, and EXIF's orientation."""
    try:
        with Image.open(path) as image:
            if not has_planes(image):
                image.load()  # raises on truncated files, where OpenCV would return what it has
            orientation = image.getexif().get(_EXIF_ORIENTATION, 1)  # asked now: loading a TIFF turns it
            if not _is_deep(image, path):
                return _decoded_by_pillow(image), orientation
            if image.format != "TIFF":
                return _decoded_by_opencv(path.read_bytes()), orientation
    except Image.UnidentifiedImageError:  # Pillow does not know every TIFF that OpenCV and tifffile read
        if path.suffix.lower() not in (".tif", ".tiff"):
            raise
    return decode_tiff(path.read_bytes()), 1


def has_planes(image: Image.Image) -> bool:
    """Whether it is a TIFF of more than 8 bits with a plane per channel, which Pillow decodes to wrong pixels."""
    return _is_deep_tiff(image) and image.tag_v2.get(_TIFF_PLANAR_CONFIGURATION, 1) != 1


def _is_deep(image: Image.Image, path: Path) -> bool:
    """Whether it is a file that Pillow would cut down to 8 bits, or a TIFF of more, which it may not turn upright."""
    if image.format == "PNG":
        with path.open("rb") as file:
            header = file.read(26)  # signature 8, IHDR's length and name 8, width 4, height 4, bit depth, colour type
        return header[24] == 16 and header[25] != 0
    is_cmyk = image.format == "TIFF" and image.tag_v2.get(_TIFF_PHOTOMETRIC) == _CMYK
    return _is_deep_tiff(image) and (has_planes(image) or not is_cmyk)  # only Pillow knows CMYK


def _is_deep_tiff(image: Image.Image) -> bool:
    return image.format == "TIFF" and max(image.tag_v2.get(_TIFF_BITS_PER_SAMPLE, (1,))) > 8


def _decoded_by_pillow(image: Image.Image) -> np.ndarray:
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return np.asarray(image)
    has_alpha = image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info
    return np.asarray(image.convert("RGBA" if has_alpha else "RGB"))


def _decoded_by_opencv(content: bytes) -> np.ndarray:
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise Image.UnidentifiedImageError
    return pixels if pixels.ndim == 2 else pixels[:, :, [2, 1, 0, 3][: pixels.shape[2]]]


def decode_tiff(content: bytes, check_size: Callable[[int, int], None] = lambda width, height: None) -> np.ndarray:
    """The first page of a TIFF that Pillow would not do justice, upright and in its own depth: (H, W, 1..4).

    Zero is black and alpha is straight, whatever they are in the file; channels beyond colours and alpha are left out.
    OpenCV decodes what it knows, grey and RGB(A) with interleaved colours; tifffile planes and grey with alpha.

    Args:
        content: of the file.
        check_size: is called with width and height before any pixel is decoded, to raise on what is too large.

    Raises:
        UnsupportedTiffError: a kind that neither knows.
        Exception: nearly any, on a damaged file.
    """
    try:
        file = tifffile.TiffFile(io.BytesIO(content))
    except tifffile.TiffFileError as error:
        raise Image.UnidentifiedImageError(str(error)) from error
    with file:
        page = file.pages.first
        check_size(page.imagewidth, page.imagelength)
        if page.bitspersample <= 8:
            return _decoded_by_opencv(content)
        if page.photometric not in (_MIN_IS_WHITE, _MIN_IS_BLACK, _RGB):
            raise UnsupportedTiffError(
                f"its colours are {getattr(page.photometric, 'name', page.photometric)} with {page.bitspersample} bits "
                "a channel, expected grey or RGB; save it as RGB"
            )
        colours = 3 if page.photometric == _RGB else 1
        interleaved = page.planarconfig == 1 or page.samplesperpixel == 1
        if interleaved and page.samplesperpixel in ((3, 4) if colours == 3 else (1,)):
            pixels = np.atleast_3d(_decoded_by_opencv(content))
        else:
            pixels = upright(_decoded_by_tifffile(page), int(page.tags.valueof(_EXIF_ORIENTATION, 1)))
        extra = [int(kind) for kind in page.extrasamples]
    if page.photometric == _MIN_IS_WHITE and pixels.dtype == np.uint16:
        pixels = np.concatenate([65535 - pixels[:, :, :1], pixels[:, :, 1:]], axis=2)
    has_alpha = pixels.shape[2] > colours and extra[:1] != [_UNSPECIFIED]
    pixels = pixels[:, :, : colours + has_alpha]
    return _straight(pixels) if extra[:1] == [_ASSOCIATED_ALPHA] else pixels


def _decoded_by_tifffile(page: tifffile.TiffPage) -> np.ndarray:
    """(H, W, C), as stored."""
    if page.axes not in ("YX", "YXS", "SYX"):
        raise UnsupportedTiffError(f"its axes are {page.axes}, expected one flat picture; save it as such")
    if math.prod(page.chunks) > max(page.size, _TILE_PIXELS):
        raise ValueError(f"tiles of {page.chunks} for a picture of {page.shape}")
    if page.compression in _ZLIB:
        _check_inflated_size(page)
    try:
        pixels = page.asarray()
    except (ValueError, KeyError) as error:
        if "imagecodecs" not in str(error):
            raise
        raise UnsupportedTiffError(
            f"its compression {getattr(page.compression, 'name', page.compression)} cannot be read for pictures with "
            "a plane per channel or grey with alpha; save it with interleaved colours, or without compression"
        ) from error
    return np.atleast_3d(np.moveaxis(pixels, 0, 2) if page.axes == "SYX" else pixels)


def _check_inflated_size(page: tifffile.TiffPage) -> None:
    """Refuse what would unpack to more than its header says: tifffile unpacks to the end, however large."""
    expected = math.prod(page.chunks) * page.dtype.itemsize
    for data, _ in page.parent.filehandle.read_segments(page.dataoffsets, page.databytecounts):
        if data is not None and len(zlib.decompressobj().decompress(data, expected + 1)) > expected:
            raise ValueError(f"a part unpacks to more than the {expected} bytes that the header says")


def _straight(pixels: np.ndarray) -> np.ndarray:
    """Colours that were stored multiplied by their alpha, divided by it."""
    colours, alpha = pixels[:, :, :-1], pixels[:, :, -1:]
    if pixels.dtype == np.uint16:
        wide = colours.astype(np.uint32) * 65535 + alpha // 2  # at most 2**32 - 98304
        colours = np.minimum(wide // np.maximum(alpha, 1), 65535).astype(np.uint16)
    elif np.issubdtype(pixels.dtype, np.floating):
        colours = colours / np.where(alpha > 0, alpha, 1)
    else:
        raise UnsupportedTiffError(f"its pixels are {pixels.dtype} multiplied by alpha; save it with 16 or 8 bits")
    return np.concatenate([colours, alpha], axis=2)


def _to_uint8(pixels: np.ndarray) -> np.ndarray:
    """Bring pixels of any type to 0..255, rounded."""
    if pixels.dtype == np.uint8:
        return pixels
    if np.issubdtype(pixels.dtype, np.integer):
        if pixels.min() < 0 or pixels.max() > 65535:
            raise ValueError(f"integer pixels from {pixels.min()} to {pixels.max()}; expected 0 to 65535")
        return np.round(pixels / 257.0).astype(np.uint8)  # 65535 = 255 * 257
    low, high = float(pixels.min()), float(pixels.max())
    if not (low >= -_OVERSHOOT and high <= 1 + _OVERSHOOT):  # written so that NaN fails it
        raise ValueError(f"float pixels from {low:g} to {high:g}; expected 0 to 1")
    return np.round(np.clip(pixels, 0, 1) * 255.0).astype(np.uint8)


def _composite(pixels: np.ndarray) -> np.ndarray:
    """Grey, grey with alpha, RGB or RGBA to RGB, transparency over white."""
    if pixels.ndim == 2:
        pixels = pixels[:, :, None]
    alpha = None
    if pixels.shape[2] in (2, 4):
        pixels, alpha = pixels[:, :, :-1], pixels[:, :, -1:].astype(np.float32) / 255
    if pixels.shape[2] == 1:
        pixels = np.repeat(pixels, 3, axis=2)
    if alpha is None:
        return pixels
    return np.round(pixels * alpha + 255 * (1 - alpha)).astype(np.uint8)


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Turn the stored picture the way that EXIF's orientation (1 to 8) says it was taken."""
    return UPRIGHT[orientation](pixels) if orientation in UPRIGHT else pixels
