"""Super-resolution guided by a deep degradation representation (arXiv 2108.00406): a frozen SRResNet's features steer.

Legend: B batch, C feature channels of the restorer, F of the SRResNet, H and W the low-resolution size.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from realsr_mod.networks.base import SRNetwork
from realsr_mod.networks.dynamic import IDRRestorer
from realsr_mod.networks.srresnet import SRResNet


class DDRGuidedNet(SRNetwork):
    """KDSR's restorer, steered by what a frozen SRResNet makes of the image.

    The SRResNet's features at the end of its last block are averaged over the image (F); a linear layer and a
    LeakyReLU bring them to the embedding (C), which makes the kernels of the restorer's dynamic blocks.

    Args:
        scale: 2, 3 or 4 (any power of two works).
        channels: C; the embedding has as many entries.
        restorer_blocks: dynamic blocks of the restorer.
        representation: the SRResNet's `channels`, `num_blocks` and `global_residual`. Its weights are part of this
            network's, but do not train.
    """

    def __init__(self, scale: int, channels: int, restorer_blocks: int, representation: Mapping[str, Any]) -> None:
        super().__init__()
        self.scale = scale
        self.embedding_dim = channels
        self.representation = SRResNet(scale, **representation).requires_grad_(False)
        self.to_embedding = nn.Sequential(nn.Linear(self.representation.head.out_channels, channels), nn.LeakyReLU(0.1))
        self.restorer = IDRRestorer(channels, restorer_blocks, scale)

    def embed(self, lr_B3HW: Tensor, hr: Tensor | None = None) -> Tensor:
        with torch.no_grad():
            features_BFHW = self.representation.features(lr_B3HW)
        embedding_BC: Tensor = self.to_embedding(features_BFHW.mean(dim=(2, 3)))
        return embedding_BC

    def restore(self, lr_B3HW: Tensor, embedding_BC: Tensor) -> Tensor:
        sr: Tensor = self.restorer(lr_B3HW, embedding_BC)
        return sr
