"""TIFF channels of 9 to 15 bits in a plane of their own, or grey with alpha: bits in a row, which no library undoes.

Legend: H height, W width, in pixels; C channels.
"""

import lzma
import math
import zlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:  # takes a while to import, and few images are such
    import tifffile

PLAIN, LZMA, ZLIB = 1, 34925, (8, 32946)  # compressions that are undone here
_LZMA_BYTES = 64_000_000  # of a decoder's memory
_BAND = 1_000_000  # numbers that are unpacked at once


def inflated(page: "tifffile.TiffPage", data: bytes, expected: int) -> bytes:
    """A part of a TIFF, unpacked. Raises ValueError for more bytes than the header says, however many there are."""
    if page.compression == PLAIN:
        return data
    if page.compression == LZMA:
        unpacked = lzma.LZMADecompressor(memlimit=_LZMA_BYTES).decompress(data, expected + 1)
    else:
        unpacked = zlib.decompressobj().decompress(data, expected + 1)
    if len(unpacked) > expected:
        raise ValueError(f"a part unpacks to more than the {expected} bytes that the header says")
    return unpacked


def decode_packed(page: "tifffile.TiffPage") -> np.ndarray:
    """(H, W, C), the numbers as stored. Raises ValueError where parts are missing."""
    height, width, channels, bits = page.imagelength, page.imagewidth, page.samplesperpixel, page.bitspersample
    if page.predictor != 1:
        raise ValueError(f"differences of {bits} bits")
    in_planes = page.planarconfig == 2 and channels > 1
    tile_h, tile_w = (page.tilelength, page.tilewidth) if page.is_tiled else (page.rowsperstrip, width)
    tile_h = min(tile_h, height) if not page.is_tiled else tile_h
    per_pixel = 1 if in_planes else channels
    across, down = math.ceil(width / tile_w), math.ceil(height / tile_h)
    out = np.zeros((height, width, channels), np.uint16)
    row = (tile_w * per_pixel * bits + 7) // 8
    for segment in page.parent.filehandle.read_segments(page.dataoffsets, page.databytecounts):
        assert isinstance(segment, tuple), "not flat"
        data, index = segment
        plane, place = divmod(index, across * down)
        top, left = place // across * tile_h, place % across * tile_w
        rows = tile_h if page.is_tiled else min(tile_h, height - top)
        content = inflated(page, data or b"", rows * row)
        if len(content) < rows * row or plane >= (channels if in_planes else 1):
            raise ValueError("pixels are missing")
        values = _unpacked(np.frombuffer(content, np.uint8, rows * row).reshape(rows, row), tile_w * per_pixel, bits)
        values = values.reshape(rows, tile_w, per_pixel)[: height - top, : width - left]
        chosen = slice(plane, plane + 1) if in_planes else slice(None)
        out[top : top + rows, left : left + tile_w, chosen] = values
    return out


def _unpacked(rows: np.ndarray, count: int, bits: int) -> np.ndarray:
    """The numbers of rows of bytes, `count` to a row, the highest bit first."""
    out = np.zeros((len(rows), count), np.uint16)
    band = max(1, _BAND // count)
    for start in range(0, len(rows), band):
        flags = np.unpackbits(rows[start : start + band], axis=1)[:, : count * bits].reshape(-1, count, bits)
        for place in range(bits):
            out[start : start + band] |= flags[:, :, place].astype(np.uint16) << (bits - 1 - place)
    return out
