"""Turned sliders: the edits that they stand for, what is put back, and how far degrees are told."""

import pytest
import torch

from realsr_mod.degradations.base import rows
from realsr_mod.degradations.random_resize import RandomResize
from realsr_mod.degradations.resize import resize
from realsr_mod.degradations.second_order import SecondOrder
from realsr_mod.methods.mmrealsr.quintuple import edited
from realsr_mod.methods.mmrealsr.turns import TurnedSliders, by_version, kept_noise, softened, told_degrees

SHAPE = (3, 3, 48, 48)


@pytest.fixture(scope="module")
def degradation() -> TurnedSliders:
    keep = RandomResize(up_down_keep=(0.0, 0.0, 1.0), factor_range=(0.5, 1.0))
    return TurnedSliders(4, SecondOrder(4, sharpen=False, resize1=keep, resize2=keep))


@pytest.fixture(scope="module")
def hr() -> torch.Tensor:
    return torch.rand(SHAPE, generator=torch.Generator().manual_seed(0))


def drawn(degradation, turn) -> dict:
    params = degradation.sample(SHAPE, torch.Generator().manual_seed(1))
    return params | {"turn": torch.tensor(turn)}


def test_turned_down_or_not_the_image_is_not_edited(degradation, hr):
    params = drawn(degradation, [[0.0, 0.0], [-0.5, 0.0], [-1.0, -1.0]])
    lr = degradation(hr, params)
    assert lr.shape == degradation.output_shape(SHAPE) == (9, 3, 12, 12)
    seen, edit, noiseless = by_version(lr)
    assert torch.equal(seen, degradation.pipeline(hr, params["base"]))
    assert torch.equal(edit, seen)
    nothing = {"sigma": torch.zeros(3), "poisson_scale": torch.zeros(3)}
    quiet = edited(params["base"], {"noise1": nothing, "noise2": nothing})
    assert torch.equal(noiseless, degradation.pipeline(hr, quiet))
    assert (seen - noiseless).std() > 0.02


def test_turned_up_blur_goes_and_noise_comes_by_the_share(degradation):
    params = drawn(degradation, [[0.5, 0.0], [1.0, 0.0], [0.0, 0.25]])
    base = params["base"]
    raised = degradation._raised(base, params["turn"].clamp(min=0))
    for key in ("sigma_x", "sigma_y"):
        wanted = [0.5 * base["blur1"][key][0], torch.tensor(0.05), base["blur1"][key][2]]
        torch.testing.assert_close(raised["blur1"][key], torch.stack(wanted))
    rise = raised["noise2"]["sigma"] - base["noise2"]["sigma"]
    torch.testing.assert_close(rise, torch.tensor([0.0, 0.0, 0.25 * 20 / 255]))
    rise = raised["noise1"]["poisson_scale"] - base["noise1"]["poisson_scale"]
    torch.testing.assert_close(rise, torch.tensor([0.0, 0.0, 0.25 * 1.5]))
    factors = edited(base, {"resize1": {"factor": torch.tensor([0.25, 0.25, 1.4])}})
    found = degradation._raised(factors, torch.tensor([[0.5, 0.0], [1.0, 0.0], [1.0, 0.0]]))["resize1"]["factor"]
    torch.testing.assert_close(found, torch.tensor([0.5, 1.0, 1.4]))  # what enlarges does not blur


def test_a_third_turns_blur_a_third_noise_a_third_both(degradation):
    turn = degradation.sample((3000, 3, 48, 48), torch.Generator().manual_seed(0))["turn"]
    both = (turn != 0).all(dim=1).float().mean()
    assert both == pytest.approx(1 / 3, abs=0.03)
    assert (turn != 0).any(dim=1).all()
    assert (turn != 0).float().mean(dim=0).tolist() == pytest.approx([2 / 3, 2 / 3], abs=0.03)
    turned = turn[turn != 0]
    assert (turned.abs() == 1).float().mean() == pytest.approx(0.2, abs=0.03)
    assert turned.mean() == pytest.approx(0, abs=0.04)


def test_degrees_are_told_between_the_estimate_and_the_ends():
    estimated = torch.tensor([[0.4, 0.2]]).expand(4, 2)
    turn = torch.tensor([[0.0, 0.0], [-1.0, 1.0], [0.5, -0.25], [1.0, -1.0]])
    wanted = torch.tensor([[0.4, 0.2], [0.0, 1.0], [0.7, 0.15], [1.0, 0.0]])
    torch.testing.assert_close(told_degrees(estimated, turn), wanted)
    assert torch.equal(told_degrees(estimated, torch.zeros(4, 2)), estimated)  # to the bit: nothing is steered


def test_blur_is_put_back_by_the_share(degradation):
    base = drawn(degradation, [[0.0, 0.0]] * 3)["base"]
    on = torch.tensor([True, True, True])
    gaussian = {"is_on": on, "family": torch.zeros(3).long(), "is_sinc": ~on}
    wide = {"sigma_x": torch.full((3,), 1.2), "sigma_y": torch.full((3,), 1.2)}
    narrow = {"sigma_x": torch.full((3,), 0.9), "sigma_y": torch.full((3,), 0.9)}
    base = edited(base, {"blur1": gaussian | wide, "blur2": gaussian | narrow})
    point = torch.zeros(3, 3, 31, 31)
    point[:, :, 15, 15] = 1
    found = softened(point, base, torch.tensor([0.0, 0.5, 1.0]))
    assert torch.equal(found[0], point[0])
    x = torch.arange(31.0) - 15
    spread = (found.sum(dim=2)[:, 0] * x.square()).sum(dim=1).sqrt()
    torch.testing.assert_close(spread[1:], torch.tensor([0.75, 1.5]), atol=2e-3, rtol=0)  # of sqrt(1.2² + 0.9²)
    without = softened(point, rows(edited(base, {"blur2": {"is_on": ~on}}), range(3)), torch.ones(3))
    spread = (without.sum(dim=2)[:, 0] * x.square()).sum(dim=1).sqrt()
    torch.testing.assert_close(spread, torch.full((3,), 1.2), atol=2e-3, rtol=0)


def test_noise_is_put_back_by_the_share():
    seen, noiseless = torch.rand(2, 2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    found = kept_noise(seen, noiseless, torch.tensor([0.0, 0.5]), scale=4)
    assert not found[0].any()
    torch.testing.assert_close(found[1], 0.5 * (resize(seen[1:], scale=4) - resize(noiseless[1:], scale=4))[0])


def test_what_does_not_fit_is_named():
    with pytest.raises(ValueError, match="scale 4, their pipeline 2"):
        TurnedSliders(4, SecondOrder(2, sharpen=False))
    with pytest.raises(ValueError, match=r"pipeline\.sharpen=false"):
        TurnedSliders(4, SecondOrder(4))
    with pytest.raises(ValueError, match="noise_rise_255"):
        TurnedSliders(4, SecondOrder(4, sharpen=False), noise_rise_255=-1)
