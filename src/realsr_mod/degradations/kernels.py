"""Blur kernels of a whole batch at once, each row with its own family, size and shape.

A kernel smaller than the largest one is the largest grid with everything outside its own square set to zero, so rows
of different sizes live in one tensor. Legend: B batch, K kernel side (odd).
"""

from collections.abc import Mapping
from types import MappingProxyType

import torch
from torch import Tensor

# Position in this tuple is the `family` of a row. The isotropic ones use `sigma_x` alone.
FAMILIES = ("iso", "aniso", "generalized_iso", "generalized_aniso", "plateau_iso", "plateau_aniso")
FAMILY_INDEX: Mapping[str, int] = MappingProxyType({name: index for index, name in enumerate(FAMILIES)})


LARGEST_KERNEL = 301  # blur that fills a screen; a kernel is a square of them


def check_kernel_size(name: str, size: int) -> int:
    """Return `size`, or raise if it is not a positive odd number that a kernel can have."""
    if size < 1 or size % 2 == 0:
        raise ValueError(f"{name} must be a positive odd number, got {size}")
    if size > LARGEST_KERNEL:
        raise ValueError(f"{name} must be at most {LARGEST_KERNEL}, got {size}")
    return size


def _grid(max_size: int, like: Tensor) -> Tensor:
    return torch.arange(max_size, device=like.device, dtype=torch.float32) - max_size // 2


def _normalized(kernels_BKK: Tensor, size_B: Tensor | None) -> Tensor:
    """Cut every kernel to its own square and make it sum to 1."""
    if size_B is not None:
        axis_K = _grid(kernels_BKK.shape[-1], kernels_BKK).abs()
        inside_BK = axis_K <= size_B[:, None] // 2
        kernels_BKK = kernels_BKK * (inside_BK[:, :, None] & inside_BK[:, None, :])
    return kernels_BKK / kernels_BKK.sum((1, 2), keepdim=True)


def gaussian_kernels_1d(sigma_B: Tensor, max_size: int) -> Tensor:
    """Gaussian profiles (B, K) that sum to 1; their outer product is the isotropic kernel. `sigma_B` in pixels."""
    profile_BK = torch.exp(-0.5 * (_grid(max_size, sigma_B) / sigma_B[:, None]) ** 2)
    return profile_BK / profile_BK.sum(1, keepdim=True)


def _mahalanobis(sigma_x_B: Tensor, sigma_y_B: Tensor, theta_B: Tensor, max_size: int) -> Tensor:
    """The squared distance q = vᵀ Σ⁻¹ v of each grid point v, with Σ = R(θ) diag(σx², σy²) R(θ)ᵀ: (B, K, K)."""
    axis_K = _grid(max_size, sigma_x_B)
    cos_B11, sin_B11 = theta_B.cos()[:, None, None], theta_B.sin()[:, None, None]
    x_1K, y_K1 = axis_K[None, :], axis_K[:, None]
    along_BKK = (cos_B11 * x_1K + sin_B11 * y_K1) / sigma_x_B[:, None, None]
    across_BKK = (cos_B11 * y_K1 - sin_B11 * x_1K) / sigma_y_B[:, None, None]
    return along_BKK**2 + across_BKK**2


def gaussian_kernels(
    sigma_x_B: Tensor, sigma_y_B: Tensor, theta_B: Tensor, max_size: int, size_B: Tensor | None = None
) -> Tensor:
    """Anisotropic Gaussian kernels (B, K, K): standard deviations in pixels along the axes turned by `theta_B` rad."""
    return _normalized(torch.exp(-0.5 * _mahalanobis(sigma_x_B, sigma_y_B, theta_B, max_size)), size_B)


def mixed_kernels(
    family_B: Tensor,
    sigma_x_B: Tensor,
    sigma_y_B: Tensor,
    theta_B: Tensor,
    beta_B: Tensor,
    max_size: int,
    size_B: Tensor | None = None,
) -> Tensor:
    """Kernels (B, K, K) of any of `FAMILIES`, row by row (Real-ESRGAN, arXiv 2107.10833, section 3.2).

    With q the squared Mahalanobis distance: Gaussian exp(-q/2), generalized exp(-q^beta/2), plateau 1 / (1 + q^beta).
    `family_B` integer index into `FAMILIES`, sigmas in pixels, theta in radians, `size_B` odd sizes up to `max_size`
    (None: all of them `max_size`). Each kernel sums to 1.
    """
    sigma_y_B = torch.where(family_B % 2 == 0, sigma_x_B, sigma_y_B)  # even families are isotropic
    beta_B = torch.where(family_B < FAMILY_INDEX["generalized_iso"], torch.ones_like(beta_B), beta_B)
    power_BKK = _mahalanobis(sigma_x_B, sigma_y_B, theta_B, max_size) ** beta_B[:, None, None]
    is_plateau_B11 = (family_B >= FAMILY_INDEX["plateau_iso"])[:, None, None]
    kernels_BKK = torch.where(is_plateau_B11, 1 / (1 + power_BKK), torch.exp(-0.5 * power_BKK))
    return _normalized(kernels_BKK, size_B)


def sinc_kernels(cutoff_B: Tensor, max_size: int, size_B: Tensor | None = None) -> Tensor:
    """Circular low-pass (2-D sinc) kernels (B, K, K): w J1(w r) / (2 pi r) with cutoff w in radians per pixel.

    They ring like an over-sharpened image. Each kernel sums to 1 after the cut to its size.
    """
    axis_K = _grid(max_size, cutoff_B)
    # clamped, since the expression tends to w² / 4pi at the centre but is 0/0 there
    radius_KK = torch.hypot(axis_K[:, None], axis_K[None, :]).clamp(min=1e-3)
    cutoff_B11 = cutoff_B[:, None, None]
    kernels_BKK = cutoff_B11 * torch.special.bessel_j1(cutoff_B11 * radius_KK) / (2 * torch.pi * radius_KK)
    return _normalized(kernels_BKK, size_B)
