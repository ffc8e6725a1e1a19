"""Each photo under two draws of a degradation: what a contrast of the same place under both is made of.

Rows of a batch are image-major: image 0 under one draw, under the other, then image 1 and so on.
Legend: B images, C channels, H and W the HR size, h and w the LR size.
"""

import torch
from torch import Tensor

from realsr_mod.degradations.base import Degradation, Params, Shape

DRAWS = ("one", "other")  # the versions of each image


class TwoDrawsDegradation(Degradation):
    """HR (B, C, H, W) to LR (2B, C, h, w): each image degraded twice by a pipeline, under params drawn independently.

    Params: `one` and `other`, each the pipeline's.

    Args:
        scale: HR size over LR size.
        pipeline: what degrades.
    """

    versions = DRAWS

    def __init__(self, scale: int, pipeline: Degradation) -> None:
        super().__init__(scale, pipeline.sharpen)
        if pipeline.scale != scale:
            raise ValueError(f"the two draws have scale {scale}, their pipeline scale {pipeline.scale}; set one scale")
        self.pipeline = pipeline

    def sample(self, shape_BCHW: Shape, generator: torch.Generator) -> Params:
        return {name: self.pipeline.sample(shape_BCHW, generator) for name in DRAWS}

    def forward(self, hr_BCHW: Tensor, params: Params) -> Tensor:
        return torch.stack([self.pipeline(hr_BCHW, params[name]) for name in DRAWS], dim=1).flatten(0, 1)

    def target(self, hr_BCHW: Tensor) -> Tensor:
        """The ground truth of both draws, (2B, C, H, W)."""
        return self.pipeline.target(hr_BCHW).repeat_interleave(len(DRAWS), dim=0)

    def output_shape(self, shape_BCHW: Shape) -> Shape:
        batch, channels, height, width = self.pipeline.output_shape(shape_BCHW)
        return len(DRAWS) * batch, channels, height, width
