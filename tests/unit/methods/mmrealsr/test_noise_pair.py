"""Noise pairs: a degraded image, the same with noise on top, and a restorer told to keep a share of that."""

import pytest
import torch

from realsr_mod.degradations.camera_noise import CameraNoise
from realsr_mod.degradations.jpeg import JPEG
from realsr_mod.degradations.noise import quantize
from realsr_mod.degradations.resize import resize
from realsr_mod.degradations.second_order import SecondOrder
from realsr_mod.methods.mmrealsr.noise_pair import NoisePairDegradation, keep_noise


@pytest.fixture(scope="module")
def degradation() -> NoisePairDegradation:
    return NoisePairDegradation(4, SecondOrder(4), CameraNoise(), JPEG((75, 100)))


def test_rows_are_image_major_and_the_noise_is_on_top(degradation):
    hr = torch.rand(2, 3, 64, 48, generator=torch.Generator().manual_seed(0))
    params = degradation.sample(tuple(hr.shape), torch.Generator().manual_seed(1))
    lr, target = degradation(hr, params), degradation.target(hr)
    assert lr.shape == degradation.output_shape(tuple(hr.shape)) == (4, 3, 16, 12)
    base = degradation.pipeline(hr, params["base"])
    noisier = JPEG((75, 100))(CameraNoise()(base, params["noise"]), params["jpeg"])
    torch.testing.assert_close(lr[0::2], base)
    torch.testing.assert_close(lr[1::2], noisier)
    torch.testing.assert_close(lr, quantize(lr))  # as a file holds it
    assert (lr[1::2] - base).abs().mean() > 0.01
    sharpened = degradation.pipeline.target(hr)
    torch.testing.assert_close(target, sharpened[[0, 0, 1, 1]])


def test_the_base_is_what_the_pipeline_draws_alone(degradation):
    shape = (3, 3, 64, 64)
    drawn, alone = (d.sample(shape, torch.Generator().manual_seed(0)) for d in (degradation, degradation.pipeline))
    torch.testing.assert_close(drawn["base"], alone)  # so it is validated on the images of `second_order`


def test_a_fifth_of_the_images_keeps_no_noise(degradation):
    kept = degradation.sample((4000, 3, 64, 64), torch.Generator().manual_seed(0))["kept"]
    assert (kept == 0).float().mean() == pytest.approx(0.2, abs=0.03)
    assert kept[kept > 0].mean() == pytest.approx(0.5, abs=0.03)
    assert kept.max() == pytest.approx(1, abs=0.01)


def test_the_restorer_is_told_of_less_noise_and_owes_what_it_kept():
    lr = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    degrees = torch.tensor([[0.2, 0.1], [0.2, 0.8], [0.5, 0.3], [0.5, 0.6]])
    told, noise = keep_noise(lr, degrees, torch.tensor([0.25, 1.0]), scale=4)
    torch.testing.assert_close(told, torch.tensor([[0.2, 0.1], [0.2, 0.6], [0.5, 0.3], [0.5, 0.0]]))
    assert torch.equal(degrees[1], torch.tensor([0.2, 0.8]))  # what was given stays
    torch.testing.assert_close(noise[1], 0.25 * (resize(lr[1:2], scale=4) - resize(lr[0:1], scale=4))[0])
    torch.testing.assert_close(resize(lr[3:4], scale=4) - noise[3:4], resize(lr[2:3], scale=4))  # all of it
    assert not noise[0].any()
    assert not noise[2].any()


def test_scales_that_differ_are_named():
    with pytest.raises(ValueError, match="scale 4, its pipeline scale 2"):
        NoisePairDegradation(4, SecondOrder(2), CameraNoise(), JPEG((75, 100)))
