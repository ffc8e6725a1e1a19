"""HEIC, AVIF and GIF: in and out, of every depth, with what they say of their photo, and what they may not ask for."""

import io
import struct
from pathlib import Path

import cv2
import numpy as np
import pillow_heif
import pytest
from PIL import Image, ImageCms

from realsr_mod.images.find import find_images
from realsr_mod.images.fit import fit_format
from realsr_mod.images.gif import gif_header
from realsr_mod.images.image import Color, LoadedImage
from realsr_mod.images.read import decode_image, image_size
from realsr_mod.images.write import encode_image

HEIGHT, WIDTH = 32, 48
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def smooth(channels: int, dtype=np.uint8) -> np.ndarray:
    """Slopes, which lossy formats keep; black and white are there, alpha has a transparent corner."""
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH] / np.array([HEIGHT - 1, WIDTH - 1]).reshape(2, 1, 1)
    planes = [x, y, 1 - x, (x + y) / 2]
    chosen = {1: [x], 2: [x, planes[3]], 3: planes[:3], 4: planes}[channels]
    return np.round(np.stack(chosen, axis=2) * np.iinfo(dtype).max).astype(dtype)


def written(image: LoadedImage, file_format: str) -> bytes:
    file = io.BytesIO()
    encode_image(file, fit_format(image, file_format))
    return file.getvalue()


@pytest.mark.parametrize(("file_format", "dtype"), [("heic", np.uint8), ("heic", np.uint16), ("avif", np.uint8)])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_pixels_come_back(channels, file_format, dtype, tmp_path):
    expected = smooth(channels, dtype)
    content = written(LoadedImage(expected, file_format), file_format)
    image = decode_image(content, "x")
    assert (image.format, image.pixels_HWC.dtype) == (file_format, dtype)
    white = np.iinfo(dtype).max
    shown = (
        expected
        if image.pixels_HWC.shape[2] == channels
        else expected[:, :, [0, 0, 0, -1][: image.pixels_HWC.shape[2]]]
    )
    assert np.abs(image.pixels_HWC / white - shown / white).max() < 0.05
    (tmp_path / "x").write_bytes(content)
    assert image_size(tmp_path / "x") == (HEIGHT, WIDTH)
    with (
        Image.open(io.BytesIO(content))
        if file_format == "avif"
        else pillow_heif.open_heif(content).to_pillow() as other
    ):
        assert other.size == (WIDTH, HEIGHT)


@pytest.mark.parametrize("bits", [10, 12])
def test_deep_avif_has_white_at_the_top(bits):
    deep = smooth(3, np.uint16) >> (16 - bits)
    options = [cv2.IMWRITE_AVIF_DEPTH, bits, cv2.IMWRITE_AVIF_QUALITY, 100]
    ok, coded = cv2.imencode(".avif", deep[:, :, ::-1], options)
    assert ok
    pixels = decode_image(coded.tobytes(), "x").pixels_HWC
    assert pixels.dtype == np.uint16
    assert pixels.max() == 65535
    assert np.abs(pixels / 65535 - deep / (2**bits - 1)).max() < 0.01


def exif(orientation: int) -> bytes:
    tags = Image.Exif()
    tags[0x010F], tags[0x0112] = "Cam", orientation
    return tags.tobytes()


@pytest.mark.parametrize("file_format", ["heic", "avif"])
def test_what_is_said_of_a_photo_travels_and_it_lies_upright(file_format, tmp_path):
    stored, xmp = smooth(3), b'<a tiff:Orientation="6"/>'
    file = io.BytesIO()
    if file_format == "avif":
        Image.fromarray(stored).save(file, "AVIF", quality=100, exif=exif(6), xmp=xmp, icc_profile=SRGB)
    else:
        heif = pillow_heif.from_bytes("RGB", (WIDTH, HEIGHT), stored.tobytes())
        heif.save(file, quality=-1, exif=exif(6), xmp=xmp, icc_profile=SRGB)
    image = decode_image(file.getvalue(), "x")
    assert np.abs(image.pixels_HWC.astype(int) - np.rot90(stored, -1)).mean() < 4
    assert (image.icc, image.xmp) == (SRGB, b'<a tiff:Orientation="1"/>')
    for target in ("heic", "avif", "jpeg", "png", "webp", "tiff"):
        again = decode_image(written(image, target), "x")
        assert again.pixels_HWC.shape == (WIDTH, HEIGHT, 3)
        assert again.icc == SRGB
        assert again.exif is not None
        assert b"Cam" in again.exif
        assert again.xmp == image.xmp
    (tmp_path / "x").write_bytes(file.getvalue())
    assert image_size(tmp_path / "x") == (WIDTH, HEIGHT)


PQ = Color(cicp=(9, 16, 0, 1))


def test_hdr_of_heic_travels_as_numbers_and_avif_hands_it_to_png():
    content = written(LoadedImage(smooth(3, np.uint16), color=PQ), "heic")
    image = decode_image(content, "x")
    assert image.color == PQ
    assert decode_image(written(image, "heic"), "x").color == PQ
    assert decode_image(written(image, "png"), "x").color == PQ
    fitted = fit_format(image, "avif")
    assert (fitted.format, fitted.pixels_HWC.dtype) == ("png", np.uint16)


def test_a_heic_whose_boxes_lie_about_its_size_is_refused():
    content = bytearray(written(LoadedImage(smooth(3).repeat(8, 0).repeat(8, 1)), "heic"))
    place = content.index(b"ispe")
    struct.pack_into(">II", content, place + 8, 16, 16)
    with pytest.raises(ValueError, match="x: "):
        decode_image(bytes(content), "x")


@pytest.mark.parametrize("file_format", ["heic", "avif"])
def test_large_ones_are_refused_before_they_are_decoded(file_format):
    content = written(LoadedImage(smooth(3)), file_format)
    with pytest.raises(ValueError, match=r"x: it has 48x32 pixels, the limit is 0.001 megapixels"):
        decode_image(content, "x", 1000)


@pytest.mark.parametrize("file_format", ["heic", "avif"])
def test_damaged_ones_give_one_kind_of_error(file_format):
    sound = written(LoadedImage(smooth(3), exif=exif(1).removeprefix(b"Exif\0\0")), file_format)
    rng = np.random.default_rng(0)
    for number in range(60):
        content = bytearray(sound)
        for place in rng.integers(12, len(content), 3):
            content[place] = rng.integers(256)
        content = content[: len(content) - number * len(content) // 80]
        try:
            decode_image(bytes(content), "x", 10**6)
        except ValueError as error:
            assert str(error).startswith("x: ")  # noqa: PT017 - most are read all the same


# --- GIF ---


def gif(frames: int = 1, **options: object) -> bytes:
    file = io.BytesIO()
    images = [Image.fromarray(np.full((HEIGHT, WIDTH), 40 * n, np.uint8)) for n in range(frames)]
    images[0].save(file, "GIF", save_all=frames > 1, append_images=images[1:], **options)
    return file.getvalue()


@pytest.mark.parametrize("frames", [1, 3])
def test_a_gif_becomes_a_png_and_says_that_it_moves(frames):
    image = decode_image(gif(frames, comment=b"a note"), "x")
    assert (image.format, image.comment) == ("png", b"a note")
    assert not image.pixels_HWC.any()
    assert image.notes == (("only the first of its images is used",) if frames > 1 else ())
    assert gif_header(io.BytesIO(gif(frames))) == (WIDTH, HEIGHT, frames)


def test_a_gif_with_a_hidden_color():
    image = Image.fromarray(np.arange(HEIGHT * WIDTH, dtype=np.uint8).reshape(HEIGHT, WIDTH), "P")
    image.putpalette([value for n in range(256) for value in (n, 255 - n, 7)])
    file = io.BytesIO()
    image.save(file, "GIF", transparency=5, optimize=False)
    pixels = decode_image(file.getvalue(), "x").pixels_HWC
    np.testing.assert_array_equal(pixels[:, :, 3] == 0, np.asarray(image) == 5)


def test_a_gif_with_a_frame_beyond_all_bounds_is_refused():
    content = bytearray(gif())
    place = content.rindex(b",\0\0\0\0" + struct.pack("<HH", WIDTH, HEIGHT))
    struct.pack_into("<HH", content, place + 5, 65535, 65535)
    with pytest.raises(ValueError, match=r"x: it has 65535x65535 pixels, the limit is 100 megapixels"):
        decode_image(bytes(content), "x")


def test_a_gif_of_endless_blocks_is_refused():
    content = gif()[:-1] + b"!\xfe\1a" * 2 + b"\1a" * 500_000
    with pytest.raises(ValueError, match="blocks; save it anew"):
        decode_image(content, "x")


# --- folders ---


def test_files_without_a_suffix_are_looked_into(tmp_path):
    for name, content in {
        "photo": written(LoadedImage(smooth(3)), "png"),
        "burst": written(LoadedImage(smooth(3)), "avif"),
        "grey": b"P5 1 1 255 a",
        "Makefile": b"PHONY: all",
        "README": b"",
    }.items():
        (tmp_path / name).write_bytes(content)
    said: list[str] = []
    assert [path.name for path in find_images(tmp_path, said.append)] == ["burst", "grey", "photo"]
    assert said == [f"{tmp_path}: left out: 2 without a suffix"]


def test_every_suffix_of_the_table_is_found(tmp_path):
    for suffix in (
        ".jfif",
        ".jpe",
        ".JPG",
        ".avif",
        ".heic",
        ".HEIF",
        ".hif",
        ".gif",
        ".ppm",
        ".pbm",
        ".pnm",
        ".dib",
        ".apng",
    ):
        Path(tmp_path, f"a{suffix}").touch()
    assert len(find_images(tmp_path)) == 13
