"""Every kind of image in and out: bit depth, alpha, profile, EXIF, orientation; and files that are no images."""

import io
import struct
import threading
import warnings
import zlib

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from realsr_mod.images.fit import fit_format
from realsr_mod.images.image import LoadedImage
from realsr_mod.images.read import decode_image, read_image
from realsr_mod.images.tiff import UPRIGHT
from realsr_mod.images.write import write_image

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
HEIGHT, WIDTH = 13, 17


def pixels(channels: int, dtype=np.uint8, high: int | None = None) -> np.ndarray:
    """Smooth values, so that lossy formats come near them; alpha is not opaque."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    planes = [(x * (c + 1) + y * 3) % 97 for c in range(channels)]
    top = np.iinfo(dtype).max if high is None else high
    return (np.stack(planes, axis=2) / 97 * top).astype(dtype)


def exif_bytes(orientation: int = 1) -> bytes:
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Testcam", orientation
    exif[0x8769] = {0x829A: 0.004}  # exposure time
    return exif.tobytes()


def save_pil(path, array: np.ndarray, **kwargs) -> None:
    Image.fromarray(array.squeeze()).save(path, **kwargs)


def save_palette(path, transparent: bool) -> None:
    image = Image.fromarray(pixels(3)).quantize(8)
    image.save(path, **({"transparency": 0} if transparent else {}))


def save_cmyk(path) -> None:
    Image.fromarray(pixels(3)).convert("CMYK").save(path, quality=95)


def save_cv2(path, array: np.ndarray) -> None:
    order = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[array.shape[2]]
    cv2.imwrite(str(path), np.ascontiguousarray(array[:, :, order]))


def save_grey_alpha_16(path) -> None:
    """A 16-bit grey PNG with alpha, byte by byte: neither Pillow nor OpenCV writes one."""
    rows = pixels(2, np.uint16).astype(">u2").reshape(HEIGHT, -1)
    data = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", WIDTH, HEIGHT, 16, 4, 0, 0, 0)), (b"IDAT", data), (b"IEND", b"")]
    content = b"".join(struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + content)


DARK = pixels(3, np.uint16, high=200)  # all values under 256: still 16 bits
# file name, how it is written, what is expected: pixels (or None for lossy), channels, dtype
KINDS = [
    ("grey.png", lambda p: save_pil(p, pixels(1)), pixels(1)),
    ("grey alpha.png", lambda p: save_pil(p, pixels(2)), pixels(2)),
    ("rgb.png", lambda p: save_pil(p, pixels(3)), pixels(3)),
    ("rgba.png", lambda p: save_pil(p, pixels(4)), pixels(4)),
    ("grey16.png", lambda p: save_cv2(p, pixels(1, np.uint16)), pixels(1, np.uint16)),
    ("grey alpha 16.png", save_grey_alpha_16, pixels(2, np.uint16)),
    ("rgb16.png", lambda p: save_cv2(p, pixels(3, np.uint16)), pixels(3, np.uint16)),
    ("dark16.png", lambda p: save_cv2(p, DARK), DARK),
    ("rgba16.png", lambda p: save_cv2(p, pixels(4, np.uint16)), pixels(4, np.uint16)),
    (
        "bilevel.png",
        lambda p: Image.fromarray(pixels(1)[:, :, 0] > 99).save(p),
        (pixels(1) > 99).astype(np.uint8) * 255,
    ),
    ("grey.tif", lambda p: save_pil(p, pixels(1)), pixels(1)),
    ("rgb.tif", lambda p: save_pil(p, pixels(3), compression="tiff_lzw"), pixels(3)),
    ("rgba.tif", lambda p: save_pil(p, pixels(4)), pixels(4)),
    ("grey16.tif", lambda p: tifffile.imwrite(p, pixels(1, np.uint16)[:, :, 0]), pixels(1, np.uint16)),
    ("rgb16.tif", lambda p: tifffile.imwrite(p, pixels(3, np.uint16), photometric="rgb"), pixels(3, np.uint16)),
    ("rgb16 lzw.tif", lambda p: save_cv2(p, pixels(3, np.uint16)), pixels(3, np.uint16)),
    ("rgb.bmp", lambda p: save_pil(p, pixels(3)), pixels(3)),
    ("grey.bmp", lambda p: save_pil(p, pixels(1)), pixels(1)),
    ("lossless.webp", lambda p: save_pil(p, pixels(3), lossless=True), pixels(3)),
    ("rgba.webp", lambda p: save_pil(p, pixels(4), lossless=True, exact=True), pixels(4)),
    ("日本 grün.png", lambda p: save_pil(p, pixels(3)), pixels(3)),
]
LOSSY = [
    ("rgb.jpg", lambda p: save_pil(p, pixels(3), quality=98), 3),
    ("GREY.JPG", lambda p: save_pil(p, pixels(1), quality=98), 1),
    ("cmyk.jpg", save_cmyk, 3),
    ("lossy.webp", lambda p: save_pil(p, pixels(3)), 3),
    ("palette.png", lambda p: save_palette(p, False), 3),
    ("palette alpha.png", lambda p: save_palette(p, True), 4),
]


@pytest.mark.parametrize(("name", "save", "expected"), KINDS, ids=[kind[0] for kind in KINDS])
def test_kind_is_read_and_written_back(tmp_path, name, save, expected):
    save(tmp_path / name)
    image = read_image(tmp_path / name)
    np.testing.assert_array_equal(image.pixels_HWC, expected)
    assert image.pixels_HWC.dtype == expected.dtype
    if image.format == "webp":
        return  # written with loss
    write_image(tmp_path / "again", fit_format(image, image.format))
    again = read_image(tmp_path / "again")
    np.testing.assert_array_equal(again.pixels_HWC, expected)
    assert again.format == image.format


@pytest.mark.parametrize(("name", "save", "channels"), LOSSY, ids=[kind[0] for kind in LOSSY])
def test_lossy_kind_is_read(tmp_path, name, save, channels):
    save(tmp_path / name)
    image = read_image(tmp_path / name)
    assert image.pixels_HWC.shape == (HEIGHT, WIDTH, channels)
    assert image.pixels_HWC.dtype == np.uint8
    colors = min(channels, 3)
    error = np.abs(image.pixels_HWC[:, :, :colors].astype(int) - pixels(channels)[:, :, :colors])
    if "palette" not in name:
        assert error.mean() < 16
    else:
        assert len(np.unique(image.pixels_HWC.reshape(-1, channels), axis=0)) <= 8


@pytest.mark.parametrize("depth", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_png_agrees_with_another_decoder(tmp_path, channels, depth):
    expected = np.random.default_rng(channels).integers(0, np.iinfo(depth).max + 1, (40, 33, channels), dtype=depth)
    write_image(tmp_path / "x.png", LoadedImage(expected))
    decoded = cv2.imread(str(tmp_path / "x.png"), cv2.IMREAD_UNCHANGED)
    decoded = decoded[:, :, None] if decoded.ndim == 2 else decoded
    order = {1: [0], 2: [0, 3], 3: [2, 1, 0], 4: [2, 1, 0, 3]}[channels]
    np.testing.assert_array_equal(decoded[:, :, order], expected)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_profile_and_exif_travel(tmp_path, suffix):
    save_pil(tmp_path / f"in{suffix}", pixels(3), icc_profile=SRGB, exif=exif_bytes())
    loaded = read_image(tmp_path / f"in{suffix}")
    write_image(tmp_path / f"out{suffix}", fit_format(loaded, loaded.format))
    with Image.open(tmp_path / f"out{suffix}") as image:
        assert image.info["icc_profile"] == SRGB
        tags = image.getexif()
        assert tags[0x010F] == "Testcam"
        assert float(tags.get_ifd(0x8769)[0x829A]) == pytest.approx(0.004)


def test_profile_of_16_bit_tiff_travels(tmp_path):
    tifffile.imwrite(tmp_path / "in.tif", pixels(3, np.uint16), photometric="rgb", iccprofile=SRGB)
    image = read_image(tmp_path / "in.tif")
    write_image(tmp_path / "out.tif", fit_format(image, "tiff"))
    assert read_image(tmp_path / "out.tif").icc == SRGB


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["8.png", "16.png", "16.tif"])
def test_orientation_is_applied_once(tmp_path, orientation, kind):
    path, dtype = tmp_path / kind, np.uint8 if kind == "8.png" else np.uint16
    stored = pixels(3, dtype)
    if kind == "16.tif":
        tifffile.imwrite(path, stored, photometric="rgb", extratags=[(0x0112, "H", 1, orientation, True)])
    else:
        write_image(path, LoadedImage(stored, exif=exif_bytes(orientation)))
    with Image.open(path) as image:
        assert image.getexif().get(0x0112, 1) == orientation
    loaded = read_image(path)
    # Pillow's own idea of upright, on 8 bits
    tagged = Image.fromarray((stored >> (8 if dtype == np.uint16 else 0)).astype(np.uint8))
    tagged.getexif()[0x0112] = orientation
    buffer = io.BytesIO()
    tagged.save(buffer, "PNG", exif=tagged.getexif())
    from PIL import ImageOps

    expected = np.asarray(ImageOps.exif_transpose(Image.open(buffer)))
    np.testing.assert_array_equal(loaded.pixels_HWC >> (8 if dtype == np.uint16 else 0), expected)
    write_image(tmp_path / "again.png", fit_format(loaded, "png"))
    np.testing.assert_array_equal(read_image(tmp_path / "again.png").pixels_HWC, loaded.pixels_HWC)


def test_all_orientations_are_known():
    assert sorted(UPRIGHT) == [2, 3, 4, 5, 6, 7, 8]


def test_what_a_format_cannot_hold_is_said():
    deep = LoadedImage(pixels(4, np.uint16), exif=exif_bytes(), icc=SRGB)
    jpeg = fit_format(deep, "jpeg")
    assert (jpeg.pixels_HWC.shape[2], jpeg.pixels_HWC.dtype) == (3, np.uint8)
    assert [note.split(":")[0] for note in jpeg.notes] == [
        "jpeg holds no transparency",
        "jpeg holds no 16 bits",
    ]
    assert jpeg.exif
    assert jpeg.icc
    bmp = fit_format(deep, "bmp")
    assert bmp.icc is None
    assert any("EXIF" in note for note in bmp.notes)


def test_transparent_pixels_become_white():
    clear = np.dstack([np.full((2, 2, 3), 77, np.uint8), np.zeros((2, 2, 1), np.uint8)])
    assert (fit_format(LoadedImage(clear), "jpeg").pixels_HWC == 255).all()


def test_too_long_for_webp_becomes_png():
    fitted = fit_format(LoadedImage(np.zeros((1, 16384, 3), np.uint8)), "webp")
    assert fitted.format == "png"
    assert "16383" in fitted.notes[0]


def bomb(side: int) -> bytes:
    """A PNG header that promises side x side pixels, and next to no data."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(1000))), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )


def encoded(suffix: str) -> bytes:
    buffer = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, suffix)
    return buffer.getvalue()


BAD_FILES = [
    ("empty.png", b"", "empty"),
    ("text.png", b"I am not an image", "not a PNG, JPEG, WebP, TIFF, BMP, HEIC, AVIF, JPEG XL, GIF or PPM"),
    ("script.jpg", b"#!/bin/sh\nexit 1\n", "not a PNG, JPEG, WebP, TIFF, BMP, HEIC, AVIF, JPEG XL, GIF or PPM"),
    ("half.gif", encoded("GIF")[:900], "truncated or damaged|not a PNG"),
    ("half.png", encoded("PNG")[:3000], "truncated or damaged"),
    ("half.jpg", encoded("JPEG")[:1500], "truncated or damaged"),
    ("half.webp", encoded("WEBP")[:600], "truncated or damaged|not a PNG"),
    ("half.tif", encoded("TIFF")[:5000], "truncated or damaged"),
    ("half.bmp", encoded("BMP")[:5000], "truncated or damaged"),
    ("bomb.png", bomb(12_000), "12000x12000 pixels, the limit is 100 megapixels"),
    ("large bomb.png", bomb(60_000), "60000x60000 pixels, the limit is 100 megapixels"),
]


@pytest.mark.parametrize(("name", "content", "message"), BAD_FILES, ids=[file[0] for file in BAD_FILES])
def test_bad_file_is_named(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"{name}: .*({message})"):
        read_image(tmp_path / name)


def test_truncated_16_bit_png_is_named(tmp_path):
    write_image(tmp_path / "deep.png", LoadedImage(np.random.default_rng(0).integers(0, 65536, (64, 64, 3), np.uint16)))
    content = (tmp_path / "deep.png").read_bytes()
    (tmp_path / "deep.png").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"deep.png: truncated"):
        read_image(tmp_path / "deep.png")


DEEP = np.random.default_rng(0).integers(0, 65536, (40, 33, 4), np.uint16)
ALPHAS = ["unassalpha"]


def planes(pixels_HWC: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(pixels_HWC.transpose(2, 0, 1))


# name, what is stored, how, and what is expected
DEEP_TIFFS = [
    ("rgb planes", planes(DEEP[:, :, :3]), {"photometric": "rgb", "planarconfig": "separate"}, DEEP[:, :, :3]),
    (
        "rgba planes",
        planes(DEEP),
        {"photometric": "rgb", "planarconfig": "separate", "extrasamples": ALPHAS},
        DEEP,
    ),
    (
        "grey planes with alpha",
        planes(DEEP[:, :, :2]),
        {"photometric": "minisblack", "planarconfig": "separate", "extrasamples": ALPHAS},
        DEEP[:, :, :2],
    ),
    ("grey with alpha", DEEP[:, :, :2], {"photometric": "minisblack", "extrasamples": ALPHAS}, DEEP[:, :, :2]),
    ("min is white", DEEP[:, :, 0], {"photometric": "miniswhite"}, 65535 - DEEP[:, :, :1]),
    ("a mask", DEEP, {"photometric": "rgb", "extrasamples": ["unspecified"]}, DEEP[:, :, :3]),
    (
        "alpha and a mask",
        np.dstack([DEEP, DEEP[:, :, 0]]),
        {"photometric": "rgb", "extrasamples": ["unassalpha", "unspecified"]},
        DEEP,
    ),
]


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize(("name", "stored", "how", "expected"), DEEP_TIFFS, ids=[kind[0] for kind in DEEP_TIFFS])
def test_deep_tiff(name, stored, how, expected, compression, order):
    file = io.BytesIO()
    tifffile.imwrite(file, stored, compression=compression, byteorder=order, rowsperstrip=16, **how)
    np.testing.assert_array_equal(decode_image(file.getvalue(), name).pixels_HWC, expected)


@pytest.mark.parametrize("planar", [False, True])
def test_premultiplied_alpha_of_a_deep_tiff_becomes_straight(planar):
    straight = DEEP.copy()
    straight[:, :, 3] = np.maximum(straight[:, :, 3], 40000)
    alpha = straight[:, :, 3:].astype(np.float64) / 65535
    stored = np.dstack([np.round(straight[:, :, :3] * alpha).astype(np.uint16), straight[:, :, 3]])
    stored[0, 0] = 0  # nothing there: no division by zero
    file = io.BytesIO()
    how = {"planarconfig": "separate"} if planar else {}
    tifffile.imwrite(file, planes(stored) if planar else stored, photometric="rgb", extrasamples=["assocalpha"], **how)
    got = decode_image(file.getvalue(), "x").pixels_HWC
    assert np.abs(got.astype(int) - straight)[1:].max() <= 1
    np.testing.assert_array_equal(got[:, :, 3], stored[:, :, 3])
    assert not got[0, 0].any()


def test_grey_with_alpha_keeps_16_bits_and_profile_in_tiff(tmp_path):
    write_image(tmp_path / "x.tif", LoadedImage(pixels(2, np.uint16), "tiff", icc=SRGB))
    again = read_image(tmp_path / "x.tif")
    np.testing.assert_array_equal(again.pixels_HWC, pixels(2, np.uint16))
    assert again.icc == SRGB


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("channels", [2, 3])
def test_orientation_of_a_deep_tiff_with_planes_or_grey_alpha(orientation, channels):
    file, stored = io.BytesIO(), DEEP[:, :, :channels]
    how = {"photometric": "minisblack", "extrasamples": ALPHAS}
    if channels == 3:
        how, stored = {"photometric": "rgb", "planarconfig": "separate"}, planes(stored)
    tifffile.imwrite(file, stored, extratags=[(0x0112, "H", 1, orientation, True)], **how)
    image = decode_image(file.getvalue(), "x")
    np.testing.assert_array_equal(image.pixels_HWC, UPRIGHT[orientation](DEEP[:, :, :channels]))


def with_tag(content: bytes, tag: int, value: int) -> bytes:
    """A little-endian TIFF with another value of a tag that is a SHORT."""
    start = struct.unpack_from("<I", content, 4)[0]
    changed = bytearray(content)
    for entry in range(start + 2, start + 2 + 12 * struct.unpack_from("<H", content, start)[0], 12):
        if struct.unpack_from("<H", content, entry)[0] == tag:
            struct.pack_into("<H", changed, entry + 8, value)
    return bytes(changed)


def test_deep_tiff_that_no_decoder_knows_is_refused_with_a_remedy():
    file = io.BytesIO()
    tifffile.imwrite(file, DEEP[:, :, :2], photometric="minisblack", extrasamples=ALPHAS)
    with pytest.raises(ValueError, match=r"lzw.tif: its compression LZW cannot be read .* without compression"):
        decode_image(with_tag(file.getvalue(), 259, 5), "lzw.tif")
    with pytest.raises(ValueError, match=r"lab.tif: its colors are CIELAB with 16 bits .* save it as RGB"):
        decode_image(with_tag(file.getvalue(), 262, 8), "lab.tif")


def test_deep_tiff_that_unpacks_to_too_much_is_refused():
    file = io.BytesIO()
    how = {"photometric": "rgb", "planarconfig": "separate", "compression": "zlib"}
    tifffile.imwrite(file, np.zeros((3, 512, 512), np.uint16), **how)
    content = file.getvalue()
    decode_image(content, "sound.tif")
    with pytest.raises(
        ValueError, match=r"bomb.tif: truncated or damaged \(a part unpacks to more than the 131072 bytes"
    ):
        decode_image(with_tag(with_tag(content, 257, 128), 278, 128), "bomb.tif")


@pytest.mark.parametrize("channels", [2, 3])
def test_size_of_a_deep_tiff_is_limited(channels):
    file = io.BytesIO()
    how = {2: {"photometric": "minisblack", "extrasamples": ALPHAS}, 3: {"photometric": "rgb"}}[channels]
    tifffile.imwrite(file, DEEP[:, :, :channels], **how)
    with pytest.raises(ValueError, match=r"x: it has 33x40 pixels, the limit is 0.001 megapixels"):
        decode_image(file.getvalue(), "x", 1000)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP"])
def test_the_only_limit_is_ours(kind, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)  # Pillow warns above it, and refuses above twice as much
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decode_image(encoded(kind), "x").pixels_HWC.shape == (64, 64, 3)
    with pytest.raises(ValueError, match=r"x: it has 64x64 pixels, the limit is 0.004 megapixels"):
        decode_image(encoded(kind), "x", 4000)
    assert Image.MAX_IMAGE_PIXELS == 1000


def test_the_only_limit_is_ours_in_every_thread(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    content, shapes = encoded("PNG"), []

    def decode_often() -> None:
        for _ in range(25):
            shapes.append(decode_image(content, "x").pixels_HWC.shape)

    threads = [threading.Thread(target=decode_often) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert shapes == [(64, 64, 3)] * 200
    assert Image.MAX_IMAGE_PIXELS == 1000


def test_of_several_pages_only_the_first_is_looked_at():
    """The second has no dimensions, and a link in a ring behind it."""
    file = io.BytesIO()
    Image.fromarray(pixels(3)).save(file, "TIFF")
    content = bytearray(file.getvalue())
    start = struct.unpack_from("<I", content, 4)[0]
    next_page = start + 2 + 12 * struct.unpack_from("<H", content, start)[0]
    struct.pack_into("<I", content, next_page, len(content))
    content += struct.pack("<HHHII", 1, 0x0103, 3, 1, 1) + bytes(4)  # a page with nothing but its compression
    image = decode_image(bytes(content), "x.tif")
    np.testing.assert_array_equal(image.pixels_HWC, pixels(3))
    assert image.notes == ("only the first of its images is used",)


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's
def test_damaged_tiffs_give_one_kind_of_error():
    rng = np.random.default_rng(0)
    sound = []
    for compression in ("raw", "tiff_lzw", "tiff_adobe_deflate"):
        file = io.BytesIO()
        Image.fromarray(pixels(3)).save(file, "TIFF", compression=compression)
        sound.append(file.getvalue())
    for stored, how in ((DEEP_TIFFS[0][1], DEEP_TIFFS[0][2]), (DEEP_TIFFS[3][1], DEEP_TIFFS[3][2])):
        file = io.BytesIO()
        tifffile.imwrite(file, stored[..., :8, :8] if stored.shape[0] == 3 else stored[:8, :8], **how)
        sound.append(file.getvalue())
    for number in range(400):
        content = bytearray(sound[number % len(sound)])
        for place in rng.integers(0, min(len(content), 500), 3):
            content[place] = rng.integers(256)
        try:
            decode_image(bytes(content), "x", 10**6)
        except ValueError as error:
            assert str(error).startswith("x: ")  # noqa: PT017 - most are read all the same


def test_floats_count_from_0_to_1_and_other_units_are_refused(tmp_path):
    ramp = np.linspace(-0.25, 1.25, 16, dtype=np.float32).reshape(4, 4)
    Image.fromarray(ramp).save(tmp_path / "float.tif")
    expected = np.round(ramp.clip(0, 1) * 65535).astype(np.uint16)
    np.testing.assert_array_equal(read_image(tmp_path / "float.tif").pixels_HWC[:, :, 0], expected)
    Image.fromarray(255 * ramp).save(tmp_path / "bytes.tif")
    with pytest.raises(ValueError, match=r"bytes.tif: its float pixels run from -63.75 to 318.75, expected 0 to 1"):
        read_image(tmp_path / "bytes.tif")


def test_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "x.png"
    path.write_bytes(b"old")

    def fail(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr("realsr_mod.images.write.write_png", fail)
    with pytest.raises(OSError, match="disk full"):
        write_image(path, LoadedImage(pixels(3)))
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_what_lies_between_the_segments_of_a_jpeg_hides_nothing():
    """Photoshop writes more into a segment than its length says."""
    tags = Image.Exif()
    tags[0x010E] = "a view"
    file = io.BytesIO()
    Image.new("RGB", (8, 8), "teal").save(file, "JPEG", exif=tags)
    content = file.getvalue()
    end = content.index(b"Exif") - 2 + int.from_bytes(content[content.index(b"Exif") - 2 :][:2], "big")
    image = decode_image(content[:end] + b"\0\1\0\0\7\0" + content[end:], "x")
    assert image.pixels_HWC.shape == (8, 8, 3)
    assert b"a view" in image.exif
