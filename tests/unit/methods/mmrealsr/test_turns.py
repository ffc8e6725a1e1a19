"""Turned sliders: the edits that they stand for, what is put back, and how far degrees are told."""

import pytest
import torch

from realsr_mod.degradations.random_resize import RandomResize
from realsr_mod.degradations.resize import resize
from realsr_mod.degradations.second_order import SecondOrder
from realsr_mod.methods.mmrealsr.quintuple import edited
from realsr_mod.methods.mmrealsr.turns import TurnedSliders, by_version, kept_noise, told_degrees, with_blur

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


def test_the_versions_differ_in_noise_alone(degradation, hr):
    params = drawn(degradation, [[0.5, 0.0], [-1.0, -1.0], [0.0, 0.25]])
    base, lr = params["base"], degradation(hr, params)
    assert lr.shape == degradation.output_shape(SHAPE) == (9, 3, 12, 12)
    seen, noisier, noiseless = by_version(lr)
    assert torch.equal(seen, degradation.pipeline(hr, base))
    assert torch.equal(noisier[:2], seen[:2])  # turned down or not, no other picture is asked for
    up = torch.tensor([0, 0, 0.25])
    raised, nothing = ({}, {})
    for op in ("noise1", "noise2"):
        sigma, poisson = base[op]["sigma"], base[op]["poisson_scale"]
        raised[op] = {"sigma": sigma + up * 20 / 255, "poisson_scale": poisson + up * 1.5}
        nothing[op] = {"sigma": 0 * sigma, "poisson_scale": 0 * poisson}
    assert torch.equal(noisier, degradation.pipeline(hr, edited(base, raised)))
    assert torch.equal(noiseless, degradation.pipeline(hr, edited(base, nothing)))
    assert (seen - noiseless).std() > 0.02


def test_a_third_turns_blur_a_third_noise_a_third_both(degradation):
    params = degradation.sample((3000, 3, 48, 48), torch.Generator().manual_seed(0))
    turn, down = params["turn"], params["down"]
    for some in (turn, down):
        assert (some != 0).all(dim=1).float().mean() == pytest.approx(1 / 3, abs=0.03)
        assert (some != 0).any(dim=1).all()
        assert (some != 0).float().mean(dim=0).tolist() == pytest.approx([2 / 3, 2 / 3], abs=0.03)
        assert (some[some != 0].abs() == 1).float().mean() == pytest.approx(0.2, abs=0.03)
    assert turn[turn != 0].mean() == pytest.approx(0, abs=0.04)
    assert down.max() == 0
    assert down[down != 0].mean() == pytest.approx(-0.6, abs=0.03)


def test_degrees_are_told_between_the_estimate_and_the_ends():
    estimated = torch.tensor([[0.4, 0.2]]).expand(4, 2)
    turn = torch.tensor([[0.0, 0.0], [-1.0, 1.0], [0.5, -0.25], [1.0, -1.0]])
    wanted = torch.tensor([[0.4, 0.2], [0.0, 1.0], [0.7, 0.15], [1.0, 0.0]])
    torch.testing.assert_close(told_degrees(estimated, turn), wanted)
    assert torch.equal(told_degrees(estimated, torch.zeros(4, 2)), estimated)  # to the bit: nothing is steered


def test_blur_is_put_back_by_the_share_and_taken_off_once_more(degradation):
    base = drawn(degradation, [[0.0, 0.0]] * 3)["base"]
    on = torch.tensor([True, True, True])
    gaussian = {"is_on": on, "family": torch.zeros(3).long(), "is_sinc": ~on}
    wide = {"sigma_x": torch.full((3,), 1.2), "sigma_y": torch.full((3,), 1.2)}
    narrow = {"sigma_x": torch.full((3,), 0.9), "sigma_y": torch.full((3,), 0.9)}
    base = edited(base, {"blur1": gaussian | wide, "blur2": gaussian | narrow})
    point = torch.zeros(3, 3, 31, 31)
    point[:, :, 15, 15] = 1
    x = torch.arange(31.0) - 15

    def variance(image):
        return (image.sum(dim=2)[:, 0] * x.square()).sum(dim=1)

    found = with_blur(point, base, torch.tensor([0.0, -0.5, -1.0]))
    assert torch.equal(found[0], point[0])
    torch.testing.assert_close(variance(found)[1:], torch.tensor([0.75, 1.5]).square(), atol=1e-2, rtol=0)
    sharper = with_blur(point, base, torch.tensor([0.5, 1.0, 1.0]))  # of sqrt(1.2² + 0.9²) = 1.5, the most
    torch.testing.assert_close(variance(sharper), -torch.tensor([0.75, 1.5, 1.5]).square(), atol=1e-2, rtol=0)
    torch.testing.assert_close(sharper.sum(dim=(2, 3)), torch.ones(3, 3))
    one = edited(base, {"blur2": {"is_on": ~on}, "blur1": {"sigma_x": torch.full((3,), 2.0)}})
    torch.testing.assert_close(
        variance(with_blur(point, one, -torch.ones(3))), torch.full((3,), 4.0), atol=2e-2, rtol=0
    )
    torch.testing.assert_close(
        variance(with_blur(point, one, torch.ones(3))), torch.full((3,), -2.25), atol=1e-2, rtol=0
    )


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
