"""What image files say of themselves, read and bounded before any decoder sees them."""

import os
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import IO

from PIL.JpegImagePlugin import MARKER

from realsr_mod.images.bounds import (
    BYTES_PER_CHUNK,
    MAX_CHUNKS,
    MAX_EXIF_BYTES,
    MAX_JUNK_BYTES,
    RLE_PIXELS,
    BoundError,
)
from realsr_mod.images.directories import check_exif, check_tiff, orientation_of
from realsr_mod.images.formats import TIFF_STARTS
from realsr_mod.images.gif import STARTS, gif_header

PNG_START = b"\x89PNG\r\n\x1a\n"
JPEG_START = b"\xff\xd8\xff"
_GAP = rb"(?:\s|#[^\r\n]*+[\r\n])++"  # of a PPM's header, with comments
_PPM = re.compile(rb"P(?:[0-6fF]|[0y](?:CMYK|RGBA))" + _GAP + rb"[^\s#]++" + _GAP + rb"[^\s#]++\s")
_XMP_ORIENTATION = re.compile(rb'tiff:Orientation(?:="|>)([0-9])')
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
XMP_KEYWORD = b"XML:com.adobe.xmp"
RAW_PROFILES = {  # in hexadecimal digits, as ImageMagick writes them
    b"Raw profile type " + name: kind
    for name, kind in {b"exif": b"exif", b"APP1": b"exif", b"xmp": b"xmp", b"iptc": b"iptc", b"8bim": b"iptc"}.items()
}
_LONGEST_PPM_HEADER = 65_536


def read_header(file: IO[bytes], max_pixels: int | None) -> tuple[int, int, int] | None:
    """Width and height as stored, and EXIF's orientation, of a PNG, WebP, TIFF, BMP or GIF; others are bounded: None.

    Raises BoundError for what asks for too much, ValueError for damage.
    """
    file.seek(0)
    start = file.read(16)
    if start.startswith(PNG_START):
        return _png_header(file)
    if start.startswith(b"RIFF") and start[8:12] == b"WEBP":
        return _webp_header(file)
    if start.startswith(TIFF_STARTS):
        return check_tiff(file, max_pixels)[:3]
    if start.startswith(STARTS):
        return *gif_header(file)[:2], 1
    if start.startswith(b"BM"):
        return _bmp_header(file)
    if start.startswith(JPEG_START):
        _check_segments(file)
    elif start.startswith(b"P") and start[1:2] in b"0123456fFy":
        _check_ppm(file)
    return None


def png_chunks(file: IO[bytes]) -> Iterator[tuple[bytes, int]]:
    """The kind and length of each chunk of a PNG; `file` then stands at the chunk's data. Raises BoundError."""
    most = MAX_CHUNKS + file.seek(0, os.SEEK_END) // BYTES_PER_CHUNK
    for kind, length in chunks(file, len(PNG_START), most, _png_chunk):
        yield kind, length
        if kind == b"IEND":
            return


def _png_chunk(header: bytes) -> tuple[bytes, int, int]:
    length, kind = struct.unpack(">I4s", header)
    return kind, length, 8 + length + 4  # which a checksum ends


def webp_chunk(header: bytes) -> tuple[bytes, int, int]:
    kind, length = struct.unpack("<4sI", header)
    return kind, length, 8 + length + length % 2  # even, by padding


def chunks(
    file: IO[bytes], position: int, most: int, parse: Callable[[bytes], tuple[bytes, int, int]]
) -> Iterator[tuple[bytes, int]]:
    """The kind and length of each chunk from `position` on; `parse` tells these and the whole size, of eight bytes.

    `file` then stands at the chunk's data. Raises BoundError after `most`.
    """
    length_of_file = file.seek(0, os.SEEK_END)
    for _ in range(most):
        file.seek(position)
        header = file.read(8)
        if len(header) < 8 or position > length_of_file:
            return
        kind, length, size = parse(header)
        yield kind, length
        position += size
    raise BoundError(f"it has more than {most} chunks; save it anew with another program")


def _png_header(file: IO[bytes]) -> tuple[int, int, int]:
    width = height = 0
    exif = xmp = profile = b""
    for number, (kind, length) in enumerate(png_chunks(file)):
        if (kind == b"IHDR") != (number == 0):
            raise ValueError("its header is not the first chunk, or is there twice")
        if kind == b"IHDR":
            width, height = struct.unpack(">II", file.read(8))
        elif kind == b"eXIf":
            exif = _block(file, length)
        elif kind in _TEXTS and length <= MAX_EXIF_BYTES:
            data = file.read(length)
            keyword = data.partition(b"\0")[0]
            if keyword == XMP_KEYWORD and not xmp:  # the first alone, so that thousands are not unpacked
                xmp = png_text(kind, data)[1]
            elif RAW_PROFILES.get(keyword) == b"exif" and not profile:
                profile = png_text(kind, data)[1]
    if profile and not exif:
        exif = bytes.fromhex("".join(profile.decode("latin-1").split("\n")[3:]))
    check_exif(exif)
    return width, height, orientation_in(exif, xmp)


def png_text(kind: bytes, data: bytes) -> tuple[bytes, bytes]:
    """A text chunk's keyword, and its text if it is one that says how the image lies, whole and not too long."""
    keyword, _, text = data.partition(b"\0")
    packed = kind == b"zTXt"
    if kind == b"iTXt":  # flag, method, language, translated keyword
        packed, text = text[:1] == b"\1", text[2:].partition(b"\0")[2].partition(b"\0")[2]
    elif packed:
        text = text[1:]  # method
    if keyword != XMP_KEYWORD and keyword not in RAW_PROFILES:
        return keyword, b""
    if packed:
        try:
            text = zlib.decompressobj().decompress(text, MAX_EXIF_BYTES + 1)
        except zlib.error:
            return keyword, b""
    return keyword, text if len(text) <= MAX_EXIF_BYTES else b""


def _webp_header(file: IO[bytes]) -> tuple[int, int, int]:
    exif = xmp = b""
    size: tuple[int, int] | None = None
    for kind, length in chunks(file, len(b"RIFF....WEBP"), MAX_CHUNKS, webp_chunk):
        if size is None:
            size = _webp_size(kind, file.read(10))
        elif kind == b"EXIF" and not exif:
            exif = _block(file, length)
        elif kind == b"XMP " and not xmp:
            xmp = file.read(min(length, MAX_EXIF_BYTES))
    if size is None:
        raise ValueError("its size is missing")
    check_exif(exif)
    return *size, orientation_in(exif, xmp)


def _block(file: IO[bytes], length: int) -> bytes:
    if length > MAX_EXIF_BYTES:
        raise BoundError(f"it has over {MAX_EXIF_BYTES / 1e6:g} MB of EXIF; save it anew without")
    return file.read(length)


def orientation_in(exif: bytes, xmp: bytes) -> int:
    """What EXIF says, else XMP, else upright."""
    said = orientation_of(exif)
    found = _XMP_ORIENTATION.search(xmp) if said is None else None
    return int(found[1]) if found else said or 1


def _webp_size(kind: bytes, data: bytes) -> tuple[int, int]:
    if len(data) == 10 and kind == b"VP8X":
        return int.from_bytes(data[4:7], "little") + 1, int.from_bytes(data[7:10], "little") + 1
    if len(data) == 10 and kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", data, 6)
        return width & 0x3FFF, height & 0x3FFF
    if len(data) == 10 and kind == b"VP8L":
        bits = int.from_bytes(data[1:5], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    raise ValueError("its first chunk gives no size")


def _check_segments(file: IO[bytes]) -> None:
    """Go through a JPEG's segments up to the first scan, as Pillow does. Raises BoundError."""
    exif = b""
    length_of_file = file.seek(0, os.SEEK_END)
    for number, (marker, position) in enumerate(segments(file, length_of_file)):
        if number >= MAX_CHUNKS:
            raise BoundError(f"it has more than {MAX_CHUNKS} segments; save it anew with another program")
        if marker not in (0xE1, 0xE2):
            continue
        file.seek(position)
        data = file.read(max(0, int.from_bytes(file.read(2), "big") - 2))
        if marker == 0xE1 and data.startswith(b"Exif\0\0"):
            exif += data[6:] if exif else data
            if len(exif) > MAX_EXIF_BYTES:
                raise BoundError(f"it has over {MAX_EXIF_BYTES / 1e6:g} MB of EXIF; save it anew without")
        elif marker == 0xE2 and data.startswith(b"MPF\0"):
            check_exif(data[4:])
    check_exif(exif)


def segments(file: IO[bytes], length_of_file: int) -> Iterator[tuple[int, int]]:
    """Each marker up to the first scan, with the position of its length. Raises BoundError for much between them."""
    position, junk = 2, 0
    while position < length_of_file:
        file.seek(position)
        head = file.read(2)
        if len(head) < 2:
            return
        known = MARKER.get(0xFF00 | head[1]) if head[0] == 0xFF else None
        if known is None:
            position += 1
            junk += 1
            if junk > MAX_JUNK_BYTES:
                raise BoundError(f"over {MAX_JUNK_BYTES} bytes between its segments mean nothing; it is damaged")
            continue
        start = position + 2
        has_length = known[2] is not None
        position = start + (max(2, int.from_bytes(file.read(2), "big")) if has_length else 0)  # which counts itself
        yield head[1], start
        if head[1] == 0xDA:
            return


def _bmp_header(file: IO[bytes]) -> tuple[int, int, int] | None:
    """Bound run-length coding, which Pillow undoes in Python, and whose jumps can be a hundred times the image."""
    file.seek(14)
    head = file.read(20)
    if len(head) < 20 or struct.unpack_from("<I", head)[0] < 40:
        return None  # a kind with other fields
    width, height = (abs(side) for side in struct.unpack_from("<ii", head, 4))
    coding = struct.unpack_from("<I", head, 16)[0]
    if coding in (1, 2) and (width * height > RLE_PIXELS or width > 65_535):
        raise BoundError(f"it is run-length coded, {width}x{height} pixels; save it as PNG")
    return width, height, 1


def _check_ppm(file: IO[bytes]) -> None:
    """Bound the header, which Pillow reads byte by byte."""
    file.seek(0)
    if not _PPM.match(file.read(_LONGEST_PPM_HEADER)):
        raise ValueError("its header gives no size")
