"""Image resources of Photoshop, the block in which JPEG, TIFF and PNG carry IPTC."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

START = b"Photoshop 3.0\0"  # before the block, in a JPEG
_SIGNATURE = b"8BIM"
_IPTC = 0x0404
# Resolution and thumbnails: of the image as it was.
_OF_PIXELS = (0x03ED, 0x0409, 0x040C)


class _Resource(NamedTuple):
    number: int
    whole: bytes
    data: bytes


def _resources(block: bytes) -> Iterator[_Resource]:
    """The resources of a block. Raises ValueError where it is damaged."""
    at = 0
    while at + 12 <= len(block):
        start = at
        if block[at : at + 4] != _SIGNATURE:
            raise ValueError("a resource begins otherwise")
        (number,) = struct.unpack_from(">H", block, at + 4)
        name = 1 + block[at + 6]
        at += 6 + name + name % 2
        if at + 4 > len(block):
            raise ValueError("a resource is cut off")
        (length,) = struct.unpack_from(">I", block, at)
        at += 4
        if at + length > len(block):
            raise ValueError("a resource is cut off")
        data = block[at : at + length]
        at += length + length % 2
        yield _Resource(number, block[start:at].ljust(at - start, b"\0"), data)


def of_photo(block: bytes) -> bytes | None:
    """The block without what shows or measures the image as it was; whole if it is damaged."""
    try:
        kept = b"".join(resource.whole for resource in _resources(block) if resource.number not in _OF_PIXELS)
    except ValueError:
        return block
    return kept or None


def iptc_of(block: bytes | None) -> bytes | None:
    """The IPTC inside a block."""
    try:
        return next((resource.data for resource in _resources(block or b"") if resource.number == _IPTC), None)
    except ValueError:
        return None


def with_iptc(iptc: bytes) -> bytes:
    """A block that holds nothing but this."""
    return _SIGNATURE + struct.pack(">HHI", _IPTC, 0, len(iptc)) + iptc + bytes(len(iptc) % 2)
