"""What every network here is: an estimator of the degradation, and mostly a restorer that its estimate steers.

Legend: B batch, H and W the low-resolution size, s the scale, D the embedding's length.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

from torch import Tensor, nn

EMBEDDING = "embedding"  # the tap that stands for what `embed` returns


class Estimator(nn.Module, ABC):
    """A network that estimates the degradation of an image as an embedding.

    A teacher (`sees_hr`) reads the ground truth as well, so it works only where that is known. Every network takes it,
    and all but teachers leave it aside: who calls need not know which kind it is.
    """

    __call__: Callable[..., Tensor]
    scale: int  # of the super-resolution that the degradation belongs to
    sees_hr: bool = False
    embedding_dim: int = 0
    embedding_names: tuple[str, ...] = ()  # names of embedding entries that a person may set, for example blur, noise

    @property
    def taps(self) -> Mapping[str, str]:
        """Points inside that are worth looking at: a short name to the module's path. A class attribute will do."""
        return {}

    @property
    def default_taps(self) -> tuple[str, ...]:
        """What an analysis looks at unasked: taps, or "embedding" for what `embed` gives."""
        return (EMBEDDING,) if self.embedding_dim else ()

    @abstractmethod
    def embed(self, lr_B3HW: Tensor, hr: Tensor | None = None) -> Tensor:
        """Estimate the degradation of each image: (B, 3, H, W) to (B, D).

        `hr` is the ground truth (B, 3, sH, sW), which teachers need. Raises ValueError if a teacher does not get it.
        """


class SRNetwork(Estimator):
    """A super-resolution network seen as an estimator of the degradation and a restorer steered by it.

    A network that does not look at the degradation has `embedding_dim = 0` and ignores the embedding.
    """

    def embed(self, lr_B3HW: Tensor, hr: Tensor | None = None) -> Tensor:
        """Estimate the degradation of each image: (B, 3, H, W) to (B, D). Nothing, (B, 0), by default."""
        return lr_B3HW.new_zeros(lr_B3HW.shape[0], 0)

    @abstractmethod
    def restore(self, lr_B3HW: Tensor, embedding_BD: Tensor) -> Tensor:
        """Super-resolve under a given embedding: (B, 3, H, W), (B, D) to (B, 3, sH, sW)."""

    def forward(self, lr_B3HW: Tensor, hr: Tensor | None = None) -> Tensor:
        """Estimate the degradation, then restore: (B, 3, H, W) to (B, 3, sH, sW). `hr`: see `embed`."""
        return self.restore(lr_B3HW, self.embed(lr_B3HW, hr))
