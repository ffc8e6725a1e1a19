"""RRDBNet, the network of ESRGAN (arXiv 1809.00219) and Real-ESRGAN (arXiv 2107.10833).

Legend: B batch, C feature channels, G growth channels, H and W the low-resolution size, s the scale.
"""

from collections.abc import Sequence
from types import MappingProxyType

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from realsr_mod.networks.base import SRNetwork
from realsr_mod.networks.blocks import conv3x3, init_scaled

Affine = tuple[Tensor, Tensor]  # gamma and beta, (B, C) each


class ResidualDenseBlock(nn.Module):
    """Five convolutions, each reading the input and all earlier outputs; x + 0.2 times the last one."""

    def __init__(self, channels: int, growth: int, init_scale: float = 0.1) -> None:
        super().__init__()
        widths = [growth, growth, growth, growth, channels]
        self.convs = nn.ModuleList([conv3x3(channels + i * growth, width) for i, width in enumerate(widths)])
        init_scaled(self.convs, init_scale)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        features = [x_BCHW]
        for conv in self.convs[:-1]:
            features.append(F.leaky_relu(conv(torch.cat(features, dim=1)), 0.2))
        last_BCHW: Tensor = self.convs[-1](torch.cat(features, dim=1))
        return x_BCHW + 0.2 * last_BCHW


class RRDB(nn.Module):
    """Residual in residual dense block: x + 0.2 times three dense blocks in a row."""

    def __init__(self, channels: int, growth: int, init_scale: float = 0.1) -> None:
        super().__init__()
        self.dense = nn.Sequential(*[ResidualDenseBlock(channels, growth, init_scale) for _ in range(3)])

    def forward(self, x_BCHW: Tensor) -> Tensor:
        dense_BCHW: Tensor = self.dense(x_BCHW)
        return x_BCHW + 0.2 * dense_BCHW


class RRDBRestorer(nn.Module):
    """Head, RRDBs, conv, long skip, two nearest-neighbour doublings, two convs to RGB: enlarges four times.

    A smaller scale first folds the image by pixel-unshuffling: 2 at scale 2, 4 at scale 1. An image whose sides
    that does not divide is padded by repeating its border, and the result is cropped.

    Args:
        scale: 1, 2 or 4; with other doublings 2**doublings, or a half or a quarter of it.
        channels: C, feature channels.
        num_blocks: RRDBs.
        growth: G, channels that each convolution of a dense block adds.
        init_scale: of the RRDBs' first weights, as a share of Kaiming's. The published tenth suits 23 blocks; a network
            of a few blocks learns faster from 1.
        doublings: 0 to 4. ESRGAN's first program has none at scale 1, one at scale 2, three at scale 8.
    """

    def __init__(
        self,
        scale: int,
        channels: int,
        num_blocks: int,
        growth: int,
        init_scale: float = 0.1,
        doublings: int = 2,
    ) -> None:
        super().__init__()
        if doublings not in range(5):
            raise ValueError(f"an RRDB network doubles 0 to 4 times, got doublings={doublings}")
        scales = [2**doublings // fold for fold in (4, 2, 1) if 2**doublings >= fold]
        if scale not in scales:
            known = " or ".join(map(str, scales))
            raise ValueError(f"an RRDB network of doublings={doublings} enlarges by {known}, got scale={scale}")
        self.scale = scale
        self.fold = 2**doublings // scale
        self.head = conv3x3(3 * self.fold**2, channels)
        self.blocks = nn.ModuleList([RRDB(channels, growth, init_scale) for _ in range(num_blocks)])
        self.fuse = conv3x3(channels, channels)
        for i in range(doublings):
            self.add_module(f"up{i + 1}", conv3x3(channels, channels))
        self.doublings = doublings
        self.refine = conv3x3(channels, channels)
        self.to_rgb = conv3x3(channels, 3)

    def forward(self, lr_B3HW: Tensor, affines: Sequence[Affine] = ()) -> Tensor:
        """Enlarge. `affines`, if any, holds one (gamma, beta) per block: its output x becomes (1 + gamma) x + beta."""
        height, width = lr_B3HW.shape[-2:]
        sr = self.enlarged(self.features(lr_B3HW, affines))
        return sr if self.fold == 1 else sr[..., : height * self.scale, : width * self.scale]

    def features(self, lr_B3HW: Tensor, affines: Sequence[Affine] = ()) -> Tensor:
        """What the blocks make of an image, before it is enlarged: (B, C, H, W), or folded as the head reads it."""
        assert len(affines) in (0, len(self.blocks)), "one (gamma, beta) per block"
        head: Tensor = self.head(self._folded(lr_B3HW))
        x = head
        for i, block in enumerate(self.blocks):
            x = block(x)
            if affines:
                gamma_BC11, beta_BC11 = (part[:, :, None, None] for part in affines[i])
                x = (1 + gamma_BC11) * x + beta_BC11
        features_BCHW: Tensor = head + self.fuse(x)
        return features_BCHW

    def enlarged(self, x: Tensor) -> Tensor:
        """The image of `features`, still with what the folding padded."""
        for conv in (self.get_submodule(f"up{i + 1}") for i in range(self.doublings)):
            x = F.leaky_relu(conv(F.interpolate(x, scale_factor=2, mode="nearest")), 0.2)
        sr: Tensor = self.to_rgb(F.leaky_relu(self.refine(x), 0.2))
        return sr

    def _folded(self, lr_B3HW: Tensor) -> Tensor:
        if self.fold == 1:
            return lr_B3HW
        height, width = lr_B3HW.shape[-2:]
        padded = F.pad(lr_B3HW, (0, -width % self.fold, 0, -height % self.fold), mode="replicate")
        return F.pixel_unshuffle(padded, self.fold)


class RRDBNet(SRNetwork):
    """The plain network of ESRGAN and Real-ESRGAN; it does not look at the degradation.

    Args: see `RRDBRestorer`. The released ×4 models have 64 channels, 23 blocks, growth 32 (16.7 M parameters).
    """

    taps = MappingProxyType({"body": "restorer.fuse"})
    default_taps = ("body",)

    def __init__(
        self, scale: int = 4, channels: int = 64, num_blocks: int = 23, growth: int = 32, doublings: int = 2
    ) -> None:
        super().__init__()
        self.scale = scale
        self.restorer = RRDBRestorer(scale, channels, num_blocks, growth, doublings=doublings)

    def restore(self, lr_B3HW: Tensor, embedding_B0: Tensor) -> Tensor:
        sr: Tensor = self.restorer(lr_B3HW)
        return sr
