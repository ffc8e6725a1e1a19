"""A file's content to pixels and what it says of them, kind by kind; `read.py` says what becomes of each.

Legend: H height, W width, C channels (1 grey, 2 grey + alpha, 3 RGB, 4 RGB + alpha).
"""

import io
import struct
from dataclasses import dataclass, field, replace

import numpy as np
from PIL import Image, UnidentifiedImageError

from realsr_mod.images.bmp import bmp_metadata, decode_bitfields
from realsr_mod.images.bounds import check_pixels
from realsr_mod.images.chunks import png_metadata
from realsr_mod.images.depth import as_integers, stretched
from realsr_mod.images.exif import exif_resolution
from realsr_mod.images.formats import CMYK, ORIENTATION, PHOTOMETRIC, PILLOW_FORMATS, TIFF_STARTS, UNKNOWN_TO_PILLOW
from realsr_mod.images.headers import JPEG_START, PNG_START, orientation_in, png_chunks, read_header
from realsr_mod.images.heif import decode_avif, decode_heic, kind_of
from realsr_mod.images.image import Metadata
from realsr_mod.images.jpeg import jpeg_metadata
from realsr_mod.images.jxl import decode_jxl, is_jxl
from realsr_mod.images.pillow import pixels_of
from realsr_mod.images.ppm import decode_deep_ppm
from realsr_mod.images.prepare import check_content, check_scans, needed_chunks
from realsr_mod.images.tag_tree import as_classic
from realsr_mod.images.tiff import decode_by_opencv, decode_tiff, is_deep_tiff
from realsr_mod.images.tiff_tags import tiff_metadata
from realsr_mod.images.webp import webp_metadata

FIRST_ALONE = "only the first of its images is used"


@dataclass(frozen=True)
class Decoded:
    """Pixels as stored, (H, W, C), how they lie (EXIF's orientation), and what the file says of them."""

    pixels_HWC: np.ndarray
    format: str
    metadata: Metadata = field(default_factory=Metadata)
    orientation: int = 1
    notes: tuple[str, ...] = ()


def decode(content: bytes, name: str, max_pixels: int | None) -> Decoded:
    """Decode a file's content, of whatever kind. Raises nearly anything on a damaged file."""
    if is_jxl(content):
        found = decode_jxl(content, name, max_pixels)
        notes = (*found.notes, FIRST_ALONE) if found.moves else found.notes
        return Decoded(found.pixels_HWC, "jxl", found.metadata, 1, notes)
    prepared = check_content(content, max_pixels)
    if content.startswith(PNG_START):
        return _decode_png(content, prepared, name)
    if content.startswith(TIFF_STARTS):
        return _decode_tiff(content, prepared, name, max_pixels)
    if kind := kind_of(content):
        return _decode_heif(kind, content, name, max_pixels)
    if content.startswith(b"BM") and (fields := decode_bitfields(content)) is not None:
        return Decoded(fields, "bmp", bmp_metadata(content))
    image = Image.open(io.BytesIO(prepared), formats=PILLOW_FORMATS)
    check_pixels(*image.size, max_pixels)
    if content.startswith(JPEG_START):
        return _decode_jpeg(image, content, name, max_pixels)
    if image.format == "PPM" and (deep := decode_deep_ppm(content)) is not None:
        return Decoded(deep, "png")
    if image.format == "BMP":
        return Decoded(pixels_of(image, name)[0], "bmp", bmp_metadata(content))
    notes = (FIRST_ALONE,) if getattr(image, "n_frames", 1) > 1 else ()
    image.load()
    pixels, icc = pixels_of(image, name)
    if image.format == "WEBP":
        header = read_header(io.BytesIO(content), max_pixels)
        assert header is not None, "a WebP"
        return Decoded(pixels, "webp", replace(webp_metadata(content), icc=icc), header[2], notes)
    comment = image.info.get("comment")
    metadata = Metadata(icc=icc, comment=comment if isinstance(comment, bytes) else None)
    return Decoded(pixels, (image.format or "PNG").lower(), metadata, 1, notes)


def _decode_png(content: bytes, prepared: bytes, name: str) -> Decoded:
    header = read_header(io.BytesIO(content), None)
    assert header is not None, "a PNG"
    metadata, notes = png_metadata(content)
    depth, color = content[24], content[25]
    key = _transparent_color(prepared, color)
    if key is not None:  # Pillow scales it wrongly below 8 bits, OpenCV forgets it above
        prepared = needed_chunks(prepared, (b"IHDR", b"IDAT", b"IEND"))
    with Image.open(io.BytesIO(prepared), formats=["PNG"]) as image:
        if depth == 16 and color != 0:
            pixels = decode_by_opencv(prepared)
            pixels = pixels[:, :, [0, 3]] if color == 4 else pixels
        else:
            image.load()
            pixels, _ = pixels_of(image, name)
    if key is not None:
        levels = stretched(key, depth) if depth < 8 else key
        hidden = (pixels == levels).all(axis=2, keepdims=True)
        opaque = pixels.dtype.type(np.iinfo(pixels.dtype).max)
        pixels = np.concatenate([pixels, np.where(hidden, pixels.dtype.type(0), opaque)], axis=2)
    if b"acTL" in _kinds(content):
        notes.append(FIRST_ALONE)
    return Decoded(pixels, "png", metadata, header[2], tuple(notes))


def _kinds(content: bytes) -> set[bytes]:
    return {kind for kind, _ in png_chunks(io.BytesIO(content))}


def _transparent_color(content: bytes, color: int) -> np.ndarray | None:
    """The one grey or RGB of a PNG, in its own depth, that means transparency."""
    count = {0: 1, 2: 3}.get(color)
    if count is None:
        return None
    file = io.BytesIO(content)
    for kind, length in png_chunks(file):
        if kind == b"tRNS" and length >= 2 * count:
            most = 2 ** content[24] - 1
            return np.array([value & most for value in struct.unpack(f">{count}H", file.read(2 * count))])
    return None


def _decode_heif(kind: str, content: bytes, name: str, max_pixels: int | None) -> Decoded:
    orientation = 1
    if kind == "heic":
        pixels, metadata, several = decode_heic(content, max_pixels)
    else:
        pixels, metadata, orientation, several = decode_avif(content, name, max_pixels)
    return Decoded(pixels, kind, metadata, orientation, (FIRST_ALONE,) if several else ())


def _decode_jpeg(image: Image.Image, content: bytes, name: str, max_pixels: int | None) -> Decoded:
    if max_pixels is not None:
        check_scans(content, *image.size)
    image.load()
    pixels, icc = pixels_of(image, name)
    metadata = jpeg_metadata(content, icc)
    return Decoded(pixels, "jpeg", metadata, orientation_in(metadata.exif or b"", metadata.xmp or b""))


def _decode_tiff(content: bytes, prepared: bytes, name: str, max_pixels: int | None) -> Decoded:
    def check_size(width: int, height: int) -> None:
        check_pixels(width, height, max_pixels)

    notes = (FIRST_ALONE,) if prepared is not content else ()
    metadata = tiff_metadata(content)
    decoded = Decoded(np.zeros((0, 0, 0)), "tiff", metadata, 1, notes)
    if content.startswith(UNKNOWN_TO_PILLOW) and len(content) < 2**32 - 2**20:
        prepared = as_classic(prepared)
    try:
        image = Image.open(io.BytesIO(prepared), formats=["TIFF"])
    except UnidentifiedImageError:  # Pillow does not know every TIFF that others read
        return replace(decoded, pixels_HWC=as_integers(decode_tiff(prepared, check_size), name))
    check_size(*image.size)
    if is_deep_tiff(image) and image.tag_v2.get(PHOTOMETRIC) != CMYK:
        return replace(decoded, pixels_HWC=as_integers(decode_tiff(prepared, check_size), name))
    image.load()
    pixels, icc = pixels_of(image, name)
    left = int(image.getexif().get(ORIENTATION, 1))  # Pillow has turned it already, and says so here
    return replace(decoded, pixels_HWC=pixels, metadata=replace(metadata, icc=icc), orientation=left)


def from_pillow(image: Image.Image) -> Decoded:
    """A Pillow image, however it was made."""
    pixels, icc = pixels_of(image, "image")
    tags = image.getexif()
    block = tags.tobytes() if len(tags) else None
    resolution = None
    file_format = {"MPO": "jpeg"}.get(image.format or "PNG", (image.format or "PNG").lower())
    if block:
        block = block.removeprefix(b"Exif\0\0")
        resolution = exif_resolution(block)
    metadata = Metadata(icc=icc, exif=image.info.get("exif") or block, resolution=resolution)
    notes = (FIRST_ALONE,) if getattr(image, "n_frames", 1) > 1 else ()
    return Decoded(pixels, file_format, metadata, int(tags.get(ORIENTATION, 1)), notes)
