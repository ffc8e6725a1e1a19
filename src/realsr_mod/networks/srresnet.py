"""SRResNet (arXiv 1609.04802) without batch normalisation, the network of DDR's study (arXiv 2108.00406).

Legend: B batch, C feature channels, H and W the low-resolution size, s the scale.
"""

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor, nn

from realsr_mod.networks.base import SRNetwork
from realsr_mod.networks.blocks import PixelShuffleUpsampler, ResidualBlock, conv3x3, init_scaled


class SRResNet(SRNetwork):
    """Head, residual blocks, PixelShuffle upsampler, two convolutions to RGB, plus the upsampled input if asked for.

    The taps are DDR's: `conv1`, the ends of the four groups of blocks (`rb4`, `rb8`, `rb12` and `rb16` of sixteen
    blocks, `rb2`, `rb4`, `rb6` and `rb8` of eight), and `up1`.

    Args:
        scale: 2, 3 or 4 (any power of two works).
        channels: C, feature channels; 64 as published.
        num_blocks: residual blocks; 16 as published.
        global_residual: add the bilinearly upsampled input to the output.
    """

    def __init__(self, scale: int = 4, channels: int = 64, num_blocks: int = 16, global_residual: bool = True) -> None:
        super().__init__()
        if num_blocks < 1:
            raise ValueError(f"num_blocks must be at least 1, got {num_blocks}")
        self.scale = scale
        self.size = {"channels": channels, "num_blocks": num_blocks, "global_residual": global_residual}
        self.global_residual = global_residual
        self.head = conv3x3(3, channels)
        self.blocks = nn.ModuleList([ResidualBlock(channels, nn.ReLU()) for _ in range(num_blocks)])
        self.upsampler = PixelShuffleUpsampler(channels, scale, nn.LeakyReLU(0.1))
        self.refine = conv3x3(channels, channels)
        self.to_rgb = conv3x3(channels, 3)
        init_scaled(self.blocks)

    @property
    def taps(self) -> Mapping[str, str]:
        ends = dict.fromkeys(-(-len(self.blocks) * group // 4) for group in (1, 2, 3, 4))
        return {"conv1": "head"} | {f"rb{end}": f"blocks.{end - 1}" for end in ends} | {"up1": "upsampler.2"}

    @property
    def default_taps(self) -> tuple[str, ...]:
        return (f"rb{len(self.blocks)}",)

    def features(self, lr_B3HW: Tensor) -> Tensor:
        """What the last residual block puts out: (B, C, H, W)."""
        x = F.leaky_relu(self.head(lr_B3HW), 0.1)
        for block in self.blocks:
            x = block(x)
        return x

    def restore(self, lr_B3HW: Tensor, embedding_B0: Tensor) -> Tensor:
        x = self.upsampler(self.features(lr_B3HW))
        sr: Tensor = self.to_rgb(F.leaky_relu(self.refine(x), 0.1))
        if not self.global_residual:
            return sr
        return sr + F.interpolate(lr_B3HW, scale_factor=self.scale, mode="bilinear", align_corners=False)
