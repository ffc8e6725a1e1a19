"""Fifty fine patterns as scans, screens and fabrics hold them, each a square of 0s and 1s of some side."""

from collections.abc import Iterator

import numpy as np


def fine_patterns(side: int) -> Iterator[tuple[str, np.ndarray]]:
    """Name and pattern, (side, side) float32 in [0, 1]."""
    y, x = np.mgrid[:side, :side]
    rng = np.random.default_rng(0)
    for period in (1, 2, 3, 4):
        board = ((y // period + x // period) % 2).astype(np.float32)
        yield f"checkerboard of {period} px", board
        yield f"pale checkerboard of {period} px", 0.4 + 0.2 * board
    for period in (2, 3, 4, 5, 6):
        yield f"vertical stripes, {period} px", (x % period < period / 2).astype(np.float32)
        yield f"horizontal stripes, {period} px", (y % period < period / 2).astype(np.float32)
        yield f"diagonal stripes, {period} px", ((x + y) % period < period / 2).astype(np.float32)
        yield f"dots every {period} px", ((x % period == 0) & (y % period == 0)).astype(np.float32)
        yield f"grid of {period} px", 1 - ((x % period == 0) | (y % period == 0)).astype(np.float32)
    for share in (0.05, 0.2, 0.5, 0.8):
        yield f"random 1-bit pixels, {share:.0%} white", (rng.random((side, side)) < share).astype(np.float32)
    for frequency in (0.3, 0.4, 0.45, 0.5):
        yield (
            f"rings up to {frequency} per px",
            0.5 + 0.5 * np.cos(np.pi * frequency * (x**2 + y**2) / side, dtype=float),
        )
    for tone in (0.25, 0.5, 0.75):
        order = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]])
        yield f"halftone of {tone:.0%}", (order[y % 4, x % 4] < 16 * tone).astype(np.float32)
    for height in (4, 6, 8):
        strokes = (rng.random((side, side)) < 0.5) & (y % height < height - 2) & (x % 4 < 3)
        yield f"text of {height} px", 1 - strokes.astype(np.float32)
    yield "black", np.zeros((side, side), np.float32)
    yield "white", np.ones((side, side), np.float32)
    yield "line art", 1 - (np.abs(y - side / 2 * (1 + 0.8 * np.sin(x / 3))) < 1).astype(np.float32)
