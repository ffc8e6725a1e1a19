"""The features of many images at the taps of a network.

Legend: N images, D the length of a flattened feature, B batch.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from realsr_mod.analysis.grid import DegradedImages
from realsr_mod.analysis.taps import default_taps, features_at
from realsr_mod.networks.base import Estimator

POOLS = ("mean", "flatten")


def pooled(feature: Tensor, pool: str = "mean") -> Tensor:
    """(B, ...) to (B, D): the mean of a feature map over the image ("mean"), or every position of it ("flatten")."""
    if pool not in POOLS:
        raise ValueError(f"pool must be {' or '.join(POOLS)}, got {pool!r}")
    return feature.flatten(2).mean(2) if pool == "mean" and feature.ndim > 2 else feature.flatten(1)


def collect(
    network: Estimator,
    images: DegradedImages,
    taps: Sequence[str] | None = None,
    pool: str = "mean",
    batch_size: int = 32,
    advance: Callable[[int], object] | None = None,
) -> dict[str, np.ndarray]:
    """Features (N, D), float32, of all images at each tap (None: the network's default ones).

    Args:
        network: see `features_at`; a teacher gets the contents, which are the truth, as well.
        images: what it looks at.
        taps: names or module paths.
        pool: what becomes of a feature map; see `pooled`.
        batch_size: images at a time.
        advance: is told how many images each batch had (for a progress bar).
    """
    names = default_taps(network) if taps is None else tuple(taps)
    device = next((parameter.device for parameter in network.parameters()), torch.device("cpu"))
    rows: dict[str, list[np.ndarray]] = {name: [] for name in names}
    for index in _batches(len(images), batch_size):
        hr = images.contents.hr_M3HW[images.content_N[index]].to(device)
        found = features_at(network, names, images.lr_N3hw[index].to(device), hr)
        for name, feature in found.items():
            rows[name].append(pooled(feature.float(), pool).cpu().numpy())
        if advance is not None:
            advance(len(index))
    return {name: np.concatenate(parts) for name, parts in rows.items()}


def _batches(count: int, size: int) -> Iterator[np.ndarray]:
    for start in range(0, count, size):
        yield np.arange(start, min(start + size, count))
