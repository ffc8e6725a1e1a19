"""Kornia's augmentations under our generator, ours under kornia's, and the presets that are made of both."""

import kornia.augmentation
import pytest
import torch
from kornia.augmentation import AugmentationSequential

from realsr_mod.degradations.base import row
from realsr_mod.degradations.classic import ClassicDegradation
from realsr_mod.degradations.defocus import Defocus, disk_kernels
from realsr_mod.degradations.kornia_op import KorniaOp, as_kornia
from realsr_mod.degradations.noise import GaussianNoise
from realsr_mod.degradations.stored import build_degradation, flatten, load_params, read_degradation, save_params

MOTION = {"kernel_size": [3, 9], "angle": [0.0, 360.0], "direction": [-1.0, 1.0], "border_type": "reflect"}
OPS = {
    "RandomMotionBlur": MOTION,
    "RandomSaltAndPepperNoise": {},
    "RandomRain": {"number_of_drops": [5, 20], "drop_height": [3, 6], "drop_width": [-3, 3]},
    "RandomGaussianIllumination": {},
    "RandomPlanckianJitter": {},
    "RandomPlasmaShadow": {},
    "RandomGaussianNoise": {"p": 0.5},
    "RandomSnow": {},
}
PRESETS = ("camera_shake", "defocus", "night", "scan")


def images(batch=3, height=40, width=48):
    return torch.rand(batch, 3, height, width, generator=torch.Generator().manual_seed(5))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", OPS)
def test_kornias_ops_are_replayed_row_by_row_and_read_and_leave_no_global_state(name):
    op, x = KorniaOp(name, **OPS[name]), images()
    torch.manual_seed(1)
    params, before = op.sample(x.shape, generator()), torch.get_rng_state()
    changed = op(x, params)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    assert all(torch.equal(value, params[key]) for key, value in op.sample(x.shape, generator()).items())
    assert torch.equal(op(x, params), changed)
    assert torch.equal(op(x[1:2], row(params, 1)), changed[1:2])
    assert not torch.equal(changed, x)
    assert all(len(value) == 3 for value in params.values())


def test_kernel_sizes_differ_within_a_batch_and_levels_can_be_edited():
    op = KorniaOp("RandomMotionBlur", **MOTION)
    x = images(12)
    params = op.sample(x.shape, generator())
    assert len(params["ksize_factor"].unique()) > 2
    turned = op(x, params | {"angle_factor": params["angle_factor"] + 90})
    assert not torch.equal(turned, op(x, params))
    sometimes = KorniaOp("RandomMotionBlur", p=0.5, **MOTION)
    params = sometimes.sample(x.shape, generator())
    assert torch.equal((sometimes(x, params) == x).flatten(1).all(1), params["batch_prob"] == 0)
    assert torch.equal(sometimes(x, params | {"batch_prob": torch.zeros(12)}), x)


def test_with_one_row_it_is_what_kornia_does():
    op, x = KorniaOp("RandomMotionBlur", **MOTION), images(1)
    params = op.sample(x.shape, generator())
    own = kornia.augmentation.RandomMotionBlur((3, 9), (0.0, 360.0), (-1.0, 1.0), border_type="reflect", p=1.0)
    theirs = own(x, params={name: params[name] for name in op.levels})
    assert torch.equal(op(x, params), theirs)


@pytest.mark.parametrize("name", ["RandomAffine", "RandomMotionBlurr", "RandomDissolving", "os", "RandomMixUpV2"])
def test_what_moves_pixels_or_is_not_there_is_refused(name):
    with pytest.raises(ValueError, match="no augmentation"):
        KorniaOp(name)


def test_numbers_that_would_fill_the_memory_are_refused():
    with pytest.raises(ValueError, match="at most 1000"):
        KorniaOp("RandomMotionBlur", **MOTION | {"kernel_size": [3, 10**9]})


def test_a_pipeline_is_an_augmentation_of_kornia():
    degradation, x = ClassicDegradation(4, noise_sigma_range_255=(2, 20)), images(3, 64, 64)
    sequence = AugmentationSequential(as_kornia(degradation), data_keys=["input"])
    torch.manual_seed(0)
    lr = sequence(x)
    assert lr.shape == (3, 3, 16, 16)
    drawn = sequence._params[0].data
    assert {"blur/sigma_x", "noise/sigma", "noise/seed"} <= drawn.keys()
    assert torch.equal(sequence(x, params=sequence._params), lr)
    torch.manual_seed(0)
    assert torch.equal(sequence(x), lr)
    params = {"blur": {"sigma_x": drawn["blur/sigma_x"]}, "noise": {k: drawn[f"noise/{k}"] for k in ("sigma", "seed")}}
    assert torch.equal(degradation(x, params), lr)


def test_an_op_is_applied_to_some_images_if_p_says_so():
    torch.manual_seed(0)
    x = images(32)
    noisy = as_kornia(GaussianNoise((10, 20)), p=0.5)(x)
    same = (noisy == x).flatten(1).all(1)
    assert 4 < same.sum() < 28
    with pytest.raises(ValueError, match="p must be 1"):
        as_kornia(ClassicDegradation(4), p=0.5)


def test_a_disk_has_its_area_and_radius_and_none_leaves_the_image_alone():
    kernels = disk_kernels(torch.tensor([0.0, 2.0, 4.5]), 13)
    torch.testing.assert_close(kernels.sum((1, 2)), torch.ones(3))
    assert 1 / kernels[2].max() == pytest.approx(torch.pi * 4.5**2, rel=0.03)
    assert kernels[1, 6, 6 + 3] == 0 < kernels[1, 6, 6 + 2]
    op, x = Defocus((0, 5)), images()
    torch.testing.assert_close(op(x, {"radius": torch.zeros(3)}), x, atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_pipelines_like_all_others(name, tmp_path):
    config = read_degradation(name, 4)
    degradation, x = build_degradation(config), images(3, 64, 48)
    params = degradation.sample(x.shape, generator())
    lr = degradation(x, params)
    assert lr.shape == (3, 3, 16, 12)
    assert torch.equal(degradation(x[2:], row(params, 2)), lr[2:])
    save_params(tmp_path / "params.safetensors", row(params, 0), config)
    loaded, _ = load_params(tmp_path / "params.safetensors")
    assert flatten(loaded).keys() == flatten(params).keys()
    larger = torch.nn.functional.pad(x[:1], (0, 16, 0, 0), mode="reflect")
    assert degradation(larger, loaded).shape == (1, 3, 16, 16)
