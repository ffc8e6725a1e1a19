"""Convolutions whose kernels an embedding makes, and KDSR's restorer of them, which DDR's guided network has too.

Legend: B batch, C feature channels, H and W the low-resolution size, s the scale, D embedding length.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from realsr_mod.networks.blocks import (
    Initialization,
    PixelShuffleUpsampler,
    ResizeConvUpsampler,
    RGBMean,
    UpsamplerKind,
    conv3x3,
    init_scaled,
)


class DynamicDepthwiseConv(nn.Module):
    """A depthwise KxK convolution whose kernels are computed per sample from an embedding (KDSR, eq. 5).

    `embedding_dim` D in, `channels` C filtered: linear D to C, LeakyReLU(0.1), linear C to K*K*C, no biases.
    The kernels start small, and as different as the embeddings are; with `initialization="pytorch"`, like any layer.
    """

    def __init__(
        self, channels: int, embedding_dim: int, kernel_size: int = 3, initialization: Initialization = "kaiming"
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.to_kernels = nn.Sequential(
            nn.Linear(embedding_dim, channels, bias=False),
            nn.LeakyReLU(0.1),
            nn.Linear(channels, kernel_size**2 * channels, bias=False),
        )
        if initialization == "kaiming":
            init_scaled([self.to_kernels[0]], scale=1.0)
            init_scaled([self.to_kernels[2]], scale=0.05)

    def forward(self, x_BCHW: Tensor, embedding_BD: Tensor) -> Tensor:
        b, c, h, w = x_BCHW.shape
        k = self.kernel_size
        kernels = self.to_kernels(embedding_BD).to(x_BCHW.dtype).reshape(b * c, 1, k, k)
        y = F.conv2d(x_BCHW.reshape(1, b * c, h, w), kernels, padding=k // 2, groups=b * c)
        return y.reshape(b, c, h, w)


class IDRDynamicBlock(nn.Module):
    """IDR-DCRB: x + conv(LeakyReLU(depthwise convolution with kernels from the IDR))."""

    def __init__(self, channels: int, initialization: Initialization = "kaiming") -> None:
        super().__init__()
        self.dynamic = DynamicDepthwiseConv(channels, embedding_dim=channels, initialization=initialization)
        self.conv = conv3x3(channels, channels)

    def forward(self, x_BCHW: Tensor, idr_BC: Tensor) -> Tensor:
        residual_BCHW: Tensor = self.conv(F.leaky_relu(self.dynamic(x_BCHW, idr_BC), 0.1))
        return x_BCHW + residual_BCHW


class IDRRestorer(nn.Module):
    """KDSR's restorer: head, dynamic blocks, conv, long skip, upsampler (PixelShuffle as published), conv to RGB."""

    def __init__(
        self,
        channels: int,
        num_blocks: int,
        scale: int,
        initialization: Initialization = "kaiming",
        upsampler: UpsamplerKind = "pixel_shuffle",
    ) -> None:
        super().__init__()
        self.rgb_mean = RGBMean()
        self.head = conv3x3(3, channels)
        self.blocks = nn.ModuleList([IDRDynamicBlock(channels, initialization) for _ in range(num_blocks)])
        self.fuse = conv3x3(channels, channels)
        kind = PixelShuffleUpsampler if upsampler == "pixel_shuffle" else ResizeConvUpsampler
        self.upsampler = kind(channels, scale)
        self.to_rgb = conv3x3(channels, 3)

    def forward(self, lr_B3HW: Tensor, idr_BC: Tensor) -> Tensor:
        head = self.head(self.rgb_mean.subtract(lr_B3HW))
        x = head
        for block in self.blocks:
            x = block(x, idr_BC)
        return self.rgb_mean.add(self.to_rgb(self.upsampler(head + self.fuse(x))))
