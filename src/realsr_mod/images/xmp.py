"""XMP carried from file to file: only what says how the image lies and how large it is changes."""

import re

_LIES = re.compile(rb'(tiff:Orientation\s*(?:=\s*["\']|>\s*))[2-8](?=\s*["\'<])')
_SIZES = {
    side: re.compile(rb"((?:tiff:" + tiff + rb"|exif:" + exif + rb')\s*(?:=\s*["\']|>\s*))\d{1,9}(?=\s*["\'<])')
    for side, tiff, exif in (
        ("width", b"ImageWidth", b"PixelXDimension"),
        ("height", b"ImageLength", b"PixelYDimension"),
    )
}


def upright_xmp(packet: bytes) -> bytes:
    """The packet of an image that has been turned upright."""
    return _LIES.sub(rb"\g<1>1", packet)


def resized_xmp(packet: bytes, width: int, height: int) -> bytes:
    """The packet of an image that has another size now."""
    for side, value in (("width", width), ("height", height)):
        packet = _SIZES[side].sub(rb"\g<1>%d" % value, packet)
    return packet
