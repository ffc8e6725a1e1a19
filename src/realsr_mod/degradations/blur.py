"""Blur every image of a batch with its own kernel, borders reflected.

Legend: B batch, C channels, H height, W width, K kernel side (odd).
"""

from collections.abc import Sequence
from functools import lru_cache

import torch
from kornia.filters import filter2d_separable
from torch import Tensor

from realsr_mod.degradations.base import DegradationOp, Params, Shape, check_range, uniform
from realsr_mod.degradations.borders import reflect_index, reflect_pad
from realsr_mod.degradations.kernels import check_kernel_size, gaussian_kernels, gaussian_kernels_1d


@lru_cache
def fast_length(length: int) -> int:
    """The smallest length from `length` up without a prime factor above 5: the Fourier transform likes it."""
    while True:
        rest = length
        for factor in (2, 3, 5):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return length
        length += 1


def filter_padded(padded_BCHW: Tensor, kernels_BKK: Tensor) -> Tensor:
    """Convolve row b with kernel b (or all rows with the only one) where the kernel fits: (B, C, H-K+1, W-K+1).

    By Fourier transform: on a CPU, at 21 taps a side, this is several times faster than the sum. The transforms are
    no longer than the padded image, since what wraps around falls outside the result.
    """
    height, width, tail = *padded_BCHW.shape[-2:], kernels_BKK.shape[-1] - 1
    size = (fast_length(height), fast_length(width))
    spectrum = torch.fft.rfft2(padded_BCHW, s=size).mul_(torch.fft.rfft2(kernels_BKK, s=size)[:, None])
    filtered: Tensor = torch.fft.irfft2(spectrum, s=size)
    return filtered[..., tail:height, tail:width]


def blur(x_BCHW: Tensor, kernels_BKK: Tensor) -> Tensor:
    """Filter each image with its own K x K kernel (one kernel: all with that), borders reflected."""
    return filter_padded(reflect_pad(x_BCHW, kernels_BKK.shape[-1] // 2), kernels_BKK)


def blur_canvas(x_BCHW: Tensor, kernels_BKK: Tensor, size_B2: Tensor) -> Tensor:
    """`blur` for images of different sizes on one canvas, each reflected at its own border."""
    pad = kernels_BKK.shape[-1] // 2
    channels, height, width = x_BCHW.shape[1:]
    rows_BH = reflect_index(torch.arange(-pad, height + pad, device=x_BCHW.device), size_B2[:, :1])
    columns_BW = reflect_index(torch.arange(-pad, width + pad, device=x_BCHW.device), size_B2[:, 1:])
    padded = x_BCHW.gather(2, rows_BH[:, None, :, None].expand(-1, channels, -1, width))
    padded = padded.gather(3, columns_BW[:, None, None, :].expand(-1, channels, height + 2 * pad, -1))
    return filter_padded(padded, kernels_BKK)


def blur_separable(x_BCHW: Tensor, vertical_BK: Tensor, horizontal_BK: Tensor | None = None) -> Tensor:
    """Filter with the outer product of two profiles (one for both axes if only one is given), borders reflected.

    The same image as `blur` with `vertical ⊗ horizontal`, several times faster.
    """
    horizontal_BK = vertical_BK if horizontal_BK is None else horizontal_BK
    padded_BCHW = reflect_pad(x_BCHW, vertical_BK.shape[-1] // 2)
    filtered_BCHW: Tensor = filter2d_separable(padded_BCHW, horizontal_BK, vertical_BK, padding="valid")
    return filtered_BCHW


class GaussianBlur(DegradationOp):
    """Gaussian blur of random width, and of random shape and direction if `anisotropic`.

    Params, all (B,): `sigma_x` in pixels; anisotropic also `sigma_y` in pixels and `theta` in radians. The kernels are
    built when the op is applied, so an edited sigma is an edited blur.
    """

    def __init__(
        self, kernel_size: int = 21, sigma_range_px: Sequence[float] = (0.2, 4.0), anisotropic: bool = False
    ) -> None:
        super().__init__()
        self.kernel_size = check_kernel_size("kernel_size", kernel_size)
        self.sigma_range_px = check_range("sigma_range_px", sigma_range_px)
        if self.sigma_range_px[0] == 0:
            raise ValueError("sigma_range_px must lie above 0, since a Gaussian of width 0 has no kernel; try 0.01")
        self.anisotropic = anisotropic

    def sample(self, shape_BCHW: Shape, generator: torch.Generator) -> Params:
        batch = (shape_BCHW[0],)
        params = {"sigma_x": uniform(batch, *self.sigma_range_px, generator)}
        if self.anisotropic:
            params["sigma_y"] = uniform(batch, *self.sigma_range_px, generator)
            params["theta"] = uniform(batch, 0.0, torch.pi, generator)
        return params

    def forward(self, x_BCHW: Tensor, params: Params) -> Tensor:
        if not self.anisotropic:
            return blur_separable(x_BCHW, gaussian_kernels_1d(params["sigma_x"], self.kernel_size))
        kernels_BKK = gaussian_kernels(params["sigma_x"], params["sigma_y"], params["theta"], self.kernel_size)
        return blur(x_BCHW, kernels_BKK)
