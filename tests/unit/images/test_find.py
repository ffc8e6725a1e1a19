"""Folders that are named in ways that no folder is."""

from pathlib import Path

import pytest

from realsr_mod.images.find import find_images, image_folder


@pytest.mark.parametrize(
    ("root", "said"),
    [
        (None, "expected the path of one folder of photos, got none"),
        (["a", "b"], "expected the path of one folder of photos, got several"),
        (2024, "expected the path of one folder of photos, got 2024"),
        ("", "expected the path of one folder of photos, got ''"),
        ("~nosuch_user/photos", "a folder called ~nosuch_user is ./~nosuch_user"),
    ],
)
def test_what_names_no_folder_is_refused_in_a_sentence(root, said):
    with pytest.raises(ValueError, match=said):
        find_images(root)


def test_home_is_ones_own():
    assert image_folder("~/photos") == Path.home() / "photos"
