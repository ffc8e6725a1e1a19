"""Luma, and PSNR and SSIM on it, as the super-resolution literature measures them.

Both images are rounded to 8 bits, `border` pixels are cut on each side, and luma is ITU-R BT.601 (studio range).
Images are RGB in [0, 1], (B, 3, H, W).
"""

import torch
from kornia.metrics import ssim
from torch import Tensor

from realsr_mod.degradations.noise import quantize

BT601_LUMA = (65.481, 128.553, 24.966)  # for RGB in [0, 1]; luma then spans 16 … 235
MIN_SIDE_PX = 11  # the side of SSIM's window


def rgb_to_y(x_B3HW: Tensor) -> Tensor:
    """BT.601 luma of RGB, (B, 3, H, W) to (B, 1, H, W), in [16/255, 235/255]."""
    weights = x_B3HW.new_tensor(BT601_LUMA).view(1, 3, 1, 1)
    return ((x_B3HW * weights).sum(1, keepdim=True) + 16) / 255


def comparable_luma(sr_B3HW: Tensor, hr_B3HW: Tensor, border: int) -> tuple[Tensor, Tensor]:
    if sr_B3HW.shape != hr_B3HW.shape:
        raise ValueError(f"images to compare differ in shape: {tuple(sr_B3HW.shape)} and {tuple(hr_B3HW.shape)}")
    h, w = hr_B3HW.shape[-2:]
    if min(h, w) - 2 * border < MIN_SIDE_PX:
        raise ValueError(
            f"a {h}x{w} image is too small to measure: {MIN_SIDE_PX} px must remain after cutting "
            f"{border} px on each side; use a larger image"
        )
    inside = (..., slice(border, h - border), slice(border, w - border))
    sr, hr = (rgb_to_y(quantize(x.double()))[inside] for x in (sr_B3HW, hr_B3HW))
    return sr, hr


def psnr_y(sr_B3HW: Tensor, hr_B3HW: Tensor, border: int) -> Tensor:
    """Peak signal-to-noise ratio on luma in dB, one value per image (B,), float64; at most 100, where equal."""
    sr, hr = comparable_luma(sr_B3HW, hr_B3HW, border)
    return -10 * torch.log10((sr - hr).square().mean(dim=(1, 2, 3)).clamp(min=1e-10))


def ssim_y(sr_B3HW: Tensor, hr_B3HW: Tensor, border: int) -> Tensor:
    """Structural similarity on luma (11x11 Gaussian window, sigma 1.5), one value per image (B,), float64."""
    sr, hr = comparable_luma(sr_B3HW, hr_B3HW, border)
    # kornia's window is separable, several times faster than torchmetrics'; float32 is exact enough here.
    return ssim(sr.float(), hr.float(), MIN_SIDE_PX, padding="valid").mean(dim=(1, 2, 3)).double()
