"""PSNR as a loss."""

import torch
from torch import Tensor, nn


class PSNRLoss(nn.Module):
    """Minus the PSNR in dB of images in [0, 1], mean over images: (..., C, H, W) twice to a scalar.

    Squared error is ruled by the worst degraded images of a batch. Here every image counts by the ratio of its
    error, as in the figure that is reported in the end. (Chen and others, HINet, arXiv 2105.06086. Kornia's loss of
    this name pools the errors of a batch before the logarithm, and is infinite where they are 0.)

    Args:
        floor: added to each image's mean squared error. It bounds the weight of images that are nearly right, as
            flat patches are from the first: with 0.001, none seems better than 30 dB.
    """

    def __init__(self, floor: float = 1.0e-3) -> None:
        super().__init__()
        if floor <= 0:
            raise ValueError(f"floor must be positive, got {floor}: an error of 0 has no logarithm")
        self.floor = floor

    def forward(self, sr: Tensor, hr: Tensor) -> Tensor:
        mse = (sr - hr).square().mean(dim=(-3, -2, -1))
        return 10 * torch.log10(mse + self.floor).mean()
