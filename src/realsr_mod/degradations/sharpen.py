"""Unsharp masking of the ground truth.

Legend: B batch, C channels, H height, W width, O outputs, T taps.
"""

from functools import lru_cache

import torch
from torch import Tensor

from realsr_mod.degradations.banded import Band, bands, filter_height, filter_width
from realsr_mod.degradations.borders import reflect_index
from realsr_mod.degradations.kernels import gaussian_kernels_1d


@lru_cache(maxsize=64)
def _gaussian_matrix(length: int, radius: int, device: torch.device) -> tuple[Band, ...]:
    """Gaussian blur of one axis with reflected borders; `radius` (+ 1 if even) taps, OpenCV's sigma for as many."""
    taps = radius + 1 - radius % 2
    sigma = 0.3 * ((taps - 1) * 0.5 - 1) + 0.8
    index_OT = torch.arange(length)[:, None] + torch.arange(taps) - taps // 2
    profile_1T = gaussian_kernels_1d(torch.tensor([sigma], dtype=torch.float64), taps)
    return bands(reflect_index(index_OT, length), profile_1T.expand(length, -1), device)


def _blur(x_BCHW: Tensor, radius: int) -> Tensor:
    height, width = x_BCHW.shape[-2:]
    x_BCHW = filter_height(x_BCHW, _gaussian_matrix(height, radius, x_BCHW.device))
    return filter_width(x_BCHW, _gaussian_matrix(width, radius, x_BCHW.device))


def usm_sharpen(x_BCHW: Tensor, radius: int = 50, weight: float = 0.5, threshold_255: float = 10.0) -> Tensor:
    """Sharpen where an image differs from its blurred self by more than the threshold; values in [0, 1].

    The mask of those places is itself blurred, so that sharpening fades in (Real-ESRGAN, arXiv 2107.10833).
    """
    residual = x_BCHW - _blur(x_BCHW, radius)
    mask = _blur((residual.abs() > threshold_255 / 255).float(), radius)
    sharp = residual.mul_(weight).add_(x_BCHW).clamp_(0, 1)
    return x_BCHW.lerp(sharp, mask)
