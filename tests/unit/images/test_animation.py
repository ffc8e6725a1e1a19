"""Animated GIF, WebP and PNG: frames, times, loops, disposal and transparency, in and out."""

import io

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from realsr_mod.images.animation import Frame, read_animation
from realsr_mod.images.animation_write import why_no_animation, write_animation
from realsr_mod.images.image import ImageReadError, LoadedImage

TIMES = [100, 40, 70, 250]
LUMA = [0.299, 0.587, 0.114]
COLORS = [(220, 30, 60), (20, 180, 40), (240, 240, 20), (0, 0, 0)]


def moving_square(channels: int) -> list[np.ndarray]:
    """A square of 12 px that walks over what stands still, or over nothing."""
    frames = []
    for number, color in enumerate(COLORS):
        frame = np.full((31, 61, 4), (90, 130, 200, 255) if channels == 3 else 0, np.uint8)
        frame[8:20, 13 * number : 13 * number + 12] = (*color, 255)
        frames.append(frame[:, :, :channels])
    return frames


def written(path, frames, plays=0, **said):
    image = LoadedImage(frames[0], path.suffix[1:], **said)
    write_animation(path, [Frame(*pair) for pair in zip(frames, TIMES, strict=True)], len(frames), plays, image)
    return path


def assert_shows(shown, expected, exact):
    """WebP keeps the brightness of edges, and half of their color."""
    if expected.shape[2] == 4:
        np.testing.assert_array_equal(shown[:, :, 3], expected[:, :, 3])
        shown, expected = shown * (shown[:, :, 3:] > 0), expected * (expected[:, :, 3:] > 0)
    error = np.abs(shown.astype(int) - expected)[:, :, :3]
    assert not error.any() if exact else (error @ LUMA > 40).mean() < 0.01


@pytest.mark.parametrize("plays", [0, 1, 3])
@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("file_format", ["gif", "webp", "png"])
def test_what_is_written_is_read_again(file_format, channels, plays, tmp_path):
    frames = moving_square(channels)
    animation = read_animation(written(tmp_path / f"a.{file_format}", frames, plays))
    assert (animation.format, animation.count, animation.plays) == (file_format, 4, plays)
    assert animation.has_alpha == (channels == 4)
    found = list(animation.frames())
    assert [frame.milliseconds for frame in found] == TIMES
    for frame, expected in zip(found, frames, strict=True):
        assert_shows(frame.pixels_HWC, expected, file_format != "webp")


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("file_format", ["gif", "webp", "png"])
def test_another_reader_sees_the_same(file_format, channels, tmp_path):
    frames = moving_square(channels)
    path = written(tmp_path / f"a.{file_format}", frames)
    if file_format == "gif":
        with av.open(str(path)) as file:
            decoded = list(file.decode(video=0))
            shown = [frame.to_ndarray(format="rgba") for frame in decoded]
            times = [float(frame.pts * frame.time_base * 1000) for frame in decoded]
        assert times == [0, 100, 140, 210]
    else:
        found, animation = cv2.imreadanimation(str(path))
        assert found
        assert list(animation.durations) == TIMES
        shown = [frame[:, :, [2, 1, 0, 3][: frame.shape[2]]] for frame in animation.frames]
    for frame, expected in zip(shown, frames, strict=True):
        assert_shows(frame[:, :, :channels], expected, file_format != "webp")


@pytest.mark.parametrize("file_format", ["gif", "webp", "png"])
def test_what_stands_still_stays_the_very_same(file_format, tmp_path):
    """Lossy formats and palettes of their own would make it swarm; frames that are all alike stay frames."""
    noise = np.random.default_rng(0).integers(0, 256, (16, 20, 3), dtype=np.uint8)
    animation = read_animation(written(tmp_path / f"a.{file_format}", [noise] * 4))
    first, *others = [frame.pixels_HWC for frame in animation.frames()]
    assert [np.abs(first.astype(int) - other).max() for other in others] == [0, 0, 0]


@pytest.mark.parametrize("disposal", [0, 1, 2, 3])
def test_disposal_of_a_foreign_gif(disposal, tmp_path):
    frames = [Image.fromarray(pixels) for pixels in moving_square(4)]
    frames[0].save(tmp_path / "a.gif", save_all=True, append_images=frames[1:], disposal=disposal, duration=50, loop=0)
    found = [frame.pixels_HWC for frame in read_animation(tmp_path / "a.gif").frames()]
    alone = [Image.open(tmp_path / "a.gif") for _ in range(4)]
    for number, image in enumerate(alone):  # decoded from the start for each
        image.seek(number)
        np.testing.assert_array_equal(found[number], np.asarray(image.convert("RGBA")))
    squares = [(pixels[:, :, 3] > 0).sum() for pixels in found]
    assert squares == ([144] * 4 if disposal == 2 else [144, 288, 432, 576] if disposal < 2 else squares)


def test_the_image_that_a_png_shows_elsewhere_is_none_of_its_frames(tmp_path):
    default, *frames = [Image.new("RGB", (8, 8), color) for color in COLORS]
    default.save(tmp_path / "a.png", save_all=True, append_images=frames, default_image=True, duration=20)
    animation = read_animation(tmp_path / "a.png")
    assert [tuple(frame.pixels_HWC[0, 0]) for frame in animation.frames()] == COLORS[1:]


def test_profile_exif_and_texts_are_carried(tmp_path):
    tags = Image.Exif()
    tags[0x010E] = "a dance"
    exif = tags.tobytes().removeprefix(b"Exif\0\0")
    for file_format in ("png", "webp"):
        path = written(tmp_path / f"a.{file_format}", moving_square(3), icc=b"profile", exif=exif)
        said = read_animation(path).said
        assert (said.icc, said.exif, said.notes) == (b"profile", exif, ())


def test_frames_lie_upright(tmp_path):
    tags = Image.Exif()
    tags[0x0112] = 6
    frames = moving_square(3)
    written(tmp_path / "a.webp", frames, exif=tags.tobytes().removeprefix(b"Exif\0\0"))
    for frame, expected in zip(read_animation(tmp_path / "a.webp").frames(), frames, strict=True):
        assert_shows(frame.pixels_HWC, np.ascontiguousarray(np.rot90(expected, -1)), exact=False)


@pytest.mark.parametrize("file_format", ["gif", "webp", "png", "bmp"])
def test_a_still_image_is_no_animation(file_format, tmp_path):
    Image.new("RGB", (5, 4)).save(tmp_path / f"a.{file_format}")
    assert read_animation(tmp_path / f"a.{file_format}") is None


@pytest.mark.parametrize("file_format", ["gif", "webp", "png"])
def test_damage_in_a_late_frame_is_found_before_anything_is_done(file_format, tmp_path):
    noise = list(np.random.default_rng(0).integers(0, 256, (4, 40, 50, 3), dtype=np.uint8))
    path = written(tmp_path / f"a.{file_format}", noise)
    path.write_bytes(path.read_bytes()[: -path.stat().st_size // 8])
    with pytest.raises(ImageReadError, match=r"a\.\w+: truncated or damaged"):
        read_animation(path)


def test_frames_are_bounded_before_they_are_decoded(tmp_path):
    path = written(tmp_path / "a.gif", moving_square(3))
    with pytest.raises(ImageReadError, match="61x31 pixels, the limit is"):
        read_animation(path, max_pixels=1000)


def test_what_cannot_hold_an_animation_is_said():
    assert why_no_animation("jpeg", 1, 1) == "jpeg holds no animation"
    assert "sides up to 16383" in why_no_animation("webp", 10, 16384)
    assert why_no_animation("gif", 10, 16384) == ""


def test_bytes_of_a_gif_are_whole(tmp_path):
    """Its blocks end where they say: a strict reader comes to the last byte."""
    content = written(tmp_path / "a.gif", moving_square(3)).read_bytes()
    with Image.open(io.BytesIO(content)) as image:
        assert image.n_frames == 4
    assert content.endswith(b"\0;")
