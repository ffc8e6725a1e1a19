"""How large results are, as people write it."""

import pytest

from realsr_mod.inference.size import parse_size, result_size


@pytest.mark.parametrize(
    ("text", "size"), [("3840x2160", (3840, 2160)), ("3840X2160", (3840, 2160)), (" 12 × 9 ", (12, 9)), ("3840", 3840)]
)
def test_sizes_are_read(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "x", "3840x", "x2160", "-1", "4k", "1x2x3", "3.5", "1" * 30])
def test_other_texts_are_refused_with_both_forms(text):
    with pytest.raises(ValueError, match="must be WIDTHxHEIGHT, which results fit inside, such as 3840x2160, or one"):
        parse_size(text)


@pytest.mark.parametrize(
    ("outscale", "size", "expected"),
    [
        (None, None, (4000, 6000)),
        (1.5, None, (1500, 2250)),
        (None, (3840, 2160), (2160, 3240)),
        (None, 3840, (2560, 3840)),
        (None, 1499, (999, 1499)),
        (None, 60_000, (16_000, 24_000)),  # sixteen times at most
    ],
)
def test_size_of_a_photo_of_1500x1000(outscale, size, expected):
    assert result_size(1000, 1500, 4, outscale, size) == expected
