import numpy as np
import pytest
import torch

from realsr_mod.analysis.grid import Condition, DegradationGrid, DegradedImages
from realsr_mod.degradations.classic import Bicubic, ClassicDegradation
from realsr_mod.degradations.jpeg import JPEG


def test_conditions_are_the_ops_that_training_uses(contents):
    hr, seeds = contents.hr_M3HW, torch.arange(6)
    grid = DegradationGrid([{}, {"blur": 2}, {"noise": 20}, {"jpeg": 30}, {"blur": 2, "noise": 20}])
    clean, blurred, noisy, jpeg, both = grid.degrade(hr, scale=4)
    blur = {"sigma_x": torch.full((6,), 2.0)}
    noise = {"sigma": torch.full((6,), 20 / 255), "seed": seeds}
    assert torch.equal(clean, Bicubic(4)(hr, {}))
    assert torch.equal(blurred, ClassicDegradation(4)(hr, {"blur": blur}))
    assert torch.equal(jpeg, JPEG()(clean, {"quality": torch.full((6,), 30.0)}))
    classic = ClassicDegradation(4, noise_sigma_range_255=(0, 25))
    assert torch.equal(both, classic(hr, {"blur": blur, "noise": noise}))
    assert (noisy - clean).std().item() == pytest.approx(20 / 255, rel=0.1)


def test_one_noise_pattern_per_content_under_all_levels(contents):
    hr = contents.hr_M3HW * 0.2 + 0.4  # far from clipping
    clean, weak, strong = DegradationGrid([{}, {"noise": 10}, {"noise": 20}]).degrade(hr, 4)
    assert torch.allclose(strong - clean, 2 * (weak - clean), atol=2 / 255)
    assert not torch.allclose((weak - clean)[0], (weak - clean)[1], atol=2 / 255)


def test_names_kinds_and_labels(contents):
    conditions = [Condition(levels) for levels in ({}, {"blur": 0.5}, {"noise": 20, "blur": 2}, {"jpeg": 30})]
    assert [str(c) for c in conditions] == ["clean", "blur σ 0.5", "blur σ 2 + noise 20", "JPEG 30"]
    assert [c.kind for c in conditions] == ["clean", "blur", "blur+noise", "jpeg"]
    images = DegradedImages.make(contents, DegradationGrid([{"blur": 1}, {}]), 2)
    assert images.condition_N.tolist() == [0] * 6 + [1] * 6
    assert images.content_N.tolist() == [*range(6), *range(6)]
    assert images.source_N.tolist() == [0, 0, 1, 1, 2, 2] * 2
    assert images.clean == 1
    assert torch.equal(images.lr_N3hw[6:], Bicubic(2)(contents.hr_M3HW, {}))
    assert np.array_equal(images.condition_names, ["blur σ 1", "clean"])


def test_what_makes_no_grid_is_refused():
    with pytest.raises(ValueError, match="no degradation 'fog'"):
        DegradationGrid([{}, {"fog": 1}])
    with pytest.raises(ValueError, match=r"level of blur must lie above 0, got 0"):
        DegradationGrid([{}, {"blur": 0}])
    with pytest.raises(ValueError, match="each of them once"):
        DegradationGrid([{"blur": 1}, {"blur": 1.0}])


def test_motion_has_the_contents_direction_and_its_own_length():
    grid = DegradationGrid([{"motion": 9}, {"motion": 3}, {"defocus": 3}])
    hr = torch.zeros(2, 3, 48, 48)
    hr[..., 24, 24] = 1
    long, short, disk = grid.degrade(hr, 1)
    reach = [(spot[:, 0] > 2 / 255).sum((1, 2)).float() for spot in (long, short, disk)]
    assert (reach[0] > reach[1]).all()
    assert (reach[2] > 20).all()
    assert not torch.equal(long[0], long[1])
    with pytest.raises(ValueError, match="odd"):
        DegradationGrid([{}, {"motion": 4}])
