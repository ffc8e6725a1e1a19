"""TIFFs of more than 8 bits a channel, in all their forms, and turning stored pixels upright.

Legend: H height, W width, in pixels.
"""

import io
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeGuard

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.TiffImagePlugin import TiffImageFile

from realsr_mod.images.bounds import check_tile
from realsr_mod.images.depth import stretched
from realsr_mod.images.formats import (
    BITS_PER_SAMPLE,
    MIN_IS_BLACK,
    MIN_IS_WHITE,
    ORIENTATION,
    RGB,
)
from realsr_mod.images.packed import LZMA, PLAIN, ZLIB, decode_packed, inflated

if TYPE_CHECKING:  # takes a while to import, and few images are such
    import tifffile

_UNSPECIFIED, _ASSOCIATED_ALPHA = 0, 1  # what an extra channel may be
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


class UnsupportedTiffError(ValueError):
    """A sound TIFF of a kind that is not read. The message says what it is and how to save it instead."""


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """Turn the stored image the way that EXIF's orientation (1 to 8) says it was taken."""
    return UPRIGHT[orientation](pixels) if orientation in UPRIGHT else pixels


def is_deep_tiff(image: Image.Image) -> TypeGuard[TiffImageFile]:
    """Whether it is a TIFF of more than 8 bits a channel."""
    return isinstance(image, TiffImageFile) and max(image.tag_v2.get(BITS_PER_SAMPLE, (1,))) > 8


def decode_by_opencv(content: bytes) -> np.ndarray:
    """What OpenCV makes of a file's content: (H, W, 1..4), colors in RGB(A) order."""
    pixels = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise UnidentifiedImageError
    return pixels[:, :, None] if pixels.ndim == 2 else pixels[:, :, [2, 1, 0, 3][: pixels.shape[2]]]


def decode_tiff(content: bytes, check_size: Callable[[int, int], None] = lambda width, height: None) -> np.ndarray:
    """The first page of a TIFF that Pillow would not do justice, upright and in its own depth: (H, W, 1..4).

    Zero is black and alpha is straight, whatever they are in the file; channels beyond colors and alpha are left out.
    OpenCV decodes what it knows, grey and RGB(A) with interleaved colors; tifffile planes and grey with alpha.

    Args:
        content: of the file.
        check_size: is called with width and height before any pixel is decoded, to raise on what is too large.

    Raises:
        UnsupportedTiffError: a kind that neither knows.
        Exception: nearly any, on a damaged file.
    """
    import tifffile

    try:
        file = tifffile.TiffFile(io.BytesIO(content))
    except tifffile.TiffFileError as error:
        raise UnidentifiedImageError(str(error)) from error
    with file:
        page = file.pages.first
        check_size(page.imagewidth, page.imagelength)
        check_tile(page.tilewidth or 0, page.tilelength or 0, page.imagewidth, page.imagelength)
        if page.bitspersample <= 8:
            return _by_opencv(content)
        if page.photometric not in (MIN_IS_WHITE, MIN_IS_BLACK, RGB):
            raise UnsupportedTiffError(
                f"its colors are {getattr(page.photometric, 'name', page.photometric)} with {page.bitspersample} bits "
                "a channel, expected grey or RGB; save it as RGB"
            )
        colors = 3 if page.photometric == RGB else 1
        interleaved = page.planarconfig == 1 or page.samplesperpixel == 1
        plain = interleaved and page.samplesperpixel in ((3, 4) if colors == 3 else (1,))
        bits = page.bitspersample
        ours = page.compression in (PLAIN, LZMA, *ZLIB) and (8 < bits < 16 or page.dtype == np.float16)
        if plain and page.compression != LZMA and not ours:  # which OpenCV lacks
            pixels = _by_opencv(content)
            if 8 < bits < 16:
                pixels = stretched(pixels >> (16 - bits), bits)
        else:
            pixels = upright(_decode_by_tifffile(page), int(page.tags.valueof(ORIENTATION, 1)))
        extra = [int(kind) for kind in page.extrasamples]
    if page.photometric == MIN_IS_WHITE and pixels.dtype == np.uint16:
        pixels = np.concatenate([65535 - pixels[:, :, :1], pixels[:, :, 1:]], axis=2)
    has_alpha = pixels.shape[2] > colors and extra[:1] != [_UNSPECIFIED]
    pixels = pixels[:, :, : colors + has_alpha]
    return straight_alpha(pixels) if extra[:1] == [_ASSOCIATED_ALPHA] else pixels


def _by_opencv(content: bytes) -> np.ndarray:
    try:
        return decode_by_opencv(content)
    except UnidentifiedImageError as error:
        raise UnsupportedTiffError(
            "it is damaged, or of a kind of TIFF that is not read; save it anew, as grey or RGB with LZW or deflate"
        ) from error


def _decode_by_tifffile(page: "tifffile.TiffPage") -> np.ndarray:
    """(H, W, C), as stored."""
    if page.axes not in ("YX", "YXS", "SYX"):
        raise UnsupportedTiffError(f"its axes are {page.axes}, expected one flat image; save it as such")
    if page.compression not in (PLAIN, LZMA, *ZLIB):
        raise UnsupportedTiffError(
            f"its compression {getattr(page.compression, 'name', page.compression)} cannot be read for images with "
            "a plane per channel or grey with alpha; save it with interleaved colors, or without compression"
        )
    if 8 < page.bitspersample < 16:
        return stretched(decode_packed(page), page.bitspersample)
    if page.compression != PLAIN:
        _check_inflated_size(page)
    pixels = page.asarray()
    return np.atleast_3d(np.moveaxis(pixels, 0, 2) if page.axes == "SYX" else pixels)


def _check_inflated_size(page: "tifffile.TiffPage") -> None:
    """Refuse what would unpack to more than its header says: tifffile unpacks to the end, however large."""
    assert page.dtype is not None, "of 16 bits or more"
    expected = math.prod(page.chunks) * page.dtype.itemsize
    for data, _ in page.parent.filehandle.read_segments(page.dataoffsets, page.databytecounts):
        if isinstance(data, bytes):  # a part may be left out
            inflated(page, data, expected)


def straight_alpha(pixels: np.ndarray) -> np.ndarray:
    """Colors that were stored multiplied by their alpha, divided by it."""
    colors, alpha = pixels[:, :, :-1], pixels[:, :, -1:]
    if pixels.dtype == np.uint16:
        wide = colors.astype(np.uint32) * 65535 + alpha // 2  # at most 2**32 - 98304
        colors = np.minimum(wide // np.maximum(alpha, 1), 65535).astype(np.uint16)
    elif np.issubdtype(pixels.dtype, np.floating):
        colors = colors / np.where(alpha > 0, alpha, 1)
    else:
        raise UnsupportedTiffError(f"its pixels are {pixels.dtype} multiplied by alpha; save it with 16 or 8 bits")
    return np.concatenate([colors, alpha], axis=2)
