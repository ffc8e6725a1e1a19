import numpy as np

from realsr_mod.inference.telling import CELL_PX, MOST_CELLS, telling_cells


def noise(height, width, channels=3):
    return np.random.default_rng(0).integers(0, 200, (height, width, channels), dtype=np.uint8)


def test_all_of_a_photo_counts():
    assert telling_cells(noise(130, 200)) is None
    assert telling_cells(noise(CELL_PX - 1, 500)) is None  # too small to choose from


def test_one_color_tells_nothing():
    page = np.full((130, 200, 3), 255, np.uint8)
    assert telling_cells(page) is None  # nothing tells anything
    page[66:130, 136:200] = noise(64, 64)
    cells = [(64, 128), (64, 136)]  # seven eighths of one; the last is moved back to fit
    assert telling_cells(page) == cells
    page[:66, :] += noise(66, 200) % 2 - 1  # a level of 255 is no texture
    assert telling_cells(page) == cells


def test_hidden_colors_tell_nothing():
    image = noise(64, 256, channels=4)
    image[..., 3] = 255
    image[:, :128, 3] = 0
    assert telling_cells(image) == [(0, 128), (0, 192)]


def test_of_many_cells_some_are_taken_from_everywhere():
    image = noise(64 * 20, 64 * 20, channels=1)
    image[:64] = 0
    cells = telling_cells(image)
    assert len(cells) == MOST_CELLS
    assert cells[0] == (64, 0)
    assert cells[-1] == (64 * 19, 64 * 19)
