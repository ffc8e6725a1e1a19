"""What images are measured by; `named.py` has each by its name."""

from realsr_mod.images.luma import BT601_LUMA, MIN_SIDE_PX, psnr_y, rgb_to_y, ssim_y
from realsr_mod.metrics.per_image import PSNRY, SSIMY

__all__ = ["BT601_LUMA", "MIN_SIDE_PX", "PSNRY", "SSIMY", "psnr_y", "rgb_to_y", "ssim_y"]
