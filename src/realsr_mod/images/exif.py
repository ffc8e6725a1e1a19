"""EXIF carried from file to file: only the bytes that must change do.

Makers' notes point into the block by their own offsets, texts are in whatever encoding a camera likes, and tags that
nobody here knows matter to somebody. So a block is patched in place, never taken apart: how the image lies, its size,
and the thumbnail, which would show another image.
"""

import io
import struct
from fractions import Fraction

from realsr_mod.images.directories import Directory, TagFile
from realsr_mod.images.formats import (
    EXIF_DIRECTORY,
    GPS_DIRECTORY,
    HEIGHT,
    INTEROP_DIRECTORY,
    ORIENTATION,
    PIXEL_HEIGHT,
    PIXEL_WIDTH,
    RESOLUTION_UNIT,
    THUMBNAIL,
    THUMBNAIL_BYTES,
    WIDTH,
    X_RESOLUTION,
    Y_RESOLUTION,
)
from realsr_mod.images.image import Resolution

HEADER = b"Exif\0\0"
UNITS = {2: "inch", 3: "cm"}
_SHORT, _LONG = 3, 4


def without_header(block: bytes) -> bytes:
    """A block as TIFF's form begins: some files put JPEG's header before it, even twice."""
    while block.startswith(HEADER):
        block = block[len(HEADER) :]
    return block


class _Block:
    """A block that is patched: its bytes, and its directories by where they lie."""

    def __init__(self, block: bytes) -> None:
        block = without_header(block)
        if block[:4] not in (b"II*\0", b"MM\0*"):
            raise ValueError("it does not begin as TIFF does")
        self.bytes = bytearray(block)
        self.tags = TagFile(io.BytesIO(block))
        self.main_at = self.tags.first
        self.main = self.tags.at(self.main_at)
        if not self.main.entries:
            raise ValueError("it has no tags")

    def inner(self) -> dict[int, Directory]:
        """The directories of the camera, of the place and of compatibility, by where they lie."""
        found: dict[int, Directory] = {}
        for outer, links in ((self.main, (EXIF_DIRECTORY, GPS_DIRECTORY)), (None, (INTEROP_DIRECTORY,))):
            for directory in [outer] if outer else list(found.values()):
                for entry in directory.entries:
                    if entry.tag in links:
                        at = struct.unpack_from(self.tags.order + "I", entry.field)[0]
                        found[at] = self.tags.at(at)
        return found

    def put(self, at: int, directory: Directory, tag: int, value: int) -> None:
        """Set a whole number that a directory has; one that it lacks is not added."""
        for number, entry in enumerate(directory.entries):
            if entry.tag == tag and entry.values == 1 and entry.kind in (_SHORT, _LONG):
                kind = _LONG if value > 65_535 else entry.kind
                form = self.tags.order + ("HHIHxx" if kind == _SHORT else "HHII")
                struct.pack_into(form, self.bytes, at + 2 + 12 * number, tag, kind, 1, value)

    def drop_thumbnail(self) -> None:
        """Unlink what shows the image in small, and cut off or blank its bytes where no tag shares them."""
        main = self.main
        if not main.next:
            return
        second = self.tags.at(main.next)
        struct.pack_into(self.tags.order + "I", self.bytes, main.next_at, 0)
        place = {entry.tag: entry for entry in second.entries if entry.tag in (THUMBNAIL, THUMBNAIL_BYTES)}
        if len(place) < 2:
            return
        try:
            start, length = (self.tags.number(place[tag]) for tag in (THUMBNAIL, THUMBNAIL_BYTES))
        except ValueError:
            return
        end = start + length
        used = [
            area
            for at, directory in {self.main_at: main, main.next: second, **self.inner()}.items()
            for area in _areas(self.tags, at, directory)
        ]
        if any(start < stop and first < end for first, stop in used):
            return
        if end >= len(self.bytes.rstrip(b"\0")) and start >= max(stop for _, stop in used):
            del self.bytes[start:]
        else:
            self.bytes[start:end] = bytes(len(self.bytes[start:end]))


def _areas(tags: TagFile, at: int, directory: Directory) -> list[tuple[int, int]]:
    """What a directory and its values take."""
    areas = [(at, directory.next_at + 4)]
    for entry in directory.entries:
        if entry.size > 4:
            start = struct.unpack_from(tags.order + "I", entry.field)[0]
            areas.append((start, start + entry.size))
    return areas


def upright_exif(block: bytes) -> bytes:
    """The block of an image that has been turned upright. Raises ValueError or struct.error where it is damaged."""
    exif = _Block(block)
    exif.put(exif.main_at, exif.main, ORIENTATION, 1)
    exif.drop_thumbnail()
    return bytes(exif.bytes)


def resized_exif(block: bytes, width: int, height: int) -> bytes:
    """The block of an image that has another size now."""
    exif = _Block(block)
    for at, directory in {exif.main_at: exif.main, **exif.inner()}.items():
        for tag, value in ((WIDTH, width), (HEIGHT, height), (PIXEL_WIDTH, width), (PIXEL_HEIGHT, height)):
            exif.put(at, directory, tag, value)
    return bytes(exif.bytes)


def resolution_of(tags: TagFile, page: Directory) -> Resolution | None:
    """What the tags of a TIFF or of EXIF say about pixels per length."""
    values: dict[int, float] = {}
    for entry in page.entries:
        if entry.tag in (X_RESOLUTION, Y_RESOLUTION) and entry.kind == 5 and entry.values == 1:
            raw = tags.value(entry)
            above, below = struct.unpack(tags.order + "II", raw) if len(raw) == 8 else (0, 0)
            values[entry.tag] = above / below if below else 0.0
        elif entry.tag == RESOLUTION_UNIT and entry.kind == _SHORT and entry.values == 1:
            values[entry.tag] = tags.number(entry)
    x, y = (values.get(tag, 0.0) for tag in (X_RESOLUTION, Y_RESOLUTION))
    unit = UNITS.get(int(values.get(RESOLUTION_UNIT, 2)), "")
    if not (x > 0 and y > 0) or (not unit and x == y):
        return None
    return Resolution(x, y, unit)


def exif_resolution(block: bytes) -> Resolution | None:
    """What a block of EXIF says about pixels per length."""
    tags = TagFile(io.BytesIO(block))
    return resolution_of(tags, tags.at(tags.first))


def rational(value: float) -> tuple[int, int]:
    """A positive number as TIFF writes fractions."""
    near = Fraction(value).limit_denominator(1_000_000)
    return (near.numerator, near.denominator) if near.numerator < 2**32 else (2**32 - 1, 1)
