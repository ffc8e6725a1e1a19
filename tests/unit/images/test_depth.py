"""Every depth of channel, in TIFF and BMP, in every order: white stays white, and the picture the same."""

import io
import struct
import zlib

import numpy as np
import pytest
import tifffile
from PIL import Image

from realsr_mod.images.bmp import bmp_metadata
from realsr_mod.images.directories import TagFile
from realsr_mod.images.image import Resolution
from realsr_mod.images.read import decode_image, image_size
from realsr_mod.images.tag_tree import TagTree, directory_bytes

HEIGHT, WIDTH = 21, 33
RNG = np.random.default_rng(0)
DEFLATE, LZW = 8, 5


def packed(values: np.ndarray, bits: int) -> bytes:
    """Rows of numbers as rows of bits, each padded to whole bytes."""
    flags = (values[..., None].astype(np.uint32) >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(flags.astype(np.uint8).reshape(len(values), -1), axis=1).tobytes()


def tiff(
    values_HWC: np.ndarray, bits: int, planar: bool = False, order: str = "<", rows: int = 8, tile: int = 0,
    compression: int = 1,
) -> bytes:  # fmt: skip
    """A TIFF of channels of any depth, in strips or tiles."""
    height, width, channels = values_HWC.shape
    planes = [values_HWC[:, :, c : c + 1] for c in range(channels)] if planar else [values_HWC]
    step_h, step_w = (tile, tile) if tile else (rows, width)
    parts = []
    for plane in planes:
        for top in range(0, height, step_h):
            for left in range(0, width, step_w):
                part = plane[top : top + step_h, left : left + step_w]
                if tile:
                    part = np.pad(part, ((0, tile - part.shape[0]), (0, tile - part.shape[1]), (0, 0)))
                parts.append(packed(part.reshape(len(part), -1), bits))
    parts = [zlib.compress(part) if compression == DEFLATE else part for part in parts]
    offsets = np.cumsum([8, *(len(part) for part in parts)])[:-1]
    body = b"".join(parts)
    body += bytes(len(body) % 2)
    shorts = {258: [bits] * channels, 259: [compression], 262: [2 if channels > 2 else 1], 277: [channels],
              284: [2 if planar else 1]}  # fmt: skip
    if channels in (2, 4):
        shorts[338] = [2]
    places = {324: offsets, 325: [len(part) for part in parts]} if tile else {273: offsets, 279: map(len, parts)}
    longs = {256: [width], 257: [height], **({322: [tile], 323: [tile]} if tile else {278: [rows]}), **places}
    tree = TagTree(order)
    for kind, letter, tags in ((3, "H", shorts), (4, "I", longs)):
        tree.values |= {
            tag: (kind, struct.pack(order + letter * len(v), *v)) for tag, v in ((t, list(v)) for t, v in tags.items())
        }
    at = 8 + len(body)
    mark = b"II" if order == "<" else b"MM"
    return mark + struct.pack(order + "HI", 42, at) + body + directory_bytes(tree, at)


@pytest.mark.parametrize("layout", [{}, {"planar": True}, {"tile": 16}, {"planar": True, "tile": 16}])
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize(("channels", "bits"), [(c, 12) for c in (1, 2, 4)] + [(3, bits) for bits in range(9, 17)])
def test_channels_of_odd_depth_are_stretched_to_16_bits(channels, bits, order, layout):
    values = RNG.integers(0, 2**bits, (HEIGHT, WIDTH, channels))
    values[0, 0], values[0, 1] = 0, 2**bits - 1
    if bits == 16 and order == "<":
        content = tiff(values.astype("<u2").byteswap(), bits, order=order, **layout)
    else:
        content = tiff(values, bits, order=order, **layout)
    image = decode_image(content, "x")
    expected = np.round(values * 65535 / (2**bits - 1))
    np.testing.assert_array_equal(image.pixels_HWC, expected)


def test_packed_deflate_is_undone_and_bounded():
    values = RNG.integers(0, 4096, (HEIGHT, WIDTH, 3))
    content = tiff(values, 12, planar=True, compression=DEFLATE)
    np.testing.assert_array_equal(decode_image(content, "x").pixels_HWC, np.round(values * 65535 / 4095))
    whole = tiff(values, 12, planar=True, compression=DEFLATE, rows=HEIGHT)
    bomb = whole.replace(struct.pack("<I", HEIGHT), struct.pack("<I", 5))
    with pytest.raises(ValueError, match="a part unpacks to more than the 250 bytes that the header says"):
        decode_image(bomb, "x")


def test_packed_planes_under_another_compression_say_how_to_save_them():
    content = tiff(RNG.integers(0, 4096, (HEIGHT, WIDTH, 3)), 12, planar=True, compression=LZW)
    with pytest.raises(ValueError, match="its compression LZW cannot be read for images with a plane per channel"):
        decode_image(content, "x")


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("how", [{}, {"compression": "zlib"}, {"tile": (16, 16)}, {"planarconfig": "separate"}])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_big_tiffs_of_8_bits(channels, how, order):
    if "planarconfig" in how and channels < 3:
        how = {}  # one plane, or two, which no decoder of 8 bits knows
    pixels = RNG.integers(0, 256, (HEIGHT, WIDTH, channels), dtype=np.uint8)
    stored = pixels.transpose(2, 0, 1) if "planarconfig" in how and channels > 1 else pixels.squeeze()
    kind = {"photometric": "rgb" if channels > 2 else "minisblack"}
    if channels in (2, 4):
        kind["extrasamples"] = ["unassalpha"]
    file = io.BytesIO()
    tifffile.imwrite(file, stored, bigtiff=True, byteorder=order, metadata=None, software="Program", **kind, **how)
    image = decode_image(file.getvalue(), "x")
    np.testing.assert_array_equal(image.pixels_HWC, pixels)
    assert image.exif is not None
    assert b"Program" in image.exif


def test_size_and_orientation_of_a_big_endian_big_tiff(tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", RNG.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8), bigtiff=True,
                     byteorder=">", photometric="rgb", extratags=[(274, "H", 1, 6, True)])  # fmt: skip
    assert image_size(tmp_path / "a.tif") == (WIDTH, HEIGHT)
    assert decode_image((tmp_path / "a.tif").read_bytes(), "x").pixels_HWC.shape == (WIDTH, HEIGHT, 3)


def test_half_floats():
    values = RNG.random((HEIGHT, WIDTH, 3)).astype(np.float16)
    file = io.BytesIO()
    tifffile.imwrite(file, values, photometric="rgb")
    expected = np.round(values.astype(np.float32) * 65535)
    assert np.abs(decode_image(file.getvalue(), "x").pixels_HWC - expected).max() <= 16  # a half float's own steps


# --- BMP ---


def bmp(values: np.ndarray, masks: tuple[int, ...], bits: int, size: int = 40, top_down: bool = False) -> bytes:
    """A BMP whose pixels are these numbers."""
    height, width = values.shape
    rows = values.astype("<u2" if bits == 16 else "<u4")
    rows = rows if top_down else rows[::-1]
    padding = bytes(-width * bits // 8 % 4)
    data = b"".join(row.tobytes() + padding for row in rows)
    head = struct.pack(
        "<IiiHHIIiiII", size, width, -height if top_down else height, 1, bits, 3, len(data), 11811, 5906, 0, 0
    )
    head += b"".join(struct.pack("<I", mask) for mask in masks)
    head = head.ljust(size, b"\0")
    start = 14 + len(head)
    return b"BM" + struct.pack("<IHHI", start + len(data), 0, 0, start) + head + data


FIELDS = {
    "565": ((0xF800, 0x07E0, 0x001F), 16, 40),
    "555": ((0x7C00, 0x03E0, 0x001F), 16, 40),
    "bgr565": ((0x001F, 0x07E0, 0xF800), 16, 40),
    "4444": ((0x0F00, 0x00F0, 0x000F, 0xF000), 16, 56),
    "xrgb": ((0xFF0000, 0xFF00, 0xFF), 32, 40),
    "rgbx": ((0xFF000000, 0xFF0000, 0xFF00), 32, 40),
    "argb": ((0xFF0000, 0xFF00, 0xFF, 0xFF000000), 32, 108),
    "10 bits": ((0x3FF00000, 0xFFC00, 0x3FF), 32, 40),
}


@pytest.mark.parametrize("top_down", [False, True])
@pytest.mark.parametrize("name", FIELDS)
def test_bit_fields_of_a_bmp(name, top_down):
    masks, bits, size = FIELDS[name]
    values = RNG.integers(0, 2**bits, (5, 7), dtype=np.uint64)
    image = decode_image(bmp(values, masks, bits, size, top_down), "x")
    full = 65535 if name == "10 bits" else 255
    for channel, mask in enumerate(masks):
        lowest = mask & -mask
        expected = np.round((values & mask) // lowest * full / (mask // lowest))
        np.testing.assert_array_equal(image.pixels_HWC[:, :, channel], expected)
    assert image.pixels_HWC.shape[2] == len(masks)
    assert image.resolution == Resolution(11811, 5906, "m")


def test_alpha_of_a_bmp_that_was_never_set_is_no_alpha():
    values = RNG.integers(0, 2**24, (5, 7), dtype=np.uint64)
    assert decode_image(bmp(values, FIELDS["argb"][0], 32, 108), "x").pixels_HWC.shape == (5, 7, 3)


@pytest.mark.parametrize("masks", [(0, 0xFF00, 0xFF), (0xFFFF0000, 0xFF00, 0xFF)])
def test_masks_that_cannot_be(masks):
    content = bmp(RNG.integers(0, 2**16, (5, 7)), masks, 16)
    with pytest.raises(ValueError, match="x: truncated or damaged"):
        decode_image(content, "x")


def test_a_profile_inside_a_bmp_is_found():
    file = io.BytesIO()
    Image.fromarray(RNG.integers(0, 256, (5, 8, 3), dtype=np.uint8)).save(file, "BMP")
    data = file.getvalue()[54:]
    head = struct.pack("<IiiHHIIiiII", 124, 8, 5, 1, 24, 0, len(data), 0, 0, 0, 0)
    head += bytes(16) + b"DEBM" + bytes(48) + struct.pack("<IIII", 0, 124 + len(data), 7, 0)
    content = b"BM" + struct.pack("<IHHI", 14 + 124 + len(data) + 7, 0, 0, 138) + head + data + b"profile"
    assert bmp_metadata(content).icc == b"profile"
    assert decode_image(content, "x").icc == b"profile"
    assert bmp_metadata(content[:-1]).icc is None


def test_the_helper_writes_what_the_directory_reader_reads():
    tags = TagFile(io.BytesIO(tiff(np.zeros((2, 3, 1), int), 12)))
    assert [entry.tag for entry in tags.at(tags.first).entries] == [256, 257, 258, 259, 262, 273, 277, 278, 279, 284]
