"""A file's structure looked through before a decoder sees it, and what of the file the decoder is given."""

import io
import zlib

from realsr_mod.images.bounds import MAX_PLAIN_BYTES, MAX_SCANNED_PIXELS, MAX_SCANS, BoundError, check_pixels
from realsr_mod.images.directories import check_tiff
from realsr_mod.images.formats import TIFF_STARTS
from realsr_mod.images.headers import JPEG_START, PNG_START, png_chunks, read_header, segments

START_OF_SCAN = b"\xff\xda"
_DESCRIPTIONS = (0xE1, 0xED, 0xFE)  # segments of a JPEG
NEEDED = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")  # chunks of a PNG that make its pixels


def check_content(content: bytes, max_pixels: int | None) -> bytes:
    """Look through a file's structure; returns what a decoder is given: of a TIFF the first page alone, of a PNG the
    chunks that make its pixels.

    Raises BoundError for what asks for too much, ValueError for damage.
    """
    if content.startswith(TIFF_STARTS):
        next_at = check_tiff(io.BytesIO(content), max_pixels)[3]
        if next_at:  # decoders would follow the links from page to page, a hundred thousand of them or in a ring
            after = next_at + (8 if 43 in content[2:4] else 4)
            return content[:next_at] + bytes(after - next_at) + content[after:]
        return content
    if header := read_header(io.BytesIO(content), max_pixels):
        check_pixels(*header[:2], max_pixels)
    if content.startswith(PNG_START):
        return needed_chunks(content)
    if content.startswith(JPEG_START):
        scans = content.count(START_OF_SCAN)  # inside of coded data a zero follows every 255
        if scans > MAX_SCANS:
            raise BoundError(f"it has {scans} scans, at most {MAX_SCANS} are decoded; save it as a plain JPEG")
        return _without_descriptions(content)
    if content[:2] in (b"P1", b"P2", b"P3") and len(content) > MAX_PLAIN_BYTES:
        raise BoundError(f"it has {len(content) / 1e6:.0f} MB of decimal digits; save it as a binary PPM (P5, P6)")
    return content


def _without_descriptions(content: bytes) -> bytes:
    """A JPEG without EXIF, XMP and IPTC, which Pillow would take apart, and warn of what it does not understand."""
    kept, at, behind = [], 0, False
    for marker, position in segments(io.BytesIO(content), len(content)):
        if behind:  # what some cameras and editors leave behind a segment; at the file's start it would hide the JPEG
            at = position - 2
        behind = marker in _DESCRIPTIONS
        if behind:
            kept.append(content[at : position - 2])
            at = position + max(2, int.from_bytes(content[position : position + 2], "big"))
    return b"".join([*kept, content[at:]]) if kept else content


def check_scans(content: bytes, width: int, height: int) -> None:
    """Raise a BoundError for a JPEG whose decoder would go over its pixels far too often."""
    scanned = content.count(START_OF_SCAN) * width * height
    if scanned > MAX_SCANNED_PIXELS:
        raise BoundError(f"decoding its scans means {scanned / 1e9:.1f} billion pixels; save it as a plain JPEG")


def needed_chunks(content: bytes, kinds: tuple[bytes, ...] = NEEDED) -> bytes:
    """A PNG of the chunks that make its pixels: decoders unpack all others too, and give up at the first long one.

    A chunk that is not critical is left out where its checksum is wrong, as libpng does it.
    Raises ValueError for one that is longer than the file, for which OpenCV would make room.
    """
    file, kept = io.BytesIO(content), [content[: len(PNG_START)]]
    for kind, length in png_chunks(file):
        start, end = file.tell() - 8, file.tell() + length + 4
        if end - 4 > len(content):
            raise ValueError("image file is truncated")
        whole = content[start:end] if kind in kinds else b""
        if whole and (kind[:1].isupper() or zlib.crc32(whole[4:-4]).to_bytes(4, "big") == whole[-4:]):
            kept.append(whole)
    return b"".join(kept)
