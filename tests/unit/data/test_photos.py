"""The embedded photos are there without a download, in a fixed split."""

import sys

import pytest

from realsr_mod.data import photos
from realsr_mod.data.photos import embedded_photos
from realsr_mod.images.read import image_size


def test_all_photos_come_with_the_packages():
    train, val = embedded_photos()
    assert [path.stem for path in val] == ["chelsea", "coffee"]
    assert len(train) == 10
    assert not set(train) & set(val)
    assert all(min(image_size(path)) >= 300 for path in train + val)
    assert "pooch" not in sys.modules


def test_a_missing_photo_is_named_with_the_remedy(monkeypatch):
    monkeypatch.setattr(photos, "VALIDATION_PHOTOS", ("skimage/data/nothing.png",))
    with pytest.raises(FileNotFoundError, match=r"nothing.png is not in the installed scikit-image; reinstall"):
        embedded_photos()
