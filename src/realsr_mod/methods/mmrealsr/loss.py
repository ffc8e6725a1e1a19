"""MM-RealSR's losses on degrees: order between two versions of an image, and anchors that pin the ends."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class RankingLoss(nn.Module):
    """mean max(0, less - more + margin): the more degraded image's degree must be higher by `margin` (eq. 3).

    Its value equals the margin when both degrees are always the same, that is when the metric space has collapsed.
    """

    def __init__(self, margin: float = 0.05) -> None:
        super().__init__()
        if not 0 < margin < 1:
            raise ValueError(f"margin must be between 0 and 1, since degrees are; got {margin}")
        self.margin = margin

    def forward(self, less_B: Tensor, more_B: Tensor) -> Tensor:
        return F.relu(less_B.float() - more_B.float() + self.margin).mean()


def anchor_loss(clean_BD: Tensor, worst_BD: Tensor) -> Tensor:
    """Mean square of the clean anchors' degrees from 0 and of the worst ones' from 1, summed over degrees (eq. 4)."""
    distance_BD = clean_BD.float().square() + (worst_BD.float() - 1).square()
    return distance_BD.mean(dim=0).sum()


def crosstalk_loss(base_BD: Tensor, blurrier_BD: Tensor, noisier_BD: Tensor) -> Tensor:
    """Mean square change of the degree that an edit should leave alone: noise when blurred, blur when made noisy.

    Not in the paper. A ranking says nothing about the other degree, which then moves against it: noise looks sharp.
    """
    base_BD, blurrier_BD, noisier_BD = base_BD.float(), blurrier_BD.float(), noisier_BD.float()
    return ((base_BD - blurrier_BD)[:, 1].square() + (base_BD - noisier_BD)[:, 0].square()).mean()


class CollapseWatch:
    """Notices a ranking loss that stays at its margin: the estimator tells the two images of a pair no longer apart.

    Looks once per `patience_steps` at the mean over them, so that a GPU is not made to wait at every step.

    Args:
        margin: the ranking loss's.
        patience_steps: how long a loss must stay there.
        tolerance: how near to the margin it counts as stuck, as a fraction of it.
    """

    def __init__(self, margin: float, patience_steps: int = 500, tolerance: float = 0.02) -> None:
        self.margin, self.patience_steps, self.tolerance = margin, patience_steps, tolerance
        self._distances: dict[str, Tensor] = {}
        self._steps = 0

    def update(self, rankings: dict[str, Tensor]) -> list[str]:
        """Note one step's unweighted losses by name; returns the names that have been stuck."""
        for name, ranking in rankings.items():
            distance = (ranking.detach() / self.margin - 1).abs()
            self._distances[name] = self._distances.get(name, torch.zeros_like(distance)) + distance
        self._steps += 1
        if self._steps < self.patience_steps:
            return []
        limit = self.tolerance * self._steps
        stuck = [name for name, distance in self._distances.items() if distance.item() < limit]
        self._distances, self._steps = {}, 0
        return stuck
