"""Pairs that do not fit are refused by name."""

import re

import pytest

from realsr_mod.data.pairs import check_pair_sizes, find_pairs
from realsr_mod.images.read import image_size


@pytest.fixture
def pairs(tmp_path, save_photo):
    """Three pairs at scale 2, one in a folder inside and one with different suffixes."""
    for number, (hr, lr) in enumerate([("a.png", "a.png"), ("b.png", "b.bmp"), ("in/c.png", "in/c.png")]):
        save_photo(tmp_path / "HR" / hr, 40, 48, number)
        save_photo(tmp_path / "LR" / lr, 20, 24, number)
    return tmp_path / "HR", tmp_path / "LR"


def check_sizes(pairs, scale):
    photos = find_pairs(*pairs)
    check_pair_sizes(photos, {path: image_size(path) for photo in photos for path in (photo.hr, photo.lr)}, scale)


def test_partners_are_found_by_their_path_inside_the_folder(pairs):
    hr, lr = pairs
    assert [(photo.name, photo.hr, photo.lr) for photo in find_pairs(hr, lr)] == [
        ("a", hr / "a.png", lr / "a.png"),
        ("b", hr / "b.png", lr / "b.bmp"),
        ("in/c", hr / "in/c.png", lr / "in/c.png"),
    ]
    check_sizes(pairs, scale=2)


def test_files_without_a_partner_are_named(pairs, save_photo):
    hr, lr = pairs
    (lr / "a.png").unlink()
    save_photo(lr / "z.png")
    message = rf"(?s)2 images have no partner: 3 in {re.escape(str(hr))}, 3 in .*a.png: no LR.*z.png: no HR.*same names"
    with pytest.raises(ValueError, match=message):
        find_pairs(hr, lr)


def test_sizes_that_do_not_fit_are_named(pairs, save_photo):
    save_photo(pairs[1] / "a.png", 20, 25)
    with pytest.raises(ValueError, match=r"(?s)1 of 3 pairs.*a: HR is 40x48 but LR is 20x25; .* LR must be 20x24"):
        check_sizes(pairs, scale=2)


def test_the_wrong_scale_is_refused(pairs):
    with pytest.raises(ValueError, match=r"(?s)3 of 3 pairs.*at scale 4 LR must be 10x12.*Check scale"):
        check_sizes(pairs, scale=4)


def test_names_that_differ_in_the_suffix_alone_are_refused(pairs, save_photo):
    save_photo(pairs[0] / "a.bmp")
    with pytest.raises(ValueError, match=r"(?s)differ only in their suffix:\n  a\nKeep one"):
        find_pairs(*pairs)


def test_a_missing_folder_is_named(pairs):
    with pytest.raises(FileNotFoundError, match="LR2 does not exist"):
        find_pairs(pairs[0], pairs[1].with_name("LR2"))
