"""Files to pixels: every kind of image file becomes 8-bit RGB, and what cannot is named with the reason.

Legend: H height, W width, in pixels after the camera's rotation (EXIF) is applied.
"""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

IMAGE_SUFFIXES = frozenset([".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm"])

_EXIF_ORIENTATION = 0x0112
_TIFF_SIZE = (256, 257)
_TIFF_BITS_PER_SAMPLE = 258
_TIFF_PLANAR_CONFIGURATION = 284
_OVERSHOOT = 0.5  # how far float pixels may leave [0, 1], as resizing filters make them do; beyond, the unit is unknown


class ImageReadError(ValueError):
    """A file that cannot be read as a picture. The message names the file and the reason."""

    def __init__(self, path: Path | str, reason: str = "") -> None:
        # A data-loading worker's error is made anew from its message alone.
        super().__init__(f"{path}: {reason}" if reason else str(path))
        self.path, self.reason = Path(path), reason

    def __reduce__(self) -> tuple:  # so that a data-loading worker can hand it to the main process
        return type(self), (self.path, self.reason)


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
        with Image.open(path) as image:
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
    are not applied. Raises ImageReadError.
    """
    try:
        pixels, orientation = _decode(Path(path))
        return _upright(np.ascontiguousarray(_composite(_to_uint8(pixels))), orientation)
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
            image.load()  # raises on truncated files, where OpenCV would return what it has
            orientation = image.getexif().get(_EXIF_ORIENTATION, 1)  # asked now: loading a TIFF turns it
            if not _is_deep(image, path):
                return _decoded_by_pillow(image), orientation
            if image.format == "TIFF" and image.tag_v2.get(_TIFF_PLANAR_CONFIGURATION, 1) != 1:
                raise ValueError("TIFF with a separate plane per colour; save it with interleaved colours")
    except Image.UnidentifiedImageError:
        if path.suffix.lower() not in (".tif", ".tiff"):
            raise
        orientation = 1  # OpenCV turns a TIFF too
    return _decoded_by_opencv(path), orientation


def _is_deep(image: Image.Image, path: Path) -> bool:
    """Whether it is a file that Pillow would cut down to 8 bits, or a TIFF of more, which it may not turn upright."""
    if image.format == "PNG":
        with path.open("rb") as file:
            header = file.read(26)  # signature 8, IHDR's length and name 8, width 4, height 4, bit depth, colour type
        return header[24] == 16 and header[25] != 0
    if image.format == "TIFF":
        return max(image.tag_v2.get(_TIFF_BITS_PER_SAMPLE, (1,))) > 8
    return False


def _decoded_by_pillow(image: Image.Image) -> np.ndarray:
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return np.asarray(image)
    has_alpha = image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info
    return np.asarray(image.convert("RGBA" if has_alpha else "RGB"))


def _decoded_by_opencv(path: Path) -> np.ndarray:
    pixels = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise Image.UnidentifiedImageError
    return pixels if pixels.ndim == 2 else pixels[:, :, [2, 1, 0, 3][: pixels.shape[2]]]


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


def _upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Turn the stored picture the way that EXIF's orientation (1 to 8) says it was taken."""
    if orientation not in range(2, 9):
        return pixels
    return np.array(ImageOps.exif_transpose(_with_orientation(pixels, orientation)))


def _with_orientation(pixels: np.ndarray, orientation: int) -> Image.Image:
    image = Image.fromarray(pixels)
    image.getexif()[_EXIF_ORIENTATION] = orientation
    return image
