"""JPEG XL: its header read here, decoded apart within bounds, written back where nothing is lost."""

import io
import struct

import numpy as np
import pillow_jxl
import pytest
from PIL import Image, ImageCms

from realsr_mod.images import jxl
from realsr_mod.images.fit import fit_format
from realsr_mod.images.image import ImageReadError, LoadedImage
from realsr_mod.images.jxl import jxl_header
from realsr_mod.images.read import decode_image, image_size, read_image
from realsr_mod.images.write import encode_image

EXIF = b"MM\0*\0\0\0\x08\0\x01\x01\x0e\0\x02\0\0\0\x06\0\0\0\x1a\0\0\0\0a fly\0"
MODES = {"L": (1, np.uint8), "LA": (2, np.uint8), "RGB": (3, np.uint8), "RGBA": (4, np.uint8), "I;16": (1, np.uint16)}
MODES |= {"F": (1, np.float32)}


def slopes(mode: str, height: int = 24, width: int = 40) -> np.ndarray:
    channels, dtype = MODES[mode]
    y, x = np.mgrid[0:height, 0:width] / np.array([height - 1, width - 1]).reshape(2, 1, 1)
    white = 1 if dtype == np.float32 else np.iinfo(dtype).max
    return (np.stack([x, y, 1 - x, (1 + x) / 2][:channels], axis=2) * white).astype(dtype)


def coded(mode: str, pixels: np.ndarray, boxed: bool = False, exif=None, xmp=None, compress=False) -> bytes:
    encoder = pillow_jxl.Encoder(
        mode=mode, lossless=True, quality=100, decoding_speed=0, effort=1, use_container=boxed,
        use_original_profile=True, num_threads=1,
    )  # fmt: skip
    height, width = pixels.shape[:2]
    said = {"exif": exif, "xmp": xmp, "jumb": None, "compress": compress}
    return encoder(pixels.tobytes(), width, height, jpeg_encode=False, **said)


@pytest.mark.parametrize(("mode", "boxed"), [(mode, mode == "RGBA") for mode in MODES])
def test_every_kind_is_read(mode, boxed, tmp_path):
    pixels = slopes(mode)
    (tmp_path / "a.jxl").write_bytes(coded(mode, pixels, boxed))
    image = read_image(tmp_path / "a.jxl")
    expected = np.round(pixels * 65535.0).astype(np.uint16) if mode == "F" else pixels
    np.testing.assert_array_equal(image.pixels_HWC, expected)
    assert (image.format, image.notes) == ("jxl", ())
    assert (image.icc is None) == (pixels.dtype == np.uint8)  # this encoder calls the deeper ones linear
    assert image_size(tmp_path / "a.jxl") == (24, 40)


@pytest.mark.parametrize("size", [(8, 8), (256, 256), (24, 32), (100, 150), (9, 16), (40, 80), (1, 1), (3000, 7)])
def test_every_form_of_a_size_is_understood(size):
    header = jxl_header(coded("L", np.zeros((*size, 1), np.uint8)))
    assert header == (size[1], size[0], 1, False, 8)


def test_depth_is_understood():
    assert [jxl_header(coded(mode, slopes(mode))).bits for mode in ("RGB", "I;16", "F")] == [8, 16, 32]


def test_a_size_is_refused_before_the_decoder_is_started(monkeypatch):
    monkeypatch.setattr(jxl, "_decoded_apart", lambda *_: pytest.fail("started"))
    bits = 0b0 | 3 << 1 | (2**30 - 1) << 3  # not small; thirty bits of height, and as wide as high
    bits |= 1 << 33
    with pytest.raises(ImageReadError, match="1073741824x1073741824 pixels, the limit is 100 megapixels"):
        decode_image(b"\xff\x0a" + bits.to_bytes(8, "little"), "x")


def test_thousands_of_channels_are_refused_before_the_decoder_is_started(monkeypatch):
    monkeypatch.setattr(jxl, "_decoded_apart", lambda *_: pytest.fail("started"))
    bits, at = 0, 0
    # small, 8 high, as wide; not all as usual; nothing more; integers of 8 bits; narrow; 1 + 4000 channels
    for value, count in ((1, 1), (0, 5), (1, 3), (0, 1), (0, 1), (0, 1), (0, 2), (1, 1), (3, 2), (4000, 12)):
        bits |= value << at
        at += count
    with pytest.raises(ImageReadError, match="it has 4001 channels besides its colors, at most 4 are read"):
        decode_image(b"\xff\x0a" + bits.to_bytes(8, "little"), "x")


def test_what_is_said_of_a_photo_travels():
    image = decode_image(coded("RGB", slopes("RGB"), True, EXIF, b"<x:xmpmeta/>"), "x")
    assert (image.exif, image.xmp) == (EXIF, b"<x:xmpmeta/>")
    file = io.BytesIO()
    encode_image(file, fit_format(image, "jxl"))
    again = decode_image(file.getvalue(), "x")
    assert (again.exif, again.xmp, again.format) == (EXIF, b"<x:xmpmeta/>", "jxl")
    assert np.abs(again.pixels_HWC.astype(int) - image.pixels_HWC).mean() < 2


def test_compressed_descriptions_are_not_unpacked():
    content = coded("RGB", slopes("RGB"), True, xmp=b"<x:xmpmeta>" + b"a" * 5000 + b"</x:xmpmeta>", compress=True)
    assert b"brob" in content
    image = decode_image(content, "x")
    assert (image.xmp, image.notes) == (None, ("its compressed xml was left out",))


@pytest.mark.parametrize("mode", ["LA", "RGB"])
def test_what_can_be_kept_is_written_back(mode):
    pixels, file = slopes(mode), io.BytesIO()
    encode_image(file, fit_format(LoadedImage(pixels, "jxl"), "jxl"))
    found = decode_image(file.getvalue(), "x").pixels_HWC
    white = np.iinfo(found.dtype).max
    assert (found.shape, found.dtype) == (pixels.shape, pixels.dtype)
    assert np.abs(found / white - pixels / white).mean() < 0.01


def test_what_would_be_another_image_becomes_png():
    wide = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    for image, reason in (
        (LoadedImage(np.zeros((4, 4, 3), np.uint16)), "jxl is written here with 8 bits alone"),
        (LoadedImage(np.zeros((4, 4, 3), np.uint8), icc=wide), "jxl is written here without color profiles"),
    ):
        fitted = fit_format(image, "jxl")
        assert (fitted.format, fitted.notes) == ("png", (f"saved as png: {reason}",))
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert fit_format(LoadedImage(np.zeros((4, 4, 3), np.uint8), icc=srgb), "jxl").format == "jxl"


def test_without_the_decoder_the_way_to_it_is_said(monkeypatch):
    monkeypatch.setattr(jxl, "find_spec", lambda name: None)
    with pytest.raises(ImageReadError, match=r"x: JPEG XL needs an extra: pip install 'realsr-mod\[jxl\]'"):
        decode_image(coded("L", slopes("L")), "x")
    assert fit_format(LoadedImage(slopes("RGB")), "jxl").format == "png"


def test_damaged_ones_are_one_kind_of_error():
    content = coded("RGB", np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8), True, EXIF)
    lied = content.replace(struct.pack(">I", 8 + len(EXIF)) + b"Exif", struct.pack(">I", 2**31) + b"Exif")
    assert lied != content
    for damaged in (
        content[:20],
        content[:60],
        content[: len(content) // 2],
        lied,
        b"\xff\x0a",
        b"\xff\x0a" + b"\xff" * 40,
    ):
        with pytest.raises(ImageReadError, match=r"^x: "):
            decode_image(damaged, "x")


def test_a_jpeg_inside_is_its_pixels():
    """The way back to the JPEG's own bytes is compressed, and not taken."""
    file = io.BytesIO()
    Image.fromarray(slopes("RGB")).save(file, "JPEG", quality=95)
    encoder = pillow_jxl.Encoder(
        mode="RGB", lossless=True, quality=100, decoding_speed=0, effort=1, use_container=True,
        use_original_profile=True, num_threads=1,
    )  # fmt: skip
    image = decode_image(encoder(file.getvalue(), 40, 24, jpeg_encode=True), "x")
    assert np.abs(image.pixels_HWC.astype(int) - slopes("RGB")).mean() < 4
