"""What Pillow leaves of a BMP: pixels in any bit fields, pixels per meter, and an embedded profile."""

import struct

import numpy as np

from realsr_mod.images.bounds import MAX_PROFILE_BYTES
from realsr_mod.images.depth import stretched
from realsr_mod.images.image import Metadata, Resolution

_FILE_HEADER = 14
_BITFIELDS, _ALPHA_BITFIELDS = 3, 6
_WITH_ALPHA, _WITH_PROFILE = 56, 124  # bytes of a header that has a mask for alpha, and a profile
_EMBEDDED = b"DEBM"


def bmp_metadata(content: bytes) -> Metadata:
    """What a BMP's header says of its image."""
    (size,) = struct.unpack_from("<I", content, _FILE_HEADER)
    icc = resolution = None
    if size >= 40 and len(content) >= _FILE_HEADER + size:
        x, y = struct.unpack_from("<ii", content, _FILE_HEADER + 24)
        resolution = Resolution(x, y, "m") if x > 0 and y > 0 else None
        if size >= _WITH_PROFILE and content[_FILE_HEADER + 56 :].startswith(_EMBEDDED):
            start, length = struct.unpack_from("<II", content, _FILE_HEADER + 112)
            start += _FILE_HEADER
            icc = content[start : start + length] if 0 < length <= MAX_PROFILE_BYTES else None
            icc = icc if icc and len(icc) == length else None
    return Metadata(icc=icc, resolution=resolution)


def decode_bitfields(content: bytes) -> np.ndarray | None:
    """Pixels, (H, W, 3 or 4), of a BMP whose channels lie where masks say; None for other BMPs.

    Channels of over 8 bits make all 16-bit. Alpha that is 0 everywhere was never set, and is left out. Raises
    ValueError where masks or pixels are missing.
    """
    if len(content) < _FILE_HEADER + 40:
        return None
    (start,) = struct.unpack_from("<I", content, 10)
    size, width, height, _, bits, coding = struct.unpack_from("<IiiHHI", content, _FILE_HEADER)
    if size < 40 or coding not in (_BITFIELDS, _ALPHA_BITFIELDS) or bits not in (16, 32):
        return None
    count = 4 if size >= _WITH_ALPHA or coding == _ALPHA_BITFIELDS else 3
    masks = struct.unpack_from(f"<{count}I", content, _FILE_HEADER + 40)
    if not all(masks[:3]) or any(mask >> bits for mask in masks):
        raise ValueError("its masks leave a color out")
    row = -(-width * bits // 32) * 4
    if width <= 0 or len(content) < start + row * abs(height):
        raise ValueError("pixels are missing at its end")
    rows = np.frombuffer(content, np.uint8, row * abs(height), start).reshape(abs(height), row)
    values = rows.view("<u2" if bits == 16 else "<u4")[:, :width]
    values = values if height < 0 else values[::-1]
    depth = 16 if any(_width(mask) > 8 for mask in masks) else 8
    channels = [_channel(values, mask, depth) for mask in masks if mask]
    if len(channels) == 4 and not channels[3].any():
        del channels[3]
    return np.stack(channels, axis=2)


def _width(mask: int) -> int:
    return (mask >> ((mask & -mask).bit_length() - 1)).bit_length() if mask else 0


def _channel(values: np.ndarray, mask: int, depth: int) -> np.ndarray:
    shift, bits = (mask & -mask).bit_length() - 1, _width(mask)
    if bits > 16:
        raise ValueError(f"a channel has {bits} bits")
    channel = stretched((values & mask) >> shift, bits)
    return stretched(channel, 8).astype(np.uint16) * 257 if depth == 16 and bits <= 8 else channel
