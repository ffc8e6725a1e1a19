"""An image as a file format can hold it, and what is lost on the way, said to people."""

import struct
from dataclasses import replace

import numpy as np

from realsr_mod.images.chunks import is_srgb
from realsr_mod.images.exif import resized_exif
from realsr_mod.images.formats import FORMATS, ImageFormat
from realsr_mod.images.image import LoadedImage
from realsr_mod.images.jxl import why_no_jxl
from realsr_mod.images.profiles import is_hdr, profile_of
from realsr_mod.images.rgb import on_white, to_8bit
from realsr_mod.images.xmp import resized_xmp


def fit_format(image: LoadedImage, file_format: str) -> LoadedImage:
    """The image as `file_format` can hold it; what is lost is added to its notes."""
    holds, notes = FORMATS[file_format], list(image.notes)
    if reason := why_not(image, file_format):
        notes.append(f"saved as png: {reason}")
        return fit_format(replace(image, notes=tuple(notes)), "png")
    pixels = image.pixels_HWC
    if image.has_alpha and not holds.alpha:
        pixels = on_white(pixels)
        notes.append(f"{file_format} holds no transparency: put on white")
    if pixels.dtype == np.uint16 and not holds.deep:
        pixels = to_8bit(pixels)
        notes.append(f"{file_format} holds no 16 bits: rounded to 8")
    if pixels.dtype == np.uint16 and file_format == "heic":
        notes.append("heic holds 10 bits: rounded")
    image = _fit_color(image, file_format, notes)
    image = _fit_descriptions(image, file_format, holds, notes)
    return _with_size(replace(image, pixels_HWC=pixels, format=file_format, notes=tuple(notes)))


def why_not(image: LoadedImage, file_format: str, scale: float = 1) -> str:
    """Why an image made so much larger cannot be held in this format at all; nothing if it can."""
    height, width = (int(side * scale + 0.5) for side in image.pixels_HWC.shape[:2])
    most = FORMATS[file_format].max_side
    if max(height, width) > most:
        return f"{file_format} holds sides up to {most}, this one is {width}x{height}"
    if is_hdr(image.color) and not FORMATS[file_format].color:
        return f"{file_format} holds no colors of HDR"
    if file_format == "jxl":
        return why_no_jxl(image)
    return ""


def _fit_color(image: LoadedImage, file_format: str, notes: list[str]) -> LoadedImage:
    holds, color = FORMATS[file_format], image.color
    if color is not None and not holds.color:
        overrules = color.cicp is not None or not image.icc
        if not is_srgb(color) and overrules and holds.icc:
            image = replace(image, icc=profile_of(color, grey=image.pixels_HWC.shape[2] < 3) or image.icc)
            notes.append(f"{file_format} says by a profile what the file's numbers said about its colors")
        elif not is_srgb(color) and overrules:
            notes.append(f"{file_format} holds nothing about the meaning of colors: dropped")
        image = replace(image, color=None)
    if file_format == "jxl":  # its profile says no more than what is assumed without one
        image = replace(image, icc=None)
    if image.icc and not holds.icc:
        notes.append(f"{file_format} holds no color profile: dropped")
        image = replace(image, icc=None)
    return image


def _fit_descriptions(image: LoadedImage, file_format: str, holds: ImageFormat, notes: list[str]) -> LoadedImage:
    if image.exif and not holds.exif:
        notes.append(f"{file_format} holds no EXIF: dropped")
        image = replace(image, exif=None)
    if image.exif and len(image.exif) > holds.max_exif:
        notes.append(
            f"{file_format} holds {holds.max_exif} bytes of EXIF, this photo has {len(image.exif)}: dropped; "
            "--format png keeps it"
        )
        image = replace(image, exif=None)
    if image.xmp and (not holds.xmp or len(image.xmp) > holds.max_xmp):
        much = f" of {len(image.xmp)} bytes" if holds.xmp else ""
        notes.append(f"{file_format} holds no XMP{much}: dropped")
        image = replace(image, xmp=None)
    if image.photoshop and not holds.photoshop:
        notes.append(f"{file_format} holds no IPTC: dropped")
        image = replace(image, photoshop=None)
    if image.comment and not holds.comment:
        notes.append(f"{file_format} holds no comment as JPEG has it: dropped")
        image = replace(image, comment=None)
    if image.chunks and not holds.texts:
        notes.append(f"{file_format} holds no texts as PNG has them: dropped")
        image = replace(image, chunks=None)
    if image.segments and file_format != "jpeg":
        notes.append(f"{file_format} holds no continued XMP: that part is dropped")
    if image.segments and (file_format != "jpeg" or not image.xmp):
        image = replace(image, segments=None)
    if image.resolution and not holds.resolution:
        if not image.exif:
            notes.append(f"{file_format} holds no resolution: dropped")
        image = replace(image, resolution=None)
    return image


def _with_size(image: LoadedImage) -> LoadedImage:
    """What is said of the size put right."""
    height, width = image.pixels_HWC.shape[:2]
    if image.exif:
        try:
            image = replace(image, exif=resized_exif(image.exif, width, height))
        except (struct.error, ValueError):  # of an image that was not read from a file
            image = replace(image, exif=None, notes=(*image.notes, "its EXIF is damaged and was dropped"))
    return replace(image, xmp=resized_xmp(image.xmp, width, height)) if image.xmp else image
