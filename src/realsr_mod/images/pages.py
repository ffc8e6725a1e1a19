"""TIFFs of several pages: each read as an image of its own, and written one after the other.

Decoders follow the links from page to page, of which a file may have a hundred thousand, or a ring; here they are
followed within bounds, and a decoder is given a file that begins with the page that is meant, and ends with it.
"""

import io
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from realsr_mod.images.bounds import MAX_PIXELS, BoundError, check_bytes
from realsr_mod.images.decode import FIRST_ALONE
from realsr_mod.images.directories import TagFile, check_tiff
from realsr_mod.images.formats import TIFF_STARTS
from realsr_mod.images.image import LoadedImage
from realsr_mod.images.read import decode_image, explained
from realsr_mod.images.tiff_write import BIG_FROM, write_tiff
from realsr_mod.runtime.files import atomic_write

MAX_PAGES = 1000
_KIND = 0x00FE  # a small one of another page, a page, or a mask
_SMALLER_OR_MASK = 1 | 4


@dataclass(frozen=True)
class Pages:
    """The pages of a TIFF, all of whose headers have been looked at.

    Args:
        name: what messages call it.
        content: of the file.
        places: where the directory of each page lies.
        pixels: of all pages together.
        max_pixels: of a page.
    """

    name: str
    content: bytes
    places: tuple[int, ...]
    pixels: int
    max_pixels: int | None

    def images(self) -> Iterator[LoadedImage]:
        """Decode the pages in order. Raises ImageReadError."""
        for number, place in enumerate(self.places, start=1):
            name = f"{self.name}: page {number}"
            image = decode_image(_beginning_with(self.content, place), name, self.max_pixels)
            yield replace(image, notes=tuple(note for note in image.notes if note != FIRST_ALONE))


def read_pages(path: str | Path, max_pixels: int | None = MAX_PIXELS) -> Pages | None:
    """The pages of a TIFF; None for a file of another kind, or with one page alone.

    Previews and masks of pages are none. Raises ImageReadError for damage in a header, and for too much.
    """
    path = Path(path)
    if not path.is_file():
        return None
    with path.open("rb") as file:
        if not file.read(4).startswith(TIFF_STARTS):
            return None
    with explained(str(path)):
        check_bytes(path.stat().st_size, max_pixels)
        content = path.read_bytes()
        places, pixels = [], 0
        for place in _places(content):
            width, height, *_ = check_tiff(io.BytesIO(_beginning_with(content, place)), max_pixels)
            places.append(place)
            pixels += width * height
    return Pages(str(path), content, tuple(places), pixels, max_pixels) if len(places) > 1 else None


def _places(content: bytes) -> Iterator[int]:
    """Where the directories of pages lie. Raises BoundError for more than `MAX_PAGES`, ValueError for a ring."""
    tags = TagFile(io.BytesIO(content), 43 in content[2:4])
    seen: set[int] = set()
    place = tags.first
    while place:
        if place in seen:
            raise ValueError("its pages form a ring")
        if len(seen) == MAX_PAGES:
            raise BoundError(f"it has more than {MAX_PAGES} pages; save it in parts")
        seen.add(place)
        directory = tags.at(place)
        kind = next((entry for entry in directory.entries if entry.tag == _KIND), None)
        if kind is None or not tags.number(kind) & _SMALLER_OR_MASK:
            yield place
        place = directory.next


def _beginning_with(content: bytes, place: int) -> bytes:
    """The file as if its first page were the one whose directory lies at `place`."""
    order = ">" if content.startswith(b"MM") else "<"
    at, form = (8, "Q") if 43 in content[2:4] else (4, "I")
    link = struct.pack(order + form, place)
    return content[:at] + link + content[at + len(link) :]


def write_pages(path: Path, images: Iterable[LoadedImage], pixels: int) -> None:
    """Write images that are fitted to TIFF as the pages of one, as they come, atomically.

    Args:
        path: of the file.
        images: the pages; what EXIF says in another byte order than the first page's is left out.
        pixels: of all pages, about.
    """
    with atomic_write(path) as file:
        order, link_at = b"", 0
        for image in images:
            said = image.exif[:2] if image.exif else order or b"II"
            if order and said != order:
                image = replace(image, exif=None)
            link_at = write_tiff(file, image.pixels_HWC, image, pixels * 8 > BIG_FROM, order, link_at)
            order = order or said
