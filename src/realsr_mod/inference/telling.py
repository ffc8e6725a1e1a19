"""Which parts of an image tell how it was degraded: those that hold something.

An estimate is a mean over the image. A transparent margin, a white page or a letterbox has no blur and no noise, and
would pass for a sharp, clean photo.

Legend: H, W the image's size, C its channels; all lengths in px.
"""

import numpy as np

from realsr_mod.inference.faithful import white_of

BLOCK_PX = 8  # a block of one value, or all transparent, tells nothing
CELL_PX = 64  # a cell counts if at least half of its blocks tell something
MOST_CELLS = 256

Cell = tuple[int, int]  # its first row and column


def telling_cells(pixels_HWC: np.ndarray) -> list[Cell] | None:
    """The corners of the cells of 64 px that count; None if all do, or none does: then the whole image is taken.

    Of more than 256, as many, evenly spread.
    """
    cells = all_cells(*pixels_HWC.shape[:2])
    if not cells:
        return None
    telling, side = _telling_blocks(pixels_HWC), CELL_PX // BLOCK_PX
    counts = [telling[y // BLOCK_PX :, x // BLOCK_PX :][:side, :side].mean() >= 0.5 for y, x in cells]
    kept = [cell for cell, count in zip(cells, counts, strict=True) if count]
    if len(kept) in (0, len(cells)):
        return None
    return some(kept)


def all_cells(height: int, width: int) -> list[Cell]:
    """The corners of cells of 64 px, on blocks, that cover an image; none if it is smaller than one."""
    if min(height, width) < CELL_PX:
        return []
    side = CELL_PX // BLOCK_PX
    rows, columns = (_starts(length // BLOCK_PX, side) for length in (height, width))
    return [(row * BLOCK_PX, column * BLOCK_PX) for row in rows for column in columns]


def some(cells: list[Cell]) -> list[Cell]:
    """At most 256 of them, evenly spread."""
    most = min(len(cells), MOST_CELLS)
    return [cells[i] for i in np.linspace(0, len(cells) - 1, most).astype(int)]


def _telling_blocks(pixels_HWC: np.ndarray) -> np.ndarray:
    """Whether each whole block has more than one value (of 8 bits) and is visible: (H / 8, W / 8) bool."""
    height, width, channels = pixels_HWC.shape
    rows, columns = height // BLOCK_PX, width // BLOCK_PX
    blocks = pixels_HWC[: rows * BLOCK_PX, : columns * BLOCK_PX].reshape(rows, BLOCK_PX, columns, BLOCK_PX, channels)
    high, low = blocks.max(axis=(1, 3)), blocks.min(axis=(1, 3))
    colors = channels if channels in (1, 3) else channels - 1
    step = white_of(pixels_HWC.dtype) / 255
    varied: np.ndarray = ((high[..., :colors].astype(np.float32) - low[..., :colors]) > step).any(axis=-1)
    if colors < channels:
        varied &= high[..., -1] > 0
    return varied


def _starts(length: int, side: int) -> list[int]:
    """Where cells of `side` begin that cover `length`; the last one is moved back to fit."""
    return [*range(0, length - side, side), length - side]
