"""Contents to look at: crops of one size out of photos.

Legend: M contents, H and W the crop's size.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from realsr_mod.data.photos import embedded_photos
from realsr_mod.images.bounds import MAX_PIXELS
from realsr_mod.images.find import find_images
from realsr_mod.images.read import image_size
from realsr_mod.images.rgb import read_rgb


@dataclass(frozen=True)
class Contents:
    """M crops: float32 RGB in [0, 1], the name of each, and the number of the photo that it comes from."""

    hr_M3HW: Tensor
    names: list[str]
    source_M: np.ndarray

    def __len__(self) -> int:
        return len(self.names)

    @property
    def num_sources(self) -> int:
        return len(np.unique(self.source_M))


def load_contents(
    root: str | Path | None = None, crop_px: int = 96, count: int = 100, max_pixels: int = MAX_PIXELS
) -> Contents:
    """Cut about `count` squares out of photos: the centre of each, or several where there are fewer photos than that.

    Args:
        root: folder of photos; None: the embedded ones.
        crop_px: side of a square; photos that do not hold one are left out.
        count: how many at most. Of more photos, so many are taken, evenly spread over their names; of fewer, each gives
            the same number of squares without overlap, the nearest to its centre first (or as many as it holds).
        max_pixels: a larger photo is refused.

    Raises:
        FileNotFoundError: no photos there.
        ValueError: fewer than two photos hold a square of this size.
    """
    if crop_px < 16 or count < 2:
        raise ValueError(f"crop_px must be at least 16 and the count of contents 2, got {crop_px} and {count}")
    paths = find_images(root) if root is not None else [path for split in embedded_photos() for path in split]
    large = [path for path in paths if min(image_size(path, max_pixels)) >= crop_px]
    if len(large) < 2:
        raise ValueError(f"{len(large)} of {len(paths)} photos hold {crop_px}x{crop_px} pixels; at least 2 must")
    chosen = [large[i] for i in np.unique(np.linspace(0, len(large) - 1, min(count, len(large))).round().astype(int))]
    crops, names, sources = [], [], []
    for source, path in enumerate(chosen):
        image = read_rgb(path, max_pixels)
        height, width, _ = image.shape
        corners = central_corners(height, width, crop_px)[: count // len(chosen)]
        for number, (top, left) in enumerate(corners, start=1):
            crops.append(np.ascontiguousarray(image[top : top + crop_px, left : left + crop_px]))
            names.append(path.name if len(corners) == 1 else f"{path.name} ({number})")
            sources.append(source)
    hr = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float() / 255
    return Contents(hr.contiguous(), names, np.array(sources))


def central_corners(height: int, width: int, side: int) -> list[tuple[int, int]]:
    """(top, left) of all squares of a centred grid that fills an image, nearest to its centre first."""
    rows, columns = height // side, width // side
    top, left = (height - rows * side) // 2, (width - columns * side) // 2
    corners = [(top + r * side, left + c * side) for r in range(rows) for c in range(columns)]
    center = ((height - side) / 2, (width - side) / 2)
    return sorted(corners, key=lambda corner: ((corner[0] - center[0]) ** 2 + (corner[1] - center[1]) ** 2, corner))
