"""Colors that nobody sees do not show."""

import cv2
import numpy as np
import pytest

from realsr_mod.images.transparency import resized_channels, with_visible_colors

RNG = np.random.default_rng(0)


def disc(hidden: int, dtype=np.uint8, channels: int = 4) -> np.ndarray:
    """A textured disc whose surroundings, transparent, have another color."""
    y, x = np.mgrid[0:40, 0:50]
    inside = (y - 20) ** 2 + (x - 25) ** 2 < 144
    white = np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1
    texture = np.random.default_rng(1).random((40, 50, channels - 1)) * white
    colors = np.where(inside[..., None], texture, hidden * white / 255)
    return np.dstack([colors, inside * white]).astype(dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [2, 4])
def test_what_is_hidden_does_not_matter(channels, dtype):
    black, white = (with_visible_colors(disc(hidden, dtype, channels)) for hidden in (0, 255))
    np.testing.assert_array_equal(black, white)
    stored = disc(0, dtype, channels)
    visible = stored[:, :, -1] > 0
    np.testing.assert_array_equal(black[visible], stored[visible])
    np.testing.assert_array_equal(black[:, :, -1], stored[:, :, -1])


def test_the_visible_is_mirrored_at_its_edge():
    pixels = np.zeros((1, 10, 2), np.uint8)
    pixels[0, :5] = [[10, 255], [20, 255], [30, 255], [40, 255], [50, 128]]
    assert with_visible_colors(pixels)[0, :, 0].tolist() == [10, 20, 30, 40, 50, 40, 30, 20, 10, 10]
    assert with_visible_colors(pixels)[0, :, 1].tolist() == [255, 255, 255, 255, 128, 0, 0, 0, 0, 0]


@pytest.mark.parametrize("alpha", [0, 255])
def test_what_is_wholly_visible_or_hidden_stays(alpha):
    pixels = RNG.integers(0, 256, (5, 6, 4), dtype=np.uint8)
    pixels[:, :, 3] = alpha
    assert with_visible_colors(pixels) is pixels
    opaque = pixels[:, :, :3]
    assert with_visible_colors(opaque) is opaque


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize(("size", "interpolation"), [((25, 20), cv2.INTER_AREA), ((90, 70), cv2.INTER_CUBIC)])
def test_resizing_weighs_colors_by_how_visible_they_are(size, interpolation, dtype):
    black, white = (resized_channels(disc(hidden, dtype), size, interpolation) for hidden in (0, 255))
    full = np.iinfo(dtype).max if np.issubdtype(dtype, np.integer) else 1
    visible = black[:, :, 3] > full / 50
    difference = np.abs(black[visible].astype(float) - white[visible]) / full
    assert difference.max() < 0.01
    assert black.shape == (size[1], size[0], 4)


def test_resizing_what_is_opaque_is_plain_resizing():
    pixels = np.dstack([RNG.integers(0, 256, (40, 50, 3), dtype=np.uint8), np.full((40, 50), 255, np.uint8)])
    expected = cv2.resize(pixels, (20, 20), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(resized_channels(pixels, (20, 20), cv2.INTER_AREA), expected)
