"""Binary PPM and PGM of other depths than 8 bits, in which cameras' programs write 10, 12 or 16.

Pillow scales their values one by one in Python, a second per megapixel, and cuts colors to 8 bits.
"""

import re

import numpy as np

_GAP = rb"(?:\s|#[^\r\n]*+[\r\n])++"  # with comments
_HEADER = re.compile(rb"P([56])" + _GAP + rb"(\d{1,9})" + _GAP + rb"(\d{1,9})" + _GAP + rb"(\d{1,5})\s")


def decode_deep_ppm(content: bytes) -> np.ndarray | None:
    """(H, W, 1 or 3), white at 255 or 65535, of a binary PGM or PPM whose white is another than 255; else None.

    Raises ValueError if pixels are missing.
    """
    header = _HEADER.match(content[:65_536])
    if header is None or not 0 < (white := int(header[4])) < 65536 or white == 255:
        return None
    channels, width, height = (1 if header[1] == b"5" else 3), int(header[2]), int(header[3])
    depth, full = (np.dtype(np.uint8), 255) if white < 256 else (np.dtype(">u2"), 65535)
    count = width * height * channels
    if len(content) - header.end() < count * depth.itemsize:
        raise ValueError("pixels are missing at its end")
    values = np.frombuffer(content, depth, count, header.end())
    scaled = np.minimum(np.round(np.arange(full + 1) / white * full), full).astype(depth.newbyteorder("="))
    image: np.ndarray = scaled[values].reshape(height, width, channels)
    return image
