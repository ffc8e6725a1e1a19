"""Is a restored image the same photo? Its colours over areas must be those of the image that it was made from.

A network invents detail, and may not move what is large: the sky's colour, a face's tone. Both images are compared as
means over cells; what a result is off by is taken out again, smoothly, and tells whether the restoration went wrong.

Legend: H, W the result's size, h, w the input's, s the scale, C colours, R, Q cells along the height and the width.
"""

from itertools import pairwise

import cv2
import numpy as np

CELL_PX = 8  # side of a cell in px of the input
AREA_CELLS = 4  # so many cells in a row are an area of 32 px, over which means are compared
SMOOTH_CELLS = 1.0  # standard deviation of the smoothing of what is taken out
INVISIBLE = 0.25 / 255  # what is off by less stays
VISIBLE = 1 / 255  # an area that is off by more is worked on again
PASSES = 4  # at most, where what is taken out is cut at black or white again
BAND_PX = 256  # rows of a result that are worked on at a time


def white_of(dtype: np.dtype) -> float:
    """The value of white: 255, 65535, or 1 for floats."""
    return float(np.iinfo(dtype).max) if dtype.kind == "u" else 1.0


def cell_edges(length: int) -> np.ndarray:
    """Where cells begin along an axis of the input, and where the last one ends."""
    return np.append(np.arange(0, length, CELL_PX), length)


def cell_means(pixels_HWC: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Means over the cells between these edges, (R, Q, C) float32 in [0, 1], band by band."""
    bands = [pixels_HWC[top:bottom].mean(axis=0, dtype=np.float32) for top, bottom in pairwise(rows)]
    sums_RQC = np.add.reduceat(np.stack(bands), columns[:-1], axis=1)
    means: np.ndarray = sums_RQC / (np.diff(columns)[:, None] * white_of(pixels_HWC.dtype))
    return means.astype(np.float32)


def color_drift(input_hwC: np.ndarray, result_HWC: np.ndarray) -> np.ndarray:
    """Input less result, as means over cells, (R, Q, C) in [0, 1] units."""
    scale = len(result_HWC) // len(input_hwC)
    rows, columns = (cell_edges(length) for length in input_hwC.shape[:2])
    drift: np.ndarray = cell_means(input_hwC, rows, columns) - cell_means(result_HWC, rows * scale, columns * scale)
    return drift


def largest_drift(drift_RQC: np.ndarray) -> float:
    """How far the mean of any area of 32 px is off, in any colour, in [0, 1] units."""
    side = min(AREA_CELLS, *drift_RQC.shape[:2])
    areas = cv2.blur(drift_RQC, (side, side), borderType=cv2.BORDER_REFLECT)
    return float(np.abs(areas).max())


def without_drift(input_hwC: np.ndarray, result_HWC: np.ndarray, drift_RQC: np.ndarray) -> None:
    """Take the drift out of a result, in place; edges and texture stay as they are.

    Near black and white a part of it is cut away with what leaves the range, so what then remains is taken out again.
    """
    scale = len(result_HWC) // len(input_hwC)
    for _ in range(PASSES):
        _take_out(result_HWC, drift_RQC, scale)
        drift_RQC = color_drift(input_hwC, result_HWC)
        if largest_drift(drift_RQC) < VISIBLE:
            return


def _take_out(result_HWC: np.ndarray, drift_RQC: np.ndarray, scale: int) -> None:
    smooth_RQC = _smooth(drift_RQC)
    if np.abs(smooth_RQC).max() < INVISIBLE:
        return
    height, width = result_HWC.shape[:2]
    white, whole = white_of(result_HWC.dtype), result_HWC.dtype.kind == "u"
    left, right, share = _between(width, scale)
    wide_RWC = white * (smooth_RQC[:, left] * (1 - share[:, None]) + smooth_RQC[:, right] * share[:, None])
    upper, lower, share = _between(height, scale)
    for top in range(0, height, BAND_PX):
        rows = slice(top, top + BAND_PX)
        part = share[rows, None, None]
        changed = result_HWC[rows] + wide_RWC[upper[rows]] * (1 - part) + wide_RWC[lower[rows]] * part
        changed = changed.clip(0, white)
        result_HWC[rows] = changed.round() if whole else changed


def _between(length: int, scale: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each px of the result along an axis: the cells before and after it, and how near it is to the latter."""
    edges = cell_edges(length // scale) * scale
    centers = (edges[:-1] + edges[1:]) / 2
    position = np.interp(np.arange(length) + 0.5, centers, np.arange(len(centers)))
    before = position.astype(int)
    return before, np.minimum(before + 1, len(centers) - 1), (position - before).astype(np.float32)


def _smooth(drift_RQC: np.ndarray) -> np.ndarray:
    """The drift without what changes from cell to cell; applied twice, so that what remains is small at 32 px."""
    once = _blurred(drift_RQC)
    twice: np.ndarray = once + _blurred(drift_RQC - once)
    return twice


def _blurred(grid_RQC: np.ndarray) -> np.ndarray:
    blurred = cv2.GaussianBlur(grid_RQC, (0, 0), SMOOTH_CELLS, borderType=cv2.BORDER_REFLECT)
    return blurred.reshape(grid_RQC.shape)
