"""A TIFF writer for all that our images hold: 8 and 16 bits, grey or RGB, alpha, and every tag that describes a photo.

The writers at hand know the directories of EXIF for some kinds of pixels only, and take values apart that must stay as
they are. Strips are packed with deflate after differences of neighbors; over four gigabytes it becomes a BigTIFF.
"""

import struct
import zlib
from typing import IO, Literal

import numpy as np

from realsr_mod.images.exif import UNITS, rational
from realsr_mod.images.formats import (
    BITS_PER_SAMPLE,
    COMPRESSION,
    HEIGHT,
    ICC_PROFILE,
    IPTC,
    MIN_IS_BLACK,
    PHOTOMETRIC,
    PHOTOSHOP,
    PLANAR_CONFIGURATION,
    RESOLUTION_UNIT,
    RGB,
    SAMPLES_PER_PIXEL,
    STRIP_BYTES,
    STRIPS,
    WIDTH,
    X_RESOLUTION,
    XMP,
    Y_RESOLUTION,
)
from realsr_mod.images.image import Metadata, Resolution
from realsr_mod.images.photoshop import iptc_of
from realsr_mod.images.tag_tree import TagTree, directory_bytes, exif_tree

STRIP_SIZE = 1 << 18  # bytes before packing
BIG_FROM = 4_000_000_000  # bytes before packing
_BYTE, _SHORT, _LONG, _RATIONAL, _UNDEFINED, _LONG8 = 1, 3, 4, 5, 7, 16
_DEFLATE, _DIFFERENCES, _STRAIGHT_ALPHA = 8, 2, 2
_ROWS_PER_STRIP, _PREDICTOR, _EXTRA_SAMPLES = 0x0116, 0x013D, 0x0152
_LEVEL = 4


def write_tiff(
    file: IO[bytes],
    pixels_HWC: np.ndarray,
    metadata: Metadata,
    big: bool | None = None,
    order: bytes = b"",
    link_at: int = 0,
) -> int:
    """Write an image, uint8 or uint16, with 1 to 4 channels.

    Args:
        file: which is empty, or ends with the pages before this one.
        pixels_HWC: the image.
        metadata: what is said of it.
        big: overrules when it becomes a BigTIFF; must be given for further pages.
        order: `II` or `MM` of the pages before this one; nothing for the first.
        link_at: what the call for the page before returned.

    Returns where the offset of a next page belongs.
    """
    tree = exif_tree(metadata.exif) if metadata.exif else TagTree(">" if order == b"MM" else "<")
    mark, big = tree.order, pixels_HWC.nbytes > BIG_FROM if big is None else big
    assert not order or (mark == ">") == (order == b"MM"), "pages have the byte order of their file"
    if not order:
        file.write(b"MM" if mark == ">" else b"II")
        file.write(struct.pack(mark + ("HHHQ" if big else "HI"), *((43, 8, 0, 0) if big else (42, 0))))
        link_at = 8 if big else 4
    offsets, lengths, rows = _write_strips(file, pixels_HWC, mark)
    _describe_pixels(tree, pixels_HWC, rows)
    kind, letter = (_LONG8, "Q") if big else (_LONG, "I")
    tree.values[STRIPS] = kind, struct.pack(f"{mark}{len(offsets)}{letter}", *offsets)
    tree.values[STRIP_BYTES] = kind, struct.pack(f"{mark}{len(lengths)}{letter}", *lengths)
    _describe_photo(tree, metadata)
    file.write(bytes(-file.tell() % 8))
    at = file.tell()
    file.write(directory_bytes(tree, at, big))
    file.seek(link_at)
    file.write(struct.pack(mark + letter, at))
    file.seek(0, 2)
    count = len(tree.values) + len(tree.inner)
    return at + (8 + 20 * count if big else 2 + 12 * count)


def _write_strips(file: IO[bytes], pixels_HWC: np.ndarray, order: str) -> tuple[list[int], list[int], int]:
    height, width, channels = pixels_HWC.shape
    rows = max(1, STRIP_SIZE // (width * channels * pixels_HWC.dtype.itemsize))
    swap: Literal[">", "<"] = ">" if order == ">" else "<"
    offsets, lengths = [], []
    for start in range(0, height, rows):
        strip = np.array(pixels_HWC[start : start + rows])
        strip[:, 1:] -= pixels_HWC[start : start + rows, :-1]  # of integers, which wrap around
        packed = zlib.compress(strip.astype(strip.dtype.newbyteorder(swap)).tobytes(), _LEVEL)
        offsets.append(file.tell())
        lengths.append(len(packed))
        file.write(packed)
    return offsets, lengths, rows


def _describe_pixels(tree: TagTree, pixels_HWC: np.ndarray, rows_per_strip: int) -> None:
    height, width, channels = pixels_HWC.shape
    bits = 8 * pixels_HWC.dtype.itemsize
    shorts = {
        BITS_PER_SAMPLE: [bits] * channels,
        COMPRESSION: [_DEFLATE],
        PHOTOMETRIC: [RGB if channels > 2 else MIN_IS_BLACK],
        SAMPLES_PER_PIXEL: [channels],
        PLANAR_CONFIGURATION: [1],
        _PREDICTOR: [_DIFFERENCES],
    }
    if channels in (2, 4):
        shorts[_EXTRA_SAMPLES] = [_STRAIGHT_ALPHA]
    for tag, numbers in shorts.items():
        tree.values[tag] = _SHORT, struct.pack(f"{tree.order}{len(numbers)}H", *numbers)
    for tag, number in ((WIDTH, width), (HEIGHT, height), (_ROWS_PER_STRIP, rows_per_strip)):
        tree.values[tag] = _LONG, struct.pack(tree.order + "I", number)


def _describe_photo(tree: TagTree, metadata: Metadata) -> None:
    blobs = (
        (ICC_PROFILE, _UNDEFINED, metadata.icc),
        (XMP, _BYTE, metadata.xmp),
        (PHOTOSHOP, _BYTE, metadata.photoshop),
    )
    for tag, kind, blob in blobs:
        if blob:
            tree.values[tag] = kind, blob
    if iptc := iptc_of(metadata.photoshop):
        tree.values[IPTC] = _UNDEFINED, iptc
    resolution = metadata.resolution or Resolution(1, 1, "")
    if resolution.unit == "m":
        resolution = resolution.per("inch")
    unit = next((number for number, name in UNITS.items() if name == resolution.unit), 1)
    for tag, value in ((X_RESOLUTION, resolution.x), (Y_RESOLUTION, resolution.y)):
        tree.values[tag] = _RATIONAL, struct.pack(tree.order + "II", *rational(value))
    tree.values[RESOLUTION_UNIT] = _SHORT, struct.pack(tree.order + "H", unit)
