"""The one place where images become float and are degraded: on the batch's device, after transfer.

Legend: B batch, C = 3 colours, H and W the high-resolution size.
"""

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from realsr_mod.data.batch import SRBatch
from realsr_mod.data.patches import RawBatch
from realsr_mod.degradations.base import Degradation, Params, map_params, shape_of
from realsr_mod.runtime.rng import derive_seed, step_generator

_VALIDATION = 103  # validation degradations are the same in every run, whatever its seed
_REPEATED = 104  # and so are those under which several photos are compared


def to_device(batch: RawBatch, device: torch.device | str) -> RawBatch:
    """A batch with its images on a device."""
    lr = None if batch.lr is None else batch.lr.to(device, non_blocking=True)
    return batch._replace(hr=batch.hr.to(device, non_blocking=True), lr=lr)


@torch.no_grad()
def degraded(batch: RawBatch, degradation: Degradation | None, seed: int, rank: int) -> SRBatch:
    """Make float images of a batch and, unless it holds real pairs, degrade them, all on the batch's device.

    Args:
        batch: 8 bits, of a step or of a validation item.
        degradation: None for real pairs.
        seed, rank: which, with the batch's step, decide what is drawn.
    """
    hr_BCHW = _to_float(batch.hr)
    if batch.lr is not None:
        return SRBatch(_to_float(batch.lr), hr_BCHW, {}, batch.step or 0, batch.names)
    assert degradation is not None, "only real pairs do without"
    degradation = degradation.to(hr_BCHW.device)
    params = _draw_params(degradation, hr_BCHW, batch, seed, rank)
    with torch.autocast(hr_BCHW.device.type, enabled=False):
        lr_BCHW, target_BCHW = degradation(hr_BCHW, params), degradation.target(hr_BCHW)
    unsharpened_BCHW = degradation.repeated(hr_BCHW) if degradation.sharpen else None
    return SRBatch(lr_BCHW, target_BCHW, params, batch.step or 0, batch.names, degradation.versions, unsharpened_BCHW)


@torch.no_grad()
def repeated(
    squares: Iterable[RawBatch], degradation: Degradation | None, draws: int, side_px: int, device: torch.device | str
) -> Iterator[SRBatch]:
    """Each photo as a batch of it under the same `draws` degradations; of real pairs, the one that there is.

    All are squares of `side_px` HR pixels, one to a batch.
    """
    generator = torch.Generator().manual_seed(derive_seed(_REPEATED, 0))
    degradation = degradation and degradation.to(device)
    params = {} if degradation is None else degradation.sample((draws, 3, side_px, side_px), generator)
    params = map_params(params, lambda tensor: tensor.to(device))
    for raw in squares:
        hr_1CHW = _to_float(raw.hr.to(device))
        if degradation is None:
            assert raw.lr is not None, "only real pairs do without"
            yield SRBatch(_to_float(raw.lr.to(device)), hr_1CHW, {}, 0)
            continue
        hr_BCHW = hr_1CHW.expand(draws, -1, -1, -1).contiguous()
        with torch.autocast(hr_BCHW.device.type, enabled=False):
            yield SRBatch(degradation(hr_BCHW, params), degradation.target(hr_BCHW), params, 0)


def _draw_params(degradation: Degradation, hr_BCHW: Tensor, batch: RawBatch, seed: int, rank: int) -> Params:
    """Training: by seed, rank and step. Validation: by photo and draw, on the CPU so that all devices agree."""
    if batch.step is not None:
        return degradation.sample(shape_of(hr_BCHW), step_generator(seed, rank, batch.step, hr_BCHW.device))
    assert batch.item is not None, "a batch has a step or an item"
    generator = torch.Generator().manual_seed(derive_seed(_VALIDATION, batch.item))
    params = degradation.sample(shape_of(hr_BCHW), generator)
    return map_params(params, lambda tensor: tensor.to(hr_BCHW.device))


def _to_float(pixels_BHWC: Tensor) -> Tensor:
    """uint8 (B, H, W, C) to float32 (B, C, H, W) in [0, 1], contiguous."""
    return pixels_BHWC.permute(0, 3, 1, 2).contiguous().float() / 255
