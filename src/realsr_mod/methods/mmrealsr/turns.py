"""What teaches sliders to steer a frozen network: each image, that with more noise, and that with none.

Rows of a batch are image-major: image 0 as the network sees it, noisier, noiseless, then those of image 1 and so on.
Legend: B images, C channels, D = 2 degrees, H and W the HR size, h and w the LR size.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from realsr_mod.degradations.base import Degradation, Params, Shape, check_range, choose, stack_rows, uniform
from realsr_mod.degradations.mixed_blur import MixedBlur
from realsr_mod.degradations.resize import resize
from realsr_mod.degradations.second_order import SecondOrder
from realsr_mod.methods.mmrealsr.quintuple import edited

VERSIONS = ("seen", "noisier", "noiseless")  # the versions of each image
BEYOND = 1.25  # turns are drawn so far and clamped to 1: a fifth of them goes to the very end
LEAST_SIGMA_PX = 0.05  # of a kernel; blurs nothing
MOST_SHARPENED_PX = 1.5  # sigma of the blur that a picture is sharpened by; wider ones draw halos
_KERNEL_SIDE = 21
_blur = MixedBlur(kernel_size_range=(_KERNEL_SIDE, _KERNEL_SIDE))


class TurnedSliders(Degradation):
    """HR (B, C, H, W) to LR (3B, C, h, w): `VERSIONS` of each image, by one second-order degradation and its edits.

    Params: `base`, the pipeline's (see `SecondOrder`); `turn` (B, D), how far the sliders for blur and noise are
    turned from where the estimate has them: -1 down to 0, 0 not at all, 1 up to 1. One of them for two thirds of the
    images, both for the others. `down` (B, D), another turn, never up.

    A noise slider turned up asks for the picture that the network makes of the noisier version, where its noise is
    raised by the share `turn` of what it can be: it smooths more. What the other turns ask for is made of pictures,
    see `with_blur` and `kept_noise`.

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
        base = self.pipeline.sample(shape_BCHW, generator)
        turn_BD, other_BD = (_turn(shape_BCHW[0], generator) for _ in range(2))
        return {"base": base, "turn": turn_BD, "down": -other_BD.abs()}

    def forward(self, hr_BCHW: Tensor, params: Params) -> Tensor:
        base, up_B = params["base"], params["turn"][:, 1].clamp(min=0)
        noise = {f"noise{n}": base[f"noise{n}"] for n in (1, 2)}
        rises = {"sigma": self.noise_rise_255 / 255, "poisson_scale": self.poisson_rise}
        noisier = {op: {key: values[key] + up_B * rise for key, rise in rises.items()} for op, values in noise.items()}
        noiseless = {op: {key: torch.zeros_like(values[key]) for key in rises} for op, values in noise.items()}
        versions = [base, edited(base, noisier), edited(base, noiseless)]
        lr = self.pipeline(hr_BCHW.repeat(len(VERSIONS), 1, 1, 1), stack_rows(versions))
        return torch.stack(lr.chunk(len(VERSIONS)), dim=1).flatten(0, 1)

    def output_shape(self, shape_BCHW: Shape) -> Shape:
        batch, channels, height, width = super().output_shape(shape_BCHW)
        return len(VERSIONS) * batch, channels, height, width


def _turn(batch: int, generator: torch.Generator) -> Tensor:
    """How far both sliders of each image are turned, or one of them: (B, D) in [-1, 1]."""
    turn_BD = uniform((batch, 2), -BEYOND, BEYOND, generator).clamp(-1, 1)
    turned_B = choose(batch, [1 / 3, 1 / 3, 1 / 3], generator)  # blur, noise, both
    return turn_BD * torch.stack([turned_B != 1, turned_B != 0], dim=1)


def told_degrees(estimated_BD: Tensor, turn_BD: Tensor) -> Tensor:
    """Where the sliders stand that are turned by shares of the way from the estimate to their ends, (B, D)."""
    return torch.where(turn_BD < 0, estimated_BD * (1 + turn_BD), estimated_BD + turn_BD * (1 - estimated_BD))


def with_blur(picture_BCHW: Tensor, base: Params, turn_B: Tensor) -> Tensor:
    """A picture with its image's blur put back, or taken off once more, by shares of it from -1 to 1.

    Below 0, it is blurred by a Gaussian that is as wide as both blurs together, times the share. Above, what such a
    blur would take away is added, as unsharp masking does.
    """
    first, second = base["blur1"], base["blur2"]
    blur = dict(first)
    for key in ("sigma_x", "sigma_y"):
        sigma_B = turn_B.abs() * (first[key].square() * first["is_on"] + second[key].square() * second["is_on"]).sqrt()
        blur[key] = torch.where(turn_B > 0, sigma_B.clamp(max=MOST_SHARPENED_PX), sigma_B).clamp(min=LEAST_SIGMA_PX)
    blur["is_on"], blur["is_sinc"] = turn_B != 0, torch.zeros_like(first["is_sinc"])
    blur["size"] = torch.full_like(first["size"], _KERNEL_SIDE)
    blurred = _blur(picture_BCHW, blur)
    return torch.where((turn_B > 0)[:, None, None, None], 2 * picture_BCHW - blurred, blurred)


def kept_noise(seen_BCHW: Tensor, noiseless_BCHW: Tensor, share_B: Tensor, scale: int) -> Tensor:
    """A share of the noise of an image, enlarged: (B, C, sH, sW)."""
    return share_B[:, None, None, None] * resize(seen_BCHW - noiseless_BCHW, scale=scale)


def by_version(rows: Tensor) -> Sequence[Tensor]:
    """(3B, …) rows to one (B, …) tensor for each of `VERSIONS`."""
    versions: Sequence[Tensor] = rows.unflatten(0, (-1, len(VERSIONS))).unbind(1)
    return versions
