"""Animated GIF, WebP and PNG written frame by frame: each is encoded as an image alone, and its parts are taken over.

Encoders of whole animations hold all frames at once, which is gigabytes of a long one made four times larger. Of each
frame only the part is written that differs from the one before, so what stands still stays the very same.

Legend: H height, W width, C channels (3 RGB, 4 RGB + alpha).
"""

import io
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np
from PIL import Image

from realsr_mod.images.animation import Frame
from realsr_mod.images.chunks import chunk, color_chunks, photo_chunks
from realsr_mod.images.headers import chunks, png_chunks, webp_chunk
from realsr_mod.images.image import LoadedImage, Metadata
from realsr_mod.images.png import SIGNATURE, write_png
from realsr_mod.images.write import encode_image
from realsr_mod.runtime.files import atomic_write

SUFFIXES = {"gif": ".gif", "webp": ".webp", "png": ".png"}
_MAX_SIDE = {"gif": 65_535, "webp": 16_383, "png": 2**31 - 1}
_GIF_COLORS = 255  # and one for transparency


class _Part(NamedTuple):
    """The pixels of a frame that are written, where they lie, and from when to when in milliseconds they are shown.

    Of a frame like the one before it is one pixel, and `is_new` is false.
    """

    pixels_HWC: np.ndarray
    left: int
    top: int
    start: float
    end: float
    is_new: bool


def why_no_animation(file_format: str, height: int, width: int) -> str:
    """Why frames of this size cannot be held in this format; nothing if they can."""
    if file_format not in SUFFIXES:
        return f"{file_format} holds no animation"
    most = _MAX_SIDE[file_format]
    return f"{file_format} holds sides up to {most}, this one is {width}x{height}" if max(height, width) > most else ""


def write_animation(path: Path, frames: Iterable[Frame], count: int, plays: int, said: LoadedImage) -> None:
    """Write frames as they come, atomically.

    Args:
        path: of the file.
        frames: of one size, with alpha or without.
        count: how many there are.
        plays: how often they are shown; 0: for ever.
        said: its `format`, one of `SUFFIXES`, and what is written of the image besides its frames.
    """
    with atomic_write(path) as file:
        if said.format == "gif":
            _write_gif(file, _parts(frames, clears=True), plays)
        elif said.format == "webp":
            _write_webp(file, _parts(frames, even=True), plays, said)
        else:
            _write_apng(file, _parts(frames), count, plays, said)


def _parts(frames: Iterable[Frame], even: bool = False, clears: bool = False) -> Iterator[_Part]:
    """What of each frame has to be written.

    Args:
        even: parts begin at even rows and columns.
        clears: transparent frames are written whole, for a format that cannot take a pixel away.
    """
    before, time = None, 0.0
    for pixels, milliseconds in frames:
        box: tuple[slice, slice] | None = (slice(None), slice(None))
        if before is not None and not (clears and pixels.shape[2] == 4):
            box = _changed((pixels != before).any(axis=2), 2 if even else 1)
        rows, columns = box or (slice(0, 1), slice(0, 1))
        end = time + milliseconds
        yield _Part(pixels[rows, columns], columns.start or 0, rows.start or 0, time, end, box is not None)
        before, time = pixels, time + milliseconds


def _changed(differs_HW: np.ndarray, step: int) -> tuple[slice, slice] | None:
    """The rows and columns that hold all differences, from multiples of `step` on; None where there are none."""
    rows, columns = (np.flatnonzero(differs_HW.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return None
    top, left = (int(found[0]) // step * step for found in (rows, columns))
    return slice(top, int(rows[-1]) + 1), slice(left, int(columns[-1]) + 1)


# --- PNG ---


def _write_apng(file: IO[bytes], parts: Iterator[_Part], count: int, plays: int, said: Metadata) -> None:
    number = 0  # of a chunk that belongs to the animation
    for part in parts:
        still = io.BytesIO()
        write_png(still, part.pixels_HWC)
        if not number:
            header = still.getvalue()[len(SIGNATURE) :][: 12 + 13]
            file.write(SIGNATURE + header + color_chunks(said) + chunk(b"acTL", struct.pack(">II", count, plays)))
            file.write(photo_chunks(said))
        height, width = part.pixels_HWC.shape[:2]
        shown = min(round(part.end) - round(part.start), 65_535)
        place = struct.pack(">IIIII", number, width, height, part.left, part.top)
        file.write(chunk(b"fcTL", place + struct.pack(">HHBB", shown, 1000, 0, 0)))  # stays, and replaces
        is_first, number = not number, number + 1
        for kind, length in png_chunks(still):
            if kind == b"IDAT" and is_first:
                file.write(chunk(b"IDAT", still.read(length)))
            elif kind == b"IDAT":
                file.write(chunk(b"fdAT", struct.pack(">I", number) + still.read(length)))
                number += 1
    file.write(chunk(b"IEND", b""))


# --- WebP ---


def _write_webp(file: IO[bytes], parts: Iterator[_Part], plays: int, said: LoadedImage) -> None:
    file.write(b"RIFF....WEBP")
    start = file.tell() - 12
    for number, part in enumerate(parts):
        still = io.BytesIO()
        pixels = part.pixels_HWC if part.is_new else np.zeros((1, 1, 4), np.uint8)  # coded again, it would be another
        encode_image(still, LoadedImage(pixels, "webp"))
        if number == 0:
            height, width = pixels.shape[:2]
            flags = 0x12 | bool(said.icc) << 5 | bool(said.exif) << 3 | bool(said.xmp) << 2
            _riff(file, b"VP8X", bytes([flags, 0, 0, 0]) + _int24(width - 1) + _int24(height - 1))
            if said.icc:
                _riff(file, b"ICCP", said.icc)
            _riff(file, b"ANIM", bytes(4) + struct.pack("<H", min(plays, 65_535)))
        height, width = pixels.shape[:2]
        shown = min(round(part.end) - round(part.start), 2**24 - 1)
        numbers = (part.left // 2, part.top // 2, width - 1, height - 1, shown)
        frame = io.BytesIO()
        frame.write(
            b"".join(map(_int24, numbers)) + bytes([2 * part.is_new])
        )  # replaces what is below, or lets it show
        for kind, length in chunks(still, len(b"RIFF....WEBP"), 100, webp_chunk):
            if kind in (b"ALPH", b"VP8 ", b"VP8L"):
                _riff(frame, kind, still.read(length))
        _riff(file, b"ANMF", frame.getvalue())
    for kind, blob in ((b"EXIF", said.exif), (b"XMP ", said.xmp)):
        if blob:
            _riff(file, kind, blob)
    end = file.tell()
    file.seek(start + 4)
    file.write(struct.pack("<I", end - start - 8))
    file.seek(end)


def _riff(file: IO[bytes], kind: bytes, data: bytes) -> None:
    file.write(kind + struct.pack("<I", len(data)) + data + bytes(len(data) % 2))


def _int24(value: int) -> bytes:
    return value.to_bytes(3, "little")


# --- GIF ---


def _write_gif(file: IO[bytes], parts: Iterator[_Part], plays: int) -> None:
    for number, part in enumerate(parts):
        height, width, channels = part.pixels_HWC.shape
        if number == 0:
            file.write(b"GIF89a" + struct.pack("<HHBBB", width, height, 0x70, 0, 0))
            if plays != 1:
                file.write(b"!\xff\x0bNETSCAPE2.0\3\1" + struct.pack("<HB", min(max(plays - 1, 0), 65_535), 0))
        hundredths = min(round(part.end / 10) - round(part.start / 10), 65_535)
        flags = 2 << 2 | 1 if channels == 4 else 1 << 2  # cleared before the next and has a hidden color, or stays
        file.write(b"!\xf9\4" + struct.pack("<BHBB", flags, hundredths, _GIF_COLORS if channels == 4 else 0, 0))
        palette, coded = _gif_image(part.pixels_HWC)
        file.write(b"," + struct.pack("<HHHHB", part.left, part.top, width, height, 0x87) + palette + coded)
    file.write(b";")


def _gif_image(pixels_HWC: np.ndarray) -> tuple[bytes, bytes]:
    """A palette of 256 colors, and the coded pixels."""
    colors = Image.fromarray(pixels_HWC[:, :, :3]).quantize(_GIF_COLORS, Image.Quantize.MEDIANCUT)
    found = (colors.getpalette() or [])[: 3 * _GIF_COLORS]
    palette = bytes(found) + bytes(768 - len(found))
    indices = np.array(colors)
    if pixels_HWC.shape[2] == 4:
        indices[pixels_HWC[:, :, 3] < 128] = _GIF_COLORS
    image, still = Image.fromarray(indices), io.BytesIO()
    image.putpalette(palette)
    image.save(still, format="GIF", optimize=False, interlace=False)
    content = still.getvalue()
    at = 13 + 768  # behind header and palette of all colors
    while content[at : at + 1] == b"!":
        at += 2
        while content[at]:
            at += 1 + content[at]
        at += 1
    return palette, content[at + 10 : -1]
