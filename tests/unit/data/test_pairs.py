"""Pairs that do not fit are refused by name."""

import re

import pytest

from realsr_mod.data.pairs import find_pairs, match_pairs


@pytest.fixture
def pairs(tmp_path, save_photo):
    """Three pairs at scale 2, one in a folder inside and one with different suffixes."""
    for number, (hr, lr) in enumerate([("a.png", "a.png"), ("b.png", "b.bmp"), ("in/c.png", "in/c.png")]):
        save_photo(tmp_path / "HR" / hr, 40, 48, number)
        save_photo(tmp_path / "LR" / lr, 20, 24, number)
    return tmp_path / "HR", tmp_path / "LR"


def test_partners_are_found_by_their_path_inside_the_folder(pairs):
    hr, lr = pairs
    assert find_pairs(hr, lr, scale=2) == [
        (hr / "a.png", lr / "a.png"),
        (hr / "b.png", lr / "b.bmp"),
        (hr / "in/c.png", lr / "in/c.png"),
    ]
    assert [photo.name for photo in match_pairs(hr, lr)] == ["a", "b", "in/c"]


def test_files_without_a_partner_are_named(pairs, save_photo):
    hr, lr = pairs
    (lr / "a.png").unlink()
    save_photo(lr / "z.png")
    message = rf"(?s)2 images have no partner: 3 in {re.escape(str(hr))}, 3 in .*a.png: no LR.*z.png: no HR.*same names"
    with pytest.raises(ValueError, match=message):
        find_pairs(hr, lr, 2)


def test_sizes_that_do_not_fit_are_named(pairs, save_photo):
    save_photo(pairs[1] / "a.png", 20, 25)
    with pytest.raises(ValueError, match=r"(?s)1 of 3 pairs.*a: HR is 40x48 but LR is 20x25; .* LR must be 20x24"):
        find_pairs(*pairs, 2)


def test_the_wrong_scale_is_refused(pairs):
    with pytest.raises(ValueError, match=r"(?s)3 of 3 pairs.*at scale 4 LR must be 10x12.*Check scale"):
        find_pairs(*pairs, 4)


def test_names_that_differ_in_the_suffix_alone_are_refused(pairs, save_photo):
    save_photo(pairs[0] / "a.bmp")
    with pytest.raises(ValueError, match=r"(?s)differ only in their suffix:\n  a\nKeep one"):
        match_pairs(*pairs)


def test_a_missing_folder_is_named(pairs):
    with pytest.raises(FileNotFoundError, match="LR2 does not exist"):
        match_pairs(pairs[0], pairs[1].with_name("LR2"))
