"""Resizing with a factor and a filter per row, as careless software does it: without antialiasing.

Legend: B batch, C channels, H height, W width, I inputs, O outputs, T taps.
"""

import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

from realsr_mod.degradations.banded import BLOCK as BAND_BLOCK
from realsr_mod.degradations.base import (
    Params,
    Shape,
    check_probabilities,
    check_range,
    choose,
    uniform,
)
from realsr_mod.degradations.canvas import can_look, clamped_coordinates, largest
from realsr_mod.degradations.jpeg import BLOCK as JPEG_BLOCK
from realsr_mod.degradations.resize import FILTERS, coverage, cubic, triangle

LARGEST_FACTOR = 8  # an image of so many times the side is 64 times as large


def resize_matrices(
    size_in_B: Tensor, size_out_B: Tensor, length_in: int, length_out: int, filter_B: Tensor, shrink_limit: float
) -> tuple[Tensor, Tensor]:
    """One axis as matrices: weights (B, O, I), and the inputs (B, O, T) that each output reads, unclipped.

    Row b maps `size_in_B[b]` pixels to `size_out_B[b]`; outputs past the last one repeat it. `filter_B` indexes
    `FILTERS`: area is the mean over the pixel's footprint, bilinear and bicubic read 2 and 4 inputs however much
    they shrink. Weights beyond the border are dropped and the rest made to sum to 1.
    """
    shrink_B11 = (size_in_B / size_out_B)[:, None, None]
    half = max(2, math.ceil((largest(shrink_B11, shrink_limit) + 1) / 2))
    center_BO = (clamped_coordinates(length_out, size_out_B) + 0.5) * shrink_B11[..., 0] - 0.5
    first_BO = center_BO.floor().long() - (half - 1)
    index_BOT = first_BO[..., None] + torch.arange(2 * half, device=first_BO.device)
    distance = center_BO[..., None] - index_BOT
    filter_B11 = filter_B[:, None, None]
    smooth = torch.where(filter_B11 == FILTERS.index("bilinear"), triangle(distance), cubic(distance))
    weights = torch.where(filter_B11 == FILTERS.index("area"), coverage(distance, shrink_B11), smooth)
    weights = weights * ((index_BOT >= 0) & (index_BOT < size_in_B[:, None, None]))
    weights = weights / weights.sum(2, keepdim=True)
    margin = 2 * half  # indices outside the image fall into margins, so that no two of them collide
    dense = weights.new_zeros(*first_BO.shape, length_in + 2 * margin).scatter_(2, index_BOT + margin, weights)
    return dense[..., margin : margin + length_in], index_BOT


def _blocks(weights_BOI: Tensor, index_BOT: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """The matrices as blocks of outputs: the inputs that a block reads, and its weights (B, 1, block, inputs).

    One block for all where values may not be looked at.
    """
    if not can_look(weights_BOI):
        yield slice(None), weights_BOI[:, None]
        return
    for weights, index in zip(weights_BOI.split(BAND_BLOCK, 1), index_BOT.split(BAND_BLOCK, 1), strict=True):
        inputs = slice(max(int(index.min()), 0), int(index.max()) + 1)
        yield inputs, weights[:, None, :, inputs]


def resize_canvas(
    x_BCHW: Tensor,
    size_in_B2: Tensor,
    size_out_B2: Tensor,
    canvas: tuple[int, int],
    filter_B: Tensor,
    shrink_limit: float,
) -> Tensor:
    """Resize row b from `size_in_B2[b]` to `size_out_B2[b]` (height, width), onto a canvas (B, C, *canvas).

    Outside its size each image repeats its border. `shrink_limit` bounds size in over size out.
    """
    vertical, horizontal = (
        resize_matrices(
            size_in_B2[:, axis], size_out_B2[:, axis], x_BCHW.shape[2 + axis], canvas[axis], filter_B, shrink_limit
        )
        for axis in range(2)
    )
    x_BCHW = torch.cat([weights @ x_BCHW[:, :, inputs] for inputs, weights in _blocks(*vertical)], dim=2)
    return torch.cat([x_BCHW[..., inputs] @ weights.mT for inputs, weights in _blocks(*horizontal)], dim=3)


class RandomResize(nn.Module):
    """Enlarge, shrink or keep, by a random factor and filter. No step of a `Chain`: it works on canvases.

    Params, both (B,): `factor`, times the size that the factor refers to; `filter`, index into `FILTERS`.
    Factors outside `factor_range` (by an edit) are clipped to it. Directions are drawn with
    `up_down_keep` probabilities, filters evenly.
    """

    __call__: Callable[..., tuple[Tensor, Tensor]]

    def __init__(
        self, up_down_keep: Sequence[float] = (0.2, 0.7, 0.1), factor_range: Sequence[float] = (0.15, 1.5)
    ) -> None:
        super().__init__()
        self.up_down_keep = check_probabilities("up_down_keep", up_down_keep)
        self.factor_range = check_range("factor_range", factor_range)
        if not 0 < self.factor_range[0] <= 1 <= self.factor_range[1] <= LARGEST_FACTOR:
            raise ValueError(
                f"factor_range must hold 1, lie above 0 and end at {LARGEST_FACTOR} or below, got {list(factor_range)}"
            )

    def sample(self, shape_BCHW: Shape, generator: torch.Generator) -> Params:
        """Draw the params of a batch of this shape, on the generator's device."""
        batch, (low, high) = shape_BCHW[0], self.factor_range
        direction_B = choose(batch, self.up_down_keep, generator)
        unit_B = uniform((batch,), 0.0, 1.0, generator)
        changed_B = torch.where(direction_B == 0, 1 + unit_B * (high - 1), low + unit_B * (1 - low))
        factor_B = torch.where(direction_B == 2, torch.ones_like(unit_B), changed_B)
        return {"factor": factor_B, "filter": draw_filter(batch, generator)}

    def forward(
        self, x_BCHW: Tensor, params: Params, size_B2: Tensor, reference: tuple[int, int], input_limit: tuple[int, int]
    ) -> tuple[Tensor, Tensor]:
        """Resize the images of `size_B2` to `factor * reference` (height, width): the new canvas and sizes.

        `input_limit`: no image's (height, width) is above it. The canvas is of whole JPEG units and at least one
        pixel larger than every image.
        """
        low, high = self.factor_range
        factor_B = params["factor"].clamp(low, high)
        sizes = [(factor_B * side).round().clamp(min=1).long() for side in reference]
        limits = [self.limit(side) for side in reference]
        height, width = (
            (int(largest(n, limit)) // JPEG_BLOCK + 1) * JPEG_BLOCK for n, limit in zip(sizes, limits, strict=True)
        )
        shrink_limit = max(top / max(round(low * side), 1) for top, side in zip(input_limit, reference, strict=True))
        size_out_B2 = torch.stack(sizes, dim=1)
        x_BCHW = resize_canvas(x_BCHW, size_B2, size_out_B2, (height, width), params["filter"], shrink_limit)
        return x_BCHW, size_out_B2

    def limit(self, side: int) -> int:
        """The largest side that comes out for a reference of `side` pixels."""
        return math.ceil(self.factor_range[1] * side)


def draw_filter(batch: int, generator: torch.Generator) -> Tensor:
    """An index into `FILTERS` per row, evenly: (B,) int64."""
    return torch.randint(len(FILTERS), (batch,), generator=generator, device=generator.device)
