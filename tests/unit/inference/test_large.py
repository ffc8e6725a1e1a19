"""The tiles by which a large photo is estimated."""

import numpy as np

from realsr_mod.inference.large import samples


def placed(height, width):
    """An image whose first two channels say where a pixel lies, from 0 to 1; the third is noise."""
    y, x = np.mgrid[:height, :width].astype(np.float32) / np.float32([[[height]], [[width]]])
    return np.stack([y, x, np.random.default_rng(0).random((height, width), np.float32)], axis=-1)


def test_tiles_are_spread_over_the_whole_image():
    tiles = samples(placed(900, 1200), 25, 128)
    assert [tile.shape for tile in tiles] == [(128, 128, 3)] * 25
    middles = np.array([tile[64, 64, :2] for tile in tiles])
    counts = np.histogram2d(*middles.T, bins=2, range=[[0, 1], [0, 1]])[0]
    assert counts.min() >= 4  # of 25, in each quarter


def test_what_is_empty_is_left_out():
    image = placed(600, 800)
    image[:, :400] = 0.5
    middles = [tile[32, 32, 1] for tile in samples(image, 9, 64)]
    assert min(middles) > 0.46  # at most the cells at the border of what is empty
    assert len(set(middles)) > 3


def test_a_small_image_is_one_tile():
    image = placed(40, 50)
    (tile,) = samples(image)
    np.testing.assert_array_equal(tile, image)
