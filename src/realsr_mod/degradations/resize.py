"""MATLAB-style resizing: antialiased, pixel centres aligned, borders mirrored.

Legend: B batch, C channels, H height, W width, O outputs, T taps.
"""

import math
from functools import lru_cache

import torch
from torch import Tensor

from realsr_mod.degradations.banded import Band, bands, filter_height, filter_width
from realsr_mod.degradations.base import DegradationOp, Params, Shape, lr_size

FILTERS = ("area", "bilinear", "bicubic")


def cubic(distance: Tensor) -> Tensor:
    """Keys' cubic with a = -0.5, of support 4 (R. Keys, 1981)."""
    d = distance.abs()
    near = (1.5 * d - 2.5) * d * d + 1
    far = ((-0.5 * d + 2.5) * d - 4) * d + 2
    return torch.where(d <= 1, near, torch.where(d < 2, far, torch.zeros_like(d)))


def triangle(distance: Tensor) -> Tensor:
    """The linear interpolation kernel, of support 2."""
    return (1 - distance.abs()).clamp(min=0)


def coverage(distance: Tensor, width: float | Tensor) -> Tensor:
    """How much of a pixel lies inside an interval of `width` pixels that is centred `distance` away."""
    lower, upper = (distance - 0.5), (distance + 0.5)
    half = width / 2
    if isinstance(half, Tensor):
        return (torch.minimum(upper, half) - torch.maximum(lower, -half)).clamp(min=0)
    return (upper.clamp(max=half) - lower.clamp(min=-half)).clamp(min=0)


def _weights(distance: Tensor, shrink: float, name: str) -> Tensor:
    """Filter values at a distance in input pixels. `shrink` is min(scale, 1): it widens the filter against aliasing."""
    if name == "area":
        return coverage(distance, 1 / shrink)
    return (cubic if name == "bicubic" else triangle)(distance * shrink)


@lru_cache(maxsize=256)
def _matrix(size_in: int, size_out: int, scale: float, name: str, device: torch.device) -> tuple[Band, ...]:
    """The matrix that resizes one axis."""
    if name not in FILTERS:
        raise ValueError(f"filter must be one of {', '.join(FILTERS)}, got {name!r}")
    shrink = min(scale, 1.0)
    support = {"area": 2.0, "bilinear": 2.0, "bicubic": 4.0}[name] / shrink
    taps = math.ceil(support) + 2
    center_O = (torch.arange(size_out, dtype=torch.float64) + 0.5) / scale - 0.5
    index_OT = (center_O - support / 2).floor().long()[:, None] + torch.arange(taps)
    weight_OT = _weights(center_O[:, None] - index_OT, shrink, name)
    weight_OT = weight_OT / weight_OT.sum(1, keepdim=True)
    folded_OT = index_OT.remainder(2 * size_in)  # a mirror that repeats the border pixel, as MATLAB's
    folded_OT = torch.where(folded_OT < size_in, folded_OT, 2 * size_in - 1 - folded_OT)
    return bands(folded_OT, weight_OT, device)


def resize(
    x_BCHW: Tensor, scale: float | None = None, size: tuple[int, int] | None = None, filter: str = "bicubic"
) -> Tensor:
    """Resize like MATLAB's `imresize`: (B, C, H, W) to (B, C, ceil(H scale), ceil(W scale)), or to `size`.

    Give `scale` or `size` (height, width), not both. Filters: "bicubic", "bilinear", "area" (mean over the pixel's
    footprint). All are antialiased when shrinking. Values are not clipped: bicubic overshoots at edges.
    """
    height, width = x_BCHW.shape[-2:]
    if size is None and scale is not None:
        size, scales = (math.ceil(height * scale - 1e-9), math.ceil(width * scale - 1e-9)), (scale, scale)
    elif size is not None and scale is None:
        scales = (size[0] / height, size[1] / width)
    else:
        raise ValueError(f"give either scale or size, got scale={scale} and size={size}")
    if min(size) < 1:
        raise ValueError(f"the resized image must be at least 1x1, got {size[0]}x{size[1]} from {height}x{width}")
    x_BCHW = filter_height(x_BCHW, _matrix(height, size[0], scales[0], filter, x_BCHW.device))
    return filter_width(x_BCHW, _matrix(width, size[1], scales[1], filter, x_BCHW.device))


class Downscale(DegradationOp):
    """Shrink by an integer scale with a MATLAB-style filter. No params."""

    def __init__(self, scale: int, filter: str = "bicubic") -> None:
        super().__init__()
        if scale < 1:
            raise ValueError(f"scale must be at least 1, got {scale}")
        if filter not in FILTERS:
            raise ValueError(f"filter must be one of {', '.join(FILTERS)}, got {filter!r}")
        self.scale, self.filter = scale, filter

    def forward(self, x_BCHW: Tensor, params: Params) -> Tensor:
        return resize(x_BCHW, size=lr_size(*x_BCHW.shape[-2:], scale=self.scale), filter=self.filter)

    def output_shape(self, shape_BCHW: Shape) -> Shape:
        return *shape_BCHW[:2], *lr_size(*shape_BCHW[2:], scale=self.scale)
