"""Means over images of a figure per image, right over any number of processes."""

from collections.abc import Callable

import torch
from torch import Tensor
from torchmetrics import Metric

from realsr_mod.images.luma import psnr_y, ssim_y

Measure = Callable[[Tensor, Tensor, int], Tensor]  # SR and HR (B, 3, H, W), border in px -> a figure per image, (B,)


class MeanPerImage(Metric):
    """The mean over images of a value per image.

    Args:
        measure: what is measured of each image.
        border: px that are cut on each side first.
    """

    full_state_update = False
    total: Tensor
    count: Tensor

    def __init__(self, measure: Measure, border: int) -> None:
        super().__init__()
        self.measure = measure
        self.border = border
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, sr_B3HW: Tensor, hr_B3HW: Tensor) -> None:
        values = self.measure(sr_B3HW, hr_B3HW, self.border)
        self.total += values.sum()
        self.count += values.numel()

    def compute(self) -> Tensor:
        return self.total / self.count


class PSNRY(MeanPerImage):
    """Mean PSNR-Y over images, dB. `border` pixels are cut on each side."""

    higher_is_better = True

    def __init__(self, border: int) -> None:
        super().__init__(psnr_y, border)


class SSIMY(MeanPerImage):
    """Mean SSIM-Y over images. `border` pixels are cut on each side."""

    higher_is_better = True

    def __init__(self, border: int) -> None:
        super().__init__(ssim_y, border)
