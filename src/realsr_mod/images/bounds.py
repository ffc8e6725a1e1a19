"""What a file may ask of a decoder: looked at in its headers, before a decoder is let loose on it.

A small file can ask for gigabytes or minutes: by its pixels, by tiles larger than the image, by thousands of scans or
chunks, by tags that claim the same bytes over and over, by a stream that unpacks without end. The bounds are here;
`headers.py` and `directories.py` look at files, `tiff.py` at its own streams.
"""

MAX_PIXELS = 100_000_000  # of a photo, unless its user raises it
# Ends the sentences about such a limit; those who cannot raise it (visitors of a page) are told another ending.
RAISE = ", or raise the limit if you trust the file (--max-megapixels, or data.max_megapixels)"
MAX_CHUNKS = 10_000  # of a PNG or WebP, segments of a JPEG; larger files may have more:
BYTES_PER_CHUNK = 4096  # libpng writes chunks of twice that
MAX_JUNK_BYTES = 100_000  # between a JPEG's segments, which are skipped one by one
MAX_EXIF_BYTES = 1_000_000
MAX_PROFILE_BYTES = 16_000_000  # of a color profile, unpacked; printers' have two
MAX_SCANS = 100  # of a progressive JPEG; encoders write ten
MAX_SCANNED_PIXELS = 2_000_000_000  # scans times pixels
TILE_PIXELS = 2**24  # a small image may lie in a tile of this size; a larger one is damage
MAX_PLAIN_BYTES = 16_000_000  # of a PPM in decimal digits, which are read one by one
RLE_PIXELS = 2**24  # of a BMP with run-length coding, which Pillow undoes in Python


class BoundError(ValueError):
    """A file that asks for too much. The message says what, the limit, and how to raise it where that makes sense."""


def check_pixels(width: int, height: int, max_pixels: int | None) -> None:
    """Raise a BoundError for an image of more pixels than allowed; None: no limit."""
    if max_pixels is not None and width * height > max_pixels:
        raise BoundError(
            f"it has {width}x{height} pixels, the limit is {max_pixels / 1e6:g} megapixels; shrink it, cut it into "
            f"parts{RAISE}"
        )


def check_bytes(length: int, max_pixels: int | None) -> None:
    """Raise a BoundError for a file larger than any image of so many pixels needs to be."""
    if max_pixels is not None and length > 64_000_000 + 16 * max_pixels:
        raise BoundError(
            f"the file has {length / 1e6:.0f} MB, more than images of {max_pixels / 1e6:g} megapixels have; save it "
            f"anew{RAISE}"
        )


def check_tile(tile_width: int, tile_height: int, width: int, height: int) -> None:
    """Raise a BoundError for a tile far larger than the image that lies in it."""
    if tile_width * tile_height > max(TILE_PIXELS, 4 * width * height):
        raise BoundError(f"its tiles have {tile_width}x{tile_height} pixels for an image of {width}x{height}")
