"""The shapes that everything shares: a batch of pictures, a network that estimates the degradation, and one that
restores as well.

Legend: B batch, C channels, H and W the low-resolution size, s the scale, D the embedding's length.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn


@dataclass
class SRBatch:
    """Low-resolution pictures, their ground truth, and the degradation that leads from one to the other."""

    lr: Tensor  # (B, 3, H, W), float32 RGB in [0, 1]
    hr: Tensor  # (B, 3, sH, sW), float32 RGB in [0, 1]
    params: dict[str, Any] = field(default_factory=dict)  # what the degradation drew; empty for real pairs
    step: int = 0  # the training step that this batch belongs to
    names: list[str] = field(default_factory=list)  # file names, in the order of the rows

    def __len__(self) -> int:
        return self.lr.shape[0]


class Estimator(nn.Module, ABC):
    """A network that estimates the degradation of a picture as an embedding."""

    scale: int  # of the super-resolution that the degradation belongs to
    embedding_dim: int = 0
    embedding_names: tuple[str, ...] = ()  # names of embedding entries that a person may set, for example blur, noise
    taps: Mapping[str, str] = {}  # points inside that are worth looking at: a short name to the module's path
    default_taps: tuple[str, ...] = ()  # what an analysis looks at unasked: taps, or "embedding" for what `embed` gives

    @abstractmethod
    def embed(self, lr_BCHW: Tensor) -> Tensor:
        """Estimate the degradation of each picture: (B, 3, H, W) to (B, D)."""


class SRNetwork(Estimator):
    """A super-resolution network seen as an estimator of the degradation and a restorer steered by it.

    A network that does not look at the degradation has `embedding_dim = 0` and ignores the embedding.
    """

    sees_hr: bool = False  # a teacher: `embed` takes the HR pictures as well, so it works only where they are known

    def embed(self, lr_BCHW: Tensor) -> Tensor:
        """Estimate the degradation of each picture: (B, 3, H, W) to (B, D)."""
        return lr_BCHW.new_zeros(lr_BCHW.shape[0], 0)

    @abstractmethod
    def restore(self, lr_BCHW: Tensor, embedding_BD: Tensor) -> Tensor:
        """Super-resolve under a given embedding: (B, 3, H, W), (B, D) to (B, 3, sH, sW)."""

    def forward(self, lr_BCHW: Tensor) -> Tensor:
        """Estimate the degradation, then restore: (B, 3, H, W) to (B, 3, sH, sW)."""
        return self.restore(lr_BCHW, self.embed(lr_BCHW))
