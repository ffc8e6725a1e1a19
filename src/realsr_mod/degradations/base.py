"""A degradation is data: parameters are drawn first, as plain tensors, and applied second.

Legend: B batch, C channels, H height, W width.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from itertools import accumulate
from typing import Any

import torch
from torch import Tensor, nn

from realsr_mod.degradations.sharpen import usm_sharpen

Params = dict[str, Any]  # tensors whose first axis is the batch, or nested dicts of them
Shape = tuple[int, int, int, int]
LARGEST_SCALE = 64


def map_params(params: Mapping[str, Any], function: Callable[[Tensor], Tensor]) -> Params:
    """Apply `function` to every tensor of (nested) params."""
    return {
        key: map_params(value, function) if isinstance(value, Mapping) else function(value)
        for key, value in params.items()
    }


def row(params: Mapping[str, Any], index: int) -> Params:
    """The params of one sample, batch axis kept: `op(x[i:i+1], row(params, i))` equals `op(x, params)[i:i+1]`."""
    return map_params(params, lambda tensor: tensor[index : index + 1])


def rows(params: Mapping[str, Any], index: Sequence[int] | Tensor) -> Params:
    """The params of several samples, in the order of `index`; an index may be repeated."""
    return map_params(params, lambda tensor: tensor[torch.as_tensor(index, device=tensor.device)])


def stack_rows(params: Sequence[Mapping[str, Any]]) -> Params:
    """Join the params of several batches into one, in order (the inverse of `row`)."""
    return {
        key: stack_rows([p[key] for p in params]) if isinstance(value, Mapping) else torch.cat([p[key] for p in params])
        for key, value in params[0].items()
    }


def shape_of(x_BCHW: Tensor) -> Shape:
    """The shape of a batch of images, as `sample` takes it."""
    batch, channels, height, width = x_BCHW.shape
    return batch, channels, height, width


def uniform(size: Sequence[int], low: float, high: float, generator: torch.Generator) -> Tensor:
    """Draw U(low, high) on the generator's device."""
    return torch.rand(*size, generator=generator, device=generator.device) * (high - low) + low


def normal(size: Sequence[int], generator: torch.Generator) -> Tensor:
    """Draw N(0, 1) on the generator's device."""
    return torch.randn(*size, generator=generator, device=generator.device)


def choose(batch: int, probabilities: Sequence[float], generator: torch.Generator) -> Tensor:
    """Draw an index into `probabilities` per row: (B,) int64, on the generator's device, without a table there."""
    draw_B = torch.rand(batch, generator=generator, device=generator.device)
    index_B = torch.zeros_like(draw_B, dtype=torch.int64)
    for cumulative in accumulate(probabilities[:-1]):
        index_B += draw_B >= cumulative
    return index_B


def bernoulli(batch: int, probability: float, generator: torch.Generator) -> Tensor:
    """Draw True with `probability` per row: (B,) bool."""
    return torch.rand(batch, generator=generator, device=generator.device) < probability


def check_probabilities(name: str, probabilities: Sequence[float]) -> tuple[float, ...]:
    """Return the probabilities as floats, or raise if they are not at least 0 with a sum of 1."""
    if min(probabilities) < 0 or abs(sum(probabilities) - 1) > 1e-6:
        raise ValueError(
            f"{name} must be at least 0 and sum to 1, got {list(probabilities)} (sum {sum(probabilities):g})"
        )
    return tuple(float(p) for p in probabilities)


def check_probability(name: str, probability: float) -> float:
    """Return the probability as a float, or raise if it is not in [0, 1]."""
    if not 0 <= probability <= 1:
        raise ValueError(f"{name} must be in [0, 1], got {probability}")
    return float(probability)


def check_range(name: str, bounds: Sequence[float], lowest: float = 0.0) -> tuple[float, float]:
    """Return `(low, high)` as floats, or raise if they are not two ordered numbers of at least `lowest`."""
    if len(bounds) != 2 or not lowest <= bounds[0] <= bounds[1]:
        raise ValueError(f"{name} must be [low, high] with {lowest:g} <= low <= high, got {list(bounds)}")
    return float(bounds[0]), float(bounds[1])


class DegradationOp(nn.Module):
    """One step of a degradation. Subclasses draw in `sample` and compute in `forward`; nothing else is random."""

    __call__: Callable[..., Tensor]

    def sample(self, shape_BCHW: Shape, generator: torch.Generator) -> Params:
        """Draw the params of a batch of this shape, on the generator's device. No params by default."""
        return {}

    def forward(self, x_BCHW: Tensor, params: Params) -> Tensor:
        """Apply the op under `params`: float32 in, float32 out."""
        raise NotImplementedError

    def output_shape(self, shape_BCHW: Shape) -> Shape:
        """The shape that comes out when `shape_BCHW` goes in. Unchanged by default."""
        return shape_BCHW


class Chain(DegradationOp):
    """Named ops one after another. Params: one entry per op that draws any, under the op's name."""

    ops: Mapping[str, DegradationOp]  # declared: a type checker takes a ModuleDict's values for any modules

    def __init__(self, **ops: DegradationOp) -> None:
        super().__init__()
        self.add_module("ops", nn.ModuleDict(ops))

    def sample(self, shape_BCHW: Shape, generator: torch.Generator) -> Params:
        params = {}
        for name, op in self.ops.items():
            drawn = op.sample(shape_BCHW, generator)
            if drawn:
                params[name] = drawn
            shape_BCHW = op.output_shape(shape_BCHW)
        return params

    def forward(self, x_BCHW: Tensor, params: Params) -> Tensor:
        for name, op in self.ops.items():
            x_BCHW = op(x_BCHW, params.get(name, {}))
        return x_BCHW

    def output_shape(self, shape_BCHW: Shape) -> Shape:
        for op in self.ops.values():
            shape_BCHW = op.output_shape(shape_BCHW)
        return shape_BCHW


class Degradation(nn.Module, ABC):
    """A whole pipeline from HR to LR. Subclasses say what it consists of.

    Args:
        scale: HR size over LR size.
        sharpen: degrade, and train towards, the image after unsharp masking.
    """

    __call__: Callable[..., Tensor]
    versions: tuple[str, ...] = ()  # where each image becomes several neighbouring rows: what each of them is

    def __init__(self, scale: int, sharpen: bool = False) -> None:
        super().__init__()
        if not isinstance(scale, int) or not 1 <= scale <= LARGEST_SCALE:
            raise ValueError(f"scale must be a whole number from 1 to {LARGEST_SCALE}, got {scale!r}")
        self.scale, self.sharpen = scale, sharpen

    @abstractmethod
    def sample(self, shape_BCHW: Shape, generator: torch.Generator) -> Params:
        """Draw the params of a batch of HR images of this shape, on the generator's device."""

    @abstractmethod
    def forward(self, hr_BCHW: Tensor, params: Params) -> Tensor:
        """Degrade under `params`: float32 (B, C, H, W) to (B, C, H / scale, W / scale)."""

    def target(self, hr_BCHW: Tensor) -> Tensor:
        """The ground truth for training, what a network should produce: HR, sharpened if the pipeline sharpens.

        One row for each LR image: each image as often as there are versions of it.
        """
        return self.repeated(usm_sharpen(hr_BCHW) if self.sharpen else hr_BCHW)

    def repeated(self, hr_BCHW: Tensor) -> Tensor:
        """Each image as often as there are versions of it, in neighbouring rows."""
        return hr_BCHW.repeat_interleave(len(self.versions), dim=0) if self.versions else hr_BCHW

    def output_shape(self, shape_BCHW: Shape) -> Shape:
        """The shape that comes out when `shape_BCHW` goes in; a ValueError if the scale does not divide it."""
        batch, channels, height, width = shape_BCHW
        return (batch, channels, *lr_size(height, width, scale=self.scale))


class ChainDegradation(Degradation):
    """A pipeline that is a chain of ops. Params as the chain's."""

    def __init__(self, scale: int, **ops: DegradationOp) -> None:
        super().__init__(scale)
        self.chain = Chain(**ops)

    def sample(self, shape_BCHW: Shape, generator: torch.Generator) -> Params:
        return self.chain.sample(shape_BCHW, generator)

    def forward(self, hr_BCHW: Tensor, params: Params) -> Tensor:
        return self.chain(hr_BCHW, params)


def lr_size(height: int, width: int, *, scale: int) -> tuple[int, int]:
    """The LR size of an HR image, or a ValueError if a side is not a multiple of the scale."""
    if height % scale or width % scale or not height or not width:
        cropped = f"{height - height % scale}x{width - width % scale}"
        raise ValueError(f"HR size must be a multiple of scale={scale}, got {height}x{width}; crop it to {cropped}")
    return height // scale, width // scale
