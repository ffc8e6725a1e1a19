"""The classic pipelines: definition, replay, independence of rows, ranges, randomness."""

import pytest
import torch
from omegaconf import OmegaConf
from randomness import generator

from realsr_mod.degradations.base import row, rows, stack_rows
from realsr_mod.degradations.blur import blur
from realsr_mod.degradations.classic import Bicubic, ClassicDegradation
from realsr_mod.degradations.kernels import gaussian_kernels
from realsr_mod.degradations.noise import full_field, quantize
from realsr_mod.degradations.resize import resize
from realsr_mod.runtime.compose import instantiate
from realsr_mod.runtime.config import CONF_DIR

SHAPE = (4, 3, 32, 48)


@pytest.fixture
def hr():
    return torch.rand(SHAPE, generator=generator(9))


@pytest.fixture(params=["classic_iso", "classic_aniso", "bicubic"])
def degradation(request):
    config = OmegaConf.merge({"scale": 4, "it": OmegaConf.load(CONF_DIR / f"degradation/{request.param}.yaml")})
    return instantiate(config.it)


def test_replay_is_bit_equal_and_rows_are_independent(degradation, hr):
    params = degradation.sample(hr.shape, generator())
    lr = degradation(hr, params)
    assert torch.equal(degradation(hr, params), lr)
    alone = [degradation(hr[i : i + 1], row(params, i)) for i in range(4)]
    assert torch.equal(torch.cat(alone), lr)
    assert torch.equal(degradation(hr[[2, 0]], rows(params, [2, 0])), lr[[2, 0]])
    again = stack_rows([row(params, i) for i in range(4)])
    assert torch.equal(degradation(hr, again), lr)


def test_result_is_8_bit_of_the_lr_size(degradation, hr):
    lr = degradation(hr * 3 - 1, degradation.sample(hr.shape, generator()))
    assert lr.shape == (4, 3, 8, 12)
    assert torch.equal(lr, quantize(lr))
    assert degradation.output_shape(hr.shape) == tuple(lr.shape)


def test_no_global_randomness_is_read_or_moved(degradation, hr):
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = degradation(hr, degradation.sample(hr.shape, generator()))
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(2)
    assert torch.equal(degradation(hr, degradation.sample(hr.shape, generator())), first)


def test_bicubic_is_resize_and_rounding(hr):
    assert torch.equal(Bicubic(4)(hr, {}), quantize(resize(hr, 0.25)))


def test_aniso_is_blur_then_bicubic_then_noise(hr):
    degradation = ClassicDegradation(4, anisotropic=True, noise_sigma_range_255=(0, 25))
    params = degradation.sample(hr.shape, generator())
    shape = params["blur"]
    kernels = gaussian_kernels(shape["sigma_x"], shape["sigma_y"], shape["theta"], 21)
    small = resize(blur(hr, kernels), 0.25)
    noise = params["noise"]["sigma"][:, None, None, None] * full_field(params["noise"]["seed"], small.shape)
    assert torch.equal(degradation(hr, params), quantize(small + noise))


def test_drawn_levels_fill_their_ranges_evenly():
    degradation = ClassicDegradation(4, anisotropic=True, noise_sigma_range_255=(0, 25))
    params = degradation.sample((4000, 3, 8, 8), generator())
    expected = {"sigma_x": (0.2, 4.0), "sigma_y": (0.2, 4.0), "theta": (0.0, torch.pi)}
    drawn = {name: (params["blur"][name], *bounds) for name, bounds in expected.items()}
    drawn["noise"] = (params["noise"]["sigma"], 0.0, 25 / 255)
    for values, low, high in drawn.values():
        assert values.min() >= low
        assert values.max() <= high
        unit = (values - low) / (high - low)
        torch.testing.assert_close(unit.sort().values, torch.linspace(0, 1, 4000), atol=0.035, rtol=0)


def test_without_noise_nothing_is_drawn_for_it():
    assert set(ClassicDegradation(2).sample((1, 3, 8, 8), generator())) == {"blur"}


def test_odd_hr_size_says_what_to_do(degradation):
    with pytest.raises(ValueError, match="HR size must be a multiple of scale=4, got 30x48; crop it to 28x48"):
        degradation.sample((1, 3, 30, 48), generator())
    with pytest.raises(ValueError, match="HR size must be a multiple of scale=4"):
        Bicubic(4)(torch.rand(1, 3, 30, 48), {})


@pytest.mark.parametrize("wrong", [{"sigma_range_px": (3, 1)}, {"noise_sigma_range_255": (-1, 1)}, {"kernel_size": 20}])
def test_wrong_arguments_are_named(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ClassicDegradation(4, **wrong)
