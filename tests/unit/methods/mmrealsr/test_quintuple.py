"""The five versions: levels inside their ranges, differences as configured, everything else shared."""

import pytest
import torch

from realsr_mod.degradations.base import row
from realsr_mod.degradations.camera_noise import CameraNoise
from realsr_mod.degradations.mixed_blur import MixedBlur
from realsr_mod.degradations.second_order import SecondOrder
from realsr_mod.degradations.sharpen import usm_sharpen
from realsr_mod.methods.mmrealsr.quintuple import (
    DEGRADED,
    ROLES,
    QuintupleDegradation,
    by_role,
    draw_pair,
    from_roles,
    pin_anchors,
)

MANY = (2000, 3, 64, 64)  # params alone are cheap
EPS = 1e-4


def quintuple(**options) -> QuintupleDegradation:
    return QuintupleDegradation(4, SecondOrder(4, sharpen=False), **options)


@pytest.fixture(scope="module")
def drawn():
    return quintuple().sample(MANY, torch.Generator().manual_seed(0))


def differences(drawn, worse, op, key):
    return drawn[worse][op][key] - drawn["base"][op][key]


@pytest.mark.parametrize(
    ("op", "key", "low", "high"),
    [
        ("noise1", "sigma", 1 / 255, 30 / 255),
        ("noise2", "sigma", 1 / 255, 25 / 255),
        ("noise1", "poisson_scale", 0.05, 3.0),
        ("noise2", "poisson_scale", 0.05, 2.5),
        ("jpeg1", "quality", 30, 95),
        ("jpeg2", "quality", 30, 95),
        ("blur1", "sigma_x", 0.2, 3.0),
        ("blur2", "sigma_y", 0.2, 1.5),
        ("resize1", "factor", 0.15, 1.5),
    ],
)
def test_no_level_overruns_its_range(drawn, op, key, low, high):
    for role in DEGRADED:
        values = drawn[role][op][key]
        assert values.min() >= low * (1 - EPS)
        assert values.max() <= high * (1 + EPS)
    reached = torch.cat([drawn["base"][op][key], drawn["blurrier"][op][key], drawn["noisier"][op][key]])
    assert reached.min() < low + 0.1 * (high - low)  # and the ranges are used to their ends
    assert reached.max() > high - 0.1 * (high - low)


@pytest.mark.parametrize(
    ("op", "key", "sign", "least", "most"),
    [
        ("noise1", "sigma", 1, 1 / 255, 21 / 255),
        ("noise2", "sigma", 1, 1 / 255, 21 / 255),
        ("noise1", "poisson_scale", 1, 0.05, 2.05),
        ("noise2", "poisson_scale", 1, 0.05, 2.05),
        ("jpeg1", "quality", -1, 5, 60),
        ("jpeg2", "quality", -1, 5, 60),
    ],
)
def test_noisier_differs_by_the_published_differences(drawn, op, key, sign, least, most):
    difference = sign * differences(drawn, "noisier", op, key)
    assert difference.min() >= least * (1 - 1e-3)
    assert difference.max() <= most * (1 + EPS)
    assert difference.mean().item() == pytest.approx((least + most) / 2, rel=0.1)


def test_blurrier_is_wider_in_every_blur_and_no_larger_in_size(drawn):
    for op, span in (("blur1", 2.8), ("blur2", 1.3)):
        for key in ("sigma_x", "sigma_y"):
            assert differences(drawn, "blurrier", op, key).min() >= 0.1 * span * (1 - 1e-3)
        assert differences(drawn, "blurrier", op, "cutoff").max() <= 0
        assert drawn["base"][op]["cutoff"].max() <= torch.pi + 1e-5
        assert drawn["blurrier"][op]["cutoff"].min() >= torch.pi / 5 - 1e-5
    base, blurrier = (drawn[role]["resize1"]["factor"] for role in ("base", "blurrier"))
    assert (blurrier <= base).all()
    assert ((base == 1) == (blurrier == 1)).sum() >= 0.99 * len(base)  # what is kept stays, in both
    assert ((blurrier < 1) == (base < 1)).float().mean() > 0.99


def test_an_edit_leaves_the_rest_alone(drawn):
    changed = {
        "blurrier": {f"blur{n}.{key}" for n in "12" for key in ("sigma_x", "sigma_y", "cutoff")} | {"resize1.factor"},
        "noisier": {f"noise{n}.{key}" for n in "12" for key in ("sigma", "poisson_scale")}
        | {"jpeg1.quality", "jpeg2.quality"},
    }
    for role, expected in changed.items():
        found = {
            f"{op}.{key}"
            for op, values in drawn["base"].items()
            for key, value in values.items()
            if not torch.equal(value, drawn[role][op][key])
        }
        assert found == expected


def test_worst_is_at_the_bad_end_of_every_range(drawn):
    worst = drawn["worst"]
    for n, sigma, noise, poisson in (("1", 3.0, 30, 3.0), ("2", 1.5, 25, 2.5)):
        blur = worst[f"blur{n}"]
        assert blur["is_on"].all()
        assert not blur["is_sinc"].any()
        assert set(blur["size"].tolist()) == {21}
        assert (blur["sigma_x"] == sigma).all()
        assert (blur["sigma_y"] == sigma).all()
        torch.testing.assert_close(worst[f"noise{n}"]["sigma"], torch.full((MANY[0],), noise / 255))
        assert (worst[f"noise{n}"]["poisson_scale"] == poisson).all()
        assert (worst[f"jpeg{n}"]["quality"] == 30).all()
    torch.testing.assert_close(worst["resize1"]["factor"], torch.full((MANY[0],), 0.15))


def images(batch: int = 2) -> torch.Tensor:
    small = torch.rand(batch, 3, 6, 8, generator=torch.Generator().manual_seed(1))
    return torch.nn.functional.interpolate(small, size=(32, 40), mode="bicubic").clamp(0, 1)


@torch.no_grad()
def test_rows_are_image_major_replay_and_do_not_depend_on_each_other():
    degradation, hr = quintuple(), images()
    params = degradation.sample(tuple(hr.shape), torch.Generator().manual_seed(2))
    lr = degradation(hr, params)
    assert lr.shape == degradation.output_shape(tuple(hr.shape)) == (10, 3, 8, 10)
    assert torch.equal(lr, degradation(hr, params))
    torch.testing.assert_close(degradation(hr[1:2], row(params, 1)), lr[5:10], atol=1e-6, rtol=0)
    for role in DEGRADED:  # each version is the pipeline's own result on the sharpened image
        alone = degradation.pipeline(usm_sharpen(hr), params[role])
        torch.testing.assert_close(by_role(lr)[role], alone, atol=1e-6, rtol=0)


@torch.no_grad()
def test_clean_anchor_and_target():
    hr = images()
    degradation = quintuple()
    lr = degradation(hr, degradation.sample(tuple(hr.shape), torch.Generator().manual_seed(2)))
    twice = usm_sharpen(usm_sharpen(hr))
    middle = twice.unfold(2, 4, 4).unfold(3, 4, 4)[..., 1:3, 1:3].mean((-2, -1))  # bilinear /4 reads the middle pixels
    torch.testing.assert_close(by_role(lr)["clean"], middle, atol=0.51 / 255, rtol=0)
    target = degradation.target(hr)
    assert target.shape == (10, 3, 32, 40)
    assert all(torch.equal(by_role(target)[role], usm_sharpen(hr)) for role in ROLES)
    assert torch.equal(by_role(quintuple(sharpen=False).target(hr))["worst"], hr)


@torch.no_grad()
def test_sharpening_may_be_left_to_the_target():
    hr, degradation = images(), quintuple(sharpen_input=False)
    params = degradation.sample(tuple(hr.shape), torch.Generator().manual_seed(2))
    lr, plain = degradation(hr, params), quintuple(sharpen=False)(hr, params)
    assert torch.equal(lr, plain)
    assert all(torch.equal(by_role(degradation.target(hr))[role], usm_sharpen(hr)) for role in ROLES)


def test_there_is_always_something_that_is_blurrier():
    pipeline = SecondOrder(4, sharpen=False, blur1=MixedBlur(probability=0.0), blur2=MixedBlur(probability=0.0))
    drawn = QuintupleDegradation(4, pipeline).sample(MANY, torch.Generator().manual_seed(0))
    assert drawn["blurrier"]["blur1"]["is_on"].all()
    assert not drawn["base"]["blur1"]["is_on"].any()


def test_roles_round_trip_and_pinned_anchors():
    degrees = torch.arange(20.0).view(10, 2)
    assert torch.equal(from_roles(by_role(degrees)), degrees)
    pinned = pin_anchors(degrees).view(2, 5, 2)
    assert torch.equal(pinned[:, :3], degrees.view(2, 5, 2)[:, :3])
    assert (pinned[:, 3] == 0).all()
    assert (pinned[:, 4] == 1).all()


def test_pair_is_cut_to_narrow_bounds():
    less, more = draw_pair(500, (2.0, 3.0), (0.5, 60.0), torch.Generator().manual_seed(0))
    assert less.min() >= 2.0
    assert more.max() <= 3.0
    assert (more - less).min() >= 0.5 - 1e-6


def test_errors_say_what_to_change():
    with pytest.raises(ValueError, match=r"pipeline\.sharpen=false"):
        QuintupleDegradation(4, SecondOrder(4))
    with pytest.raises(ValueError, match="scale 2, its pipeline scale 4"):
        QuintupleDegradation(2, SecondOrder(4, sharpen=False))
    narrow = SecondOrder(4, sharpen=False, noise2=CameraNoise(sigma_range_255=(5.0, 5.5)))
    with pytest.raises(ValueError, match=r"noise_difference_255 begins at 1, more than the 0\.5 that noise2"):
        QuintupleDegradation(4, narrow)
