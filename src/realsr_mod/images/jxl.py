"""JPEG XL, by libjxl in a process of its own: its size and all that it asks for are read here, before that is started.

libjxl's wrapper for Python decodes when it opens, unpacks whatever is compressed beside the image, and has no limits.
So the decoder gets the coded image alone, and memory and time for what its header says.

Legend: H height, W width, C channels (1 grey, 2 grey + alpha, 3 RGB, 4 RGB + alpha).
"""

import io
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import IO, Any, NamedTuple

import numpy as np
from PIL import ImageCms

from realsr_mod.images.bounds import MAX_CHUNKS, MAX_EXIF_BYTES, BoundError, check_pixels
from realsr_mod.images.depth import as_integers
from realsr_mod.images.exif import without_header
from realsr_mod.images.formats import JXL_BARE, JXL_BOXED
from realsr_mod.images.image import LoadedImage, Metadata

MISSING = "JPEG XL needs an extra: pip install 'realsr-mod[jxl]'"
JXL_QUALITY, JXL_EFFORT = 95, 5
_CODED = (b"JXL ", b"ftyp", b"jxll", b"jxlc", b"jxlp")  # boxes that the decoder is given
_MOST_EXTRA = 4  # channels besides the colors: alpha, depth, a spot color
_BASE_BYTES, _BYTES_PER_PIXEL = 2 * 2**30, 96
_SECONDS, _PIXELS_PER_SECOND = 20.0, 1_000_000
_SRGB_NAMES = ("RGB_D65_SRG_Rel_SRG", "RGB_D65_SRG_Per_SRG", "Gra_D65_Rel_SRG", "Gra_D65_Per_SRG")  # by libjxl
_KINDS: dict[str, tuple[Any, int]] = {  # by what libjxl's wrapper calls them
    **{"L": (np.uint8, 1), "LA": (np.uint8, 2), "RGB": (np.uint8, 3), "RGBA": (np.uint8, 4)},
    **{"I;16": (np.uint16, 1), "F": (np.float32, 1), "F;16": (np.float16, 1)},
}


class JxlHeader(NamedTuple):
    """Width and height as stored, how the image lies as EXIF counts, whether it moves, and bits a channel."""

    width: int
    height: int
    orientation: int
    moves: bool
    bits: int


def is_jxl(content: bytes) -> bool:
    """Whether a file begins as JPEG XL does."""
    return content.startswith((JXL_BARE, JXL_BOXED))


# --- what is in a file ---


def _boxes(content: bytes) -> Iterator[tuple[bytes, int, int, int]]:
    """The kind of each box, where it begins, and where its data begin and end. Raises BoundError, ValueError."""
    at = 0
    for _ in range(MAX_CHUNKS):
        if at + 8 > len(content):
            return
        length, kind = struct.unpack_from(">I4s", content, at)
        start = at + 8
        if length == 1:
            length, start = struct.unpack_from(">Q", content, start)[0], start + 8
        end = len(content) if length == 0 else at + length
        if end < start or end > len(content):
            raise ValueError("a box is longer than the file")
        yield kind, at, start, end
        at = end
    raise BoundError(f"it has more than {MAX_CHUNKS} boxes; save it anew with another program")


def _codestream(content: bytes) -> bytes:
    """The coded image, put together of its parts."""
    if content.startswith(JXL_BARE):
        return content
    parts = []
    for kind, _, start, end in _boxes(content):
        if kind == b"jxlc":
            return content[start:end]
        if kind == b"jxlp":
            parts.append(content[start + 4 : end])  # which a number precedes
    return b"".join(parts)


class _Bits:
    """Bits of a coded image, the lowest of each byte first."""

    def __init__(self, data: bytes) -> None:
        self.value, self.left = int.from_bytes(data[:128], "little"), 8 * min(len(data), 128)

    def take(self, count: int) -> int:
        if count > self.left:
            raise ValueError("its header is cut off")
        found = self.value & ((1 << count) - 1)
        self.value >>= count
        self.left -= count
        return found

    def choice(self, *choices: tuple[int, int]) -> int:
        """One of four ways to write a number: added to so many bits."""
        base, count = choices[self.take(2)]
        return base + self.take(count)


def jxl_header(content: bytes) -> JxlHeader:
    """What the header says (ISO/IEC 18181-1, annex D). Raises ValueError, and BoundError for far too many channels."""
    coded = _codestream(content)
    if not coded.startswith(JXL_BARE):
        raise ValueError("it holds no coded image")
    bits = _Bits(coded[2:])
    height, width = _size(bits)
    orientation, moves, depth = 1, False, 8
    if not bits.take(1):  # not all as usual
        if bits.take(1):
            orientation = 1 + bits.take(3)
            if bits.take(1):
                _size(bits)
            if bits.take(1):
                _preview(bits)
            moves = bool(bits.take(1))
            if moves:
                bits.choice((100, 0), (1000, 0), (1, 10), (1, 30))
                bits.choice((1, 0), (1001, 0), (1, 8), (1, 10))
                bits.choice((0, 0), (0, 3), (0, 16), (0, 32))
                bits.take(1)
        if bits.take(1):
            depth = bits.choice((32, 0), (16, 0), (24, 0), (1, 6))
            bits.take(4)
        else:
            depth = bits.choice((8, 0), (10, 0), (12, 0), (1, 6))
        bits.take(1)
        extra = bits.choice((0, 0), (1, 0), (2, 4), (1, 12))
        if extra > _MOST_EXTRA:
            raise BoundError(
                f"it has {extra} channels besides its colors, at most {_MOST_EXTRA} are read; save it anew"
            )
    return JxlHeader(width, height, orientation, moves, depth)


_RATIOS = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}


def _size(bits: _Bits) -> tuple[int, int]:
    small = bits.take(1)

    def side() -> int:
        return 8 * (1 + bits.take(5)) if small else bits.choice((1, 9), (1, 13), (1, 18), (1, 30))

    height = side()
    ratio = bits.take(3)
    return height, side() if not ratio else height * _RATIOS[ratio][0] // _RATIOS[ratio][1]


def _preview(bits: _Bits) -> None:
    eighths = bits.take(1)

    def side() -> int:
        if eighths:
            return bits.choice((16, 0), (32, 0), (1, 5), (33, 9))
        return bits.choice((1, 6), (65, 8), (321, 10), (1345, 12))

    side()
    if not bits.take(3):
        side()


# --- reading ---


@dataclass(frozen=True)
class DecodedJxl:
    """Pixels upright, (H, W, C), what the file says of them, and what could not be kept."""

    pixels_HWC: np.ndarray
    metadata: Metadata
    notes: tuple[str, ...]
    moves: bool


def decode_jxl(content: bytes, name: str, max_pixels: int | None) -> DecodedJxl:
    """Decode a file. Raises BoundError for what asks for too much or without a decoder, ValueError for damage."""
    header = jxl_header(content)
    check_pixels(header.width, header.height, max_pixels)
    if find_spec("pillow_jxl") is None:
        raise BoundError(MISSING)
    given, exif, xmp, notes = content, b"", b"", []
    if content.startswith(JXL_BOXED):
        kept = []
        for kind, at, start, end in _boxes(content):
            if kind in _CODED:
                kept.append(content[at:end])
            elif kind == b"Exif" and not exif:
                exif = _exif(content[start:end])
            elif kind == b"xml " and not xmp:
                xmp = content[start:end]
            elif kind == b"brob":
                notes.append(f"its compressed {content[start : start + 4].decode('latin-1').strip()} was left out")
        given = b"".join(kept)
    if len(exif) > MAX_EXIF_BYTES:
        raise BoundError(f"it has over {MAX_EXIF_BYTES / 1e6:g} MB of EXIF; save it anew without")
    mode, width, height, icc, data = _decoded_apart(given, header.width * header.height)
    dtype, channels = _KINDS[mode]
    pixels = as_integers(np.frombuffer(data, dtype).reshape(height, width, channels), name)
    if header.bits > 8 and pixels.dtype == np.uint8:
        notes.append(f"of its {header.bits} bits 8 are read")
    metadata = Metadata(icc=None if is_srgb_profile(icc) else icc, exif=exif or None, xmp=xmp or None)
    return DecodedJxl(pixels, metadata, tuple(notes), header.moves)


def _exif(data: bytes) -> bytes:
    """The block in a box: behind an offset, which some encoders leave out."""
    if data.startswith((b"II*\0", b"MM\0*")):
        return data
    return without_header(data[4 + int.from_bytes(data[:4], "big") :])


def is_srgb_profile(icc: bytes) -> bool:
    """Whether a profile says what is assumed without one; libjxl makes such a one for each image that has none."""
    if not icc:
        return True
    try:
        said = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(icc))).strip()
    except (ImageCms.PyCMSError, OSError):
        return False
    return said.startswith("sRGB") or said in _SRGB_NAMES


def _decoded_apart(content: bytes, pixels: int) -> tuple[str, int, int, bytes, bytes]:
    """Mode, width, height, profile and pixels, from a process with limits. Raises BoundError, ValueError."""
    memory, seconds = _BASE_BYTES + _BYTES_PER_PIXEL * pixels, _SECONDS + pixels / _PIXELS_PER_SECOND
    command = [sys.executable, "-P", "-c", _PROCESS, str(memory), str(int(seconds) + 1)]
    try:
        done = subprocess.run(command, input=content, capture_output=True, timeout=seconds, env=os.environ)
    except subprocess.TimeoutExpired as error:
        raise BoundError(f"not decoded within {seconds:.0f} s; save it anew with another program") from error
    head, _, rest = done.stdout.partition(b"\n")
    if done.returncode != 0 or not head:
        raise ValueError("libjxl cannot decode it")
    mode, width, height, length = head.decode().split()
    if mode not in _KINDS:
        raise BoundError(f"its pixels are of a kind ({mode}) that is not read; save it as PNG")
    return mode, int(width), int(height), rest[: int(length)], rest[int(length) :]


# The other process. It has nothing of this package, so that it starts at once.
_PROCESS = """
import sys
try:
    import resource
    resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]),) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (int(sys.argv[2]),) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
except ImportError:  # not every system has such limits
    pass
from pillow_jxl import Decoder
_, info, pixels, icc, _ = Decoder(num_threads=1)(sys.stdin.buffer.read())
icc = icc or b""
sys.stdout.buffer.write(f"{info.mode} {info.width} {info.height} {len(icc)}\\n".encode() + icc + pixels)
"""


# --- writing ---


def why_no_jxl(image: LoadedImage) -> str:
    """Why libjxl's wrapper cannot write an image so that it stays what it is; nothing if it can."""
    if find_spec("pillow_jxl") is None:
        return MISSING
    if image.pixels_HWC.dtype == np.uint16:
        return "jxl is written here with 8 bits alone"
    if image.icc and not is_srgb_profile(image.icc):
        return "jxl is written here without color profiles"
    return ""


def write_jxl(file: IO[bytes], image: LoadedImage) -> None:
    """Write an image of which `why_no_jxl` says nothing."""
    from pillow_jxl import Encoder

    pixels = np.ascontiguousarray(image.pixels_HWC)
    height, width, channels = pixels.shape
    make: Any = Encoder  # whose annotations are those of another version
    encoder = make(
        mode=("L", "LA", "RGB", "RGBA")[channels - 1],
        lossless=False,
        quality=JXL_QUALITY,
        decoding_speed=0,
        effort=JXL_EFFORT,
        use_container=bool(image.exif or image.xmp),
        use_original_profile=False,
        num_threads=-1,
    )
    exif = bytes(4) + image.exif if image.exif else None  # where its block begins
    said = {"exif": exif, "jumb": None, "xmp": image.xmp, "compress": False}
    file.write(encoder(pixels.tobytes(), width, height, jpeg_encode=False, **said))
