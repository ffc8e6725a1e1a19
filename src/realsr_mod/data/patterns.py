"""Fine patterns to train on, as scans, screens, fabrics and drawings hold them and photos hardly do.

A network that has seen photos alone takes a checkerboard for a degradation that it does not know. A `PatternMixer`
draws patterns into a share of the training patches. Legend: H and W the high-resolution size.
"""

import string
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from realsr_mod.runtime.rng import derive_seed

_DRAW = 107  # keeps these seeds apart from those drawn for other purposes
_BAYER = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]])  # thresholds of a halftone, / 16
Draws = np.random.Generator
Pattern = NDArray[np.float64]  # (H, W) in [0, 1]


class PatternMixer:
    """Draws a pattern into a share of the training patches: over the whole patch, or over a rectangle of the photo.

    Args:
        share: of the patches that get one, 0 to 1.
        seed: the pattern is a function of it, the step and the row.
    """

    def __init__(self, share: float, seed: int) -> None:
        if not 0 <= share <= 1:
            raise ValueError(f"data.pattern_share must be between 0 (none) and 1 (every patch), got {share}")
        self.share, self.seed = share, seed

    def __call__(self, photo_HW3: np.ndarray, step: int, row: int) -> np.ndarray:
        """The patch (uint8), with a pattern if it gets one."""
        if not self.share:
            return photo_HW3
        draws = np.random.default_rng(derive_seed(self.seed, _DRAW, step, row))
        if draws.random() >= self.share:
            return photo_HW3
        height, width = photo_HW3.shape[:2]
        whole = draws.random() < 0.5
        bottom, right = (side if whole else int(draws.integers(side // 4, side + 1)) for side in (height, width))
        top, left = (int(draws.integers(side - end + 1)) for side, end in ((height, bottom), (width, right)))
        mixed = photo_HW3.copy()
        mixed[top : top + bottom, left : left + right] = drawn(bottom, right, draws)
        return mixed


def drawn(height: int, width: int, draws: Draws) -> np.ndarray:
    """One pattern (H, W, 3) uint8 of two colors: black and white half of the time, else any."""
    pattern_HW = PATTERNS[draws.choice(list(PATTERNS))](height, width, draws)
    colors = np.array([[0, 0, 0], [255, 255, 255]]) if draws.random() < 0.5 else draws.integers(0, 256, (2, 3))
    back, front = colors[draws.permutation(2)]
    return np.asarray((back + pattern_HW[..., None] * (front - back)).round(), dtype=np.uint8)


def checkerboard(height: int, width: int, draws: Draws) -> Pattern:
    y, x = np.mgrid[:height, :width] // _cell_px(draws)
    return np.asarray((x + y) % 2, dtype=np.float64)


def stripes(height: int, width: int, draws: Draws) -> Pattern:
    """Across, down, or at any angle."""
    angle = draws.choice([0, np.pi / 2, draws.random() * np.pi])
    y, x = np.mgrid[:height, :width]
    phase = (x * np.cos(angle) + y * np.sin(angle) + 1e-6) / (2 * _cell_px(draws)) % 1
    return np.asarray(phase < draws.uniform(0.2, 0.8), dtype=np.float64)


def dots(height: int, width: int, draws: Draws) -> Pattern:
    """Dots, or with sides exchanged a grid."""
    cell = _cell_px(draws)
    y, x = np.mgrid[:height, :width] % (2 * cell) < cell
    return np.asarray(x & y, dtype=np.float64)


def rings(height: int, width: int, draws: Draws) -> Pattern:
    """Ever finer rings around a corner, a zone plate."""
    y, x = np.mgrid[:height, :width]
    phase = np.pi * draws.uniform(0.1, 0.5) * (x**2 + y**2) / max(height, width)
    return np.asarray(0.5 + 0.5 * np.cos(phase), dtype=np.float64)


def bits(height: int, width: int, draws: Draws) -> Pattern:
    """Random pixels, as a scan in one bit has them."""
    cell = _cell_px(draws, most=4)
    small = draws.random((-(-height // cell), -(-width // cell))) < draws.uniform(0.05, 0.95)
    return np.asarray(small.repeat(cell, 0).repeat(cell, 1)[:height, :width], dtype=np.float64)


def halftone(height: int, width: int, draws: Draws) -> Pattern:
    """A slope in black and white alone, as printers draw it."""
    cell = _cell_px(draws, most=4)
    y, x = np.mgrid[:height, :width]
    tone = (np.linspace(0, 16, width) if draws.random() < 0.5 else np.full(width, draws.uniform(1, 16)))[None]
    return np.asarray(_BAYER[y // cell % 4, x // cell % 4] < tone, dtype=np.float64)


def text(height: int, width: int, draws: Draws) -> Pattern:
    """Lines of letters and digits."""
    page = np.zeros((height, width), np.uint8)
    line_px = int(draws.integers(12, 49))
    for bottom in range(line_px, height + line_px, line_px + line_px // 3):
        words = "".join(draws.choice([*string.ascii_letters, *string.digits, " ", " "], 64))
        size, thick = line_px / 30, max(1, line_px // 12)
        cv2.putText(page, words, (2, bottom), cv2.FONT_HERSHEY_SIMPLEX, size, 255, thick, cv2.LINE_AA)
    return page.astype(np.float64) / 255


def lines(height: int, width: int, draws: Draws) -> Pattern:
    """Line art: strokes and ellipses."""
    page = np.zeros((height, width), np.uint8)
    for _ in range(int(draws.integers(4, 16))):
        one, other = (tuple(int(n) for n in draws.integers(0, (width, height))) for _ in range(2))
        thick = int(draws.integers(1, 6))
        if draws.random() < 0.5:
            cv2.line(page, one, other, 255, thick, cv2.LINE_AA)
        else:
            axes = (1 + other[0] // 2, 1 + other[1] // 2)
            cv2.ellipse(page, one, axes, float(draws.uniform(0, 180)), 0, 360, 255, thick, cv2.LINE_AA)
    return page.astype(np.float64) / 255


def flat(height: int, width: int, draws: Draws) -> Pattern:
    """One color, or two with a straight edge."""
    angle, edge = draws.uniform(0, 2 * np.pi), draws.choice([-1.0, draws.uniform(0.2, 0.8)])
    y, x = np.mgrid[:height, :width]
    return np.asarray(
        (x / width - 0.5) * np.cos(angle) + (y / height - 0.5) * np.sin(angle) > edge - 0.5, dtype=np.float64
    )


PATTERNS: dict[str, Callable[[int, int, Draws], Pattern]] = {
    function.__name__: function for function in (checkerboard, stripes, dots, rings, bits, halftone, text, lines, flat)
}


def _cell_px(draws: Draws, most: int = 12) -> int:
    """A side in pixels: 4 of them are one at low resolution, at ×4."""
    return int(draws.integers(1, most + 1))
