"""What the chunks of a WebP say of its photo."""

import io

from realsr_mod.images.bounds import MAX_CHUNKS
from realsr_mod.images.exif import without_header
from realsr_mod.images.headers import chunks, webp_chunk
from realsr_mod.images.image import Metadata


def webp_metadata(content: bytes) -> Metadata:
    """EXIF and XMP of a WebP; its profile is known to the decoder."""
    found: dict[bytes, bytes] = {}
    file = io.BytesIO(content)
    for kind, length in chunks(file, len(b"RIFF....WEBP"), MAX_CHUNKS, webp_chunk):
        if kind in (b"EXIF", b"XMP "):
            found.setdefault(kind, file.read(length))
    return Metadata(exif=without_header(found.get(b"EXIF", b"")) or None, xmp=found.get(b"XMP ") or None)
