"""Noise of several kinds in one batch: Gaussian or Poisson, in colour or grey, row by row.

Legend: B batch, C channels, H height, W width.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from realsr_mod.degradations.base import (
    DegradationOp,
    Params,
    Shape,
    bernoulli,
    check_probability,
    check_range,
    uniform,
)
from realsr_mod.degradations.canvas import any_row, can_look, clamped_coordinates, per_row, whole_size
from realsr_mod.degradations.noise import draw_seeds, noise_field

_LUMA = (0.299, 0.587, 0.114)


def poisson_quantile(rate: Tensor, normal: Tensor) -> Tensor:
    """The Poisson count of mean `rate` that stands at the same quantile as a standard normal number.

    From a rate of 0.5 up by the Cornish-Fisher expansion that M. Giles gives (ACM TOMS 42:7, 2016, eq. 9): mean within
    1.5 % and variance within 6 % at 0.5, 0.1 % and 0.5 % from 3 up. Below, by summing the first probabilities.
    """
    root = rate.clamp(min=0.5).sqrt()
    square = normal * normal
    count = (
        (rate + root * normal + (square / 6 + 1 / 3) - normal * (square / 72 + 1 / 36) / root).floor_().clamp_(min=0)
    )
    is_small = rate < 0.5
    if can_look(rate):  # few pixels of a photo are that dark
        count[is_small] = _small_poisson(rate[is_small], normal.expand_as(rate)[is_small])
        return count
    return torch.where(is_small, _small_poisson(rate, normal), count)


def _small_poisson(rate: Tensor, normal: Tensor) -> Tensor:
    """Counts 0 to 3 by inversion of the distribution function; at a rate of 0.5, one in 570 is larger."""
    quantile = 0.5 + 0.5 * torch.erf(normal * 0.5**0.5)  # the normal distribution function
    none = torch.exp(-rate)
    one = none * (1 + rate)
    two = one + none * rate * rate / 2
    return (quantile > none).float() + (quantile > one) + (quantile > two)


class CameraNoise(DegradationOp):
    """Gaussian or Poisson noise, in colour or grey, then clipping to [0, 1] (Real-ESRGAN, arXiv 2107.10833).

    Params, all (B,): `is_poisson` bool; `sigma` of the Gaussian, [0, 1] units; `poisson_scale`, a factor on Poisson
    noise; `is_grey` bool, the same noise in all channels; `seed` of the pattern. A row holds the level of both types,
    so either can be edited. `sigma_range_255` is in 1/255 units. Poisson noise at scale 1 is that of a sensor that
    counts `white_count` photons in a white pixel.
    """

    def __init__(
        self,
        sigma_range_255: Sequence[float] = (1.0, 30.0),
        poisson_scale_range: Sequence[float] = (0.05, 3.0),
        poisson_probability: float = 0.5,
        grey_probability: float = 0.4,
        white_count: float = 256.0,
    ) -> None:
        super().__init__()
        self.sigma_range_255 = check_range("sigma_range_255", sigma_range_255)
        self.poisson_scale_range = check_range("poisson_scale_range", poisson_scale_range)
        self.poisson_probability = check_probability("poisson_probability", poisson_probability)
        self.grey_probability = check_probability("grey_probability", grey_probability)
        if white_count <= 0:
            raise ValueError(f"white_count must be above 0, got {white_count}")
        self.white_count = white_count

    def sample(self, shape_BCHW: Shape, generator: torch.Generator) -> Params:
        batch = shape_BCHW[0]
        low, high = self.sigma_range_255
        return {
            "is_poisson": bernoulli(batch, self.poisson_probability, generator),
            "sigma": uniform((batch,), low / 255, high / 255, generator),
            "poisson_scale": uniform((batch,), *self.poisson_scale_range, generator),
            "is_grey": bernoulli(batch, self.grey_probability, generator),
            "seed": draw_seeds(batch, generator),
        }

    def forward(self, x_BCHW: Tensor, params: Params, size_B2: Tensor | None = None) -> Tensor:
        """Add the noise. On a canvas, what lies outside `size_B2` gets the noise of the nearest pixel inside."""
        size_B2 = whole_size(x_BCHW) if size_B2 is None else size_B2
        channels, height, width = x_BCHW.shape[1:]
        rows_BH, columns_BW = (clamped_coordinates(n, size_B2[:, i]) for i, n in enumerate((height, width)))
        fields = channels if any_row(~params["is_grey"]) else 1
        normal = noise_field(params["seed"], fields, rows_BH, columns_BW)
        is_grey_B111, is_poisson_B111 = per_row(params["is_grey"]), per_row(params["is_poisson"])
        if fields > 1:
            normal = torch.where(is_grey_B111, normal[:, :1], normal)
        noise = per_row(params["sigma"]) * normal
        if any_row(params["is_poisson"]):
            poisson = self._poisson(x_BCHW, normal, is_grey_B111) * per_row(params["poisson_scale"])
            noise = torch.where(is_poisson_B111, poisson, noise)
        return (x_BCHW + noise).clamp_(0, 1)

    def _poisson(self, x_BCHW: Tensor, normal: Tensor, is_grey_B111: Tensor) -> Tensor:
        """Count minus mean, in [0, 1] units; a grey row counts its luma."""
        rate = x_BCHW.clamp(0, 1) * self.white_count
        if rate.shape[1] == len(_LUMA) and any_row(is_grey_B111):
            red, green, blue = (weight * rate[:, i : i + 1] for i, weight in enumerate(_LUMA))
            luma = red + green + blue
            rate = luma if normal.shape[1] == 1 else torch.where(is_grey_B111, luma, rate)
        return (poisson_quantile(rate, normal) - rate) / self.white_count
