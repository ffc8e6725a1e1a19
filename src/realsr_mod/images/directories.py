"""Directories of tags, as TIFF and EXIF have them, looked through before a decoder follows them.

A directory says of each value where it lies and how long it is. So 65,535 tags can claim the same megabyte, directories
can form a ring, and two decoders can take two different widths from one file. Here a file's directories are read once,
in bounded time, and refused if they ask for more than the file has to give.
"""

import io
import os
import struct
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, NamedTuple

from realsr_mod.images.bounds import BoundError, check_pixels, check_tile
from realsr_mod.images.formats import (
    BITS_PER_SAMPLE,
    COMPRESSION,
    COMPRESSIONS,
    EXIF_DIRECTORY,
    GPS_DIRECTORY,
    HEIGHT,
    INTEROP_DIRECTORY,
    ORIENTATION,
    PHOTOMETRIC,
    PLANAR_CONFIGURATION,
    SAMPLES_PER_PIXEL,
    STRIP_BYTES,
    STRIPS,
    TILE_BYTES,
    TILE_HEIGHT,
    TILE_WIDTH,
    TILES,
    WIDTH,
)

SPARE_BYTES = 2_000_000  # that values may take beyond four times the file: small tags share their values
MOST_NUMBERS = 4_000_000  # in the values of one directory: decoders make an object of each
MOST_FRACTIONS = 100_000  # of these, whose objects are large
MOST_BITS_PER_PIXEL = 512  # RGBA of doubles has 256

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
_BYTES, _FRACTIONS = (1, 2, 6, 7), (5, 10, 11, 12)  # kinds of values
_INTEGERS = {1: "B", 3: "H", 4: "I", 13: "I", 16: "Q", 18: "Q"}
_LINKS = (EXIF_DIRECTORY, GPS_DIRECTORY, INTEROP_DIRECTORY)
_ONCE = (WIDTH, HEIGHT, TILE_WIDTH, TILE_HEIGHT, BITS_PER_SAMPLE, SAMPLES_PER_PIXEL, COMPRESSION, PHOTOMETRIC,
         PLANAR_CONFIGURATION)  # fmt: skip


class Entry(NamedTuple):
    """A tag: its number, the kind and count of its values, and the eight or four bytes that hold or locate them."""

    tag: int
    kind: int
    values: int
    field: bytes

    @property
    def size(self) -> int:
        return _SIZES.get(self.kind, 0) * self.values


@dataclass(frozen=True)
class Directory:
    """A directory's tags, where the offset of the next directory is written, and that offset."""

    entries: tuple[Entry, ...]
    next_at: int
    next: int


class TagFile:
    """A TIFF file, or a block of EXIF, which has the same form. Raises struct.error where it is too short for one.

    `is_big`: whether it is a BigTIFF, with offsets of eight bytes.
    """

    def __init__(self, file: IO[bytes], is_big: bool = False) -> None:
        self.file, self.is_big = file, is_big
        self.length = file.seek(0, os.SEEK_END)
        file.seek(0)
        head = file.read(16)
        self.order = ">" if head.startswith(b"MM") else "<"
        (self.first,) = struct.unpack_from(self.order + ("Q" if is_big else "I"), head, 8 if is_big else 4)

    def at(self, offset: int) -> Directory:
        """The directory at an offset; what lies outside of the file is left out."""
        counter, form, link = ("Q", "HHQ8s", "Q") if self.is_big else ("H", "HHI4s", "I")
        entry = struct.Struct(self.order + form)
        self.file.seek(min(offset, self.length))
        head = self.file.read(struct.calcsize(counter))
        if len(head) < struct.calcsize(counter):
            return Directory((), 0, 0)
        (count,) = struct.unpack(self.order + counter, head)
        if count > 65_535:
            raise BoundError(f"it has {count} tags, at most 65535 are read; it is damaged, copy it again")
        block = self.file.read(count * entry.size)
        block = block[: len(block) // entry.size * entry.size]
        entries = tuple(Entry(*fields) for fields in entry.iter_unpack(block))
        next_at = offset + len(head) + count * entry.size
        tail = self.file.read(struct.calcsize(link))
        whole = len(entries) == count and len(tail) == struct.calcsize(link)
        return Directory(entries, next_at, struct.unpack(self.order + link, tail)[0] if whole else 0)

    def value(self, entry: Entry) -> bytes:
        """The bytes of a tag's values; fewer where the file ends before them."""
        if entry.size <= len(entry.field):
            return entry.field[: entry.size]
        self.file.seek(struct.unpack(self.order + ("Q" if self.is_big else "I"), entry.field)[0])
        return self.file.read(entry.size)

    def number(self, entry: Entry) -> int:
        """The one whole number that a tag holds. Raises ValueError if it holds anything else."""
        if entry.values != 1 or entry.kind not in _INTEGERS:
            raise ValueError(f"tag {entry.tag} is not one whole number")
        return int(struct.unpack_from(self.order + _INTEGERS[entry.kind], entry.field)[0])

    def check(self, directory: Directory, within: int | None = None) -> None:
        """Bound what a directory's values take, and those of the directories that it links to. Raises BoundError."""
        inline = 8 if self.is_big else 4
        left = 4 * self.length + SPARE_BYTES if within is None else within
        numbers = fractions = 0
        for entry in directory.entries:
            left -= min(entry.size, self.length) if entry.size > inline else 0
            count = min(entry.values, self.length)
            numbers += 0 if entry.kind in _BYTES else count
            fractions += count if entry.kind in _FRACTIONS else 0
        if left < 0 or numbers > MOST_NUMBERS or fractions > MOST_FRACTIONS:
            raise BoundError("its tags ask for far more than the file has; save it anew with another program")
        if within is None:
            for link in self._links(directory):
                inner = self.at(link)
                self.check(inner, left)
                for deeper in self._links(inner):
                    self.check(self.at(deeper), left)

    def _links(self, directory: Directory) -> set[int]:
        """Where the directories lie that a directory links to."""
        form = self.order + ("Q" if self.is_big else "I")
        return {struct.unpack_from(form, entry.field)[0] for entry in directory.entries if entry.tag in _LINKS}


def check_exif(block: bytes) -> None:
    """Raise a BoundError for EXIF, or an index of the same form, that would fill the memory; damage is left alone."""
    while block.startswith(b"Exif\0\0"):
        block = block[6:]
    for is_big in {False, 43 in block[2:4]}:
        with suppress(struct.error):  # too short to hold anything
            tags = TagFile(io.BytesIO(block), is_big)
            tags.check(tags.at(tags.first))


def orientation_of(block: bytes) -> int | None:
    """The orientation, 1 to 8, that a block of EXIF says; None where it says none."""
    while block.startswith(b"Exif\0\0"):
        block = block[6:]
    try:
        tags = TagFile(io.BytesIO(block))
        return _orientation(tags, tags.at(tags.first))
    except struct.error:
        return None  # too short to hold anything


def check_tiff(file: IO[bytes], max_pixels: int | None) -> tuple[int, int, int, int]:
    """Look at a TIFF's first page. Returns width and height as stored, orientation, and where the next page's offset
    is written (0: there is no other page).

    Raises BoundError for what asks for too much, ValueError for what decoders could read in different ways.
    """
    file.seek(0)
    is_big = 43 in file.read(4)[2:]
    tags = TagFile(file, is_big)
    page = tags.at(tags.first)
    tags.check(page)
    found = [entry.tag for entry in page.entries]
    for tag in _ONCE:
        if found.count(tag) > 1:
            raise ValueError(f"tag {tag} is there {found.count(tag)} times")
    width, height = (_single(tags, page, tag, 0) for tag in (WIDTH, HEIGHT))
    if not width or not height:
        raise ValueError("its size is missing")
    check_pixels(width, height, max_pixels)
    compression = _single(tags, page, COMPRESSION, 1)
    if compression not in COMPRESSIONS:
        raise BoundError(f"its compression, number {compression}, is not read; save it with LZW or deflate")
    samples = _single(tags, page, SAMPLES_PER_PIXEL, 1)
    bits = samples * _deepest(tags, page)
    if bits > MOST_BITS_PER_PIXEL:
        raise BoundError(f"each pixel has {bits} bits, at most {MOST_BITS_PER_PIXEL} are read; save it as RGB")
    tile_width, tile_height = (_single(tags, page, tag, 0) for tag in (TILE_WIDTH, TILE_HEIGHT))
    check_tile(tile_width, tile_height, width, height)
    is_tiled = bool(tile_width and tile_height)
    parts = -(-width // tile_width) * -(-height // tile_height) if is_tiled else height
    for entry in page.entries:
        if entry.tag in (STRIPS, STRIP_BYTES, TILES, TILE_BYTES) and entry.values > max(16, parts * samples):
            raise BoundError(f"it has {entry.values} parts, {parts * samples} at most are needed; save it anew")
        if entry.tag == TILES and is_tiled and entry.values < parts:
            raise ValueError(f"it has {entry.values} of {parts} tiles")
    return width, height, _orientation(tags, page) or 1, page.next_at if page.next else 0


def _orientation(tags: TagFile, directory: Directory) -> int | None:
    try:
        return _single(tags, directory, ORIENTATION, 0) or None
    except (struct.error, ValueError):
        return None  # damaged, as the decoder will say


def _single(tags: TagFile, directory: Directory, tag: int, default: int) -> int:
    entry = next((entry for entry in directory.entries if entry.tag == tag), None)
    return default if entry is None else tags.number(entry)


def _deepest(tags: TagFile, page: Directory) -> int:
    """The bits of the deepest channel."""
    entry = next((entry for entry in page.entries if entry.tag == BITS_PER_SAMPLE), None)
    if entry is None:
        return 1
    if entry.kind not in _INTEGERS or entry.values > MOST_BITS_PER_PIXEL:
        raise ValueError(f"it gives bits a channel {entry.values} times, in kind {entry.kind}")
    return max(struct.unpack(f"{tags.order}{entry.values}{_INTEGERS[entry.kind]}", tags.value(entry)), default=1)
