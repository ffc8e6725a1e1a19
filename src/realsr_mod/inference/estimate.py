"""What a model thinks of a whole image: the embedding that all its tiles share.

Legend: H, W an image's size, C channels, D the embedding's length.
"""

import logging
import math

import numpy as np

from realsr_mod.inference.engines.base import Engine
from realsr_mod.inference.pixels import Source
from realsr_mod.inference.telling import CELL_PX, Cell, all_cells, some, telling_cells
from realsr_mod.inference.tiling import OnTile, fitting_side, unwatched

logger = logging.getLogger(__name__)

# The embedding is an average over the image; so many pixels, spread evenly, give it as well as all of them.
EMBED_PIXELS = 2_000_000
Place = tuple[tuple[int, int], tuple[int, int]]  # its rows and columns, from and to


def estimate(engine: Engine, pixels_HWC: np.ndarray, precision: str, on_estimate: OnTile = unwatched) -> np.ndarray:
    """The embedding (D,) of a whole image, at once where that fits in memory, else averaged over crops.

    Encoders end in an average over the image. Crops on an even grid that reaches all borders estimate the same
    average; they cover the whole image up to `EMBED_PIXELS` and a sample of that size beyond. On photos, crops of
    a quarter of the area moved no pixel of a trained KDSR's result by more than 1/255. Of an image that is empty in
    places, those count that are not (see `telling`). The estimate is kept inside what the network knows.
    """
    if engine.embedding_dim == 0:
        return np.zeros(0, np.float32)
    h, w = pixels_HWC.shape[:2]
    budget, per_pixel = engine.budget(), engine.embed_bytes
    rows, columns = [(0, h)], [(0, w)]
    if h * w * per_pixel > budget:
        side = fitting_side(budget, per_pixel, margin=0)
        shrink = min(1.0, (EMBED_PIXELS / (h * w)) ** 0.5)
        rows, columns = _spread(h, side, shrink), _spread(w, side, shrink)
    source = Source(pixels_HWC)
    cells = telling_cells(pixels_HWC)
    whole = [(row, column) for row in rows for column in columns]
    places = whole if cells is None else _places(cells)
    found: np.ndarray = np.mean(_embeddings(engine, source, places, precision, on_estimate), axis=0)
    known = engine.known
    if known is None or np.array_equal(known.inside(found), found):
        return found
    logger.warning(
        "the estimated degradation is like none that the model was trained on, as fine patterns make it; the "
        "nearest known one to what most of the image says is taken"
    )
    if len(cells := cells or all_cells(h, w)) > 2:
        found = np.median(_embeddings(engine, source, _places(some(cells)), precision, on_estimate), axis=0)
    return known.inside(found)


def _embeddings(
    engine: Engine, source: Source, places: list[Place], precision: str, on_estimate: OnTile
) -> list[np.ndarray]:
    found: list[np.ndarray] = []
    on_estimate(0, len(places))
    for row, column in places:
        found.append(engine.embed(source.read(np.arange(*row), np.arange(*column)), precision))
        on_estimate(len(found), len(places))
    return found


def _places(cells: list[Cell]) -> list[Place]:
    return [((y, y + CELL_PX), (x, x + CELL_PX)) for y, x in cells]


def _spread(length: int, side: int, shrink: float) -> list[tuple[int, int]]:
    """Crops of at most `side` px, evenly from one border to the other, that cover about `shrink` of an axis."""
    side = min(side, length)
    n = max(1, math.ceil(length * shrink / side))
    starts = np.linspace(0, length - side, n).round().astype(int) if n > 1 else [(length - side) // 2]
    return [(int(start), int(start) + side) for start in starts]
