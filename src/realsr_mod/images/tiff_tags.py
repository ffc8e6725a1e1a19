"""What the tags of a TIFF say of its photo."""

import io
import struct
from contextlib import suppress

from realsr_mod.images.directories import Directory, TagFile
from realsr_mod.images.exif import resolution_of
from realsr_mod.images.formats import ICC_PROFILE, IPTC, PHOTOSHOP, XMP
from realsr_mod.images.image import Metadata
from realsr_mod.images.photoshop import of_photo, with_iptc
from realsr_mod.images.tag_tree import exif_block, photo_tags


def tiff_metadata(content: bytes) -> Metadata:
    """What the first page of a TIFF says of its photo; how it lies is left to the decoder."""
    tags = TagFile(io.BytesIO(content), 43 in content[2:4])
    page = tags.at(tags.first)
    exif = resolution = None
    with suppress(struct.error):
        exif = exif_block(photo_tags(tags, page))
        resolution = resolution_of(tags, page)
    photoshop = _blob(tags, page, PHOTOSHOP)
    iptc = _blob(tags, page, IPTC)
    if photoshop:
        photoshop = of_photo(photoshop)
    elif iptc:
        photoshop = with_iptc(iptc)
    return Metadata(
        icc=_blob(tags, page, ICC_PROFILE),
        exif=exif,
        xmp=_blob(tags, page, XMP),
        photoshop=photoshop,
        resolution=resolution,
    )


def _blob(tags: TagFile, page: Directory, tag: int) -> bytes | None:
    entry = next((entry for entry in page.entries if entry.tag == tag), None)
    return (tags.value(entry) or None) if entry else None
