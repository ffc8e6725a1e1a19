"""Noise fields: statistics, independence of canvas and batch, editing."""

import pytest
import torch

from realsr_mod.degradations.noise import GaussianNoise, Quantize, draw_seeds, full_field, noise_field


@pytest.fixture(scope="module")
def field():
    return full_field(draw_seeds(4, torch.Generator().manual_seed(0)), (4, 3, 128, 128))


def test_field_is_standard_normal(field):
    assert abs(field.mean()) < 0.01
    assert abs(field.std() - 1) < 0.01
    assert abs((field**4).mean() - 3) < 0.1
    quantiles = torch.tensor([0.01, 0.25, 0.5, 0.75, 0.99])
    expected = torch.special.ndtri(quantiles)
    torch.testing.assert_close(field.flatten().quantile(quantiles), expected, atol=0.03, rtol=0)


@pytest.mark.parametrize("shift", [(0, 1), (1, 0), (1, 1), (0, 2), (16, 0), (0, 64)])
def test_neighbours_channels_and_rows_are_uncorrelated(field, shift):
    dy, dx = shift
    correlation = (field[..., dy:, dx:] * field[..., : 128 - dy, : 128 - dx]).mean((2, 3))
    assert correlation.abs().max() < 4 / 90  # 4 standard errors of the mean of 128 x 64 products
    assert abs((field[:, 0] * field[:, 1]).mean()) < 0.02
    assert abs((field[0] * field[1]).mean()) < 0.02


def test_field_does_not_depend_on_canvas_or_batch(field):
    seeds = draw_seeds(4, torch.Generator().manual_seed(0))
    assert torch.equal(full_field(seeds[2:3], (1, 3, 50, 70)), field[2:3, :, :50, :70])


def test_equal_coordinates_give_equal_noise():
    rows = torch.tensor([[0, 1, 1]], dtype=torch.int32)
    result = noise_field(torch.tensor([5]), 1, rows, rows)
    assert torch.equal(result[0, 0, 1], result[0, 0, 2])
    assert not torch.equal(result[0, 0, 0], result[0, 0, 1])


def test_edited_level_keeps_the_pattern():
    op, x = GaussianNoise((5, 5)), torch.full((2, 3, 8, 8), 0.5)
    params = op.sample(x.shape, torch.Generator().manual_seed(3))
    torch.testing.assert_close(params["sigma"], torch.full((2,), 5 / 255))
    doubled = op(x, {**params, "sigma": 2 * params["sigma"]})
    torch.testing.assert_close(doubled - x, 2 * (op(x, params) - x), atol=1e-6, rtol=0)


def test_quantize_clips_and_rounds():
    result = Quantize()(torch.tensor([-0.2, 0.0, 0.4996 / 255, 1.51 / 255, 1.0, 7.0]), {})
    assert torch.equal(result, torch.tensor([0, 0, 0, 2, 255, 255]) / 255)
