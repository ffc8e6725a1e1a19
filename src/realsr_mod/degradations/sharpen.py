"""Unsharp masking of the ground truth."""

import torch
from torch import Tensor

from realsr_mod.degradations.blur import blur
from realsr_mod.degradations.kernels import gaussian_kernels_1d


def usm_sharpen(x_BCHW: Tensor, radius: int = 50, weight: float = 0.5, threshold_255: float = 10.0) -> Tensor:
    """Sharpen where a picture differs from its blurred self by more than the threshold; values in [0, 1].

    The mask of those places is itself blurred, so that sharpening fades in (Real-ESRGAN, arXiv 2107.10833). The
    Gaussian has `radius` (+ 1 if even) taps and the sigma that OpenCV picks for them.
    """
    size = radius + 1 - radius % 2
    sigma = torch.full((1,), 0.3 * ((size - 1) * 0.5 - 1) + 0.8, device=x_BCHW.device)
    profile_1K = gaussian_kernels_1d(sigma, size)
    kernel_1KK = profile_1K[:, :, None] * profile_1K[:, None, :]
    residual = x_BCHW - blur(x_BCHW, kernel_1KK)
    mask = blur((residual.abs() * 255 > threshold_255).float(), kernel_1KK)
    sharp = (x_BCHW + weight * residual).clamp(0, 1)
    return x_BCHW + mask * (sharp - x_BCHW)
