"""MM-RealSR's network (arXiv 2205.05065): two estimated degrees, blur and noise, steer an RRDB restorer.

Legend: B batch, C feature channels, D = 2 degrees, H and W the low-resolution size, s the scale.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from realsr_mod.networks.base import SRNetwork
from realsr_mod.networks.blocks import ResidualBlock, conv3x3, init_scaled
from realsr_mod.networks.rrdb import Affine, RRDBRestorer

HIDDEN = 512  # width of the regressor's hidden layer and of the shared embedding, as published
DEGREES = ("blur", "noise")


class DegreeBranch(nn.Module):
    """One kind of degradation: image to its degree in (0, 1), 0 clean and 1 the worst.

    A convolution; per stage residual blocks without normalisation, then a convolution where the stage downsamples or
    the width changes; global average pool; linear, ReLU, linear, sigmoid.

    It begins with Kaiming's weights times `init_scale`, the last layer with a tenth of them. (The released program
    takes 0.1. But what tells noise from content passes a ReLU, and those are in the residual branches alone: two tenths
    in a row leave a hundredth of it, and the noise degree takes long to part from its start.)
    """

    def __init__(
        self, widths: Sequence[int], num_blocks: Sequence[int], downscales: Sequence[int], init_scale: float = 1.0
    ) -> None:
        super().__init__()
        self.head = conv3x3(3, widths[0])
        next_widths = [*widths[1:], widths[-1]]
        layers: list[nn.Module] = []
        for width, next_width, blocks, downscale in zip(widths, next_widths, num_blocks, downscales, strict=True):
            layers += [ResidualBlock(width, nn.ReLU()) for _ in range(blocks)]
            if downscale == 2 or next_width != width:
                layers.append(conv3x3(width, next_width, stride=downscale))
        self.body = nn.Sequential(*layers)
        self.regressor = nn.Sequential(nn.Linear(widths[-1], HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1), nn.Sigmoid())
        init_scaled([self], init_scale)
        init_scaled([self.regressor[2]])

    def forward(self, lr_B3HW: Tensor) -> Tensor:
        features_BC = self.body(self.head(lr_B3HW)).mean(dim=(2, 3))
        degree_B1: Tensor = self.regressor(features_BC)
        return degree_B1.squeeze(1)


class DegreeEstimator(nn.Module):
    """The degrees of an image, each from a branch of its own: (B, 3, H, W) to (B, D) in (0, 1).

    Args:
        widths: channels of each stage.
        num_blocks: residual blocks of each stage.
        downscales: 1 or 2 for each stage.
        init_scale: of the first weights, as a share of Kaiming's.
    """

    branches: Sequence[DegreeBranch]  # declared: a type checker takes a ModuleList's items for any modules

    def __init__(
        self, widths: Sequence[int], num_blocks: Sequence[int], downscales: Sequence[int], init_scale: float = 1.0
    ) -> None:
        super().__init__()
        if not len(widths) == len(num_blocks) == len(downscales) or not set(downscales) <= {1, 2}:
            raise ValueError(
                "the estimator needs one width, one number of blocks and one downscale (1 or 2) per stage, got "
                f"widths={list(widths)}, num_blocks={list(num_blocks)}, downscales={list(downscales)}"
            )
        branches = [DegreeBranch(widths, num_blocks, downscales, init_scale) for _ in DEGREES]
        self.add_module("branches", nn.ModuleList(branches))

    def forward(self, lr_B3HW: Tensor) -> Tensor:
        return torch.stack([branch(lr_B3HW) for branch in self.branches], dim=1)


class AffineModulation(nn.Module):
    """Degrees to one (gamma, beta) per restorer block: a shared linear + ReLU, then a 3-layer MLP for each block."""

    def __init__(self, channels: int, num_blocks: int) -> None:
        super().__init__()
        self.embed = nn.Sequential(nn.Linear(len(DEGREES), HIDDEN), nn.ReLU())
        width = (HIDDEN + 2 * channels) // 2
        self.mlps = nn.ModuleList(
            [
                nn.Sequential(
                    nn.Linear(HIDDEN, width),
                    nn.ReLU(),
                    nn.Linear(width, width),
                    nn.ReLU(),
                    nn.Linear(width, 2 * channels),
                )
                for _ in range(num_blocks)
            ]
        )
        init_scaled([self])

    def forward(self, degrees_BD: Tensor) -> list[Affine]:
        shared = self.embed(degrees_BD)
        return [mlp(shared).chunk(2, dim=1) for mlp in self.mlps]


class MMRealSRNet(SRNetwork):
    """MM-RealSR: its embedding is (blur, noise), each in [0, 1], estimated from the image or set by a person.

    Args:
        scale: 1, 2 or 4.
        channels: feature channels of the restorer.
        num_blocks: RRDBs of the restorer, each followed by a modulation.
        growth: growth channels of its dense blocks.
        estimator_widths, estimator_blocks, estimator_downscales: see `DegreeEstimator`.
        init_scale: of the dense blocks' first weights, see `RRDBRestorer`.
        estimator_init_scale: of the estimator's, see `DegreeBranch`.
    """

    embedding_dim = len(DEGREES)
    embedding_names = DEGREES

    def __init__(
        self,
        scale: int = 4,
        channels: int = 64,
        num_blocks: int = 23,
        growth: int = 32,
        estimator_widths: Sequence[int] = (64, 64, 64, 128),
        estimator_blocks: Sequence[int] = (2, 2, 2, 2),
        estimator_downscales: Sequence[int] = (1, 1, 2, 1),
        init_scale: float = 0.1,
        estimator_init_scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.scale = scale
        self.estimator = DegreeEstimator(estimator_widths, estimator_blocks, estimator_downscales, estimator_init_scale)
        self.modulation = AffineModulation(channels, num_blocks)
        self.restorer = RRDBRestorer(scale, channels, num_blocks, growth, init_scale)

    def embed(self, lr_B3HW: Tensor, hr: Tensor | None = None) -> Tensor:
        degrees_BD: Tensor = self.estimator(lr_B3HW)
        return degrees_BD

    def restore(self, lr_B3HW: Tensor, embedding_BD: Tensor) -> Tensor:
        sr: Tensor = self.restorer(lr_B3HW, self.modulation(embedding_BD))
        return sr
