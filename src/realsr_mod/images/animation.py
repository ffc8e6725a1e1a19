"""Animated GIF, WebP and PNG: every frame as it is shown, for how long, and how often all are played.

What a frame leaves on the canvas for the next one (disposal, blending) is done by the decoder, so frames are whole
images of one size. They are decoded one after the other, whenever they are asked for: memory holds one.

Legend: H height, W width, C channels (3 RGB, 4 RGB + alpha), the same for all frames.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from realsr_mod.images.bounds import MAX_CHUNKS, MAX_PIXELS, check_bytes
from realsr_mod.images.decode import FIRST_ALONE
from realsr_mod.images.gif import STARTS
from realsr_mod.images.headers import PNG_START, png_chunks, read_header
from realsr_mod.images.image import LoadedImage
from realsr_mod.images.pillow import pixels_of, without_pixel_limit
from realsr_mod.images.prepare import NEEDED, check_content, needed_chunks
from realsr_mod.images.read import decode_image, explained
from realsr_mod.images.rgb import to_8bit
from realsr_mod.images.tiff import upright

_APNG_CHUNKS = (*NEEDED, b"acTL", b"fcTL", b"fdAT")
_DECODERS = ("GIF", "PNG", "WEBP")


class Frame(NamedTuple):
    """What is shown, (H, W, C) uint8, and for how many milliseconds."""

    pixels_HWC: np.ndarray
    milliseconds: float


@dataclass(frozen=True)
class Animation:
    """An animated image file, which has been decoded once, so that all of it is known to be sound.

    Args:
        name: what messages call it.
        format: `gif`, `webp` or `png`, of the file.
        said: what the file says of itself, with the first frame as pixels.
        count: how many frames there are.
        plays: how often they are shown; 0: for ever.
        has_alpha: whether anything in it is transparent.
        orientation: how the frames lie, as EXIF counts; they come upright.
        content: what the decoder is given.
    """

    name: str
    format: str
    said: LoadedImage
    count: int
    plays: int
    has_alpha: bool
    orientation: int
    content: bytes

    def frames(self) -> Iterator[Frame]:
        """Decode the frames in order. Raises ImageReadError."""
        with explained(self.name), without_pixel_limit():
            for frame in _decoded(self.content):
                pixels = upright(frame.pixels_HWC, self.orientation)
                yield Frame(np.ascontiguousarray(pixels if self.has_alpha else pixels[:, :, :3]), frame.milliseconds)


def read_animation(path: str | Path, max_pixels: int | None = MAX_PIXELS) -> Animation | None:
    """The animation in a file; None for a file of another kind, or with one frame alone.

    Raises ImageReadError for one that is damaged, in whatever frame, or whose frames are too large.
    """
    path = Path(path)
    if not path.is_file():
        return None
    with path.open("rb") as file:
        if not file.read(8).startswith((*STARTS, PNG_START, b"RIFF")):
            return None
    with explained(str(path)), without_pixel_limit():
        check_bytes(path.stat().st_size, max_pixels)
        content = path.read_bytes()
        if not (file_format := _format_of(content)):
            return None
        check_content(content, max_pixels)
        said = decode_image(content, str(path), max_pixels)
        header = read_header(io.BytesIO(content), max_pixels)
        assert header is not None, "of all three formats"
        if file_format == "png":
            content = needed_chunks(content, _APNG_CHUNKS)
        count, has_alpha = 0, False
        for frame in _decoded(content):
            count += 1
            has_alpha = has_alpha or bool((frame.pixels_HWC[:, :, 3] < 255).any())
        if count < 2:
            return None
        plays = _plays(content)
    notes = [note for note in said.notes if note != FIRST_ALONE]
    if file_format == "png" and content[24] == 16:
        notes.append("of its 16 bits 8 are read, as it is animated")
    said = replace(said, notes=tuple(notes))
    return Animation(str(path), file_format, said, count, plays, has_alpha, header[2], content)


def _format_of(content: bytes) -> str:
    """The format of a file that may hold several frames; nothing for others."""
    if content.startswith(STARTS):
        return "gif"
    if content.startswith(PNG_START):
        return "png" if any(kind == b"acTL" for kind, _ in png_chunks(io.BytesIO(content))) else ""
    is_animated = content[8:16] == b"WEBPVP8X" and len(content) > 20 and content[20] & 2
    return "webp" if is_animated else ""


def _decoded(content: bytes) -> Iterator[Frame]:
    """Every frame as RGBA, lying as it is stored. Raises whatever the decoder does on a damaged file."""
    with Image.open(io.BytesIO(content), formats=_DECODERS) as image:
        total = int(getattr(image, "n_frames", 1))
        if total > MAX_CHUNKS:
            raise ValueError(f"it has {total} frames, at most {MAX_CHUNKS} are read")
        for number in range(1 if image.info.get("default_image") else 0, total):  # which APNG shows to others alone
            image.seek(number)
            image.load()
            yield Frame(_rgba(pixels_of(image, "")[0]), float(image.info.get("duration", 0)))


def _rgba(pixels_HWC: np.ndarray) -> np.ndarray:
    """Pixels of any kind as 8-bit RGBA."""
    pixels = to_8bit(pixels_HWC)
    channels = pixels.shape[2]
    colors = pixels[:, :, :3] if channels > 2 else pixels[:, :, :1].repeat(3, axis=2)
    alpha = pixels[:, :, -1:] if channels in (2, 4) else np.full_like(pixels[:, :, :1], 255)
    return np.concatenate([colors, alpha], axis=2)


def _plays(content: bytes) -> int:
    with Image.open(io.BytesIO(content), formats=_DECODERS) as image:
        loop = image.info.get("loop")
        if image.format != "GIF":
            return int(loop or 0)
    return 1 if loop is None else int(loop) + 1 if loop else 0  # a GIF says how often it is repeated
