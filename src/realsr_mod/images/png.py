"""A PNG writer for all that our images hold: 8 and 16 bits, grey or RGB, alpha, and chunks of `chunks.py`.

Pillow has no 16-bit RGB and keeps a second copy of the image; OpenCV drops profile and EXIF. This one writes row
bands, so that an image of a gigabyte needs a few megabytes more. Filter and chunks follow the PNG specification.
"""

import struct
import zlib
from collections.abc import Iterator
from typing import IO

import numpy as np

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # channels to grey, grey + alpha, RGB, RGB + alpha
PAETH = 4
BAND_BYTES = 1 << 20
# Above this level photographs shrink by a per cent or two more and take twice the time.
COMPRESSION_LEVEL = 4


def write_png(file: IO[bytes], pixels_HWC: np.ndarray, chunks: bytes = b"") -> None:
    """Write an image, uint8 or uint16, with 1 to 4 channels, and whole chunks that say what else there is to say."""
    height, width, channels = pixels_HWC.shape
    depth = 8 * pixels_HWC.dtype.itemsize
    file.write(SIGNATURE)
    _chunk(file, b"IHDR", struct.pack(">IIBBBBB", width, height, depth, COLOR_TYPES[channels], 0, 0, 0))
    file.write(chunks)
    compressor = zlib.compressobj(COMPRESSION_LEVEL, strategy=zlib.Z_FILTERED)
    for band in _filtered_bands(pixels_HWC):
        if data := compressor.compress(band):
            _chunk(file, b"IDAT", data)
    _chunk(file, b"IDAT", compressor.flush())
    _chunk(file, b"IEND", b"")


def _chunk(file: IO[bytes], kind: bytes, data: bytes) -> None:
    file.write(struct.pack(">I", len(data)) + kind)
    file.write(data)
    file.write(struct.pack(">I", zlib.crc32(data, zlib.crc32(kind))))


def _filtered_bands(pixels_HWC: np.ndarray) -> Iterator[bytes]:
    """Rows under the Paeth filter: each byte less the one of left, above and upper left that predicts it best."""
    height, width, channels = pixels_HWC.shape
    pixel_bytes = channels * pixels_HWC.dtype.itemsize
    row_bytes = width * pixel_bytes
    rows_per_band = max(1, BAND_BYTES // row_bytes)
    above_row = np.zeros((1, row_bytes + pixel_bytes), np.uint8)
    for start in range(0, height, rows_per_band):
        band = pixels_HWC[start : start + rows_per_band]
        big_endian = np.ascontiguousarray(band, dtype=band.dtype.newbyteorder(">"))
        rows = np.zeros((len(band), row_bytes + pixel_bytes), np.uint8)  # a black pixel left of each row
        rows[:, pixel_bytes:] = big_endian.view(np.uint8).reshape(len(band), row_bytes)
        above = np.concatenate([above_row, rows[:-1]])
        above_row = rows[-1:]
        out = np.empty((len(band), 1 + row_bytes), np.uint8)
        out[:, 0] = PAETH
        out[:, 1:] = rows[:, pixel_bytes:] - _paeth(
            rows[:, :-pixel_bytes], above[:, pixel_bytes:], above[:, :-pixel_bytes]
        )
        yield out.tobytes()


def _paeth(left: np.ndarray, up: np.ndarray, corner: np.ndarray) -> np.ndarray:
    a, b, c = left.astype(np.int16), up.astype(np.int16), corner.astype(np.int16)
    to_left, to_up = np.abs(b - c), np.abs(a - c)
    to_corner = np.abs(a + b - 2 * c)
    return np.where((to_left <= to_up) & (to_left <= to_corner), left, np.where(to_up <= to_corner, up, corner)).astype(
        np.uint8
    )
