"""Large images in tiles that overlap and are blended, so that memory is bounded and no seam shows.

A tile's input is its core, `blend` px around it over which neighbours fade into each other, and beyond them `overlap`
px of context whose output is thrown away. Where the overlap covers the network's reach, each output pixel has seen all
that it can see and the tiled result equals the untiled one. The image goes on beyond its border by reflection, so
that the zeros with which convolutions pad never show.

Legend: H, W the image's size, h, w a tile's, s the scale. All lengths are in LR pixels unless named otherwise.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from realsr_mod.networks.base import SRNetwork

ALIGN = 4  # tiles start at multiples of this: networks that fold the image (by 2 or 4) must fold all tiles alike
MIN_TILE = 32
MAX_TILE = 384  # a row of tiles of a wide image is held as floats until it is finished
BLEND = 8

Restore = Callable[[Tensor], Tensor]  # (1, 3, h, w) to (1, 3, sh, sw)
Read = Callable[[np.ndarray, np.ndarray], Tensor]  # row indices (h,), column indices (w,) to (1, 3, h, w)
Write = Callable[[int, Tensor], None]  # first SR row, finished rows (3, n, sW)
OnTile = Callable[[int, int], None]  # tiles done, tiles that there are


@dataclass(frozen=True)
class Tiling:
    """How to cut an image. `tile`: side of a core in px, 0 for one tile; `overlap`: context on each side in px."""

    tile: int = 0
    overlap: int = 24
    blend: int = BLEND

    def __post_init__(self) -> None:
        if self.tile != 0 and self.tile < MIN_TILE:
            raise ValueError(f"tile must be 0 (no tiles) or at least {MIN_TILE}, got {self.tile}")
        if self.overlap < 0:
            raise ValueError(f"overlap must not be negative, got {self.overlap}")

    def cores(self, length: int) -> list[tuple[int, int]]:
        """Cut [0, length) into cores of nearly equal size, at most about `tile`, at multiples of ALIGN."""
        n = -(-length // self.tile) if self.tile else 1
        edges = [round(i * length / n / ALIGN) * ALIGN for i in range(n)] + [length]
        return list(pairwise(edges))

    def grown(self, core: tuple[int, int], length: int) -> tuple[int, int]:
        """A core with the px over which it fades into its neighbours."""
        start, stop = core
        return (start - self.blend if start > 0 else 0), (stop + self.blend if stop < length else length)

    @property
    def context(self) -> int:
        return -(-self.overlap // ALIGN) * ALIGN

    def count(self, height: int, width: int) -> int:
        """How many tiles an image takes."""
        return len(self.cores(height)) * len(self.cores(width))


def reflected(start: int, stop: int, length: int) -> np.ndarray:
    """Indices start … stop - 1 of an axis of `length` px that goes on beyond both ends by reflection."""
    if length == 1:
        return np.zeros(stop - start, dtype=np.int64)
    period = 2 * (length - 1)
    position = np.arange(start, stop) % period
    return np.minimum(position, period - position)


def _fade(core: tuple[int, int], length: int, tiling: Tiling, scale: int, device: torch.device) -> Tensor:
    """The weights of a grown core along one axis; those of neighbours sum to 1."""
    start, stop = tiling.grown(core, length)
    weights = torch.ones((stop - start) * scale, device=device)
    n = 2 * tiling.blend * scale
    ramp = (torch.arange(n, device=device) + 0.5) / max(n, 1)
    if start > 0:
        weights[:n] = ramp
    if stop < length:
        weights[len(weights) - n :] = 1 - ramp
    return weights


def unwatched(done: int, total: int) -> None:
    """Tell nobody how many tiles are done."""


def run_tiles(
    restore: Restore,
    read: Read,
    write: Write,
    size_HW: tuple[int, int],
    scale: int,
    tiling: Tiling,
    on_tile: OnTile = unwatched,
) -> None:
    """Restore an image tile by tile; rows are handed to `write` in order, as soon as they are finished.

    Besides one tile's activations this holds one row of tiles of the result.

    Args:
        restore: the network, on one tile.
        read: gives the tile at some (reflected) indices of the image.
        write: takes finished rows; they may be changed in place.
        size_HW: the image's size.
        scale: how much `restore` enlarges.
        on_tile: called after each tile with how many are done and how many there are.
    """
    height, width = size_HW
    columns, done, total = tiling.cores(width), 0, tiling.count(height, width)
    carried: Tensor | None = None  # rows at the bottom that still await the next row of tiles
    for row in tiling.cores(height):
        top, bottom = tiling.grown(row, height)
        band: Tensor | None = None
        for column in columns:
            left, right = tiling.grown(column, width)
            sr = _restore_cropped(restore, read, (top, bottom), (left, right), size_HW, scale, tiling.context)
            if band is None:
                band = sr.new_zeros(3, (bottom - top) * scale, width * scale)
            weights = _fade(row, height, tiling, scale, sr.device)[:, None] * _fade(
                column, width, tiling, scale, sr.device
            )
            band[:, :, left * scale : right * scale] += sr * weights
            done += 1
            on_tile(done, total)
        assert band is not None, "an image has columns"
        if carried is not None:
            band[:, : carried.shape[1]] += carried
        finished = (bottom - top if bottom == height else bottom - 2 * tiling.blend - top) * scale
        carried = band[:, finished:].clone()
        write(top * scale, band[:, :finished])


def _restore_cropped(
    restore: Restore,
    read: Read,
    rows: tuple[int, int],
    columns: tuple[int, int],
    size_HW: tuple[int, int],
    scale: int,
    context: int,
) -> Tensor:
    """Restore rows × columns with `context` px around them, and cut these off again: (3, sh, sw)."""
    (top, bottom), (left, right) = rows, columns
    tile = read(
        reflected(top - context, bottom + context, size_HW[0]), reflected(left - context, right + context, size_HW[1])
    )
    sr = restore(tile)[0].float()
    first, h, w = context * scale, (bottom - top) * scale, (right - left) * scale
    return sr[:, first : first + h, first : first + w]


# --- Sizes ---


@torch.no_grad()
def bytes_per_pixel(network: nn.Module, run: Callable[[Tensor], Tensor]) -> float:
    """Estimate the peak of activations per LR pixel when `run` sends an image through `network`.

    The largest layer's input and output, twice: what skip connections hold and convolutions copy comes on top.
    """
    side, largest = 32, 0

    def watch(_: nn.Module, inputs: tuple[object, ...], output: object) -> None:
        nonlocal largest
        tensors = [tensor for tensor in (*inputs, output) if isinstance(tensor, Tensor)]
        largest = max(largest, sum(tensor.numel() for tensor in tensors))

    leaves = [module for module in network.modules() if not list(module.children())]
    hooks = [leaf.register_forward_hook(watch) for leaf in leaves]
    try:
        reference = next(network.parameters())
        run(torch.zeros(1, 3, side, side, device=reference.device, dtype=reference.dtype))
    finally:
        for hook in hooks:
            hook.remove()
    return 2 * 4 * largest / side**2


def fitting_side(budget_bytes: float, per_pixel: float, margin: int) -> int:
    """The largest core whose tile, with `margin` px on each side, stays within the budget."""
    side = int((budget_bytes / max(per_pixel, 1)) ** 0.5) - 2 * margin
    return min(max(side // ALIGN * ALIGN, MIN_TILE), MAX_TILE)


def measure_reach(network: SRNetwork, limit: int = 512) -> int:
    """How many LR pixels away the farthest input is on which an output pixel depends, for a fixed embedding.

    Read off the gradient of the centre's output pixels in an image that is doubled until it is large enough.
    An overlap of this size makes tiles exact. Deep networks reach far and hardly use it, see `Tiling`.

    Raises:
        ValueError: it reaches further than `limit`.
    """
    reference = next(network.parameters())
    half = 16
    while half <= 2 * limit:
        side = 2 * half + ALIGN
        generator = torch.Generator().manual_seed(0)
        lr = torch.rand(1, 3, side, side, generator=generator).to(reference).requires_grad_()
        embedding = torch.rand(1, network.embedding_dim, generator=generator).to(reference)
        start, stop = half * network.scale, (half + ALIGN) * network.scale
        (gradient,) = torch.autograd.grad(network.restore(lr, embedding)[..., start:stop, start:stop].sum(), lr)
        touched = gradient[0].abs().amax(0) > 0
        rows = torch.nonzero(touched.any(1) | touched.any(0)).flatten()
        reach = max(half - int(rows.min()), int(rows.max()) - (half + ALIGN - 1))
        if reach < half:
            return reach
        half *= 2
    raise ValueError(f"the network reaches further than {limit} px; use one tile (tile=0) where exactness matters")
