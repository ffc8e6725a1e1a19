"""Blur with a kernel of its own family, size and shape per row, or ringing, or none.

Legend: B batch, C channels, H height, W width, K kernel side (odd).
"""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from realsr_mod.degradations.base import (
    DegradationOp,
    Params,
    Shape,
    bernoulli,
    check_probabilities,
    check_probability,
    check_range,
    choose,
    uniform,
)
from realsr_mod.degradations.blur import blur, blur_canvas
from realsr_mod.degradations.canvas import any_row, per_row
from realsr_mod.degradations.kernels import FAMILIES, FAMILY_INDEX, check_kernel_size, mixed_kernels, sinc_kernels

_FAMILY_PROBABILITIES = {
    "iso": 0.45,
    "aniso": 0.25,
    "generalized_iso": 0.12,
    "generalized_aniso": 0.03,
    "plateau_iso": 0.12,
    "plateau_aniso": 0.03,
}
_SMALL_KERNEL = 13  # from this size up, stronger low-pass filters still fit
_SMALL_CUTOFF, _LARGE_CUTOFF = torch.pi / 3, torch.pi / 5


class MixedBlur(DegradationOp):
    """One of six kernel families, or a sinc filter, or nothing, row by row (Real-ESRGAN, arXiv 2107.10833).

    Params, all (B,): `is_on` bool; `family` index into `kernels.FAMILIES`; `size` odd; `sigma_x`, `sigma_y` in pixels
    (isotropic families use `sigma_x` alone); `theta` in radians, [0, pi); `beta`, the exponent of the generalized
    and plateau families; `is_sinc` bool, a sinc filter instead; `cutoff` of the sinc in radians per pixel.
    A row holds all of them, whichever its kernel uses, so that any can be edited.

    Of betas, half lie below 1 and half above, as the published program draws them (plateaus from [1, 2]: half are 1); a
    range without 1 is drawn evenly.

    `probability`: that a row is blurred at all; `sinc_probability`: that then it is by a sinc. Cutoffs are drawn from
    `lowest_cutoff` to pi; by default from pi/3 for kernels under 13 pixels, else from pi/5.
    """

    def __init__(
        self,
        kernel_size_range: Sequence[int] = (7, 21),
        sigma_range_px: Sequence[float] = (0.2, 3.0),
        family_probabilities: Mapping[str, float] = _FAMILY_PROBABILITIES,
        generalized_beta_range: Sequence[float] = (0.5, 4.0),
        plateau_beta_range: Sequence[float] = (1.0, 2.0),
        sinc_probability: float = 0.1,
        probability: float = 1.0,
        lowest_cutoff: float | None = None,
    ) -> None:
        super().__init__()
        low, high = check_range("kernel_size_range", kernel_size_range, lowest=1)
        self.kernel_size_range = tuple(check_kernel_size("kernel_size_range", int(n)) for n in (low, high))
        self.sigma_range_px = check_range("sigma_range_px", sigma_range_px, lowest=0.01)
        unknown = set(family_probabilities) - set(FAMILIES)
        if unknown:
            raise ValueError(f"family_probabilities: unknown {sorted(unknown)}; the families are {', '.join(FAMILIES)}")
        self.family_probabilities = check_probabilities(
            "family_probabilities", [family_probabilities.get(name, 0.0) for name in FAMILIES]
        )
        self.generalized_beta_range = check_range("generalized_beta_range", generalized_beta_range)
        self.plateau_beta_range = check_range("plateau_beta_range", plateau_beta_range)
        self.sinc_probability = check_probability("sinc_probability", sinc_probability)
        self.probability = check_probability("probability", probability)
        if lowest_cutoff is not None and not 0 < lowest_cutoff <= torch.pi:
            raise ValueError(f"lowest_cutoff must lie in (0, pi] radians per pixel, got {lowest_cutoff}")
        self.lowest_cutoff = lowest_cutoff

    def sample(self, shape_BCHW: Shape, generator: torch.Generator) -> Params:
        batch, (smallest, biggest) = shape_BCHW[0], self.kernel_size_range
        steps = (biggest - smallest) // 2 + 1
        size_B = smallest + 2 * torch.randint(steps, (batch,), generator=generator, device=generator.device)
        family_B = choose(batch, self.family_probabilities, generator)
        unit_B = uniform((batch,), 0.0, 1.0, generator)
        generalized_B, plateau_B = (
            _around_one(unit_B, *bounds) for bounds in (self.generalized_beta_range, self.plateau_beta_range)
        )
        if self.lowest_cutoff is None:
            lowest_cutoff_B = torch.where(size_B < _SMALL_KERNEL, _SMALL_CUTOFF, _LARGE_CUTOFF)
        else:
            lowest_cutoff_B = torch.full((batch,), self.lowest_cutoff, device=generator.device)
        return {
            "is_on": bernoulli(batch, self.probability, generator),
            "family": family_B,
            "size": size_B,
            "sigma_x": uniform((batch,), *self.sigma_range_px, generator),
            "sigma_y": uniform((batch,), *self.sigma_range_px, generator),
            "theta": uniform((batch,), 0.0, torch.pi, generator),
            "beta": torch.where(family_B >= FAMILY_INDEX["plateau_iso"], plateau_B, generalized_B),
            "is_sinc": bernoulli(batch, self.sinc_probability, generator),
            "cutoff": lowest_cutoff_B + uniform((batch,), 0.0, 1.0, generator) * (torch.pi - lowest_cutoff_B),
        }

    def kernels(self, params: Params) -> Tensor:
        """The kernels (B, K, K) that the params describe, `is_on` left aside; K is the largest size allowed."""
        largest_size, size_B = self.kernel_size_range[1], params["size"]
        family_B, sigma_x_B, sigma_y_B = params["family"], params["sigma_x"], params["sigma_y"]
        kernels_BKK = mixed_kernels(
            family_B, sigma_x_B, sigma_y_B, params["theta"], params["beta"], largest_size, size_B
        )
        if not any_row(params["is_sinc"]):
            return kernels_BKK
        sinc_BKK = sinc_kernels(params["cutoff"], largest_size, size_B)
        return torch.where(params["is_sinc"][:, None, None], sinc_BKK, kernels_BKK)

    def forward(self, x_BCHW: Tensor, params: Params, size_B2: Tensor | None = None) -> Tensor:
        """Blur, reflecting at each image's border; `size_B2` are the sizes of images on a canvas."""
        if not any_row(params["is_on"]):
            return x_BCHW
        kernels_BKK = self.kernels(params)
        blurred = blur(x_BCHW, kernels_BKK) if size_B2 is None else blur_canvas(x_BCHW, kernels_BKK, size_B2)
        return torch.where(per_row(params["is_on"]), blurred, x_BCHW) if any_row(~params["is_on"]) else blurred


def _around_one(unit_B: Tensor, low: float, high: float) -> Tensor:
    """U(0, 1) to a value in [low, high], of which half lie below 1 and half above, if 1 is in the range."""
    middle = 1.0 if low <= 1 <= high else (low + high) / 2
    below_B, above_B = low + 2 * unit_B * (middle - low), middle + (2 * unit_B - 1) * (high - middle)
    return torch.where(unit_B < 0.5, below_B, above_B)
