"""What is said of large photos before they become huge."""

import numpy as np
from PIL import Image

from realsr_mod.inference.advice import of_large_photos


def save(path, width, height):
    Image.fromarray(np.zeros((height, width, 3), np.uint8)).save(path)
    return path


def test_the_first_large_photo_is_named_with_what_it_becomes(tmp_path):
    small, broken = save(tmp_path / "small.png", 100, 100), tmp_path / "broken.png"
    broken.write_bytes(b"no photo")
    large = save(tmp_path / "large.png", 2000, 1000)
    said = of_large_photos([small, broken, large], 4)
    assert said.startswith("large.png becomes 8000x4000 px, 32 megapixels; --model kdsr-distilled-x2 makes twice")


def test_nothing_is_said_of_photos_just_below(tmp_path):
    assert of_large_photos([save(tmp_path / "a.png", 1999, 1000)], 4) is None


def test_a_folder_is_not_looked_through(tmp_path):
    few = [save(tmp_path / "small.png", 8, 8)] * 20
    assert of_large_photos([*few, save(tmp_path / "large.png", 2000, 1000)], 4) is None
