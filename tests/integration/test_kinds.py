"""A table of every kind of file that `upscale` takes: what comes in, and what goes out."""

import cv2
import numpy as np
import pillow_heif
import pillow_jxl  # noqa: F401  Pillow writes JPEG XL by it
import pytest
from clips import frames_of, write_clip
from PIL import Image
from typer.testing import CliRunner

from realsr_mod.images.animation import read_animation
from realsr_mod.images.formats import SUFFIXES
from realsr_mod.images.read import read_image
from realsr_mod.inference.video_formats import SUFFIXES as VIDEO_SUFFIXES
from realsr_mod.networks.srresnet import SRResNet
from realsr_mod.upscale import app
from realsr_mod.weights.release import save_model

# Of each suffix: how such a file is written, and the suffix of what is made of it.
IMAGES = {
    **dict.fromkeys([".png"], ("PNG", ".png")),
    **dict.fromkeys([".jpg", ".jpeg", ".jpe", ".jfif"], ("JPEG", ".jpg")),
    **dict.fromkeys([".tif", ".tiff"], ("TIFF", ".tif")),
    **dict.fromkeys([".bmp", ".dib"], ("BMP", ".bmp")),
    **dict.fromkeys([".heic", ".heif", ".hif"], ("HEIF", ".heic")),
    **dict.fromkeys([".gif", ".ppm", ".pgm", ".pbm", ".pnm"], ("PPM", ".png")),
    **{".webp": ("WEBP", ".webp"), ".avif": ("AVIF", ".avif"), ".jxl": ("JXL", ".jxl"), ".apng": ("PNG", ".png")},
    "": ("JPEG", ".jpg"),
}
GREY = (".pgm",)
MOVING = {".gif": ".gif", ".webp": ".webp", ".apng": ".png"}
VIDEOS = {
    ".mp4": ".mp4",
    ".m4v": ".mp4",
    ".mov": ".mov",
    ".mkv": ".mkv",
    ".webm": ".webm",
    ".avi": ".mkv",
    ".ts": ".mkv",
}
HEIGHT, WIDTH = 32, 48


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Twice as large, smoothly: its last layer says nothing, so that bicubic enlargement is left."""
    folder = tmp_path_factory.mktemp("model")
    network = {"_target_": "realsr_mod.networks.srresnet.SRResNet", "scale": 2, "channels": 4, "num_blocks": 1}
    save_model(SRResNet(2, 4, 1), folder, network, {})
    return folder


def upscale(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return " ".join(result.output.split())


def photo() -> Image.Image:
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    return Image.fromarray(np.stack([5 * x, 7 * y, 250 - 5 * x], axis=2).astype(np.uint8))


def shown(pixels: np.ndarray) -> np.ndarray:
    """The colors that areas of a quarter of the image have."""
    return cv2.resize(np.atleast_3d(pixels)[:, :, :3], (4, 4), interpolation=cv2.INTER_AREA).astype(int)


def test_the_table_knows_every_suffix():
    assert {suffix for suffix in IMAGES if suffix} == set(SUFFIXES)
    assert set(VIDEOS) <= set(VIDEO_SUFFIXES)
    assert all(VIDEO_SUFFIXES[suffix] == out for suffix, out in VIDEOS.items())


def test_every_kind_of_image_in_a_folder(model, tmp_path):
    pillow_heif.register_heif_opener()
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "notes.txt").write_text("no photo")
    write_clip(tmp_path / "in" / "clip.mp4", 2)
    for suffix, (kind, _) in IMAGES.items():
        image = photo().convert("L") if suffix in GREY else photo().convert("1") if suffix == ".pbm" else photo()
        image.save(tmp_path / "in" / f"a{suffix[1:]}{suffix}", format="GIF" if suffix == ".gif" else kind)
    output = upscale(tmp_path / "in", "-o", tmp_path / "out", "--model", model)
    assert "left out: 1 .mp4, 1 .txt" in output
    assert "videos are done when they are named" in output
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        f"a{suffix[1:]}{out}" for suffix, (_, out) in IMAGES.items()
    }
    for suffix, (_, out) in IMAGES.items():
        before = read_image(tmp_path / "in" / f"a{suffix[1:]}{suffix}").pixels_HWC
        after = read_image(tmp_path / "out" / f"a{suffix[1:]}{out}").pixels_HWC
        assert after.shape[:2] == (2 * HEIGHT, 2 * WIDTH), suffix
        assert np.abs(shown(after) - shown(before)).mean() < 4, suffix  # areas keep their colors


def test_every_kind_that_moves(model, tmp_path):
    for suffix, out in MOVING.items():
        frames = [photo(), photo().transpose(Image.Transpose.FLIP_LEFT_RIGHT)]
        kind = {".gif": "GIF", ".webp": "WEBP", ".apng": "PNG"}[suffix]
        frames[0].save(tmp_path / f"a{suffix}", format=kind, save_all=True, append_images=frames[1:], duration=40)
        upscale(tmp_path / f"a{suffix}", "-o", tmp_path / "out", "--model", model, "--frames", "all", "--overwrite")
        made = read_animation(tmp_path / "out" / f"a{out}")
        assert (made.count, [frame.milliseconds for frame in made.frames()]) == (2, [40, 40])


def test_every_container_of_videos(model, tmp_path):
    for number, suffix in enumerate(VIDEOS):
        codec, name = "libvpx-vp9" if suffix == ".webm" else "libx264", f"v{number}"
        write_clip(tmp_path / f"{name}{suffix}", 3, codec=codec, pixel_format="yuv420p")
    upscale(
        *(tmp_path / f"v{number}{suffix}" for number, suffix in enumerate(VIDEOS)),
        "-o",
        tmp_path / "out",
        "--model",
        model,
    )
    for number, out in enumerate(VIDEOS.values()):
        frames = frames_of(tmp_path / "out" / f"v{number}{out}")
        assert [(frame.width, frame.height) for frame in frames] == [(96, 64)] * 3
