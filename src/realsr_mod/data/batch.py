"""What travels from the data to a method.

Legend: B batch, H and W the low-resolution size, s the scale.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor


@dataclass
class SRBatch:
    """Low-resolution images, their ground truth, and the degradation that leads from one to the other."""

    lr: Tensor  # (B, 3, H, W), float32 RGB in [0, 1]
    hr: Tensor  # (B, 3, sH, sW), float32 RGB in [0, 1]
    params: dict[str, Any] = field(default_factory=dict)  # what the degradation drew; empty for real pairs
    step: int = 0  # the training step that this batch belongs to
    names: list[str] = field(default_factory=list)  # file names, in the order of the images
    versions: tuple[str, ...] = ()  # where each image is there several times, in neighbouring rows: as what
    unsharpened: Tensor | None = None  # (B, 3, sH, sW), where `hr` is a sharpened image: the image before that

    def __len__(self) -> int:
        return self.lr.shape[0]

    def only(self, version: str) -> "SRBatch":
        """The rows of one version of each image."""
        start, step = self.versions.index(version), len(self.versions)
        unsharpened = None if self.unsharpened is None else self.unsharpened[start::step]
        return replace(self, lr=self.lr[start::step], hr=self.hr[start::step], versions=(), unsharpened=unsharpened)
