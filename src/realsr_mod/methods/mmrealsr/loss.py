"""MM-RealSR's losses on degrees: order between two versions of a picture, and anchors that pin the ends."""

import torch.nn.functional as F
from torch import Tensor, nn


class RankingLoss(nn.Module):
    """mean max(0, less - more + margin): the more degraded picture's degree must be higher by `margin` (eq. 3).

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
    """Mean square of the clean anchors' degrees from 0 plus that of the worst anchors' from 1 (eq. 4)."""
    return clean_BD.float().square().mean() + (worst_BD.float() - 1).square().mean()
