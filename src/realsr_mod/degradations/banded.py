"""Linear filters along one axis as banded matrices.

Each output is a weighted sum of a few inputs near it. A dense product with the whole matrix would mostly multiply by
zero, so the outputs are done in blocks, each a dense product with the stretch of inputs that it reads.
Legend: B batch, C channels, H height, W width, I inputs, O outputs, T taps.
"""

from typing import NamedTuple

import torch
from torch import Tensor

BLOCK = 64  # outputs done at once


class Band(NamedTuple):
    """The rows of a matrix for one block of outputs, and the inputs [first, end) that they read."""

    first: int
    end: int
    weights: Tensor  # (block, end - first) float32


@torch.inference_mode(False)  # callers keep them, also for differentiation
def bands(index_OT: Tensor, weight_OT: Tensor, device: torch.device) -> tuple[Band, ...]:
    """Blocks of the matrix with `weight_OT` at columns `index_OT`; weights at one place add up. Made on the CPU."""
    result = []
    for index, weight in zip(index_OT.split(BLOCK), weight_OT.split(BLOCK), strict=True):
        first, end = int(index.min()), int(index.max()) + 1
        dense = torch.zeros(len(index), end - first, dtype=weight.dtype).scatter_add_(1, index - first, weight)
        result.append(Band(first, end, dense.float().to(device)))
    return tuple(result)


def filter_height(x_BCHW: Tensor, matrix: tuple[Band, ...]) -> Tensor:
    """Multiply each column of pixels by the matrix."""
    return torch.cat([band.weights @ x_BCHW[:, :, band.first : band.end] for band in matrix], dim=2)


def filter_width(x_BCHW: Tensor, matrix: tuple[Band, ...]) -> Tensor:
    """Multiply each row of pixels by the matrix."""
    return torch.cat([x_BCHW[..., band.first : band.end] @ band.weights.mT for band in matrix], dim=3)
