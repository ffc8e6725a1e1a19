"""Every kind of file is read alike by all who read: what becomes of it is written at the top of `images/read.py`."""

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from realsr_mod.data.checks import check_images
from realsr_mod.data.pairs import find_pairs
from realsr_mod.degradations.noise import quantize
from realsr_mod.images.find import find_images
from realsr_mod.images.formats import SUFFIXES
from realsr_mod.images.read import image_size, read_image
from realsr_mod.images.rgb import read_rgb
from realsr_mod.images.tensors import to_tensor
from realsr_mod.inference.plan import plan

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (12, 20, 3), dtype=np.uint8)
RGB16 = RNG.integers(0, 65536, (12, 20, 3), dtype=np.uint16)
GREY, GREY16 = RGB[:, :, 0], RGB16[:, :, 0]
ALPHA = RNG.integers(0, 256, (12, 20, 1), dtype=np.uint8)
FLOATS = RNG.random((12, 20, 3), dtype=np.float32)
CMYK = Image.fromarray(RGB).convert("CMYK")
ON_WHITE = np.round(RGB * (ALPHA / 255) + 255 * (1 - ALPHA / 255)).astype(np.uint8)


def rounded(pixels16):
    return np.round(pixels16 / 257).astype(np.uint8)


def pil(pixels, mode=None, **options):
    return lambda path: Image.fromarray(pixels, mode).save(path, **options)


def palette(path):
    image = Image.fromarray(RGB // 128 * 255).convert("P", palette=Image.Palette.ADAPTIVE, colors=8)
    image.save(path)


# name: how it is written, what it is then (H, W, C), and the 8-bit RGB of it
KINDS = {
    "rgb.png": (pil(RGB), RGB, RGB),
    "rgb.bmp": (pil(RGB), RGB, RGB),
    "rgb.tif": (pil(RGB), RGB, RGB),
    "rgb.ppm": (pil(RGB), RGB, RGB),
    "rgb.webp": (pil(RGB, lossless=True), RGB, RGB),
    "grey.png": (pil(GREY), GREY[:, :, None], np.stack([GREY] * 3, 2)),
    "grey.pgm": (pil(GREY), GREY[:, :, None], np.stack([GREY] * 3, 2)),
    "bits.png": (pil(GREY > 127), 255 * (GREY > 127)[:, :, None], 255 * np.stack([GREY > 127] * 3, 2)),
    "palette.png": (palette, RGB // 128 * 255, RGB // 128 * 255),
    "alpha.png": (pil(np.concatenate([RGB, ALPHA], 2)), np.concatenate([RGB, ALPHA], 2), ON_WHITE),
    "alpha.tif": (pil(np.concatenate([RGB, ALPHA], 2)), np.concatenate([RGB, ALPHA], 2), ON_WHITE),
    "rgb16.png": (lambda path: cv2.imwrite(str(path), RGB16[:, :, ::-1]), RGB16, rounded(RGB16)),
    "rgb16.tif": (lambda path: tifffile.imwrite(path, RGB16, photometric="rgb"), RGB16, rounded(RGB16)),
    "planar16.tif": (
        lambda path: tifffile.imwrite(path, RGB16.transpose(2, 0, 1), photometric="rgb", planarconfig="separate"),
        RGB16,
        rounded(RGB16),
    ),
    "grey16.png": (pil(GREY16), GREY16[:, :, None], rounded(np.stack([GREY16] * 3, 2))),
    "grey16.tif": (pil(GREY16), GREY16[:, :, None], rounded(np.stack([GREY16] * 3, 2))),
    "white_is_zero.tif": (
        lambda path: tifffile.imwrite(path, GREY16, photometric="miniswhite"),
        65535 - GREY16[:, :, None],
        rounded(65535 - np.stack([GREY16] * 3, 2)),
    ),
    "float.tif": (
        lambda path: tifffile.imwrite(path, FLOATS, photometric="rgb"),
        np.round(FLOATS * 65535).astype(np.uint16),
        rounded(np.round(FLOATS * 65535)),
    ),
    "cmyk.jpg": (
        lambda path: CMYK.save(path, quality=100, subsampling=0),
        lambda path: np.asarray(Image.open(path).convert("RGB")),
        lambda path: np.asarray(Image.open(path).convert("RGB")),
    ),
    "cmyk.tif": (lambda path: CMYK.save(path), np.asarray(CMYK.convert("RGB")), np.asarray(CMYK.convert("RGB"))),
    "profile.tif": (
        lambda path: Image.fromarray(RGB).save(path, icc_profile=srgb()),
        RGB,
        RGB,
    ),
}


def srgb():
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.mark.parametrize("name", KINDS)
def test_all_readers_agree(name, tmp_path):
    write, whole, eight_bit = KINDS[name]
    path = tmp_path / name
    write(path)
    whole, eight_bit = (expected(path) if callable(expected) else expected for expected in (whole, eight_bit))
    loaded = read_image(path)
    np.testing.assert_array_equal(loaded.pixels_HWC, whole)
    assert loaded.format == SUFFIXES[path.suffix]
    np.testing.assert_array_equal(read_rgb(path), eight_bit)
    assert image_size(path) == (12, 20)
    assert check_images([path], 1, cache_dir=tmp_path / "cache").sizes == {path: (12, 20)}
    tensor = to_tensor(path, 4)
    assert tensor.equal(quantize(tensor))
    np.testing.assert_array_equal((tensor[0] * 255).round().byte().permute(1, 2, 0).numpy(), eight_bit)


def test_all_who_look_into_folders_find_the_same_files(tmp_path):
    for side in ("HR", "LR"):
        (tmp_path / side).mkdir()
        for number, suffix in enumerate(SUFFIXES):
            (tmp_path / side / f"{number}{suffix.upper()}").touch()
        (tmp_path / side / "notes.txt").touch()
    found = find_images(tmp_path / "HR")
    assert len(found) == len(SUFFIXES)
    assert [job.source for job in plan([tmp_path / "HR"], tmp_path / "out")] == found
    assert [pair.hr for pair in find_pairs(tmp_path / "HR", tmp_path / "LR")] == found
