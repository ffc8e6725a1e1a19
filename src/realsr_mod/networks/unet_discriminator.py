"""Real-ESRGAN's discriminator (arXiv 2107.10833): a U-Net with spectral normalisation, one logit per pixel.

Legend: B batch, H height, W width.
"""

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from realsr_mod.networks.blocks import conv3x3


def _normalized(in_channels: int, out_channels: int, halve: bool = False) -> nn.Module:
    """A bias-free convolution under spectral normalisation; `halve` makes it 4x4 with stride 2, else it is 3x3."""
    kernel, stride = (4, 2) if halve else (3, 1)
    return spectral_norm(nn.Conv2d(in_channels, out_channels, kernel, stride=stride, padding=1, bias=False))


class UNetDiscriminator(nn.Module):
    """Tell real images from restored ones, pixel by pixel: (B, 3, H, W) to logits (B, 1, H, W).

    Args:
        channels: width at full resolution; it doubles with each of the three halvings. 64 as published.
    """

    def __init__(self, channels: int = 64) -> None:
        super().__init__()
        c = channels
        self.head = conv3x3(3, c)
        self.down = nn.ModuleList([_normalized(c * 2**i, c * 2 ** (i + 1), halve=True) for i in range(3)])
        self.up = nn.ModuleList([_normalized(c * 2 ** (i + 1), c * 2**i) for i in (2, 1, 0)])
        self.refine = nn.ModuleList([_normalized(c, c) for _ in range(2)])
        self.to_logits = conv3x3(c, 1)

    def forward(self, x_B3HW: Tensor) -> Tensor:
        return self.with_features(x_B3HW)[0]

    def with_features(self, x_B3HW: Tensor) -> tuple[Tensor, list[Tensor]]:
        """The logits, and what every layer after the first makes of the images, from there to the logits."""
        x = F.leaky_relu(self.head(x_B3HW), 0.2)
        skips, features = [], []
        for conv in self.down:
            skips.append(x)
            x = F.leaky_relu(conv(x), 0.2)
            features.append(x)
        for conv, skip in zip(self.up, reversed(skips), strict=True):
            x = F.interpolate(x, size=skip.shape[-2:], mode="bilinear", align_corners=False)
            x = F.leaky_relu(conv(x), 0.2) + skip
            features.append(x)
        for conv in self.refine:
            x = F.leaky_relu(conv(x), 0.2)
            features.append(x)
        logits_B1HW: Tensor = self.to_logits(x)
        return logits_B1HW, features
