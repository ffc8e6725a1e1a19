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

from realsr_mod.inference.arrays import NUMPY, Array, Arrays

ALIGN = 4  # tiles start at multiples of this: networks that fold the image (by 2 or 4) must fold all tiles alike
MIN_TILE = 32
MAX_TILE = 384  # a row of tiles of a wide image is held as floats until it is finished
BLEND = 8

Restore = Callable[[np.ndarray], Array]  # (1, 3, h, w) to (1, 3, sh, sw)
Read = Callable[[np.ndarray, np.ndarray], np.ndarray]  # row indices (h,), column indices (w,) to (1, 3, h, w)
Write = Callable[[int, Array], None]  # first SR row, finished rows (3, n, sW)
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

    def side(self, length: int) -> int:
        """The longest grown core: tiles are all read this long, for engines take time over each new size."""
        return max(stop - start for start, stop in (self.grown(core, length) for core in self.cores(length)))

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
    arrays: Arrays = NUMPY,
) -> None:
    """Restore an image tile by tile; rows are handed to `write` in order, as soon as they are finished.

    Besides one tile's activations this holds one row of tiles of the result.

    Args:
        restore: the network, on one tile; what it returns is changed in place.
        read: gives the tile at some (reflected) indices of the image.
        write: takes finished rows; they may be changed in place.
        size_HW: the image's size.
        scale: how much `restore` enlarges.
        on_tile: called after each tile with how many are done and how many there are.
        arrays: of the kind that `restore` returns.
    """
    height, width = size_HW
    columns, done, total = tiling.cores(width), 0, tiling.count(height, width)
    ramp_n = arrays.array((np.arange(2 * tiling.blend * scale) + 0.5) / max(2 * tiling.blend * scale, 1))
    carried: Array | None = None  # rows at the bottom that still await the next row of tiles
    for row in tiling.cores(height):
        top, bottom = tiling.grown(row, height)
        band = arrays.zeros(3, (bottom - top) * scale, width * scale)
        for column in columns:
            left, right = tiling.grown(column, width)
            sr = _restore_cropped(restore, read, (top, bottom), (left, right), size_HW, scale, tiling)
            _fade(sr, ramp_n, (top > 0, bottom < height), (left > 0, right < width))
            band[:, :, left * scale : right * scale] += sr
            done += 1
            on_tile(done, total)
        if carried is not None:
            band[:, : carried.shape[1]] += carried
        finished = (bottom - top if bottom == height else bottom - 2 * tiling.blend - top) * scale
        carried = band[:, finished:] * 1  # a copy, so that the band is freed
        write(top * scale, band[:, :finished])


def _fade(sr_3hw: Array, ramp_n: Array, rows: tuple[bool, bool], columns: tuple[bool, bool]) -> None:
    """Fade a tile in and out where it has neighbours (before, after) along an axis; its weight and theirs sum to 1."""
    n = len(ramp_n)
    if n == 0:
        return
    for (before, after), axis, ramp in ((rows, 1, ramp_n[:, None]), (columns, 2, ramp_n)):
        length = sr_3hw.shape[axis]
        first, last = (slice(None),) * axis + (slice(n),), (slice(None),) * axis + (slice(length - n, None),)
        if before:
            sr_3hw[first] *= ramp
        if after:
            sr_3hw[last] *= 1 - ramp


def _restore_cropped(
    restore: Restore,
    read: Read,
    rows: tuple[int, int],
    columns: tuple[int, int],
    size_HW: tuple[int, int],
    scale: int,
    tiling: Tiling,
) -> Array:
    """Restore rows × columns with px around them that are cut off again: (3, sh, sw)."""
    (top, bottom), (left, right) = rows, columns
    (height, width), context = size_HW, tiling.context
    tile = read(
        reflected(top - context, top + tiling.side(height) + context, height),
        reflected(left - context, left + tiling.side(width) + context, width),
    )
    first, h, w = context * scale, (bottom - top) * scale, (right - left) * scale
    return restore(tile)[0][:, first : first + h, first : first + w]


def fitting_side(budget_bytes: float, per_pixel: float, margin: int) -> int:
    """The largest core whose tile, with `margin` px on each side, stays within the budget."""
    side = int((budget_bytes / max(per_pixel, 1)) ** 0.5) - 2 * margin
    return min(max(side // ALIGN * ALIGN, MIN_TILE), MAX_TILE)
