"""Tags lifted out of one file and laid into another, their values as they were, byte for byte.

A block of EXIF travels whole (`exif.py`). A TIFF's tags lie among its pixels: those that describe the photo are taken
out with their directories, and laid out anew, either as a block of EXIF or in another TIFF.
"""

import io
import struct
from dataclasses import dataclass, field

from realsr_mod.images.directories import Directory, TagFile
from realsr_mod.images.formats import (
    EXIF_DIRECTORY,
    GPS_DIRECTORY,
    ICC_PROFILE,
    INTEROP_DIRECTORY,
    IPTC,
    PHOTOSHOP,
    RESOLUTION_UNIT,
    X_RESOLUTION,
    XMP,
    Y_RESOLUTION,
)

_DESCRIPTION = 0x010E
_LONG, _LONG8 = 4, 16
_KINDS = range(1, 13)  # of values that every reader knows
_LINKS = (EXIF_DIRECTORY, GPS_DIRECTORY, INTEROP_DIRECTORY)
# Tags of a TIFF's main directory that say how its pixels are stored, or where they lie on a map or in a stack; those
# that `Metadata` has places for; pointers to more images; layers of Photoshop.
_OF_PIXELS = frozenset(
    {
        *range(254, 267), 273, 274, *range(277, 282), 284, *range(288, 294), 297, 317, *range(320, 344), 347, 351,
        *range(512, 533), 559, 999, *range(32995, 32999), 33421, 33422, 33550, 33922, 34264, *range(34735, 34738),
        37439, 37724, 42112, 42113, 50838, 50839, *range(50706, 50760), *range(50778, 50836), 65420,
        ICC_PROFILE, XMP, IPTC, PHOTOSHOP, X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT,
    }
)  # fmt: skip
# Programs' own accounts of how they stored the pixels, in the place for a description.
_STORAGE_NOTES = (b'{"shape"', b"ImageJ=", b"<?xml")


@dataclass
class TagTree:
    """Tags with the kind and the bytes of their values, and the directories inside; `order` as in struct."""

    order: str
    values: dict[int, tuple[int, bytes]] = field(default_factory=dict)
    inner: dict[int, "TagTree"] = field(default_factory=dict)


def read_tree(tags: TagFile, directory: Directory, left_out: frozenset[int] = frozenset(), depth: int = 2) -> TagTree:
    """The tags of a directory, and of those inside it, without damaged ones."""
    tree = TagTree(tags.order)
    for entry in directory.entries:
        if entry.tag in _LINKS:
            form = tags.order + ("Q" if tags.is_big else "I")
            inner = tags.at(struct.unpack_from(form, entry.field)[0])
            if depth and inner.entries:
                tree.inner[entry.tag] = read_tree(tags, inner, depth=depth - 1)
        elif entry.kind in _KINDS and entry.tag not in left_out:
            value = tags.value(entry)
            if value and len(value) == entry.size:
                tree.values[entry.tag] = entry.kind, value
    return tree


def as_classic(content: bytes) -> bytes:
    """A BigTIFF of less than four gigabytes as a common TIFF: its first page's tags are laid anew behind the rest.

    Raises ValueError or struct.error where it is damaged or larger.
    """
    tags = TagFile(io.BytesIO(content), is_big=True)
    page = tags.at(tags.first)
    tree = TagTree(tags.order)
    for entry in page.entries:
        value = tags.value(entry)
        if entry.kind == _LONG8:
            numbers = struct.unpack(f"{tags.order}{entry.values}Q", value)
            tree.values[entry.tag] = _LONG, struct.pack(f"{tags.order}{entry.values}I", *numbers)
        elif entry.kind in _KINDS and len(value) == entry.size and entry.tag not in _LINKS:
            tree.values[entry.tag] = entry.kind, value
    at = len(content) + len(content) % 2
    head = (b"MM" if tags.order == ">" else b"II") + struct.pack(tags.order + "HI", 42, at)
    return head + content[len(head) :] + bytes(at - len(content)) + directory_bytes(tree, at)


def photo_tags(tags: TagFile, page: Directory) -> TagTree:
    """What the tags of a TIFF's page say of the photo."""
    tree = read_tree(tags, page, _OF_PIXELS)
    if tree.values.get(_DESCRIPTION, (2, b""))[1].startswith(_STORAGE_NOTES):
        del tree.values[_DESCRIPTION]
    return tree


def exif_tree(block: bytes) -> TagTree:
    """What a block of EXIF says of the photo, for a TIFF's main directory."""
    tags = TagFile(io.BytesIO(block))
    return photo_tags(tags, tags.at(tags.first))


def exif_block(tree: TagTree) -> bytes | None:
    """A block of EXIF of these tags; None if there are none."""
    if not tree.values and not tree.inner:
        return None
    head = (b"MM" if tree.order == ">" else b"II") + struct.pack(tree.order + "HI", 42, 8)
    return head + directory_bytes(tree, 8)


def directory_bytes(tree: TagTree, at: int, big: bool = False) -> bytes:
    """A directory as it lies at an offset: its tags, then their values, then the directories inside."""
    counter, entry, link, wide = ("Q", "HHQ", "Q", 8) if big else ("H", "HHI", "I", 4)
    count = len(tree.values) + len(tree.inner)
    head = struct.pack(tree.order + counter, count)
    place = at + len(head) + count * (struct.calcsize("=" + entry) + wide) + wide
    fields: dict[int, bytes] = {}
    behind = bytearray()

    def lay(value: bytes) -> int:
        behind.extend(bytes(-(place + len(behind)) % (8 if big else 2)))
        start = place + len(behind)
        behind.extend(value)
        return start

    for tag, (kind, value) in tree.values.items():
        size = _SIZES[kind]
        in_place = value.ljust(wide, b"\0") if len(value) <= wide else struct.pack(tree.order + link, lay(value))
        fields[tag] = struct.pack(tree.order + entry, tag, kind, len(value) // size) + in_place
    for tag, inner in tree.inner.items():
        lay(b"")
        start = lay(directory_bytes(inner, place + len(behind), big))
        fields[tag] = struct.pack(tree.order + entry, tag, _LONG8 if big else _LONG, 1) + struct.pack(
            tree.order + link, start
        )
    return head + b"".join(fields[tag] for tag in sorted(fields)) + bytes(wide) + bytes(behind)


_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, _LONG8: 8}
