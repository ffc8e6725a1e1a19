"""MM-RealSR's five versions of each image: edits of one degradation's params.

base, one that is blurrier, one that is noisier, and two anchors: a clean one and the worst that the ranges allow.
Rows of a batch are image-major: the five versions of image 0, then those of image 1 and so on.
Legend: B images, D degrees, C channels, H and W the HR size, h and w the LR size.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from realsr_mod.degradations.base import Degradation, Params, Shape, check_range, lr_size, stack_rows, uniform
from realsr_mod.degradations.camera_noise import CameraNoise
from realsr_mod.degradations.jpeg import JPEG
from realsr_mod.degradations.mixed_blur import MixedBlur
from realsr_mod.degradations.noise import quantize
from realsr_mod.degradations.second_order import SecondOrder
from realsr_mod.degradations.sharpen import usm_sharpen

ROLES = ("base", "blurrier", "noisier", "clean", "worst")
DEGRADED = tuple(role for role in ROLES if role != "clean")


def by_role(rows: Tensor) -> dict[str, Tensor]:
    """Split (5B, …) rows into one (B, …) tensor per role."""
    return dict(zip(ROLES, rows.unflatten(0, (-1, len(ROLES))).unbind(1), strict=True))


def from_roles(roles: dict[str, Tensor]) -> Tensor:
    """Join one (B, …) tensor per role into (5B, …) rows: `by_role`'s inverse."""
    return torch.stack([roles[role] for role in ROLES], dim=1).flatten(0, 1)


def pin_anchors(degrees: Tensor) -> Tensor:
    """The degrees (5B, D) that modulate the restorer in training: estimates, but 0 and 1 for the two anchors."""
    roles = by_role(degrees)
    return from_roles(roles | {"clean": torch.zeros_like(roles["clean"]), "worst": torch.ones_like(roles["worst"])})


def edited(params: Params, *edits: Params) -> Params:
    """Params with some entries of some ops replaced; the rest is shared."""
    for edit in edits:
        params = params | {op: params[op] | values for op, values in edit.items()}
    return params


def draw_pair(
    batch: int, bounds: Sequence[float], difference: Sequence[float], generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Two levels (B,) within `bounds`: a lower one, and one higher by U(`difference`).

    The difference comes first and the lower level is drawn from what it leaves, so neither overruns the bounds. A
    difference larger than the bounds is cut to their width.
    """
    (low, high), (least, most) = bounds, difference
    gap = uniform((batch,), least, min(most, high - low), generator)
    less = low + uniform((batch,), 0.0, 1.0, generator) * (high - low - gap)
    return less, (less + gap).clamp(max=high)


class QuintupleDegradation(Degradation):
    """HR (B, C, H, W) to LR (5B, C, h, w): one second-order degradation per image and its edits.

    Params: one entry per role but `clean`, each the pipeline's params (see `SecondOrder`) with B rows; noise patterns,
    kernel families, filters and orders are the same in all four.

        blurrier: wider kernels or lower sinc cutoffs in both blurs, and a smaller first resize.
        noisier:  stronger noise and lower JPEG quality, both times.
        worst:    largest and widest kernels, no sinc, smallest first resize, strongest noise, lowest quality.
        clean:    HR sharpened once more, then bilinear downscaling, nothing else.

    Args:
        scale: HR size over LR size.
        pipeline: what degrades; must not sharpen by itself.
        sharpen: sharpen HR by unsharp masking, for the degraded versions and as the target.
        sharpen_input: false leaves the sharpening to the target: the versions are made from HR as it is, the clean one
            too. So the authors train their second stage.
        blur_difference: how much blurrier, as a fraction of the range of each sigma and of the first resize.
        noise_difference_255: difference of the Gaussian sigmas, in 1/255 units.
        poisson_difference: difference of the Poisson scales.
        jpeg_difference: difference of the JPEG qualities.
    """

    versions = ROLES

    def __init__(
        self,
        scale: int,
        pipeline: SecondOrder,
        sharpen: bool = True,
        sharpen_input: bool = True,
        blur_difference: Sequence[float] = (0.1, 1.0),
        noise_difference_255: Sequence[float] = (1.0, 21.0),
        poisson_difference: Sequence[float] = (0.05, 2.05),
        jpeg_difference: Sequence[float] = (5.0, 60.0),
    ) -> None:
        super().__init__(scale, sharpen)
        if pipeline.scale != scale:
            raise ValueError(f"the quintuple has scale {scale}, its pipeline scale {pipeline.scale}; set one scale")
        if pipeline.sharpen:
            raise ValueError("sharpening is the quintuple's; set degradation.pipeline.sharpen=false")
        self.pipeline = pipeline
        self.sharpen_input = sharpen and sharpen_input
        self.blur_difference = check_range("blur_difference", blur_difference)
        self.noise_difference_255 = check_range("noise_difference_255", noise_difference_255)
        self.poisson_difference = check_range("poisson_difference", poisson_difference)
        self.jpeg_difference = check_range("jpeg_difference", jpeg_difference)
        self._check_room()

    @property
    def _rounds(self) -> tuple[tuple[int, MixedBlur, CameraNoise, JPEG], ...]:
        """What both rounds of the pipeline have, with the number in their names."""
        pipeline = self.pipeline
        first = (1, pipeline.blur1, pipeline.noise1, pipeline.jpeg1)
        return first, (2, pipeline.blur2, pipeline.noise2, pipeline.jpeg2)

    def _check_room(self) -> None:
        """Every range must be wide enough for the least difference."""
        ranges = [("blur_difference", "a fraction", (0.0, 1.0), self.blur_difference)]
        for n, _, noise, jpeg in self._rounds:
            sigma, poisson = noise.sigma_range_255, noise.poisson_scale_range
            ranges += [
                ("noise_difference_255", f"noise{n}.sigma_range_255", sigma, self.noise_difference_255),
                ("poisson_difference", f"noise{n}.poisson_scale_range", poisson, self.poisson_difference),
                ("jpeg_difference", f"jpeg{n}.quality_range", jpeg.quality_range, self.jpeg_difference),
            ]
        for name, where, (low, high), (least, _) in ranges:
            if least > high - low:
                raise ValueError(
                    f"{name} begins at {least:g}, more than the {high - low:g} that {where} spans; lower it or widen "
                    "the range"
                )

    def sample(self, shape_BCHW: Shape, generator: torch.Generator) -> Params:
        drawn = self.pipeline.sample(shape_BCHW, generator)
        sharper, blurrier = self._blur_levels(drawn, generator)
        quieter, noisier = self._noise_levels(shape_BCHW[0], generator)
        base = edited(drawn, sharper, quieter)
        return {
            "base": base,
            "blurrier": edited(base, blurrier),
            "noisier": edited(base, noisier),
            "worst": edited(base, self._worst(base)),
        }

    def _blur_levels(self, drawn: Params, generator: torch.Generator) -> tuple[Params, Params]:
        """The edits that make the base and the blurrier version."""
        sharper: Params = {}
        blurrier: Params = {}
        for n, blur, _, _ in self._rounds:
            name = f"blur{n}"
            sharper[name], blurrier[name] = {}, {}
            low, high = blur.sigma_range_px
            for key in ("sigma_x", "sigma_y"):
                pair = self._blur_pair(drawn, generator)
                sharper[name][key], blurrier[name][key] = (low + unit_B * (high - low) for unit_B in pair)
            # A sinc blurs more the lower its cutoff. The drawn one fits its kernel's size; the base gets a higher one.
            cutoff_B = drawn[name]["cutoff"]
            less_B, more_B = self._blur_pair(drawn, generator)
            sharper[name]["cutoff"] = cutoff_B + (more_B - less_B) * (torch.pi - cutoff_B)
            blurrier[name]["cutoff"] = cutoff_B
        low, high = self.pipeline.resize1.factor_range
        factor_B = drawn["resize1"]["factor"]
        # Keep the direction: enlarging ends at 1, shrinking begins there, 1 itself stays.
        top_B, bottom_B = torch.where(factor_B > 1, high, 1.0), torch.where(factor_B < 1, low, 1.0)
        factors = (top_B - unit_B * (top_B - bottom_B) for unit_B in self._blur_pair(drawn, generator))
        sharper["resize1"], blurrier["resize1"] = ({"factor": factor_B} for factor_B in factors)
        blurrier["blur1"]["is_on"] = torch.ones_like(drawn["blur1"]["is_on"])  # or there may be nothing that differs
        return sharper, blurrier

    def _blur_pair(self, drawn: Params, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        return draw_pair(len(drawn["last"]["filter"]), (0.0, 1.0), self.blur_difference, generator)

    def _noise_levels(self, batch: int, generator: torch.Generator) -> tuple[Params, Params]:
        """The edits that make the base and the noisier version."""
        quieter: Params = {}
        noisier: Params = {}
        for n, _, noise, jpeg in self._rounds:
            sigmas_255 = draw_pair(batch, noise.sigma_range_255, self.noise_difference_255, generator)
            scales = draw_pair(batch, noise.poisson_scale_range, self.poisson_difference, generator)
            worse, better = draw_pair(batch, jpeg.quality_range, self.jpeg_difference, generator)
            for edit, sigma_255, poisson_scale, quality in zip(
                (quieter, noisier), sigmas_255, scales, (better, worse), strict=True
            ):
                edit[f"noise{n}"] = {"sigma": sigma_255 / 255, "poisson_scale": poisson_scale}
                edit[f"jpeg{n}"] = {"quality": quality}
        return quieter, noisier

    def _worst(self, base: Params) -> Params:
        """The edit that takes every level to the bad end of its range."""
        every = base["blur1"]["is_on"]  # (B,) bool, for shape and device

        def full(value: float, like: Tensor) -> Tensor:
            return torch.full_like(like, value)

        edit: Params = {"resize1": {"factor": full(self.pipeline.resize1.factor_range[0], base["resize1"]["factor"])}}
        for n, blur, noise, jpeg in self._rounds:
            sigma = full(blur.sigma_range_px[1], base[f"blur{n}"]["sigma_x"])
            edit[f"blur{n}"] = {
                "is_on": torch.ones_like(every),
                "is_sinc": torch.zeros_like(every),
                "size": full(blur.kernel_size_range[1], base[f"blur{n}"]["size"]),
                "sigma_x": sigma,
                "sigma_y": sigma,
            }
            edit[f"noise{n}"] = {
                "sigma": full(noise.sigma_range_255[1] / 255, base[f"noise{n}"]["sigma"]),
                "poisson_scale": full(noise.poisson_scale_range[1], base[f"noise{n}"]["poisson_scale"]),
            }
            edit[f"jpeg{n}"] = {"quality": full(jpeg.quality_range[0], base[f"jpeg{n}"]["quality"])}
        return edit

    def forward(self, hr_BCHW: Tensor, params: Params) -> Tensor:
        source = usm_sharpen(hr_BCHW) if self.sharpen_input else hr_BCHW
        repeated = source.repeat(len(DEGRADED), 1, 1, 1)
        degraded = self.pipeline(repeated, stack_rows([params[role] for role in DEGRADED]))
        roles = dict(zip(DEGRADED, degraded.chunk(len(DEGRADED)), strict=True))
        small = lr_size(*hr_BCHW.shape[2:], scale=self.scale)
        clean = usm_sharpen(source) if self.sharpen_input else source
        clean = F.interpolate(clean, size=small, mode="bilinear", align_corners=False)
        return from_roles(roles | {"clean": quantize(clean)})

    def output_shape(self, shape_BCHW: Shape) -> Shape:
        batch, channels, height, width = super().output_shape(shape_BCHW)
        return len(ROLES) * batch, channels, height, width
