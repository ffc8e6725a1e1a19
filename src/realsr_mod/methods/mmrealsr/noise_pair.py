"""What teaches MM-RealSR's restorer to leave noise in: each image with more noise, and how much of that to keep.

Rows of a batch are image-major: image 0 as it is drawn, image 0 noisier, then those of image 1 and so on.
Legend: B images, D degrees, C channels, H and W the HR size, h and w the LR size.
"""

import torch
from torch import Tensor

from realsr_mod.degradations.base import Degradation, Params, Shape, uniform
from realsr_mod.degradations.camera_noise import CameraNoise
from realsr_mod.degradations.jpeg import JPEG
from realsr_mod.degradations.resize import resize
from realsr_mod.methods.mmrealsr.network import DEGREES

PAIR = ("drawn", "noisier")  # the versions of each image


class NoisePairDegradation(Degradation):
    """HR (B, C, H, W) to LR (2B, C, h, w): each image degraded by a pipeline, and that with noise and a mild JPEG.

    Noise that a pipeline makes midway can hardly be told from content once it is resized and compressed; this one can.

    Params: `base`, the pipeline's; `noise` and `jpeg`, of what comes on top (see `CameraNoise`, `JPEG`); `kept` (B,),
    the share of the noise on top that the restorer should keep: 0 for a fifth of the images, else U(0, 1).

    Args:
        scale: HR size over LR size.
        pipeline: what degrades.
        noise: what comes on top.
        jpeg: what compresses it.
    """

    versions = PAIR

    def __init__(self, scale: int, pipeline: Degradation, noise: CameraNoise, jpeg: JPEG) -> None:
        super().__init__(scale, pipeline.sharpen)
        if pipeline.scale != scale:
            raise ValueError(f"the noise pair has scale {scale}, its pipeline scale {pipeline.scale}; set one scale")
        self.pipeline, self.noise, self.jpeg = pipeline, noise, jpeg

    def sample(self, shape_BCHW: Shape, generator: torch.Generator) -> Params:
        base = self.pipeline.sample(shape_BCHW, generator)
        small = self.pipeline.output_shape(shape_BCHW)
        on_top = {name: op.sample(small, generator) for name, op in (("noise", self.noise), ("jpeg", self.jpeg))}
        kept_B = uniform((shape_BCHW[0],), -0.25, 1.0, generator).clamp(min=0)
        return {"base": base, **on_top, "kept": kept_B}

    def forward(self, hr_BCHW: Tensor, params: Params) -> Tensor:
        base = self.pipeline(hr_BCHW, params["base"])
        noisier = self.jpeg(self.noise(base, params["noise"]), params["jpeg"])
        return torch.stack([base, noisier], dim=1).flatten(0, 1)

    def output_shape(self, shape_BCHW: Shape) -> Shape:
        batch, channels, height, width = self.pipeline.output_shape(shape_BCHW)
        return len(PAIR) * batch, channels, height, width


def keep_noise(lr_BCHW: Tensor, degrees_BD: Tensor, kept_B: Tensor, scale: int) -> tuple[Tensor, Tensor]:
    """How to ask the restorer to keep a share of the noise on top: the degrees (2B, D) to tell it, lower in noise by
    that share, and the noise (2B, C, H, W) that its results should then hold beside the truth."""
    kept_2B = torch.stack([torch.zeros_like(kept_B), kept_B], dim=1).flatten()
    told = degrees_BD.clone()
    told[:, DEGREES.index("noise")] *= 1 - kept_2B
    noise = lr_BCHW - lr_BCHW[::2].repeat_interleave(2, dim=0)
    return told, kept_2B[:, None, None, None] * resize(noise, scale=scale)
