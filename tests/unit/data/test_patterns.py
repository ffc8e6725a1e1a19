"""Fine patterns in training patches: how many, drawn from the seed alone, in every kind."""

import numpy as np
import pytest

from realsr_mod.data.datamodule import EmbeddedDataModule
from realsr_mod.data.patterns import PATTERNS, PatternMixer, drawn
from realsr_mod.degradations.classic import Bicubic

GREY = np.full((48, 40, 3), 128, np.uint8)


@pytest.mark.parametrize("name", PATTERNS)
def test_every_kind_fills_its_size_with_two_tones(name):
    for seed in range(20):
        pattern = PATTERNS[name](33, 57, np.random.default_rng(seed))
        assert pattern.shape == (33, 57)
        assert pattern.min() >= 0
        assert pattern.max() <= 1
        again = PATTERNS[name](33, 57, np.random.default_rng(seed))
        np.testing.assert_array_equal(pattern, again)
    assert len({PATTERNS[name](33, 57, np.random.default_rng(seed)).tobytes() for seed in range(20)}) > 4


def test_a_checkerboard_has_two_colors_half_and_half_and_a_flat_one_at_most_two():
    board = PATTERNS["checkerboard"](96, 96, np.random.default_rng(0))
    assert set(np.unique(board)) == {0, 1}
    assert board.mean() == pytest.approx(0.5, abs=0.1)
    colors = drawn(20, 20, np.random.default_rng(5)).reshape(-1, 3)
    assert colors.dtype == np.uint8


def test_so_many_patches_get_one_as_the_share_says_and_the_others_stay_as_they_are():
    mixer = PatternMixer(0.3, seed=1)
    mixed = [mixer(GREY, step, row) for step in range(50) for row in range(8)]
    touched = [image for image in mixed if not np.array_equal(image, GREY)]
    assert len(touched) / len(mixed) == pytest.approx(0.3, abs=0.06)
    parts = [np.mean(np.any(image != GREY, axis=-1)) for image in touched]
    assert min(parts) < 0.3
    assert max(parts) > 0.9
    np.testing.assert_array_equal(mixer(GREY, 7, 3), PatternMixer(0.3, seed=1)(GREY, 7, 3))
    assert not np.array_equal(*(PatternMixer(1, seed=1)(GREY, 7, row) for row in (3, 4)))
    assert (GREY == 128).all(), "a photo that others read was drawn on"
    assert all(PatternMixer(0, 1)(GREY, step, 0) is GREY for step in range(20))


def test_data_draw_them_and_without_them_are_as_before():
    common = {"scale": 2, "degradation": Bicubic(2), "hr_crop_px": 32, "batch_size": 4, "seed": 3}
    without, none, all_ = (
        next(EmbeddedDataModule(**common, **share).first_batches(1)).hr.numpy()
        for share in ({}, {"pattern_share": 0.0}, {"pattern_share": 1.0})
    )
    np.testing.assert_array_equal(without, none)
    assert all((one != other).any() for one, other in zip(without, all_, strict=True))


@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(ValueError, match=r"data.pattern_share must be between 0 \(none\) and 1"):
        EmbeddedDataModule(scale=2, degradation=Bicubic(2), hr_crop_px=32, pattern_share=share)
