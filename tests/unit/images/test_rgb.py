"""Every kind of file becomes the right 8-bit RGB; what cannot is refused by name."""

import pickle

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from realsr_mod.images.find import find_images
from realsr_mod.images.image import ImageReadError
from realsr_mod.images.read import image_size
from realsr_mod.images.rgb import read_rgb

H, W = 6, 9
RNG = np.random.default_rng(7)
RGB = RNG.integers(0, 256, (H, W, 3), dtype=np.uint8)
GREY = RGB[..., 0]
ALPHA = RNG.integers(0, 256, (H, W), dtype=np.uint8)
RGB16 = RNG.integers(0, 65536, (H, W, 3), dtype=np.uint16)
ALPHA16 = RNG.integers(0, 65536, (H, W), dtype=np.uint16)
FLOAT = RNG.random((H, W, 3), dtype=np.float32)


def grey(pixels):
    return np.repeat(pixels[..., None], 3, axis=2)


def on_white(pixels, alpha):
    weight = alpha[..., None] / 255
    return np.round(pixels * weight + 255 * (1 - weight))


def down(pixels16):
    return np.round(pixels16 / 257)


PALETTE = Image.fromarray(RGB).quantize(16)
PALETTE_RGB = np.asarray(PALETTE.convert("RGB")).astype(int)
CASES = {
    "rgb.png": (lambda p: Image.fromarray(RGB).save(p), RGB),
    "rgb.bmp": (lambda p: Image.fromarray(RGB).save(p), RGB),
    "rgb.webp": (lambda p: Image.fromarray(RGB).save(p, lossless=True), RGB),
    "rgb.tif": (lambda p: Image.fromarray(RGB).save(p), RGB),
    "grey.png": (lambda p: Image.fromarray(GREY).save(p), grey(GREY)),
    "bits.png": (lambda p: Image.fromarray(GREY > 127).save(p), grey((GREY > 127) * 255)),
    "grey_alpha.png": (
        lambda p: Image.merge("LA", [Image.fromarray(GREY), Image.fromarray(ALPHA)]).save(p),
        on_white(grey(GREY), ALPHA),
    ),
    "rgba.png": (lambda p: Image.fromarray(np.dstack([RGB, ALPHA])).save(p), on_white(RGB, ALPHA)),
    "colour_key.png": (
        lambda p: Image.fromarray(RGB).save(p, transparency=tuple(int(v) for v in RGB[2, 3])),
        np.where(np.all(RGB[2, 3] == RGB, axis=2, keepdims=True), 255, RGB),
    ),
    "palette.png": (lambda p: PALETTE.save(p), PALETTE_RGB),
    "palette_alpha.png": (
        lambda p: PALETTE.save(p, transparency=3),
        np.where(np.asarray(PALETTE)[..., None] == 3, 255, PALETTE_RGB),
    ),
    "cmyk.tif": (lambda p: Image.fromarray(RGB).convert("CMYK").save(p), RGB),
    "rgb16.png": (lambda p: cv2.imwrite(str(p), RGB16[..., ::-1]), down(RGB16)),
    "rgba16.png": (
        lambda p: cv2.imwrite(str(p), np.dstack([RGB16[..., ::-1], ALPHA16])),
        on_white(down(RGB16), down(ALPHA16)),
    ),
    "grey16.png": (lambda p: cv2.imwrite(str(p), ALPHA16), grey(down(ALPHA16))),
    "rgb16.tif": (lambda p: cv2.imwrite(str(p), RGB16[..., ::-1]), down(RGB16)),
    "grey16.tif": (lambda p: cv2.imwrite(str(p), ALPHA16), grey(down(ALPHA16))),
    "planes16.tif": (
        lambda p: tifffile.imwrite(p, RGB16.transpose(2, 0, 1).copy(), photometric="rgb", planarconfig="separate"),
        down(RGB16),
    ),
    "grey_alpha16.tif": (
        lambda p: tifffile.imwrite(
            p, np.dstack([RGB16[..., 0], ALPHA16]), photometric="minisblack", extrasamples=["unassalpha"]
        ),
        on_white(grey(down(RGB16[..., 0])), down(ALPHA16)),
    ),
    "min_is_white16.tif": (
        lambda p: tifffile.imwrite(p, ALPHA16, photometric="miniswhite"),
        grey(down(65535 - ALPHA16)),
    ),
    "premultiplied16.tif": (
        lambda p: tifffile.imwrite(
            p, np.dstack([RGB16 // 2, np.full_like(ALPHA16, 32768)]), photometric="rgb", extrasamples=["assocalpha"]
        ),
        on_white(down(RGB16 // 2 * (65535 / 32768)), down(np.full_like(ALPHA16, 32768))),
    ),
    "cmyk16.tif": (
        lambda p: tifffile.imwrite(p, np.dstack([65535 - RGB16, np.zeros_like(ALPHA16)]), photometric="separated"),
        255 - ((65535 - RGB16) >> 8),
    ),
    "float.tif": (lambda p: cv2.imwrite(str(p), FLOAT[..., ::-1]), np.round(FLOAT * 255)),
    "float_grey.tif": (lambda p: cv2.imwrite(str(p), FLOAT[..., 0]), grey(np.round(FLOAT[..., 0] * 255))),
    "overshoot.tif": (
        lambda p: cv2.imwrite(str(p), FLOAT[..., ::-1] * 1.4 - 0.2),
        np.round(np.clip(FLOAT * 1.4 - 0.2, 0, 1) * 255),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_every_kind_of_file_becomes_the_right_rgb(name, tmp_path):
    write, expected = CASES[name]
    write(tmp_path / name)
    pixels = read_rgb(tmp_path / name)
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, expected)
    assert image_size(tmp_path / name) == (H, W)


def test_cmyk_jpeg_keeps_its_colors(tmp_path):
    flat = np.full((16, 16, 3), (200, 60, 20), np.uint8)
    Image.fromarray(flat).convert("CMYK").save(tmp_path / "a.jpg", quality=100)
    assert np.abs(read_rgb(tmp_path / "a.jpg").astype(int) - flat).max() <= 2


UPRIGHT = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("kind", ["png", "tif", "deep tif"])
def test_exif_orientation_is_applied_once(kind, orientation, tmp_path):
    stored, expected = (ALPHA16, grey(down(ALPHA16))) if kind == "deep tif" else (RGB, RGB)
    path = tmp_path / f"a.{kind.split()[-1]}"
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(stored).save(path, **({"tiffinfo": {274: orientation}} if "tif" in kind else {"exif": exif}))
    pixels = read_rgb(path)
    np.testing.assert_array_equal(pixels, UPRIGHT[orientation](expected))
    assert image_size(path) == pixels.shape[:2]


def cut_off(path, write):
    write(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])


BROKEN = {
    "cut.png": (lambda p: cut_off(p, lambda q: Image.fromarray(RGB).save(q)), "truncated"),
    "cut16.png": (lambda p: cut_off(p, lambda q: cv2.imwrite(str(q), RGB16)), "truncated"),
    "cut.jpg": (lambda p: cut_off(p, lambda q: Image.fromarray(np.tile(RGB, (9, 9, 1))).save(q)), "truncated"),
    "empty.png": (lambda p: p.touch(), "the file is empty; copy it again"),
    "text.jpg": (
        lambda p: p.write_text("hello"),
        "not a PNG, JPEG, WebP, TIFF, BMP, HEIC, AVIF, JPEG XL",
    ),
    "missing.png": (lambda p: None, "no such file"),
    "range.tif": (lambda p: cv2.imwrite(str(p), FLOAT * 200), "expected 0 to 1"),
    "nan.tif": (lambda p: cv2.imwrite(str(p), np.full((H, W), np.nan, np.float32)), "expected 0 to 1"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_named_with_the_reason(name, tmp_path):
    make, reason = BROKEN[name]
    make(tmp_path / name)
    with pytest.raises(ImageReadError, match=reason) as caught:
        read_rgb(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)


@pytest.mark.parametrize("name", ["rgb.png", "rgb.tif", "rgb16.tif", "planes16.tif", "float.tif"])
def test_there_is_no_limit_on_the_size(name, tmp_path, monkeypatch):
    write, expected = CASES[name]
    write(tmp_path / name)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    np.testing.assert_array_equal(read_rgb(tmp_path / name), expected)
    assert image_size(tmp_path / name) == (H, W)
    assert Image.MAX_IMAGE_PIXELS == 10


def test_the_error_survives_the_way_from_a_worker_process():
    error = pickle.loads(pickle.dumps(ImageReadError("a.png", "truncated")))
    assert (str(error), error.reason) == ("a.png: truncated", "truncated")


def test_find_images_goes_into_folders_and_ignores_case_and_other_files(tmp_path):
    for name in ["b.PNG", "a.jpeg", "inner/c.Tiff", "notes.txt", ".hidden.png", "folder.png/d.jpg"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    found = [path.relative_to(tmp_path).as_posix() for path in find_images(tmp_path)]
    assert found == ["a.jpeg", "b.PNG", "folder.png/d.jpg", "inner/c.Tiff"]


def test_a_missing_or_empty_folder_is_an_error_with_a_remedy(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere does not exist.*data.root"):
        find_images(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"no images in .*\.png.*convert"):
        find_images(tmp_path)
    (tmp_path / "a.png").touch()
    with pytest.raises(FileNotFoundError, match="is a file, not a folder"):
        find_images(tmp_path / "a.png")


def test_links_to_folders_are_followed_once_and_hidden_folders_left_out(tmp_path):
    for name in ("photos/a.png", "photos/.ipynb_checkpoints/a-checkpoint.png", "elsewhere/b.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(tmp_path / name)
    (tmp_path / "photos" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "back").symlink_to(tmp_path / "photos")  # a circle
    found = [path.relative_to(tmp_path).as_posix() for path in find_images(tmp_path / "photos")]
    assert found == ["photos/a.png", "photos/link/b.png"]
