"""Mixed kernels: drawn distributions, canvases, editing."""

import pytest
import torch

from realsr_mod.degradations.blur import blur, blur_canvas
from realsr_mod.degradations.kernels import FAMILIES, gaussian_kernels, sinc_kernels
from realsr_mod.degradations.mixed_blur import MixedBlur

COUNT = 20_000


@pytest.fixture(scope="module")
def drawn():
    return MixedBlur(probability=0.8).sample((COUNT, 3, 8, 8), torch.Generator().manual_seed(0))


def test_shares_match_the_probabilities(drawn):
    shares = torch.bincount(drawn["family"], minlength=6) / COUNT
    assert shares.tolist() == pytest.approx([0.45, 0.25, 0.12, 0.03, 0.12, 0.03], abs=0.01)
    assert drawn["is_sinc"].float().mean() == pytest.approx(0.1, abs=0.01)
    assert drawn["is_on"].float().mean() == pytest.approx(0.8, abs=0.01)
    assert torch.unique(drawn["size"]).tolist() == list(range(7, 22, 2))


def test_levels_fill_their_ranges(drawn):
    is_generalized = (drawn["family"] == 2) | (drawn["family"] == 3)
    is_plateau, is_small = drawn["family"] >= 4, drawn["size"] < 13
    cases = [
        (drawn["sigma_x"], 0.2, 3.0),
        (drawn["sigma_y"], 0.2, 3.0),
        (drawn["theta"], 0.0, torch.pi),
        (drawn["beta"][is_generalized & (drawn["beta"] < 1)], 0.5, 1.0),
        (drawn["beta"][is_generalized & (drawn["beta"] > 1)], 1.0, 4.0),
        (drawn["beta"][is_plateau & (drawn["beta"] > 1)], 1.0, 2.0),
        (drawn["cutoff"][is_small], torch.pi / 3, torch.pi),
        (drawn["cutoff"][~is_small], torch.pi / 5, torch.pi),
    ]
    for values, low, high in cases:
        assert values.min() >= low
        assert values.max() <= high + 1e-6
        assert values.mean() == pytest.approx((low + high) / 2, rel=0.03)


def test_half_of_the_exponents_lie_below_one(drawn):
    is_generalized, is_plateau = (drawn["family"] == 2) | (drawn["family"] == 3), drawn["family"] >= 4
    assert (drawn["beta"][is_generalized] < 1).float().mean() == pytest.approx(0.5, abs=0.03)
    assert (drawn["beta"][is_plateau] == 1).float().mean() == pytest.approx(0.5, abs=0.03)
    above = MixedBlur(plateau_beta_range=(2.0, 4.0)).sample((COUNT, 3, 8, 8), torch.Generator().manual_seed(0))
    beta = above["beta"][above["family"] >= 4]
    assert beta.min() >= 2
    assert (beta < 3).float().mean() == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize(("kind", "share"), [("generalized", 0.09), ("plateau", 0.27)])
def test_as_many_kernels_are_wide_as_in_the_published_program(kind, share):
    """Wider than 3 px (standard deviation along an axis). Exponents drawn evenly gave 2.4 % and 13.5 %."""
    op = MixedBlur(sinc_probability=0.0, family_probabilities={f"{kind}_iso": 0.8, f"{kind}_aniso": 0.2})
    kernels = op.kernels(op.sample((COUNT // 2, 3, 8, 8), torch.Generator().manual_seed(0)))
    variance = (kernels * (torch.arange(21) - 10) ** 2).sum((1, 2))
    assert (variance > 9).float().mean() == pytest.approx(share, abs=0.012)


def test_the_lowest_cutoff_can_be_one_for_all_sizes():
    drawn = MixedBlur(lowest_cutoff=1.0).sample((COUNT, 3, 8, 8), torch.Generator().manual_seed(0))
    for of_size in (drawn["size"] < 13, drawn["size"] >= 13):
        assert drawn["cutoff"][of_size].min().item() == pytest.approx(1.0, abs=0.01)
        assert drawn["cutoff"][of_size].mean().item() == pytest.approx((1 + torch.pi) / 2, rel=0.03)
    with pytest.raises(ValueError, match="lowest_cutoff must lie in"):
        MixedBlur(lowest_cutoff=4.0)


def test_kernels_follow_their_rows():
    op = MixedBlur()
    params = op.sample((8, 3, 8, 8), torch.Generator().manual_seed(0))
    params["is_sinc"] = torch.tensor([True] + [False] * 7)
    params["family"] = torch.tensor([3, 1, 0, 1, 1, 1, 1, 1])
    kernels = op.kernels(params)
    one = {name: value[1:2] for name, value in params.items()}
    expected = gaussian_kernels(one["sigma_x"], one["sigma_y"], one["theta"], 21, one["size"])
    torch.testing.assert_close(kernels[1:2], expected, atol=1e-6, rtol=0)
    assert torch.equal(kernels[:1], sinc_kernels(params["cutoff"][:1], 21, params["size"][:1]))


def test_row_that_is_off_is_left_alone():
    op, x = MixedBlur(), torch.rand(2, 3, 24, 24)
    params = op.sample(x.shape, torch.Generator().manual_seed(0)) | {"is_on": torch.tensor([True, False])}
    result = op(x, params)
    assert torch.equal(result[1], x[1])
    torch.testing.assert_close(result[0], blur(x, op.kernels(params))[0])


def test_images_on_a_canvas_are_reflected_at_their_own_border():
    x = torch.rand(2, 3, 32, 48)
    size = torch.tensor([[32, 48], [20, 13]])
    kernels = gaussian_kernels(torch.tensor([2.0, 3.0]), torch.tensor([1.0, 3.0]), torch.tensor([0.5, 0.0]), 21)
    result = blur_canvas(x, kernels, size)
    torch.testing.assert_close(result[:1], blur(x[:1], kernels[:1]), atol=1e-6, rtol=0)
    alone = blur(x[1:, :, :20, :13], kernels[1:])
    torch.testing.assert_close(result[1:, :, :20, :13], alone, atol=1e-6, rtol=0)


def test_arguments_are_checked():
    with pytest.raises(ValueError, match=r"unknown \['isotropic'\]; the families are " + ", ".join(FAMILIES)):
        MixedBlur(family_probabilities={"isotropic": 1.0})
    with pytest.raises(ValueError, match="kernel_size_range must be a positive odd number, got 8"):
        MixedBlur(kernel_size_range=(7, 8))
