"""What the segments of a JPEG say of its photo, and the same segments for another JPEG."""

import io
import struct
from contextlib import suppress

from realsr_mod.images.bounds import MAX_EXIF_BYTES
from realsr_mod.images.exif import HEADER, exif_resolution, without_header
from realsr_mod.images.headers import segments
from realsr_mod.images.image import Metadata, Resolution
from realsr_mod.images.photoshop import START, of_photo

XMP_START = b"http://ns.adobe.com/xap/1.0/\0"
MORE_XMP_START = b"http://ns.adobe.com/xmp/extension/\0"
MOST_EXIF = 65_533 - len(HEADER)  # bytes that one segment holds
MOST_XMP = 65_533 - len(XMP_START)
_PART = 65_000  # of image resources, which may go on in the next segment
_UNITS = {1: "inch", 2: "cm"}
_APP0, _APP1, _APP13, _COMMENT = 0xE0, 0xE1, 0xED, 0xFE


def jpeg_metadata(content: bytes, icc: bytes | None) -> Metadata:
    """What a JPEG says of its photo; its profile, in parts that may be out of order, is what Pillow found."""
    exif = photoshop = more = b""
    xmp = comment = resolution = None
    file = io.BytesIO(content)
    for marker, position in segments(file, len(content)):
        if marker not in (_APP0, _APP1, _APP13, _COMMENT):
            continue
        file.seek(position)
        data = file.read(max(0, int.from_bytes(file.read(2), "big") - 2))
        if marker == _APP0 and data.startswith(b"JFIF\0") and len(data) >= 12:
            resolution = _density(data)
        elif marker == _COMMENT:
            comment = comment or data
        elif data.startswith(START):
            photoshop += data[len(START) :]
        elif data.startswith(HEADER):
            exif += data[len(HEADER) :] if exif else data
        elif data.startswith(XMP_START):
            xmp = xmp or data[len(XMP_START) :]
        elif data.startswith(MORE_XMP_START) and len(more) < MAX_EXIF_BYTES:
            more += _segment(_APP1, data)
    exif = without_header(exif)
    if resolution is None and exif:
        with suppress(struct.error, ValueError):
            resolution = exif_resolution(exif)
    return Metadata(
        icc=icc,
        exif=exif or None,
        xmp=xmp or None,
        photoshop=of_photo(photoshop) if photoshop else None,
        comment=comment or None,
        segments=more or None,
        resolution=resolution,
    )


def _density(data: bytes) -> Resolution | None:
    unit, x, y = struct.unpack_from(">BHH", data, 7)
    if not x or not y or (unit not in _UNITS and x == y):
        return None
    return Resolution(x, y, _UNITS.get(unit, ""))


def _segment(marker: int, data: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data


def photo_segments(metadata: Metadata) -> bytes:
    """XMP and image resources as segments; the encoder writes the other ones."""
    parts = [_segment(_APP1, XMP_START + metadata.xmp)] if metadata.xmp else []
    parts.append(metadata.segments or b"")
    block = metadata.photoshop or b""
    parts += [_segment(_APP13, START + block[at : at + _PART]) for at in range(0, len(block), _PART)]
    return b"".join(parts)


def with_density(content: bytes, resolution: Resolution | None) -> bytes:
    """The head of a JPEG whose first segment is JFIF's, with pixels per length in it."""
    if resolution is None or content[6:11] != b"JFIF\0":
        return content
    if resolution.unit == "m":
        resolution = resolution.per("inch")
    unit = next((number for number, name in _UNITS.items() if name == resolution.unit), 0)
    x, y = (min(max(round(side), 1), 65_535) for side in resolution[:2])
    return content[:13] + struct.pack(">BHH", unit, x, y) + content[18:]
