"""Two draws of a degradation: rows, replay, and what they are made from."""

import pytest
import torch

from realsr_mod.degradations.base import row
from realsr_mod.degradations.classic import ClassicDegradation
from realsr_mod.methods.crlsr.two_draws import DRAWS, TwoDrawsDegradation


def test_each_image_is_there_twice_under_params_of_its_own():
    pipeline = ClassicDegradation(2, sigma_range_px=(0.2, 4.0), noise_sigma_range_255=(0.0, 20.0))
    twice, hr = TwoDrawsDegradation(2, pipeline), torch.rand(3, 3, 16, 12, generator=torch.Generator().manual_seed(0))
    params = twice.sample(tuple(hr.shape), torch.Generator().manual_seed(1))
    lr = twice(hr, params)
    assert lr.shape == twice.output_shape(tuple(hr.shape)) == (6, 3, 8, 6)
    assert twice.versions == DRAWS
    for i in range(3):
        for j, name in enumerate(DRAWS):
            assert torch.equal(lr[2 * i + j], pipeline(hr[i : i + 1], row(params[name], i))[0])
            assert torch.equal(twice.target(hr)[2 * i + j], hr[i])
        assert not torch.equal(lr[2 * i], lr[2 * i + 1])
    torch.testing.assert_close(twice(hr[1:2], row(params, 1)), lr[2:4])


def test_another_scale_is_refused():
    with pytest.raises(ValueError, match="the two draws have scale 4, their pipeline scale 2; set one scale"):
        TwoDrawsDegradation(4, ClassicDegradation(2))
