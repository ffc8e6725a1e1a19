"""Noise whose pattern is a function of a seed and the pixel's place, and rounding to 8 bits.

A noise field is not stored but computed: each value is a hash of (seed, channel, row, column), turned into a normal
number. So one integer per image replays the field exactly, it fits an image of any size, and a pixel's noise does
not depend on the size of the canvas or on the rest of the batch.
Legend: B batch, C channels, H height, W width.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from realsr_mod.degradations.base import DegradationOp, Params, Shape, check_range, shape_of, uniform
from realsr_mod.degradations.canvas import per_row

_GOLDEN = 0x9E3779B9 - 2**32  # constants are written as the int32 numbers that they wrap to


def _mix(x: Tensor) -> Tensor:
    """Hash int32 numbers in place (the "lowbias32" finaliser by C. Wellons): every input bit moves every output bit."""
    x ^= (x >> 16) & 0xFFFF  # the mask makes the shift a logical one
    x *= 0x7FEB352D
    x ^= (x >> 15) & 0x1FFFF
    x *= 0x846CA68B - 2**32
    x ^= (x >> 16) & 0xFFFF
    return x


def draw_seeds(batch: int, generator: torch.Generator) -> Tensor:
    """One seed of a noise field per row: (B,) int64."""
    return torch.randint(2**31 - 1, (batch,), generator=generator, device=generator.device)


def noise_field(seed_B: Tensor, channels: int, rows_BH: Tensor, columns_BW: Tensor) -> Tensor:
    """Standard normal numbers (B, C, H, W) for the pixels at `rows_BH`, `columns_BW` (int32 coordinates).

    Equal coordinates give equal noise. The values reach to ±4.9, a step of 16 bits in phase and in radius.
    """
    key_B = _mix(seed_B.to(torch.int32, copy=True))
    channel_C = torch.arange(1, channels + 1, device=seed_B.device, dtype=torch.int32)
    key_BC = _mix(key_B[:, None] + channel_C * _GOLDEN)
    key_BCH = _mix(key_BC[:, :, None] + rows_BH[:, None] * _GOLDEN)
    bits_BCHW = _mix(key_BCH[..., None] + (columns_BW * _GOLDEN)[:, None, None])
    radius = ((bits_BCHW & 0xFFFF) + 0.5).mul_(2.0**-16).log_().mul_(-2.0).sqrt_()  # Box-Muller
    phase = (bits_BCHW >> 16) * (2 * torch.pi * 2.0**-16)
    return radius.mul_(phase.cos_())


def full_field(seed_B: Tensor, shape_BCHW: Shape) -> Tensor:
    """`noise_field` for every pixel of a (B, C, H, W) image."""
    _, channels, height, width = shape_BCHW
    rows_1H, columns_1W = (torch.arange(n, device=seed_B.device, dtype=torch.int32)[None] for n in (height, width))
    return noise_field(seed_B, channels, rows_1H, columns_1W)


def quantize(x: Tensor) -> Tensor:
    """Clip to [0, 1] and round to 8 bits: the values k/255."""
    return (x.clamp(0, 1) * 255).round() / 255


class GaussianNoise(DegradationOp):
    """Add white Gaussian noise of random strength.

    Params: `sigma` (B,) in [0, 1] units and `seed` (B,), which stands for the unit normal field: an edited sigma
    changes the strength and keeps the pattern. `sigma_range_255` is in 1/255 units.
    """

    def __init__(self, sigma_range_255: Sequence[float]) -> None:
        super().__init__()
        self.sigma_range_255 = check_range("sigma_range_255", sigma_range_255)

    def sample(self, shape_BCHW: Shape, generator: torch.Generator) -> Params:
        low, high = self.sigma_range_255
        sigma_B = uniform((shape_BCHW[0],), low / 255, high / 255, generator)
        return {"sigma": sigma_B, "seed": draw_seeds(shape_BCHW[0], generator)}

    def forward(self, x_BCHW: Tensor, params: Params) -> Tensor:
        return x_BCHW + per_row(params["sigma"]) * full_field(params["seed"], shape_of(x_BCHW))


class Quantize(DegradationOp):
    """Store as 8 bits: clip to [0, 1] and round. No params."""

    def forward(self, x_BCHW: Tensor, params: Params) -> Tensor:
        return quantize(x_BCHW)
