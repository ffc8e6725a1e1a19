"""A training in which edges count. Legend: B batch, C channels, H and W the high-resolution size."""

from typing import Any

from torch import Tensor

from realsr_mod.data.batch import SRBatch
from realsr_mod.methods.base import LossTerms, SRModule
from realsr_mod.networks.base import SRNetwork


def edge_loss(sr_BCHW: Tensor, hr_BCHW: Tensor) -> Tensor:
    """L1 between the differences of neighbouring pixels, across and down."""
    error = sr_BCHW - hr_BCHW
    return error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()


class EdgeSR(SRModule):
    """Pixels and edges.

    Args:
        network: what is trained.
        edge_weight: of the term for edges.
        training: `optimizer`, `scheduler` and what else SRModule takes.
    """

    def __init__(self, network: SRNetwork, edge_weight: float = 0.1, **training: Any) -> None:
        super().__init__(network, **training)
        self.edge_weight = edge_weight

    def forward_losses(self, batch: SRBatch) -> tuple[LossTerms, Tensor]:
        sr = self.predict_sr(batch)
        edges = self.edge_weight * edge_loss(sr, batch.hr)
        return {"pixel": self.pixel_loss(sr, batch.hr), "edges": edges}, sr
