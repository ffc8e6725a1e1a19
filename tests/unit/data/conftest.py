"""Fixtures of the data tests. Images are generated; the user's cache folder is not touched."""

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(autouse=True)
def cache_in_tmp(tmp_path_factory, monkeypatch):
    """Point the library's cache at a fresh folder."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder / "realsr_mod"


@pytest.fixture(scope="session")
def save_photo():
    """Function: write a random RGB image of a size to a path, making its folder; returns the pixels."""

    def save(path, height=40, width=48, seed=0):
        pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
        return pixels

    return save


@pytest.fixture(scope="session")
def make_photo_folder(save_photo):
    """Function: write five photos, two of them in a folder inside, to a folder; returns the folder."""

    def make(folder):
        for number, name in enumerate(["a.png", "b.png", "c.png", "inner/d.png", "inner/e.png"]):
            save_photo(folder / name, seed=number)
        return folder

    return make


@pytest.fixture
def photo_folder(tmp_path, make_photo_folder):
    """A fresh folder with five photos."""
    return make_photo_folder(tmp_path / "photos")
