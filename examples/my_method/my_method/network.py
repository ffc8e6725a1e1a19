"""A network of residual blocks. Legend: B batch, H and W the low-resolution size."""

from types import MappingProxyType

import torch.nn.functional as F
from torch import Tensor, nn

from realsr_mod.networks.base import SRNetwork
from realsr_mod.networks.blocks import PixelShuffleUpsampler, ResidualBlock, conv3x3


class EdgeNet(SRNetwork):
    """Residual blocks and a PixelShuffle upsampler, whose output is added to the bilinearly enlarged input."""

    taps = MappingProxyType({"body": "body"})
    default_taps = ("body",)

    def __init__(self, scale: int, channels: int, num_blocks: int) -> None:
        super().__init__()
        self.scale = scale
        self.body = nn.Sequential(
            conv3x3(3, channels), *(ResidualBlock(channels, nn.ReLU()) for _ in range(num_blocks))
        )
        self.upsampler = PixelShuffleUpsampler(channels, scale)
        self.to_rgb = conv3x3(channels, 3)

    def restore(self, lr_B3HW: Tensor, embedding_B0: Tensor) -> Tensor:
        enlarged = F.interpolate(lr_B3HW, scale_factor=self.scale, mode="bilinear", align_corners=False)
        return enlarged + self.to_rgb(self.upsampler(self.body(lr_B3HW)))
