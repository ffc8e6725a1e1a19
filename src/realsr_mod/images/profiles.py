"""ICC profiles for colors that a file describes in numbers, as PNG's gAMA and cHRM, or H.273's in PNG, AVIF and HEIC.

Legend: x, y chromaticities; X, Y, Z color values, white at Y = 1.
"""

import struct

import numpy as np

from realsr_mod.images.image import Color

# H.273: x and y of red, green, blue and white.
_D65, _C = (0.3127, 0.3290), (0.310, 0.316)
PRIMARIES = {
    1: ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060), _D65),
    4: ((0.670, 0.330), (0.210, 0.710), (0.140, 0.080), _C),
    5: ((0.640, 0.330), (0.290, 0.600), (0.150, 0.060), _D65),
    6: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65),
    7: ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070), _D65),
    9: ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046), _D65),
    11: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), (0.314, 0.351)),
    12: ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060), _D65),
}
PQ, HLG = 16, 18  # transfers of HDR, which no curve of a profile describes
_SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
_BT709_CURVE = (1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081)
_CURVES: dict[int, tuple[float, ...]] = {
    1: _BT709_CURVE, 4: (2.2,), 5: (2.8,), 6: _BT709_CURVE, 8: (1.0,), 13: _SRGB_CURVE, 14: _BT709_CURVE,
    15: _BT709_CURVE,
}  # fmt: skip
_D50_XYZ = (0.9642, 1.0, 0.8249)
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def is_hdr(color: Color | None) -> bool:
    """Whether the values are light of HDR, encoded as PQ or HLG."""
    return color is not None and color.cicp is not None and color.cicp[1] in (PQ, HLG)


def profile_of(color: Color, grey: bool) -> bytes | None:
    """An ICC profile (version 4) of these numbers; None where they are HDR or unknown."""
    points: tuple[tuple[float, ...], ...] = PRIMARIES[1]
    curve: tuple[float, ...] = _SRGB_CURVE
    if color.cicp is not None:
        primaries, transfer = color.cicp[:2]
        if primaries not in PRIMARIES or transfer not in _CURVES:
            return None
        points, curve = PRIMARIES[primaries], _CURVES[transfer]
    elif color.intent is None:
        if color.chromaticities is not None:
            white, red, green, blue = np.reshape(color.chromaticities, (4, 2)) / 100_000
            points = tuple(red), tuple(green), tuple(blue), tuple(white)
        if color.gamma is not None:
            curve = (100_000 / color.gamma,)
    tags = {b"desc": _text("described by the file"), b"cprt": _text("no copyright"), b"wtpt": _xyz(_D50_XYZ)}
    if grey:
        tags[b"kTRC"] = _curve(curve)
    else:
        try:
            columns = _adapted(points).T
        except np.linalg.LinAlgError:
            return None
        for name, column in zip((b"r", b"g", b"b"), columns, strict=True):
            tags |= {name + b"XYZ": _xyz(column), name + b"TRC": _curve(curve)}
    return _profile(tags, b"GRAY" if grey else b"RGB ")


def _adapted(points: tuple[tuple[float, ...], ...]) -> np.ndarray:
    """XYZ of red, green and blue in columns, under the white of profiles, D50."""
    xyz = np.array([[x / y, 1, (1 - x - y) / y] for x, y in points]).T
    colors, white = xyz[:, :3], xyz[:, 3]
    colors = colors * np.linalg.solve(colors, white)
    gain = (_BRADFORD @ _D50_XYZ) / (_BRADFORD @ white)
    adapted: np.ndarray = np.linalg.inv(_BRADFORD) @ (gain[:, None] * (_BRADFORD @ colors))
    return adapted


def _fixed(value: float) -> bytes:
    return struct.pack(">i", round(min(max(float(value), -32768), 32767) * 65536))


def _xyz(values: "np.ndarray | tuple[float, ...]") -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(_fixed(value) for value in values)


def _curve(numbers: tuple[float, ...]) -> bytes:
    kind = {1: 0, 5: 3}[len(numbers)]
    return b"para\0\0\0\0" + struct.pack(">HH", kind, 0) + b"".join(_fixed(number) for number in numbers)


def _text(text: str) -> bytes:
    coded = text.encode("utf-16-be")
    return b"mluc\0\0\0\0" + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(coded), 28) + coded


def _profile(tags: dict[bytes, bytes], space: bytes) -> bytes:
    at = 128 + 4 + 12 * len(tags)
    table, data = struct.pack(">I", len(tags)), b""
    for name, value in tags.items():
        table += struct.pack(">4sII", name, at + len(data), len(value))
        data += value + bytes(-len(value) % 4)
    head = struct.pack(">I4sI4s4s4s", at + len(data), b"\0\0\0\0", 0x04200000, b"mntr", space, b"XYZ ")
    head += struct.pack(">6H4s", 2026, 1, 1, 0, 0, 0, b"acsp") + bytes(28)
    head += b"".join(_fixed(value) for value in _D50_XYZ)
    return head.ljust(128, b"\0") + table + data
