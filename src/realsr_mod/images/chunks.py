"""What the chunks of a PNG say besides its pixels, read and written without a decoder.

Decoders stop at a text of a megabyte, a long profile, or a wrong checksum in a chunk that nobody needs; so they are
given the pixels alone (`prepare.py`), and the rest is here.
"""

import io
import struct
import zlib
from contextlib import suppress

from realsr_mod.images.bounds import MAX_PROFILE_BYTES, BoundError
from realsr_mod.images.exif import without_header
from realsr_mod.images.headers import RAW_PROFILES, XMP_KEYWORD, png_chunks, png_text
from realsr_mod.images.image import Color, Metadata, Resolution
from realsr_mod.images.photoshop import START, of_photo, with_iptc

_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_LIGHT = (b"mDCV", b"cLLI")  # of HDR
_SRGB_GAMMA, _SRGB_POINTS = 45455, (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)


def chunk(kind: bytes, data: bytes) -> bytes:
    """A whole chunk."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(kind)))


def png_metadata(content: bytes) -> tuple[Metadata, list[str]]:
    """What a PNG says of its image, and what could not be kept."""
    found: dict[bytes, bytes] = {}
    profiles: dict[bytes, bytes] = {}
    carried: list[bytes] = []
    notes: list[str] = []
    xmp = None
    file = io.BytesIO(content)
    for kind, length in png_chunks(file):
        data, checksum = file.read(length), file.read(4)
        if len(checksum) < 4:
            break
        if kind[:1].islower() and zlib.crc32(data, zlib.crc32(kind)).to_bytes(4, "big") != checksum:
            notes.append(f"its chunk {kind.decode('latin-1')} is damaged and was dropped")
            continue
        if kind not in _TEXTS:
            found.setdefault(kind, data)
            carried += [chunk(kind, data)] if kind in _LIGHT else []
            continue
        keyword = data.partition(b"\0")[0]
        if keyword == XMP_KEYWORD and xmp is None and (text := png_text(kind, data)[1]):
            xmp = text
        elif (name := RAW_PROFILES.get(keyword)) and name not in profiles:
            with suppress(ValueError):
                profiles[name] = _raw_profile(png_text(kind, data)[1])
        elif name is None:
            carried.append(chunk(kind, data))
    exif = without_header(found.get(b"eXIf") or profiles.get(b"exif", b""))
    metadata = Metadata(
        icc=_profile(found.get(b"iCCP"), notes),
        exif=exif or None,
        xmp=xmp or profiles.get(b"xmp"),
        photoshop=_photoshop(profiles.get(b"iptc")),
        chunks=b"".join(carried) or None,
        resolution=_resolution(found.get(b"pHYs", b"")),
        color=_color(found),
    )
    return metadata, notes


def _raw_profile(text: bytes) -> bytes:
    """What a profile holds that a text writes in hexadecimal digits after its name and length."""
    return bytes.fromhex("".join(text.decode("latin-1").split("\n")[3:]))


def _profile(data: bytes | None, notes: list[str]) -> bytes | None:
    """An ICC profile, unpacked."""
    if data is None:
        return None
    packed = data.partition(b"\0")[2][1:]
    try:
        icc = zlib.decompressobj().decompress(packed, MAX_PROFILE_BYTES + 1)
    except zlib.error:
        notes.append("its color profile is damaged and was dropped")
        return None
    if len(icc) > MAX_PROFILE_BYTES:
        raise BoundError(f"its color profile has over {MAX_PROFILE_BYTES / 1e6:g} MB; save it anew without")
    return icc or None


def _photoshop(block: bytes | None) -> bytes | None:
    if not block:
        return None
    block = block.removeprefix(START)
    return of_photo(block if block.startswith(b"8BIM") else with_iptc(block))


def _resolution(data: bytes) -> Resolution | None:
    if len(data) != 9:
        return None
    x, y, unit = struct.unpack(">IIB", data)
    if not x or not y or (unit != 1 and x == y):
        return None
    return Resolution(x, y, "m" if unit == 1 else "")


def _color(found: dict[bytes, bytes]) -> Color | None:
    """What the chunks say that are not a profile; None for plain sRGB."""
    cicp = found.get(b"cICP", b"")
    gamma, points, intent = (found.get(kind, b"") for kind in (b"gAMA", b"cHRM", b"sRGB"))
    color = Color(
        cicp=(cicp[0], cicp[1], cicp[2], cicp[3]) if len(cicp) == 4 else None,
        gamma=struct.unpack(">I", gamma)[0] if len(gamma) == 4 and any(gamma) else None,
        chromaticities=struct.unpack(">8I", points) if len(points) == 32 and _are_points(points) else None,
        intent=intent[0] if len(intent) == 1 else None,
    )
    return color if color != Color() else None


def _are_points(points: bytes) -> bool:
    """Whether eight numbers can be chromaticities: no y is 0, all lie on the plane of colors."""
    numbers = struct.unpack(">8I", points)
    return all(y and x + y <= 200_000 for x, y in zip(numbers[::2], numbers[1::2], strict=True))


def is_srgb(color: Color) -> bool:
    """Whether chunks say no more than what is assumed without them."""
    if color.cicp is not None:
        return color.cicp[:2] == (1, 13)
    if color.intent is not None:
        return True
    near = color.gamma is None or abs(color.gamma - _SRGB_GAMMA) <= 500
    points = color.chromaticities or _SRGB_POINTS
    return near and all(abs(a - b) <= 200 for a, b in zip(points, _SRGB_POINTS, strict=True))


def color_chunks(metadata: Metadata) -> bytes:
    """The chunks that say what colors mean, in their order."""
    color, parts = metadata.color or Color(), []
    if color.cicp is not None:
        parts.append(chunk(b"cICP", bytes(color.cicp)))
    if metadata.icc:
        parts.append(chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(metadata.icc)))
    elif color.intent is not None:
        parts.append(chunk(b"sRGB", bytes([color.intent])))
    if color.gamma is not None:
        parts.append(chunk(b"gAMA", struct.pack(">I", color.gamma)))
    if color.chromaticities is not None:
        parts.append(chunk(b"cHRM", struct.pack(">8I", *color.chromaticities)))
    return b"".join(parts)


def photo_chunks(metadata: Metadata) -> bytes:
    """The chunks that say everything else of a photo."""
    parts = []
    if resolution := metadata.resolution:
        per_meter = resolution.per("m") if resolution.unit else resolution
        x, y = (min(max(round(side), 1), 2**31 - 1) for side in per_meter[:2])
        parts.append(chunk(b"pHYs", struct.pack(">IIB", x, y, bool(resolution.unit))))
    if metadata.exif:
        parts.append(chunk(b"eXIf", metadata.exif))
    if metadata.xmp:
        parts.append(chunk(b"iTXt", XMP_KEYWORD + b"\0\0\0\0\0" + metadata.xmp))
    if metadata.photoshop:
        digits = metadata.photoshop.hex()
        lines = "\n".join(digits[start : start + 72] for start in range(0, len(digits), 72))
        text = f"\niptc\n{len(metadata.photoshop):8d}\n{lines}\n".encode()
        parts.append(chunk(b"zTXt", b"Raw profile type iptc\0\0" + zlib.compress(text)))
    return b"".join(parts) + (metadata.chunks or b"")
