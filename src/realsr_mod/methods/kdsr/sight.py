"""Does a degradation representation see the degradation, or the content?

Legend: N photos, K degradations, D the representation's length.
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from realsr_mod.data.batch import SRBatch
from realsr_mod.methods.kdsr.network import KDSRNet


@torch.no_grad()
def degradation_share(network: KDSRNet, photos: Iterable[SRBatch]) -> float:
    """What share of the variance of `network`'s distilled vectors the degradation explains, from 0 to 1.

    `photos` yields one batch per photo: the photo under the same K degradations, in the same order each time.
    """
    distilled = [network.encode(batch.lr, batch.hr)[1].double() for batch in photos]
    return explained_share(torch.stack(distilled))


def explained_share(points_NKD: Tensor) -> float:
    """What share of the points' variance their second index explains, from 0 to 1.

    A two-way analysis of variance without repetition, summed over D: [SS_K - (K - 1) MS_rest] / SS_total, which is 0 on
    average for points without any order (omega squared's correction). Needs N and K of at least 2; points that do not
    vary have a share of 0.
    """
    photos, degradations, _ = points_NKD.shape
    if min(photos, degradations) < 2:
        raise ValueError(f"needs at least 2 photos and 2 degradations, got {photos} and {degradations}")
    centered = points_NKD - points_NKD.mean(dim=(0, 1))
    total = centered.square().sum().item()
    by_photo = degradations * centered.mean(dim=1).square().sum().item()
    by_degradation = photos * centered.mean(dim=0).square().sum().item()
    rest_ms = (total - by_photo - by_degradation) / ((photos - 1) * (degradations - 1))
    return max(0.0, by_degradation - (degradations - 1) * rest_ms) / total if total > 0 else 0.0
