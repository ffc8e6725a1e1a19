"""Files to pixels: every kind of image file becomes 8-bit RGB, and what cannot is named with the reason.

Legend: H height, W width, in pixels after the camera's rotation (EXIF) is applied.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from realsr_mod.data.tiff import (
    EXIF_ORIENTATION,
    decode_tiff,
    decoded_by_opencv,
    has_planes,
    is_cmyk,
    is_deep_tiff,
    upright,
)

IMAGE_SUFFIXES = frozenset([".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm"])

_TIFF_SIZE = (256, 257)
_OVERSHOOT = 0.5  # how far float pixels may leave [0, 1], as resizing filters make them do; beyond, the unit is unknown


class ImageReadError(ValueError):
    """A file that cannot be read as a picture. The message names the file and the reason."""

    def __init__(self, path: Path | str, reason: str = "") -> None:
        # A data-loading worker's error is made anew from its message alone.
        super().__init__(f"{path}: {reason}" if reason else str(path))
        self.path, self.reason = Path(path), reason

    def __reduce__(self) -> tuple:  # so that a data-loading worker can hand it to the main process
        return type(self), (self.path, self.reason)


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
    """All image files in `root` and the folders inside it, sorted by path; suffixes in any case.

    Links to folders are followed, each folder is searched once. Hidden files and folders are left out.

    Raises FileNotFoundError if there is no such folder or no image in it.
    """
    root = Path(root).expanduser()
    if not root.is_dir():
        kind = "is a file, not a folder" if root.exists() else "does not exist"
        raise FileNotFoundError(f"image folder {root} {kind}; give the path of a folder of photos (data.root=...)")
    found = sorted(path for path in visible_files(root) if path.suffix.lower() in IMAGE_SUFFIXES)
    if not found:
        raise FileNotFoundError(
            f"no images in {root} or the folders inside it; looked for files ending in "
            f"{' '.join(sorted(IMAGE_SUFFIXES))}. Check the path, or convert the photos to one of these formats"
        )
    return found


def visible_files(root: Path) -> Iterator[Path]:
    """The files in a folder and those inside it, but for hidden ones; through links, each folder once."""
    seen = set()
    for folder, inside, files in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        inside[:] = [] if real in seen else sorted(name for name in inside if not name.startswith("."))
        if real not in seen:
            yield from (path for name in files if not name.startswith(".") and (path := Path(folder, name)).is_file())
        seen.add(real)


def image_size(path: Path | str) -> tuple[int, int]:
    """(height, width) as `read_rgb` would return it, from the file's header alone where possible.

    Raises ImageReadError.
    """
    try:
        with without_pixel_limit(), Image.open(path) as image:
            turned = image.getexif().get(EXIF_ORIENTATION, 1) in (5, 6, 7, 8)
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
            orientation = image.getexif().get(EXIF_ORIENTATION, 1)  # asked now: loading a TIFF turns it
            if not _is_deep(image, path):
                return _decoded_by_pillow(image), orientation
            if image.format != "TIFF":
                return decoded_by_opencv(path.read_bytes()), orientation
    except Image.UnidentifiedImageError:  # Pillow does not know every TIFF that OpenCV and tifffile read
        if path.suffix.lower() not in (".tif", ".tiff"):
            raise
    return decode_tiff(path.read_bytes()), 1


def _is_deep(image: Image.Image, path: Path) -> bool:
    """Whether it is a file that Pillow would cut down to 8 bits, or a TIFF of more, which it may not turn upright."""
    if image.format == "PNG":
        with path.open("rb") as file:
            header = file.read(26)  # signature 8, IHDR's length and name 8, width 4, height 4, bit depth, colour type
        return header[24] == 16 and header[25] != 0
    return is_deep_tiff(image) and (has_planes(image) or not is_cmyk(image))


def _decoded_by_pillow(image: Image.Image) -> np.ndarray:
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return np.asarray(image)
    has_alpha = image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info
    return np.asarray(image.convert("RGBA" if has_alpha else "RGB"))


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
