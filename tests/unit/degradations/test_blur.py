"""Blur: golden image, separable path, borders."""

import pytest
import torch
import torch.nn.functional as F

from realsr_mod.degradations.blur import GaussianBlur, blur, blur_separable, fast_length
from realsr_mod.degradations.borders import reflect_index, reflect_pad
from realsr_mod.degradations.kernels import gaussian_kernels, gaussian_kernels_1d


def test_blur_equals_golden_image(golden):
    tensors, _ = golden("image_ops_a")
    image = tensors["image"].permute(2, 0, 1)[None].float() / 255
    torch.testing.assert_close(blur(image, tensors["blur_kernel"]), tensors["blurred"], atol=1e-5, rtol=0)


def test_separable_blur_equals_full_blur_per_row():
    x = torch.rand(3, 3, 20, 26, generator=torch.Generator().manual_seed(0))
    sigma_x, sigma_y = torch.tensor([0.4, 1.0, 3.0]), torch.tensor([2.0, 0.7, 1.5])
    expected = blur(x, gaussian_kernels(sigma_x, sigma_y, torch.zeros(3), 15))
    separable = blur_separable(x, gaussian_kernels_1d(sigma_y, 15), gaussian_kernels_1d(sigma_x, 15))
    torch.testing.assert_close(separable, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("size", [(20, 31), (9, 30)])
def test_reflect_pad_equals_torch_where_torch_can(size):
    x = torch.rand(1, 2, *size)
    index = [reflect_index(torch.arange(-8, n + 8), n) for n in size]
    expected = F.pad(x, (8, 8, 8, 8), mode="reflect")
    assert torch.equal(reflect_pad(x, 8), expected)
    assert torch.equal(x[:, :, index[0][:, None], index[1]], expected)


def test_reflect_pad_of_a_image_smaller_than_the_pad():
    assert reflect_pad(torch.tensor([[[[1.0, 2.0]]]]), 3)[0, 0, 0].tolist() == [2, 1, 2, 1, 2, 1, 2, 1]
    assert reflect_pad(torch.ones(1, 3, 1, 1), 2).shape == (1, 3, 5, 5)


def test_edited_sigma_is_an_edited_blur():
    op = GaussianBlur(sigma_range_px=(1.0, 1.0))
    x = torch.rand(2, 3, 24, 24, generator=torch.Generator().manual_seed(1))
    params = op.sample(x.shape, torch.Generator().manual_seed(2))
    sharp = op(x, {**params, "sigma_x": torch.tensor([1e-2, 1e-2])})
    torch.testing.assert_close(sharp, x)
    assert op(x, params).var() < 0.2 * x.var()


def test_zero_sigma_is_refused():
    with pytest.raises(ValueError, match="sigma_range_px must lie above 0"):
        GaussianBlur(sigma_range_px=(0.0, 1.0))


def test_fast_lengths_have_small_factors():
    assert [fast_length(n) for n in (1, 7, 276, 306, 19_684)] == [1, 8, 288, 320, 20_000]


def test_one_kernel_serves_all_rows_and_large_is_as_good_as_small():
    x = torch.rand(2, 3, 40, 31, generator=torch.Generator().manual_seed(0))
    kernel = gaussian_kernels(torch.tensor([3.0]), torch.tensor([0.8]), torch.tensor([1.0]), 21)
    summed = F.conv2d(reflect_pad(x, 10).flatten(0, 1)[:, None], kernel[:, None]).view_as(x)
    torch.testing.assert_close(blur(x, kernel), summed, atol=1e-6, rtol=0)
