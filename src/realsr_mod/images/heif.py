"""HEIC and AVIF, in the box that both share: libheif reads what is said of the image, and HEVC; AV1 is for others.

libheif bounds what a file may ask for by the size that its boxes give, and that size is checked before a pixel is
decoded. It turns and mirrors the image as the boxes say, whatever EXIF says; Pillow leaves that to us.

Legend: H height, W width, C channels (1 grey, 2 grey + alpha, 3 RGB, 4 RGB + alpha).
"""

import io
from typing import IO, Any

import numpy as np
import pillow_heif
from PIL import Image

from realsr_mod.images.bounds import MAX_EXIF_BYTES, BoundError, check_pixels
from realsr_mod.images.depth import stretched
from realsr_mod.images.exif import without_header
from realsr_mod.images.formats import ORIENTATION
from realsr_mod.images.image import Color, LoadedImage, Metadata
from realsr_mod.images.pillow import pixels_of
from realsr_mod.images.tiff import decode_by_opencv, straight_alpha

HEIC_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")
AVIF_BRANDS = (b"avif", b"avis")
HEIC_QUALITY = AVIF_QUALITY = 90
_SRGB = ((1, 13), (2, 2), (1, 2), (2, 13))  # primaries and transfer that say sRGB, or nothing
_MAX_IMAGES = 64  # beside the one that is used: previews, depth, a burst


def kind_of(content: bytes) -> str:
    """`heic`, `avif`, or nothing for a file of another kind."""
    if content[4:8] != b"ftyp":
        return ""
    length = min(int.from_bytes(content[:4], "big"), 256)
    brands = {content[8:12], *(content[at : at + 4] for at in range(16, length, 4))}
    if brands.intersection(AVIF_BRANDS):
        return "avif"
    return "heic" if brands.intersection(HEIC_BRANDS) else ""


def heif_size(content: bytes, max_pixels: int | None) -> tuple[int, int]:
    """Width and height, upright, from the boxes alone. Raises nearly anything on a damaged file."""
    width, height = _opened(content, max_pixels)[0].size
    return width, height


def _opened(content: bytes, max_pixels: int | None) -> tuple[Any, bool]:
    """The image of a file that is meant to be shown, not decoded yet, and whether it is one of several."""
    file = pillow_heif.open_heif(content, convert_hdr_to_8bit=False)
    if len(file) > _MAX_IMAGES:
        raise BoundError(
            f"it has {len(file)} images, at most {_MAX_IMAGES} are read; save it anew with another program"
        )
    image = file[file.primary_index]
    check_pixels(*image.size, max_pixels)
    return image, len(file) > 1


def decode_heic(content: bytes, max_pixels: int | None) -> tuple[np.ndarray, Metadata, bool]:
    """Pixels upright, what is said of them, and whether there are more images."""
    image, several = _opened(content, max_pixels)
    values = np.asarray(image)
    check_pixels(values.shape[1], values.shape[0], max_pixels)
    values = values[:, :, None] if values.ndim == 2 else values
    bits = image.info["bit_depth"]
    if values.dtype == np.uint16:
        values = stretched(values >> (16 - bits), bits)
    pixels = straight_alpha(values) if image.premultiplied_alpha else values
    return pixels, _metadata(image.info), several


def decode_avif(content: bytes, name: str, max_pixels: int | None) -> tuple[np.ndarray, Metadata, int, bool]:
    """Pixels as stored, what is said of them, how they lie, and whether there are more images.

    Over 8 bits are decoded by OpenCV, which Pillow would cut to 8.
    """
    info = _opened(content, max_pixels)[0].info
    with Image.open(io.BytesIO(content), formats=["AVIF"]) as image:
        check_pixels(*image.size, max_pixels)
        several = getattr(image, "n_frames", 1) > 1
        orientation = int(image.getexif().get(ORIENTATION, 1))
        bits = info["bit_depth"]
        if bits > 8 and not several:
            pixels = decode_by_opencv(content)
            pixels = stretched(np.minimum(pixels, 2**bits - 1), bits)
        else:
            image.load()
            pixels, _ = pixels_of(image, name)
    return pixels, _metadata(info), orientation, several


def _metadata(info: dict[str, Any]) -> Metadata:
    exif = without_header(info.get("exif") or b"")
    if len(exif) > MAX_EXIF_BYTES:
        raise BoundError(f"it has over {MAX_EXIF_BYTES / 1e6:g} MB of EXIF; save it anew without")
    icc = info.get("icc_profile")
    nclx = info.get("nclx_profile")
    color = None
    if nclx and not icc:
        names = ("color_primaries", "transfer_characteristics", "matrix_coefficients", "full_range_flag")
        primaries, transfer, _, full = (int(nclx[name]) for name in names)
        if (primaries, transfer) not in _SRGB:
            color = Color(cicp=(primaries, transfer, 0, full or 1))  # of RGB, as decoded: no matrix, full range
    return Metadata(icc=icc or None, exif=exif or None, xmp=info.get("xmp") or None, color=color)


def write_heic(file: IO[bytes], image: LoadedImage) -> None:
    """Write an image; 16 bits become 10, which is what phones show."""
    pixels = image.pixels_HWC
    height, width, channels = pixels.shape
    deep = pixels.dtype == np.uint16
    mode = ("L", "LA", "RGB", "RGBA")[channels - 1] + (";16" if deep else "")
    options: dict[str, Any] = {"quality": HEIC_QUALITY, "chroma": 444}
    said = {"exif": image.exif, "xmp": image.xmp, "icc_profile": image.icc}
    options |= {name: blob for name, blob in said.items() if blob}
    if image.color is not None and image.color.cicp is not None:
        primaries, transfer, _, _ = image.color.cicp
        options |= {"color_primaries": primaries, "transfer_characteristics": transfer}
        options |= {"matrix_coefficients": 9 if primaries == 9 else 6, "full_range_flag": 1}
    coded = io.BytesIO()
    pillow_heif.encode(mode, (width, height), np.ascontiguousarray(pixels).tobytes(), coded, **options)
    file.write(coded.getbuffer())
