"""What a GIF says of itself: its size, how many frames it has, and whether they fit in."""

import os
import struct
from typing import IO, NamedTuple

from realsr_mod.images.bounds import MAX_CHUNKS, BoundError

STARTS = (b"GIF87a", b"GIF89a")
_MAX_BLOCKS = 400_000  # of at most 255 bytes: 100 MB


class GifHeader(NamedTuple):
    """Width and height that frames reach to, in pixels, and how many frames there are."""

    width: int
    height: int
    frames: int


def gif_header(file: IO[bytes]) -> GifHeader:
    """Go through a GIF's blocks without unpacking any. Raises BoundError for endless ones, ValueError for damage."""
    length = file.seek(0, os.SEEK_END)
    file.seek(6)
    head = file.read(7)
    if len(head) < 7:
        raise ValueError("its header is cut off")
    width, height, flags = struct.unpack_from("<HHB", head)
    _skip_palette(file, flags)
    frames = blocks = 0
    while file.tell() < length:
        kind = file.read(1)
        if kind == b"!":
            file.read(1)
        elif kind == b",":
            place = file.read(9)
            if len(place) < 9:
                break
            left, top, wide, high, flags = struct.unpack("<HHHHB", place)
            width, height = max(width, left + wide), max(height, top + high)
            _skip_palette(file, flags)
            file.read(1)  # the smallest code
            frames += 1
        elif kind == b";":
            break
        else:
            continue  # bytes between blocks mean nothing, and are stepped over
        blocks += _skip_blocks(file)
        if frames > MAX_CHUNKS or blocks > _MAX_BLOCKS:
            raise BoundError(f"it has over {MAX_CHUNKS} frames or {_MAX_BLOCKS} blocks; save it anew")
    if not frames:
        raise ValueError("it has no frame")
    return GifHeader(width, height, frames)


def _skip_palette(file: IO[bytes], flags: int) -> None:
    if flags & 0x80:
        file.seek(3 * 2 ** ((flags & 7) + 1), os.SEEK_CUR)


def _skip_blocks(file: IO[bytes]) -> int:
    count = 0
    while size := file.read(1):
        count += 1
        if size == b"\0" or count > _MAX_BLOCKS:
            break
        file.seek(size[0], os.SEEK_CUR)
    return count
