"""What Pillow decodes, as pixels.

Legend: H height, W width, C channels (1 grey, 2 grey + alpha, 3 RGB, 4 RGB + alpha).
"""

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from PIL import Image, ImageCms

from realsr_mod.images.depth import as_integers


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


def pixels_of(image: Image.Image, name: str) -> tuple[np.ndarray, bytes | None]:
    """(H, W, C), uint8 or uint16, as stored, and the profile that describes them."""
    icc = image.info.get("icc_profile")
    if image.mode == "F" or image.mode.startswith("I"):
        return as_integers(np.asarray(image)[:, :, None], name), icc
    if image.mode in ("CMYK", "LAB", "YCbCr", "HSV"):
        return np.asarray(_to_srgb(image, icc)), None  # the profile described other colors
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
            converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
            assert converted is not None, "a new image, since inPlace is false"
            return converted
        except (ImageCms.PyCMSError, OSError):
            pass  # a profile of another color space, or a damaged one: as good as none
    return image.convert("RGB")
