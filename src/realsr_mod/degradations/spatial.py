"""Degradation that varies over the image: several pipelines, blended by smooth random masks.

Legend: B batch, C channels, H and W the HR size, h and w the LR size, R regions, G side of a mask's grid, T taps.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache, reduce

import torch
from torch import Tensor, nn

from realsr_mod.degradations.banded import Band, bands, filter_height, filter_width
from realsr_mod.degradations.base import Degradation, Params, Shape, lr_size, normal
from realsr_mod.degradations.noise import quantize

LARGEST_GRID = 256
MASKS = "masks"


def cubic_spline(distance: Tensor) -> Tensor:
    """The uniform cubic B-spline: nowhere negative, of support 4, and its translates by 1 sum to 1."""
    d = distance.abs()
    return torch.where(d < 1, 2 / 3 - d**2 + d**3 / 2, (2 - d).clamp(min=0) ** 3 / 6)


@lru_cache(maxsize=256)
def _spline_matrix(length: int, grid: int, device: torch.device) -> tuple[Band, ...]:
    """The matrix that spreads `grid` values over `length` pixels; beyond its ends the grid repeats its last value."""
    position_O = (torch.arange(length, dtype=torch.float64) + 0.5) * (grid / length) - 0.5
    index_OT = position_O.floor().long()[:, None] + torch.arange(-1, 3)
    return bands(index_OT.clamp(0, grid - 1), cubic_spline(position_O[:, None] - index_OT), device)


def spread_masks(masks_BRGG: Tensor, size: tuple[int, int]) -> Tensor:
    """Masks on their grid to masks (B, R, height, width) of any size, smooth, with the same sum over the regions."""
    height, width = size
    rows, columns = masks_BRGG.shape[-2:]
    masks = filter_height(masks_BRGG, _spline_matrix(height, rows, masks_BRGG.device))
    return filter_width(masks, _spline_matrix(width, columns, masks_BRGG.device))


class SpatialDegradation(Degradation):
    """LR = quantize(Σ_r mask_r · pipeline_r(HR)): each region of an image has a degradation of its own.

    Params: `masks` (B, R, G, G), the share of each region at the points of a grid that covers the image, at least 0
    and with a sum of 1 over the regions; and one entry per pipeline, under its name, with that pipeline's params. The
    masks stretch with the image, so the params fit an image of any size; `spread_masks` shows them at one. Any grid
    with such values may take their place, of any side.

    Args:
        scale: HR size over LR size.
        pipelines: name to pipeline, two or more, one per region; equal pipelines still draw params of their own.
        grid_size: G; the more points, the smaller the regions.
        contrast: how decided the masks are. Each region has a field of N(0, contrast²), the masks are their softmax: 0
            is an even mixture everywhere, from about 10 on a point of the grid belongs to one region alone.
        regions_range: how many of the regions an image has, drawn per image; the others' masks are 0. None: all.
        sharpen: sharpen HR by unsharp masking, once for all pipelines and as the target.
    """

    ops: Mapping[str, Degradation]  # the pipelines; declared: a ModuleDict's values are any modules

    def __init__(
        self,
        scale: int,
        pipelines: Mapping[str, Degradation],
        grid_size: int = 4,
        contrast: float = 4.0,
        regions_range: Sequence[int] | None = None,
        sharpen: bool = False,
    ) -> None:
        super().__init__(scale, sharpen)
        self.add_module("ops", nn.ModuleDict(pipelines))
        self._check_pipelines()
        if grid_size < 2:
            raise ValueError(f"grid_size must be at least 2, or nothing varies over the image; got {grid_size}")
        if grid_size > LARGEST_GRID:
            raise ValueError(f"grid_size must be at most {LARGEST_GRID}, got {grid_size}")
        if not contrast >= 0:
            raise ValueError(f"contrast must be at least 0, got {contrast}")
        low, high = regions_range or (len(self.ops), len(self.ops))
        if not 1 <= low <= high <= len(self.ops):
            raise ValueError(
                f"regions_range must be [low, high] with 1 <= low <= high <= {len(self.ops)}, the number of pipelines; "
                f"got {[low, high]}"
            )
        self.grid_size, self.contrast, self.regions_range = grid_size, contrast, (low, high)

    def _check_pipelines(self) -> None:
        if len(self.ops) < 2:
            raise ValueError(f"a spatially variant degradation needs two or more pipelines, got {list(self.ops)}")
        for name, pipeline in self.ops.items():
            if name == MASKS:
                raise ValueError(f"'{MASKS}' is the name of the masks' params; give that pipeline another name")
            if pipeline.scale != self.scale:
                raise ValueError(f"pipeline '{name}' has scale {pipeline.scale}, its blend {self.scale}; set one scale")
            if pipeline.sharpen:
                raise ValueError(
                    f"pipeline '{name}' sharpens, but all regions share one target; set its sharpen=false, and "
                    "sharpen=true for the blend"
                )

    def sample(self, shape_BCHW: Shape, generator: torch.Generator) -> Params:
        self.output_shape(shape_BCHW)  # an odd size is refused before anything is drawn
        masks_BRGG = self._draw_masks(shape_BCHW[0], generator)
        return {MASKS: masks_BRGG} | {name: op.sample(shape_BCHW, generator) for name, op in self.ops.items()}

    def _draw_masks(self, batch: int, generator: torch.Generator) -> Tensor:
        regions, device = len(self.ops), generator.device
        field_BRGG = self.contrast * normal((batch, regions, self.grid_size, self.grid_size), generator)
        low, high = self.regions_range
        count_B = torch.randint(low, high + 1, (batch,), generator=generator, device=device)
        order_BR = torch.rand(batch, regions, generator=generator, device=device).argsort(dim=1)
        left_out_BR = order_BR >= count_B[:, None]
        return field_BRGG.masked_fill(left_out_BR[..., None, None], -torch.inf).softmax(dim=1)

    def forward(self, hr_BCHW: Tensor, params: Params) -> Tensor:
        size = lr_size(*hr_BCHW.shape[2:], scale=self.scale)
        sharp_BCHW = self.target(hr_BCHW)
        masks_BRhw = spread_masks(params[MASKS], size)
        shares = (
            masks_BRhw[:, region, None] * pipeline(sharp_BCHW, params[name])
            for region, (name, pipeline) in enumerate(self.ops.items())
        )
        return quantize(reduce(torch.add, shares))
