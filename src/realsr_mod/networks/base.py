"""What every network here is: an estimator of the degradation, and mostly a restorer that its estimate steers.

Legend: B batch, H and W the low-resolution size, s the scale, D the embedding's length.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import torch
from torch import Tensor, nn

EMBEDDING = "embedding"  # the tap that stands for what `embed` returns


class EmbeddingRange(nn.Module):
    """The embeddings that a trained network knows: those of photos under the degradation that it was trained on.

    What lies far outside steers the restorer to where it has never been; a corner of one-pixel checkerboard can be
    enough. Called on an embedding (B, D), it gives the nearest one inside.

    Args:
        low, high: bounds of each entry, D numbers each.
        typical: the embedding of no image in particular, the mean; inside the bounds.
    """

    __call__: Callable[..., Tensor]
    low_D: Tensor
    high_D: Tensor
    typical_D: Tensor

    def __init__(self, low: Sequence[float], high: Sequence[float], typical: Sequence[float]) -> None:
        super().__init__()
        low_D, high_D, typical_D = (torch.tensor(values, dtype=torch.float32) for values in (low, high, typical))
        shapes = {tuple(values.shape) for values in (low_D, high_D, typical_D)}
        if len(shapes) > 1 or low_D.ndim != 1 or not bool(((low_D <= typical_D) & (typical_D <= high_D)).all()):
            raise ValueError("an embedding's range is three lists of one length, low <= typical <= high in each entry")
        for name, values in (("low_D", low_D), ("high_D", high_D), ("typical_D", typical_D)):
            self.register_buffer(name, values, persistent=False)

    @classmethod
    def around(cls, embeddings_ND: Tensor, margin: float = 0.5) -> "EmbeddingRange":
        """What N embeddings span, widened on either side by `margin` of each entry's span."""
        low, high = embeddings_ND.amin(0), embeddings_ND.amax(0)
        slack = margin * (high - low)
        return cls((low - slack).tolist(), (high + slack).tolist(), embeddings_ND.mean(0).tolist())

    def forward(self, embedding_BD: Tensor) -> Tensor:
        return embedding_BD.clamp(self.low_D, self.high_D)

    def described(self) -> dict[str, list[float]]:
        """The constructor's arguments, as numbers for a file."""
        return {name: getattr(self, f"{name}_D").tolist() for name in ("low", "high", "typical")}


class Estimator(nn.Module, ABC):
    """A network that estimates the degradation of an image as an embedding.

    A teacher (`sees_hr`) reads the ground truth as well, so it works only where that is known. Every network takes it,
    and all but teachers leave it aside: who calls need not know which kind it is.
    """

    __call__: Callable[..., Tensor]
    scale: int  # of the super-resolution that the degradation belongs to
    sees_hr: bool = False
    embedding_dim: int = 0
    embedding_names: tuple[str, ...] = ()  # of its first entries, which a person may set, for example blur, noise
    borrowed: Mapping[str, str] = MappingProxyType({})  # parts that are a published model's: prefix of names to model

    def __init__(self) -> None:
        super().__init__()
        self.embedding_range: EmbeddingRange | None = None  # of a trained network, measured when it is released

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

    def inside(self, embedding_BD: Tensor) -> Tensor:
        """The embedding, kept inside the range that this network knows, if it has been measured."""
        return embedding_BD if self.embedding_range is None else self.embedding_range(embedding_BD)


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
        return self.restore(lr_B3HW, self.inside(self.embed(lr_B3HW, hr)))
