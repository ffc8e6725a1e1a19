"""CRL-SR's networks (arXiv 2107.00708): features free of the degradation at every place, and a restorer of them.

Legend: B batch, C feature channels, P projected length, M places, H and W the low-resolution size, s the scale.
"""

import torch.nn.functional as F
from torch import Tensor, nn

from realsr_mod.networks.base import SRNetwork
from realsr_mod.networks.blocks import PixelShuffleUpsampler, ResidualBlock, RGBMean, conv3x3


class Encoder(nn.Module):
    """An image `scale` times the LR size to features on the LR grid: (B, 3, sH, sW) to (B, C, H, W).

    Pixel-unshuffle, 3x3 convolution, residual blocks, 3x3 convolution, and the first one's output added.
    """

    def __init__(self, scale: int, channels: int, num_blocks: int) -> None:
        super().__init__()
        self.scale = scale
        self.rgb_mean = RGBMean()
        self.head = conv3x3(3 * scale**2, channels)
        self.body = nn.Sequential(
            *[ResidualBlock(channels, nn.LeakyReLU(0.1)) for _ in range(num_blocks)], conv3x3(channels, channels)
        )

    def forward(self, x_B3HW: Tensor) -> Tensor:
        head: Tensor = self.head(F.pixel_unshuffle(self.rgb_mean.subtract(x_B3HW), self.scale))
        residual: Tensor = self.body(head)
        return head + residual


class Restorer(nn.Module):
    """Features on the LR grid to the SR image: (B, C, H, W) to (B, 3, sH, sW)."""

    def __init__(self, scale: int, channels: int, num_blocks: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *[ResidualBlock(channels, nn.LeakyReLU(0.1)) for _ in range(num_blocks)], conv3x3(channels, channels)
        )
        self.upsampler = PixelShuffleUpsampler(channels, scale)
        self.to_rgb = conv3x3(channels, 3)
        self.rgb_mean = RGBMean()

    def forward(self, features_BCHW: Tensor) -> Tensor:
        x = features_BCHW + self.body(features_BCHW)
        return self.rgb_mean.add(self.to_rgb(self.upsampler(x)))


class CRLSRNet(SRNetwork):
    """Degradation remover and restorer: all of CRL-SR that is left after training.

    The degradation may differ from place to place, so what the restorer reads is a map: `restore` makes it from LR and
    takes nothing from the embedding. `embed` is for looking at: the remover's features, averaged over the image.

    Args:
        scale: 2, 3 or 4 (any power of two works).
        channels: C, feature channels; the embedding has as many entries.
        remover_blocks: residual blocks of the degradation remover.
        restorer_blocks: residual blocks of the restorer.
    """

    def __init__(self, scale: int, channels: int, remover_blocks: int, restorer_blocks: int) -> None:
        super().__init__()
        self.scale = scale
        self.embedding_dim = self.channels = channels
        self.remover = Encoder(1, channels, remover_blocks)
        self.restorer = Restorer(scale, channels, restorer_blocks)

    def embed(self, lr_B3HW: Tensor, hr: Tensor | None = None) -> Tensor:
        features_BCHW: Tensor = self.remover(lr_B3HW)
        return features_BCHW.mean(dim=(2, 3))

    def restore(self, lr_B3HW: Tensor, embedding_BC: Tensor) -> Tensor:
        sr: Tensor = self.restorer(self.remover(lr_B3HW))
        return sr

    def forward(self, lr_B3HW: Tensor, hr: Tensor | None = None) -> Tensor:
        sr: Tensor = self.restorer(self.remover(lr_B3HW))  # without the embedding, which it does not need
        return sr


class ProjectionHead(nn.Module):
    """Linear, ReLU, linear on vectors, (B, M, C) to (B, M, P), as in patchwise contrast (arXiv 2007.15651)."""

    def __init__(self, channels: int, projection_dim: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(channels, projection_dim), nn.ReLU(), nn.Linear(projection_dim, projection_dim)
        )

    def forward(self, features_BMC: Tensor) -> Tensor:
        projected_BMP: Tensor = self.layers(features_BMC)
        return projected_BMP


class FeatureExtractor(nn.Module):
    """E_f: an HR or SR image to unit vectors on the LR grid, (B, 3, sH, sW) to (B, P, H, W)."""

    def __init__(self, scale: int, channels: int, num_blocks: int, projection_dim: int) -> None:
        super().__init__()
        self.encoder = Encoder(scale, channels, num_blocks)
        self.project = nn.Conv2d(channels, projection_dim, 1)

    def forward(self, x_B3HW: Tensor) -> Tensor:
        return F.normalize(self.project(self.encoder(x_B3HW)), dim=1)


class Decoder(nn.Module):
    """D_rec: what `FeatureExtractor` made of an image back to the image, (B, P, H, W) to (B, 3, sH, sW)."""

    def __init__(self, scale: int, channels: int, num_blocks: int, projection_dim: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            conv3x3(projection_dim, channels),
            *[ResidualBlock(channels, nn.LeakyReLU(0.1)) for _ in range(num_blocks)],
            conv3x3(channels, 3 * scale**2),
            nn.PixelShuffle(scale),
        )
        self.rgb_mean = RGBMean()

    def forward(self, features_BPHW: Tensor) -> Tensor:
        return self.rgb_mean.add(self.layers(features_BPHW))


def at_places(features_BCHW: Tensor, places_BM: Tensor) -> Tensor:
    """Feature vectors at row-major places of the grid: (B, C, H, W) and (B, M) to (B, M, C)."""
    vectors_BLC = features_BCHW.flatten(2).mT
    return vectors_BLC.gather(1, places_BM[..., None].expand(-1, -1, vectors_BLC.shape[-1]))
