"""Photos in haze. Legend: B batch, C channels, H and W the size."""

from collections.abc import Sequence

import torch
from torch import Tensor

from realsr_mod.degradations.base import ChainDegradation, DegradationOp, Params, Shape, check_range, uniform
from realsr_mod.degradations.noise import Quantize
from realsr_mod.degradations.resize import Downscale


class Haze(DegradationOp):
    """x t + (1 - t) under white air, the transmission t drawn per photo."""

    def __init__(self, transmission_range: Sequence[float]) -> None:
        super().__init__()
        self.low, self.high = check_range("transmission_range", transmission_range)

    def sample(self, shape_BCHW: Shape, generator: torch.Generator) -> Params:
        return {"transmission": uniform((shape_BCHW[0],), self.low, self.high, generator)}

    def forward(self, x_BCHW: Tensor, params: Params) -> Tensor:
        transmission_B111 = params["transmission"].view(-1, 1, 1, 1)
        return x_BCHW * transmission_B111 + 1 - transmission_B111


class HazyBicubic(ChainDegradation):
    """Haze, then bicubic downscaling and 8 bits."""

    def __init__(self, scale: int, transmission_range: Sequence[float] = (0.6, 1.0)) -> None:
        super().__init__(scale, haze=Haze(transmission_range), down=Downscale(scale), quantize=Quantize())
