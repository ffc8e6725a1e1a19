"""DRTL's auxiliary bank: one pipeline, many named distortions. A task is a label in the params with its levels.

Legend: B batch, C channels, H and W the HR size, h and w the LR size, K tasks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from realsr_mod.degradations.base import (
    Degradation,
    DegradationOp,
    Params,
    Shape,
    check_probabilities,
    check_range,
    choose,
    uniform,
)
from realsr_mod.degradations.blur import blur_separable
from realsr_mod.degradations.camera_noise import CameraNoise
from realsr_mod.degradations.canvas import any_row, per_row, whole_size
from realsr_mod.degradations.jpeg import JPEG
from realsr_mod.degradations.kernels import FAMILY_INDEX, gaussian_kernels_1d
from realsr_mod.degradations.mixed_blur import MixedBlur
from realsr_mod.degradations.noise import Quantize
from realsr_mod.degradations.random_resize import RandomResize, resize_canvas
from realsr_mod.degradations.resize import Downscale

LOWEST_FACTOR = 0.2  # of the resize chain: smaller images have nothing left to learn from
KERNEL_SIZE = 21
SHARPENING_KERNEL_SIZE = 13  # of the LR image: three widths of the broadest mask to each side
LARGEST_GROUP = 4096  # more rows than any batch has


@dataclass(frozen=True)
class AuxiliaryTask:
    """What one distortion consists of: the range [low, high] of each level that it uses; None leaves a step out.

    Args:
        sigma_px: blur, the width of the Gaussian in HR pixels.
        sigma_across_px: the width across a random direction, for anisotropic blur; None: the same.
        resize_factor: shrink to this fraction of the HR size and enlarge again, before the downscaling.
        noise_sigma_255: Gaussian noise, 1/255 units.
        poisson_scale: Poisson noise, times that of a sensor which counts 256 photons at white.
        sharpen_amount: a camera's own sharpening, halos included: so many times what a Gaussian takes away is added.
        sharpen_sigma_px: the width of that Gaussian in LR pixels.
        jpeg_quality: JPEG compression.
        poster_levels: inverted colours in so few steps; no camera does that.
    """

    sigma_px: Sequence[float] | None = None
    sigma_across_px: Sequence[float] | None = None
    resize_factor: Sequence[float] | None = None
    noise_sigma_255: Sequence[float] | None = None
    poisson_scale: Sequence[float] | None = None
    sharpen_amount: Sequence[float] | None = None
    sharpen_sigma_px: Sequence[float] | None = None
    jpeg_quality: Sequence[float] | None = None
    poster_levels: Sequence[float] | None = None

    def __post_init__(self) -> None:
        lowest = {"sigma_px": 0.05, "sigma_across_px": 0.05, "resize_factor": LOWEST_FACTOR, "jpeg_quality": 1}
        lowest |= {"poster_levels": 2, "sharpen_sigma_px": 0.3}
        for name, bounds in self.levels().items():
            check_range(name, bounds, lowest.get(name, 0.0))
        if self.sigma_across_px is not None and self.sigma_px is None:
            raise ValueError("sigma_across_px needs sigma_px, the width along the direction")
        if self.noise_sigma_255 is not None and self.poisson_scale is not None:
            raise ValueError("a task has Gaussian or Poisson noise; leave out noise_sigma_255 or poisson_scale")
        if (self.sharpen_amount is None) != (self.sharpen_sigma_px is None):
            raise ValueError("sharpening needs both sharpen_amount and sharpen_sigma_px")
        if self.sharpen_sigma_px is not None and self.sharpen_sigma_px[1] > SHARPENING_KERNEL_SIZE / 6:
            raise ValueError(f"sharpen_sigma_px must end at 2.1 or below, got {list(self.sharpen_sigma_px)}")
        if self.resize_factor is not None and self.resize_factor[1] > 1:
            raise ValueError(f"resize_factor must end at 1 or below, got {list(self.resize_factor)}")

    def levels(self) -> dict[str, Sequence[float]]:
        """The ranges that are given."""
        given = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: bounds for name, bounds in given.items() if bounds is not None}


class Sharpening(DegradationOp):
    """Unsharp masking, x + amount (x - Gaussian(x)). Params, all (B,): `is_on` bool, `amount`, `sigma` in pixels."""

    def forward(self, x_BCHW: Tensor, params: Params) -> Tensor:
        if not any_row(params["is_on"]):
            return x_BCHW
        smooth = blur_separable(x_BCHW, gaussian_kernels_1d(params["sigma"], SHARPENING_KERNEL_SIZE))
        amount_B = torch.where(params["is_on"], params["amount"], 0.0)
        return x_BCHW + per_row(amount_B) * (x_BCHW - smooth)


class Poster(DegradationOp):
    """Inverted colours in a few steps. Params, both (B,): `is_on` bool, `levels`, the number of steps."""

    def forward(self, x_BCHW: Tensor, params: Params) -> Tensor:
        if not any_row(params["is_on"]):
            return x_BCHW
        last = per_row(params["levels"].round()) - 1
        return torch.where(per_row(params["is_on"]), 1 - (x_BCHW.clamp(0, 1) * last).round() / last, x_BCHW)


class AuxiliaryBank(Degradation):
    """Blur, resize chain, bicubic downscaling, noise, sharpening, JPEG, poster; which and how much is a row's task.

    Params, every tensor (B,): `task`, the index into `names`; `blur` (see `MixedBlur`), `resize` (`RandomResize`),
    `noise` (`CameraNoise`), `sharpen` (`Sharpening`), `jpeg` with `is_on` bool and `quality`, `poster` (`Poster`).

    Args:
        scale: HR size over LR size.
        tasks: name of each distortion to its levels, see `AuxiliaryTask`.
        group_rows: so many neighbouring rows of a batch have the same task (meta-learning needs several).
    """

    def __init__(self, scale: int, tasks: Mapping[str, Mapping[str, Any]], group_rows: int = 1) -> None:
        super().__init__(scale)
        self.blur = MixedBlur((KERNEL_SIZE, KERNEL_SIZE))
        self.resize = RandomResize(factor_range=(LOWEST_FACTOR, 1.0))
        self.down = Downscale(scale)
        self.noise = CameraNoise()
        self.sharpen_lr = Sharpening()
        self.jpeg = JPEG()
        self.poster = Poster()
        self.quantize = Quantize()
        if len(tasks) < 2:
            raise ValueError(f"a bank needs at least two tasks to compare, got {list(tasks)}")
        if not 1 <= group_rows <= LARGEST_GROUP:
            raise ValueError(f"group_rows must be from 1 to {LARGEST_GROUP}, got {group_rows}")
        self.tasks = {name: _task(name, levels) for name, levels in tasks.items()}
        self.group_rows = group_rows
        self.probabilities = check_probabilities("probabilities", [1 / len(tasks)] * len(tasks))

    @property
    def names(self) -> tuple[str, ...]:
        """The tasks, in the order of their labels."""
        return tuple(self.tasks)

    def draw_by(self, probabilities: Sequence[float]) -> None:
        """Draw task k with `probabilities[k]` from now on; evenly at first."""
        if len(probabilities) != len(self.tasks):
            raise ValueError(f"{len(self.tasks)} tasks need as many probabilities, got {len(probabilities)}")
        self.probabilities = check_probabilities("probabilities", probabilities)

    def sample(self, shape_BCHW: Shape, generator: torch.Generator) -> Params:
        batch = shape_BCHW[0]
        groups = choose(-(-batch // self.group_rows), self.probabilities, generator)
        return self.of_tasks(groups.repeat_interleave(self.group_rows)[:batch], shape_BCHW, generator)

    def of_tasks(self, task_B: Tensor, shape_BCHW: Shape, generator: torch.Generator) -> Params:
        """Params of the given tasks, (B,) int64: everything but the labels is drawn."""
        ops: dict[str, DegradationOp | RandomResize]
        ops = {"blur": self.blur, "resize": self.resize, "noise": self.noise, "jpeg": self.jpeg}
        drawn = {name: op.sample(shape_BCHW, generator) for name, op in ops.items()}
        has, level = self._levels(task_B, generator)
        sigma_across = torch.where(has["sigma_across_px"], level["sigma_across_px"], level["sigma_px"])
        family = torch.where(has["sigma_across_px"], FAMILY_INDEX["aniso"], FAMILY_INDEX["iso"])
        never, one = torch.zeros_like(has["sigma_px"]), torch.ones_like(level["sigma_px"])
        return {
            "task": task_B,
            "blur": drawn["blur"]
            | {"is_on": has["sigma_px"], "family": family, "is_sinc": never}
            | {"sigma_x": level["sigma_px"], "sigma_y": sigma_across},
            "resize": drawn["resize"] | {"factor": torch.where(has["resize_factor"], level["resize_factor"], one)},
            "noise": drawn["noise"]
            | {"is_poisson": has["poisson_scale"], "is_grey": never}
            | {"sigma": level["noise_sigma_255"] / 255, "poisson_scale": level["poisson_scale"]},
            "sharpen": {"is_on": has["sharpen_amount"]}
            | {"amount": level["sharpen_amount"], "sigma": level["sharpen_sigma_px"]},
            "jpeg": {"is_on": has["jpeg_quality"], "quality": level["jpeg_quality"]},
            "poster": {"is_on": has["poster_levels"], "levels": level["poster_levels"]},
        }

    def _levels(self, task_B: Tensor, generator: torch.Generator) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """For every kind of level, whether a row's task has it, and its value: harmless numbers where it has not."""
        has, level = {}, {}
        for field in fields(AuxiliaryTask):
            given = [getattr(task, field.name) for task in self.tasks.values()]
            unused = (0.0, 0.0) if field.name in ("noise_sigma_255", "poisson_scale") else (2.0, 2.0)
            table_K2 = torch.tensor([bounds or unused for bounds in given], device=generator.device)
            low_B, high_B = table_K2[task_B].unbind(1)
            has[field.name] = torch.tensor([bounds is not None for bounds in given], device=generator.device)[task_B]
            level[field.name] = low_B + uniform((len(task_B),), 0.0, 1.0, generator) * (high_B - low_B)
        return has, level

    def forward(self, hr_BCHW: Tensor, params: Params) -> Tensor:
        x = self.blur(hr_BCHW, params["blur"])
        x = self.down(self._shrink_and_enlarge(x, params["resize"]), {})
        x = self.noise(x, params["noise"])
        if "sharpen" in params:  # those stored before there was any have none
            x = self.sharpen_lr(x, params["sharpen"])
        if any_row(params["jpeg"]["is_on"]):
            compressed = self.jpeg(x, params["jpeg"])
            x = torch.where(per_row(params["jpeg"]["is_on"]), compressed, x)
        return self.quantize(self.poster(x, params["poster"]), {})

    def _shrink_and_enlarge(self, x_BCHW: Tensor, params: Params) -> Tensor:
        """The resize chain; rows with factor 1 come out as they are."""
        if not any_row(params["factor"] < 1):
            return x_BCHW
        height, width = x_BCHW.shape[2:]
        size, whole_B2 = (height, width), whole_size(x_BCHW)
        small, small_B2 = self.resize(x_BCHW, params, whole_B2, reference=size, input_limit=size)
        return resize_canvas(small, small_B2, whole_B2, size, params["filter"], shrink_limit=1.0)


def _task(name: str, levels: Mapping[str, Any] | None) -> AuxiliaryTask:
    """Build a task from its configuration; errors name it."""
    known = [field.name for field in fields(AuxiliaryTask)]
    unknown = set(levels or {}) - set(known)
    if unknown:
        raise ValueError(f"task {name}: unknown {sorted(unknown)}; a task has {', '.join(known)}")
    try:
        return AuxiliaryTask(**{key: tuple(bounds) for key, bounds in (levels or {}).items()})
    except ValueError as error:
        raise ValueError(f"task {name}: {error}") from error
