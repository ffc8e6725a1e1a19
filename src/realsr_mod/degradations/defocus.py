"""Blur of a lens that is out of focus.

Legend: B batch, C channels, H height, W width, K kernel side (odd).
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from realsr_mod.degradations.base import DegradationOp, Params, Shape, check_range, uniform
from realsr_mod.degradations.blur import blur
from realsr_mod.degradations.kernels import check_kernel_size

SOFT_PX = 1.0  # over so many pixels the rim of a disk falls from full to nothing


def disk_kernels(radius_B: Tensor, max_size: int) -> Tensor:
    """Disks (B, K, K) of the given radii in pixels that sum to 1: what a point becomes behind an open round aperture.

    The rim falls off over one pixel, so that a radius may be any fraction; 0 leaves the image as it is.
    """
    axis_K = torch.arange(max_size, device=radius_B.device, dtype=torch.float32) - max_size // 2
    distance_KK = torch.hypot(axis_K[:, None], axis_K[None, :])
    kernels_BKK = ((radius_B[:, None, None] - distance_KK) / SOFT_PX + 0.5).clamp(0, 1)
    kernels_BKK[:, max_size // 2, max_size // 2].clamp_(min=0.5)
    return kernels_BKK / kernels_BKK.sum((1, 2), keepdim=True)


class Defocus(DegradationOp):
    """Blur by a disk of random radius. Params: `radius` (B,) in pixels; an edited radius is an edited blur.

    Args:
        radius_range_px: smallest and largest radius in pixels.
    """

    def __init__(self, radius_range_px: Sequence[float] = (0.5, 6.0)) -> None:
        super().__init__()
        self.radius_range_px = check_range("radius_range_px", radius_range_px)
        self.kernel_size = check_kernel_size("the kernel", 2 * math.ceil(self.radius_range_px[1] + SOFT_PX) + 1)

    def sample(self, shape_BCHW: Shape, generator: torch.Generator) -> Params:
        return {"radius": uniform((shape_BCHW[0],), *self.radius_range_px, generator)}

    def forward(self, x_BCHW: Tensor, params: Params) -> Tensor:
        return blur(x_BCHW, disk_kernels(params["radius"].clamp(max=self.radius_range_px[1]), self.kernel_size))
