"""What a file may ask of a decoder: looked at in its headers, before a decoder is let loose on it.

A small file can ask for gigabytes or minutes: by its pixels, by tiles larger than the image, by thousands of scans or
chunks, by a stream that unpacks without end. Each of these has a bound here; `tiff.py` bounds its own streams.
"""

import io
import os
import struct
from collections.abc import Iterator
from typing import IO

from PIL import Image

from realsr_mod.images.formats import ORIENTATION, TILE_HEIGHT, TILE_WIDTH

MAX_PIXELS = 100_000_000  # of a photo, unless its user raises it
RAISE = "raise the limit if you trust the file (--max-megapixels, or data.max_megapixels)"
MAX_CHUNKS = 10_000  # of a PNG
MAX_EXIF_BYTES = 1_000_000
MAX_SCANS = 100  # of a progressive JPEG; encoders write ten
MAX_SCANNED_PIXELS = 2_000_000_000  # scans times pixels
TILE_PIXELS = 2**24  # a small image may lie in a tile of this size; a larger one is damage
MAX_PLAIN_BYTES = 16_000_000  # of a PPM in decimal digits, which are read one by one

_PNG = b"\x89PNG\r\n\x1a\n"
_START_OF_SCAN = b"\xff\xda"


class BoundError(ValueError):
    """A file that asks for too much. The message says what, the limit, and how to raise it where that makes sense."""


def check_pixels(width: int, height: int, max_pixels: int | None) -> None:
    """Raise a BoundError for an image of more pixels than allowed; None: no limit."""
    if max_pixels is not None and width * height > max_pixels:
        raise BoundError(
            f"it has {width}x{height} pixels, the limit is {max_pixels / 1e6:g} megapixels; shrink it, cut it into "
            f"parts, or {RAISE}"
        )


def check_bytes(length: int, max_pixels: int | None) -> None:
    """Raise a BoundError for a file larger than any image of so many pixels needs to be."""
    if max_pixels is not None and length > 64_000_000 + 16 * max_pixels:
        raise BoundError(
            f"the file has {length / 1e6:.0f} MB, more than images of {max_pixels / 1e6:g} megapixels have; {RAISE}"
        )


def check_content(content: bytes) -> None:
    """Look through a file's structure. Raises BoundError."""
    if content.startswith(_PNG):
        for _ in png_chunks(io.BytesIO(content)):
            pass
    elif content.startswith(b"\xff\xd8"):
        scans = content.count(_START_OF_SCAN)  # inside of coded data a zero follows every 255
        if scans > MAX_SCANS:
            raise BoundError(f"it has {scans} scans, at most {MAX_SCANS} are decoded; save it as a plain JPEG")
    elif content[:2] in (b"P1", b"P2", b"P3") and len(content) > MAX_PLAIN_BYTES:
        raise BoundError(f"it has {len(content) / 1e6:.0f} MB of decimal digits; save it as a binary PPM (P5, P6)")


def check_opened(image: Image.Image, content: bytes, max_pixels: int | None) -> None:
    """Look at what Pillow read of the headers. Raises BoundError."""
    check_pixels(*image.size, max_pixels)
    if image.format in ("JPEG", "MPO"):
        scanned = content.count(_START_OF_SCAN) * image.size[0] * image.size[1]
        if scanned > MAX_SCANNED_PIXELS and max_pixels is not None:
            raise BoundError(f"decoding its scans means {scanned / 1e9:.1f} billion pixels; save it as a plain JPEG")
    if image.format == "TIFF":
        tags = image.tag_v2  # type: ignore[attr-defined]  # Pillow's class for TIFF has it
        check_tile(int(tags.get(TILE_WIDTH, 0)), int(tags.get(TILE_HEIGHT, 0)), *image.size)


def check_tile(tile_width: int, tile_height: int, width: int, height: int) -> None:
    """Raise a BoundError for a tile far larger than the image that lies in it."""
    if tile_width * tile_height > max(TILE_PIXELS, 4 * width * height):
        raise BoundError(f"its tiles have {tile_width}x{tile_height} pixels for an image of {width}x{height}")


def png_chunks(file: IO[bytes]) -> Iterator[tuple[bytes, int]]:
    """The kind and length of each chunk of a PNG; `file` then stands at the chunk's data. Raises BoundError."""
    length_of_file = file.seek(0, os.SEEK_END)
    position = len(_PNG)
    for _ in range(MAX_CHUNKS):
        file.seek(position)
        header = file.read(8)
        if len(header) < 8 or position > length_of_file:
            return
        length, kind = struct.unpack(">I4s", header)
        yield kind, length
        if kind == b"IEND":
            return
        position += length + 12  # length, kind, data, checksum
    raise BoundError(f"it has more than {MAX_CHUNKS} chunks; save it anew with another program")


def png_header(file: IO[bytes]) -> tuple[int, int, int] | None:
    """Width, height and EXIF's orientation of a PNG, nothing decoded; None for another kind of file."""
    file.seek(0)
    if file.read(len(_PNG)) != _PNG:
        return None
    width = height = 0
    orientation = 1
    for kind, length in png_chunks(file):
        if kind == b"IHDR" and length >= 8:
            width, height = struct.unpack(">II", file.read(8))
        elif kind == b"eXIf" and length <= MAX_EXIF_BYTES:
            tags = Image.Exif()
            try:
                tags.load(file.read(length))
                orientation = int(tags.get(ORIENTATION, 1))
            except (struct.error, SyntaxError, ValueError, TypeError, KeyError, OverflowError):
                orientation = 1  # damaged, as the decoder will say
    return width, height, orientation
