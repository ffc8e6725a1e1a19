"""A large image: estimated from some of it, looked at in a region, restored region by region.

Legend: H, W the image's size, C channels, s how much larger the result is, D the embedding's length. Lengths in px.
"""

from dataclasses import dataclass

import numpy as np

from realsr_mod.inference.faithful import CELL_PX
from realsr_mod.inference.telling import all_cells, telling_cells
from realsr_mod.inference.tiling import OnTile, reflected, unwatched
from realsr_mod.inference.upscaler import Degrees, Upscaler

SAMPLES = 25  # tiles by which an image is estimated
SAMPLE_SIDE_PX = 128
REGION_SIDE_PX = 200  # of what is looked at
CONTEXT_PX = 32  # around a region, restored with it and cut off: areas of 32 px keep their colors


@dataclass(frozen=True)
class Region:
    """A part of an image."""

    top: int
    left: int
    height: int
    width: int

    @property
    def inside(self) -> tuple[slice, slice]:
        """Its rows and columns."""
        return slice(self.top, self.top + self.height), slice(self.left, self.left + self.width)

    def enlarged(self, scale: int) -> "Region":
        return Region(self.top * scale, self.left * scale, self.height * scale, self.width * scale)


def region_around(pixels_HWC: np.ndarray, x: float, y: float, side: int = REGION_SIDE_PX) -> Region:
    """The region whose middle lies at `x`, `y`, from 0 to 1 of an image's width and height, moved inside of it.

    It begins where a cell does over which colors are compared, so that they come out as in the whole.
    """
    (top, height), (left, width) = (
        (min(max(0, int(at * length) - side // 2), max(0, length - side)) // CELL_PX * CELL_PX, min(side, length))
        for at, length in zip((y, x), pixels_HWC.shape[:2], strict=True)
    )
    return Region(top, left, height, width)


def estimate_of_some(upscaler: Upscaler, pixels_HWC: np.ndarray) -> np.ndarray:
    """What a model thinks of a large image, by tiles spread over what holds something: (D,).

    It is settled as that of a video's shot is, on the middle one, so that all parts are restored alike.
    """
    tiles = samples(pixels_HWC)
    embedding_D: np.ndarray = np.mean([upscaler.estimate(tile) for tile in tiles], axis=0)
    return upscaler.settle(tiles[len(tiles) // 2], embedding_D, {})


def samples(pixels_HWC: np.ndarray, count: int = SAMPLES, side: int = SAMPLE_SIDE_PX) -> list[np.ndarray]:
    """Tiles of an image, at most so many of a side, spread over what holds something."""
    cells = telling_cells(pixels_HWC) or all_cells(*pixels_HWC.shape[:2])
    height, width = pixels_HWC.shape[:2]
    chosen = [cells[i] for i in np.linspace(0, len(cells) - 1, min(count, len(cells))).astype(int)]
    return [
        pixels_HWC[region_around(pixels_HWC, x / width, y / height, side).inside]
        for y, x in chosen or [(height // 2, width // 2)]
    ]


def restored_region(
    upscaler: Upscaler, pixels_HWC: np.ndarray, region: Region, embedding_D: np.ndarray, degrees: Degrees, outscale: int
) -> np.ndarray:
    """A region as it will be in the whole, in one piece: (s · its height, s · its width, C)."""
    rows, columns = (
        reflected(start - CONTEXT_PX, start + side + CONTEXT_PX, length)
        for start, side, length in zip(
            (region.top, region.left), (region.height, region.width), pixels_HWC.shape[:2], strict=True
        )
    )
    keep = upscaler.keep_colors
    one_piece = Upscaler(upscaler.engine, upscaler.device, upscaler.precision, tile=0, overlap=0, keep_colors=keep)
    made = one_piece.frame(pixels_HWC[rows][:, columns], embedding_D, degrees, outscale)
    inner = Region(CONTEXT_PX, CONTEXT_PX, region.height, region.width).enlarged(outscale)
    return np.ascontiguousarray(made[inner.inside])


def region_side(upscaler: Upscaler) -> int:
    """Of the regions that a whole is made of: what fits in memory."""
    return max(CELL_PX, (upscaler.tile or REGION_SIDE_PX) // CELL_PX * CELL_PX)


def restored_pixels(height: int, width: int, side: int) -> int:
    """How many pixels are restored for an image by regions of a side, with what is around each: its time goes by it."""
    return (height + 2 * CONTEXT_PX * -(-height // side)) * (width + 2 * CONTEXT_PX * -(-width // side))


def restored_by_regions(
    upscaler: Upscaler,
    pixels_HWC: np.ndarray,
    embedding_D: np.ndarray,
    degrees: Degrees,
    outscale: int,
    on_tile: OnTile = unwatched,
) -> np.ndarray:
    """The whole, (sH, sW, C); but for it, no more than one region's result is in memory.

    Args:
        embedding_D: of the whole image, as `estimate_of_some` gave it.
        outscale: s, whole, so that regions meet at whole pixels.
        on_tile: called with how many regions are done, and how many there are.
    """
    height, width, channels = pixels_HWC.shape
    side = region_side(upscaler)
    regions = [
        Region(top, left, min(side, height - top), min(side, width - left))
        for top in range(0, height, side)
        for left in range(0, width, side)
    ]
    out = np.empty((height * outscale, width * outscale, channels), pixels_HWC.dtype)
    on_tile(0, len(regions))
    for done, region in enumerate(regions, 1):
        made = restored_region(upscaler, pixels_HWC, region, embedding_D, degrees, outscale)
        out[region.enlarged(outscale).inside] = made
        on_tile(done, len(regions))
    return out
