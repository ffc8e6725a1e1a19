"""Tiles against the whole image, and what is needed to choose them."""

from itertools import pairwise

import numpy as np
import pytest
import torch

from realsr_mod.inference.tiling import (
    MIN_TILE,
    Tiling,
    fitting_side,
    reflected,
    run_tiles,
)
from realsr_mod.networks.footprint import measure_reach
from realsr_mod.networks.rrdb import RRDBNet


def restore_tiled(restore, image_3HW, scale, tiling):
    """Run the tiles over an image in memory and put the bands together."""
    bands = []

    def write(first, rows):
        assert first == sum(band.shape[1] for band in bands)  # in order, without gaps
        bands.append(torch.from_numpy(rows.copy()))

    def read(rows, columns):
        return image_3HW[None][:, :, rows][:, :, :, columns].numpy()

    def restore_array(tile):
        return restore(torch.from_numpy(tile)).numpy()

    run_tiles(restore_array, read, write, image_3HW.shape[1:], scale, tiling)
    return torch.cat(bands, dim=1)


@pytest.mark.parametrize("length", [1, 2, 31, 33, 64, 65, 100, 961, 1000, 1001])
def test_cores_partition_the_axis_and_leave_room_to_fade(length):
    tiling = Tiling(MIN_TILE)
    cores = tiling.cores(length)
    assert [cores[0][0], cores[-1][1]] == [0, length]
    assert all(a[1] == b[0] for a, b in pairwise(cores))
    assert all(start % 4 == 0 for start, _ in cores)
    sizes = [stop - start for start, stop in cores]
    assert all(size >= 2 * tiling.blend for size in sizes[1:-1])
    if len(cores) > 1:
        assert min(sizes) >= tiling.blend


@pytest.mark.parametrize(
    ("length", "expected"),
    [(1, [0] * 7), (2, [1, 0, 1, 0, 1, 0, 1]), (4, [3, 2, 1, 0, 1, 2, 3]), (3, [1, 2, 1, 0, 1, 2, 1])],
)
def test_reflection_goes_on_for_ever(length, expected):
    assert reflected(-3, 4, length).tolist() == expected


@pytest.mark.parametrize("size", [(1, 1), (1, 200), (33, 35), (70, 129)])
def test_blending_weights_sum_to_one(size):
    """Nearest-neighbour enlargement needs no context: any tiling must give it exactly."""
    image = torch.rand(3, *size, generator=torch.Generator().manual_seed(0))

    def enlarge(lr):
        return lr.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)

    tiled = restore_tiled(enlarge, image, 2, Tiling(MIN_TILE, overlap=0))
    torch.testing.assert_close(tiled, enlarge(image[None])[0], atol=1e-6, rtol=0)


@pytest.mark.parametrize("scale", [1, 2, 4])
@torch.no_grad()
def test_tiles_are_exact_when_the_overlap_covers_the_reach(scale):
    """Also where the network folds the image (scales 1 and 2) and tiles must fold alike."""
    torch.manual_seed(0)
    network = RRDBNet(scale=scale, channels=4, num_blocks=1, growth=2)
    embedding = torch.zeros(1, 0)
    with torch.enable_grad():
        reach = measure_reach(network)
    image = torch.rand(3, 70, 101, generator=torch.Generator().manual_seed(1))
    whole, tiled = (
        restore_tiled(lambda lr: network.restore(lr, embedding), image, scale, Tiling(tile, overlap=reach))
        for tile in (0, 32)
    )
    torch.testing.assert_close(tiled, whole, atol=1e-5, rtol=0)


def test_fitting_side_keeps_to_the_budget():
    side = fitting_side(100e6, 1000.0, margin=40)
    assert side % 4 == 0
    assert (side + 80) ** 2 * 1000 <= 100e6 < (side + 4 + 80) ** 2 * 1000
    assert fitting_side(0, 1000.0, margin=40) == MIN_TILE


@pytest.mark.parametrize(("kwargs", "message"), [({"tile": 8}, "at least 32"), ({"overlap": -1}, "negative")])
def test_impossible_tilings_are_refused(kwargs, message):
    with pytest.raises(ValueError, match=message):
        Tiling(**kwargs)


def test_progress_counts_every_tile():
    seen = []
    tiling = Tiling(32, overlap=0)
    run_tiles(
        lambda lr: lr,
        lambda rows, columns: np.zeros((1, 3, len(rows), len(columns)), np.float32),
        lambda first, rows: None,
        (70, 40),
        1,
        tiling,
        lambda done, total: seen.append((done, total)),
    )
    assert seen == [(i + 1, tiling.count(70, 40)) for i in range(6)]


@pytest.mark.parametrize("size", [(70, 129), (33, 200), (40, 40)])
def test_all_tiles_of_an_image_have_one_size(size):
    seen = set()
    tiling = Tiling(32, overlap=8)

    def restore(tile):
        seen.add(tile.shape)
        return tile

    run_tiles(
        restore,
        lambda rows, columns: np.zeros((1, 3, len(rows), len(columns)), np.float32),
        lambda first, rows: None,
        size,
        1,
        tiling,
    )
    assert seen == {(1, 3, tiling.side(size[0]) + 16, tiling.side(size[1]) + 16)}
