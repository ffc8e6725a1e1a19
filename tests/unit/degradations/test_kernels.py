"""Blur kernels against the golden ones, and batches of mixed sizes."""

import pytest
import torch
import torch.nn.functional as F

from realsr_mod.degradations.kernels import (
    FAMILIES,
    FAMILY_INDEX,
    check_kernel_size,
    gaussian_kernels,
    gaussian_kernels_1d,
    mixed_kernels,
    sinc_kernels,
)


@pytest.mark.parametrize("family", [*FAMILIES, "sinc"])
def test_kernels_equal_golden_ones_in_one_batch(golden, family):
    tensors, metadata = golden("blur_kernels_a")
    rows = [entry for entry in metadata["rows"] if entry["family"] == family]
    column = lambda name: torch.tensor([entry[name] for entry in rows], dtype=torch.float32)
    size_B = torch.tensor([entry["kernel_size"] for entry in rows])
    if family == "sinc":
        kernels = sinc_kernels(column("cutoff"), 21, size_B)
    else:
        index_B = torch.full((len(rows),), FAMILY_INDEX[family])
        names = ("sigma_x", "sigma_y", "theta", "beta")
        kernels = mixed_kernels(index_B, *(column(name) for name in names), 21, size_B)
    assert len(rows) == 8
    for kernel, entry in zip(kernels, rows, strict=True):
        expected = tensors[entry["key"]].float()
        pad = (21 - expected.shape[-1]) // 2
        torch.testing.assert_close(kernel, F.pad(expected, (pad,) * 4), atol=1e-5, rtol=0)
    torch.testing.assert_close(kernels.sum((1, 2)), torch.ones(8))


def test_isotropic_kernel_is_the_outer_product_of_its_profile():
    sigma = torch.tensor([0.3, 1.7, 4.0])
    profile = gaussian_kernels_1d(sigma, 21)
    expected = gaussian_kernels(sigma, sigma, torch.zeros(3), 21)
    torch.testing.assert_close(profile[:, :, None] * profile[:, None, :], expected, atol=1e-7, rtol=0)


def test_direction_turns_from_x_towards_y():
    kernel = gaussian_kernels(torch.tensor([3.0]), torch.tensor([0.5]), torch.tensor([0.0]), 11)[0]
    assert kernel[5, 9] > 100 * kernel[9, 5]  # long along x
    turned = gaussian_kernels(torch.tensor([3.0]), torch.tensor([0.5]), torch.tensor([torch.pi / 2]), 11)[0]
    torch.testing.assert_close(turned, kernel.T, atol=1e-6, rtol=0)


def test_narrow_gaussian_leaves_only_the_center():
    narrow = gaussian_kernels(*(torch.tensor([value]) for value in (0.01, 0.01, 0.0)), 7)[0]
    assert narrow[3, 3] == 1
    assert narrow.sum() == 1


@pytest.mark.parametrize("size", [0, 8, -3])
def test_even_or_empty_kernel_size_is_refused(size):
    with pytest.raises(ValueError, match=f"kernel_size must be a positive odd number, got {size}"):
        check_kernel_size("kernel_size", size)
