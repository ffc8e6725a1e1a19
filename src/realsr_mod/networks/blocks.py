"""Building blocks that two or more networks share.

Legend: B batch, C channels, H height, W width.
"""

import math
from collections.abc import Iterable
from typing import Literal, get_args

import torch
from torch import Tensor, nn

DIV2K_RGB_MEAN = (0.4488, 0.4371, 0.4040)

UpsamplerKind = Literal["pixel_shuffle", "resize_conv"]
Initialization = Literal["kaiming", "pytorch"]  # full-size weights and no biases, or what PyTorch's layers begin with


def conv3x3(in_channels: int, out_channels: int, stride: int = 1) -> nn.Conv2d:
    """A 3x3 convolution that keeps the size (divided by `stride`)."""
    return nn.Conv2d(in_channels, out_channels, 3, stride=stride, padding=1)


def init_scaled(modules: Iterable[nn.Module], scale: float = 0.1) -> None:
    """Kaiming-normal weights times `scale` and zero biases.

    A small scale lets deep residual branches start small. A scale of 1 lets what differs between inputs pass a plain
    stack of layers undiminished; PyTorch's own start shrinks it in every layer while the biases add the same to all.
    """
    for module in modules:
        for layer in module.modules():
            # without memory there is nothing to fill, and torch would load its compiler to do it
            if isinstance(layer, nn.Conv2d | nn.Linear) and not layer.weight.is_meta:
                nn.init.kaiming_normal_(layer.weight)
                layer.weight.data.mul_(scale)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)


def check_initialization(initialization: str) -> None:
    """Raise ValueError unless it is one of `Initialization`."""
    if initialization not in get_args(Initialization):
        raise ValueError(f"initialization must be {' or '.join(get_args(Initialization))}, got {initialization!r}")


class ResidualBlock(nn.Module):
    """x + conv(activation(conv(x))), without normalisation."""

    def __init__(self, channels: int, activation: nn.Module) -> None:
        super().__init__()
        self.conv1 = conv3x3(channels, channels)
        self.activation = activation
        self.conv2 = conv3x3(channels, channels)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        residual_BCHW: Tensor = self.conv2(self.activation(self.conv1(x_BCHW)))
        return x_BCHW + residual_BCHW


def enlarging_factors(scale: int) -> list[int]:
    """The steps in which features are enlarged: 3 once, or 2 repeatedly. Raises ValueError for other scales."""
    if scale == 3:
        return [3]
    if scale > 0 and math.log2(scale).is_integer():
        return [2] * int(math.log2(scale))
    raise ValueError(f"scale must be 3 or a power of two, got {scale}")


class PixelShuffleUpsampler(nn.Sequential):
    """Enlarge by 3 or a power of two: conv to f*f*C channels and PixelShuffle(f) for each factor.

    `activation`, if any, follows each PixelShuffle.
    """

    def __init__(self, channels: int, scale: int, activation: nn.Module | None = None) -> None:
        layers: list[nn.Module] = []
        for factor in enlarging_factors(scale):
            layers += [conv3x3(channels, channels * factor**2), nn.PixelShuffle(factor)]
            layers += [] if activation is None else [activation]
        super().__init__(*layers)


class ResizeConvUpsampler(nn.Sequential):
    """Enlarge by 3 or a power of two: nearest neighbour, conv, LeakyReLU(0.1) for each factor; conv, LeakyReLU.

    All pixels come from the same kernels, where PixelShuffle has other ones for each place in a square of f x f, whose
    grid adversarial training leaves in the image (Odena et al. 2016). At x4 it multiplies 1.8 times as much.
    """

    def __init__(self, channels: int, scale: int) -> None:
        layers: list[nn.Module] = []
        for factor in enlarging_factors(scale):
            layers += [nn.Upsample(scale_factor=factor), conv3x3(channels, channels), nn.LeakyReLU(0.1)]
        super().__init__(*layers, conv3x3(channels, channels), nn.LeakyReLU(0.1))


class RGBMean(nn.Module):
    """The mean colour of DIV2K, to subtract from an image before a network and to add to it afterwards."""

    mean_C11: Tensor

    def __init__(self, mean: tuple[float, float, float] = DIV2K_RGB_MEAN) -> None:
        super().__init__()
        self.register_buffer("mean_C11", torch.tensor(mean).view(3, 1, 1), persistent=False)

    def subtract(self, x_BCHW: Tensor) -> Tensor:
        return x_BCHW - self.mean_C11

    def add(self, x_BCHW: Tensor) -> Tensor:
        return x_BCHW + self.mean_C11
