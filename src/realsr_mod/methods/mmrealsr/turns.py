"""What teaches sliders to steer a frozen network: each image, and the edit of it whose picture a turned slider should give.

Rows of a batch are image-major: image 0 as the network sees it, the edit, the first without its noise, then image 1.
Legend: B images, C channels, H and W the HR size, h and w the LR size.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from realsr_mod.degradations.base import Degradation, Params, Shape, check_range, choose, stack_rows, uniform
from realsr_mod.degradations.mixed_blur import MixedBlur
from realsr_mod.degradations.resize import resize
from realsr_mod.degradations.second_order import SecondOrder
from realsr_mod.methods.mmrealsr.quintuple import edited

VERSIONS = ("seen", "edited", "noiseless")  # the versions of each image
BEYOND = 1.25  # turns are drawn so far and clamped to 1: a fifth of them goes to the very end
LEAST_SIGMA_PX = 0.05  # of a kernel; blurs nothing
_KERNEL_SIDE = 21
_blur = MixedBlur(kernel_size_range=(_KERNEL_SIDE, _KERNEL_SIDE))


class TurnedSliders(Degradation):
    """HR (B, C, H, W) to LR (3B, C, h, w): `VERSIONS` of each image, by one second-order degradation and its edits.

    Params: `base`, the pipeline's (see `SecondOrder`); `turn` (B, 2), how far the sliders for blur and noise are
    turned from where the estimate has them: -1 down to 0, 0 not at all, 1 up to 1. One of them for two thirds of the
    images, both for the others.

    A slider turned up asks for the picture that the network makes of an edit. Blur: with both blurs narrower, and the
    first resize nearer to none, by the share `turn`; noise: with more of it, so that the network smooths more. (Down,
    what was removed is put back into the picture itself, see `softened` and `kept_noise`.)

    Args:
        scale: HR size over LR size.
        pipeline: what degrades; must not sharpen.
        noise_rise_255: by how much the noise slider at its end raises the sigmas of Gaussian noise, in 1/255 units.
        poisson_rise: and the scales of Poisson noise.
    """

    versions = VERSIONS

    def __init__(
        self, scale: int, pipeline: SecondOrder, noise_rise_255: float = 20.0, poisson_rise: float = 1.5
    ) -> None:
        super().__init__(scale)
        if pipeline.scale != scale:
            raise ValueError(f"turned sliders have scale {scale}, their pipeline {pipeline.scale}; set one scale")
        if pipeline.sharpen:
            raise ValueError("a network's own pictures are what is learned; set degradation.pipeline.sharpen=false")
        self.pipeline = pipeline
        self.noise_rise_255 = check_range("noise_rise_255", (0.0, noise_rise_255))[1]
        self.poisson_rise = check_range("poisson_rise", (0.0, poisson_rise))[1]

    def sample(self, shape_BCHW: Shape, generator: torch.Generator) -> Params:
        batch = shape_BCHW[0]
        base = self.pipeline.sample(shape_BCHW, generator)
        turn_B2 = uniform((batch, 2), -BEYOND, BEYOND, generator).clamp(-1, 1)
        turned_B = choose(batch, [1 / 3, 1 / 3, 1 / 3], generator)  # blur, noise, both
        is_turned_B2 = torch.stack([turned_B != 1, turned_B != 0], dim=1)
        return {"base": base, "turn": turn_B2 * is_turned_B2}

    def forward(self, hr_BCHW: Tensor, params: Params) -> Tensor:
        base, turn_B2 = params["base"], params["turn"]
        versions = [base, edited(base, self._raised(base, turn_B2.clamp(min=0))), edited(base, _quiet(base))]
        lr = self.pipeline(hr_BCHW.repeat(len(VERSIONS), 1, 1, 1), stack_rows(versions))
        return torch.stack(lr.chunk(len(VERSIONS)), dim=1).flatten(0, 1)

    def _raised(self, base: Params, up_B2: Tensor) -> Params:
        """The edits that a slider turned up stands for, by shares (B, 2)."""
        sharper_B, noisier_B = up_B2.unbind(dim=1)
        factor_B = base["resize1"]["factor"]
        raised: Params = {
            "resize1": {"factor": torch.where(factor_B < 1, factor_B ** (1 - sharper_B), factor_B)},
        }
        for n in (1, 2):
            blur, noise = base[f"blur{n}"], base[f"noise{n}"]
            raised[f"blur{n}"] = {
                key: (blur[key] * (1 - sharper_B)).clamp(min=LEAST_SIGMA_PX) for key in ("sigma_x", "sigma_y")
            }
            raised[f"noise{n}"] = {
                "sigma": noise["sigma"] + noisier_B * self.noise_rise_255 / 255,
                "poisson_scale": noise["poisson_scale"] + noisier_B * self.poisson_rise,
            }
        return raised

    def output_shape(self, shape_BCHW: Shape) -> Shape:
        batch, channels, height, width = super().output_shape(shape_BCHW)
        return len(VERSIONS) * batch, channels, height, width


def _quiet(base: Params) -> Params:
    """The edits that take the noise away."""
    nothing = torch.zeros_like(base["noise1"]["sigma"])
    return {f"noise{n}": {"sigma": nothing, "poisson_scale": nothing} for n in (1, 2)}


def told_degrees(estimated_BD: Tensor, turn_BD: Tensor) -> Tensor:
    """Where the sliders stand that are turned by shares of the way from the estimate to their ends, (B, D)."""
    return torch.where(turn_BD < 0, estimated_BD * (1 + turn_BD), estimated_BD + turn_BD * (1 - estimated_BD))


def softened(picture_BCHW: Tensor, base: Params, share_B: Tensor) -> Tensor:
    """A picture with a share of its image's blur put back: Gaussian, as wide as both blurs together, times the share."""
    first, second = base["blur1"], base["blur2"]
    axes = {
        key: (first[key].square() * first["is_on"] + second[key].square() * second["is_on"]).sqrt()
        for key in ("sigma_x", "sigma_y")
    }
    blur = {key: (share_B * value).clamp(min=LEAST_SIGMA_PX) for key, value in axes.items()}
    on = share_B > 0
    size_B = torch.full_like(first["size"], _KERNEL_SIDE)
    return _blur(picture_BCHW, first | blur | {"is_on": on, "is_sinc": torch.zeros_like(on), "size": size_B})


def kept_noise(seen_BCHW: Tensor, noiseless_BCHW: Tensor, share_B: Tensor, scale: int) -> Tensor:
    """A share of the noise of an image, enlarged: (B, C, sH, sW)."""
    return share_B[:, None, None, None] * resize(seen_BCHW - noiseless_BCHW, scale=scale)


def by_version(rows: Tensor) -> Sequence[Tensor]:
    """(3B, …) rows to one (B, …) tensor for each of `VERSIONS`."""
    return rows.unflatten(0, (-1, len(VERSIONS))).unbind(1)
