"""Gaussian and Poisson noise, colour and grey, per row."""

import pytest
import torch

from realsr_mod.degradations.camera_noise import CameraNoise, poisson_quantile


def noise_params(**changes):
    params = {
        "is_poisson": torch.tensor([False]),
        "sigma": torch.tensor([0.05]),
        "poisson_scale": torch.tensor([1.0]),
        "is_grey": torch.tensor([False]),
        "seed": torch.tensor([7]),
    }
    return params | {name: torch.tensor([value]) for name, value in changes.items()}


@pytest.mark.parametrize(("rate", "tolerance"), [(0.05, 0.03), (0.3, 0.03), (1.0, 0.04), (3.0, 0.01), (200.0, 0.01)])
def test_poisson_counts_have_the_mean_and_variance_of_their_rate(rate, tolerance):
    normal = torch.special.ndtri((torch.arange(200_000, dtype=torch.float64) + 0.5) / 200_000).float()
    count = poisson_quantile(torch.full_like(normal, rate), normal)
    assert torch.equal(count, count.round())
    assert count.min() >= 0
    assert count.mean() == pytest.approx(rate, rel=tolerance)
    assert count.var() == pytest.approx(rate, rel=2 * tolerance)


def test_poisson_follows_the_exact_distribution():
    uniform = (torch.arange(100_000, dtype=torch.float64) + 0.5) / 100_000
    count = poisson_quantile(torch.full((100_000,), 5.0), torch.special.ndtri(uniform).float())
    number = torch.arange(20.0)
    expected = torch.exp(number * torch.log(torch.tensor(5.0)) - 5 - torch.lgamma(number + 1))
    torch.testing.assert_close(torch.bincount(count.long(), minlength=20)[:20] / 1e5, expected, atol=2e-3, rtol=0)


def test_black_stays_black_under_poisson_noise():
    black = torch.zeros(1, 3, 16, 16)
    assert torch.equal(CameraNoise()(black, noise_params(is_poisson=True, poisson_scale=3.0)), black)


def test_levels_are_the_standard_deviation():
    grey = torch.full((1, 3, 128, 128), 0.5)
    gaussian = CameraNoise()(grey, noise_params()) - grey
    poisson = CameraNoise()(grey, noise_params(is_poisson=True, poisson_scale=2.0)) - grey
    assert gaussian.std() == pytest.approx(0.05, rel=0.02)
    assert poisson.std() == pytest.approx(2 * (0.5 / 256) ** 0.5, rel=0.02)
    assert abs(poisson.mean()) < 1e-3


@pytest.mark.parametrize("is_poisson", [False, True])
def test_grey_noise_is_the_same_in_all_channels(is_poisson):
    x = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 0.4 + 0.3
    noise = CameraNoise()(x, noise_params(is_grey=True, is_poisson=is_poisson)) - x
    torch.testing.assert_close(noise[:, 1:], noise[:, :1].expand(1, 2, 8, 8), atol=1e-6, rtol=0)
    color = CameraNoise()(x, noise_params(is_poisson=is_poisson)) - x
    assert (color[:, 1] - color[:, 0]).abs().max() > 0.01


def test_kinds_are_mixed_in_a_batch_without_touching_each_other():
    op, x = CameraNoise(), torch.rand(16, 3, 12, 10, generator=torch.Generator().manual_seed(0))
    params = op.sample(x.shape, torch.Generator().manual_seed(1))
    kinds = set(zip(params["is_poisson"].tolist(), params["is_grey"].tolist(), strict=True))
    assert len(kinds) == 4
    together = op(x, params)
    alone = [op(x[i : i + 1], {name: value[i : i + 1] for name, value in params.items()}) for i in range(16)]
    torch.testing.assert_close(together, torch.cat(alone), atol=1e-6, rtol=0)


def test_arguments_are_checked():
    with pytest.raises(ValueError, match=r"grey_probability must be in \[0, 1\], got 1.5"):
        CameraNoise(grey_probability=1.5)
    with pytest.raises(ValueError, match="white_count must be above 0"):
        CameraNoise(white_count=0)
