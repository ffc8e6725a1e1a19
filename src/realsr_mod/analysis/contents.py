"""Contents to look at: crops of one size out of photos.

Legend: M contents, H and W the crop's size.
"""

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from realsr_mod.data.checks import list_some
from realsr_mod.data.photos import embedded_photos
from realsr_mod.images.bounds import MAX_PIXELS
from realsr_mod.images.find import find_images
from realsr_mod.images.image import ImageReadError
from realsr_mod.images.read import image_size
from realsr_mod.images.rgb import read_rgb


@dataclass(frozen=True)
class Contents:
    """M crops: float32 RGB in [0, 1], the name of each, and the number of the photo that it comes from.

    `skipped`: photos that could not be read, with the reason.
    """

    hr_M3HW: Tensor
    names: list[str]
    source_M: np.ndarray
    skipped: dict[str, str] = field(default_factory=dict)

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
        max_pixels: a larger photo is left out, as is one that cannot be read.

    Raises:
        FileNotFoundError: no photos there.
        ValueError: fewer than two photos hold a square of this size.
    """
    if crop_px < 16 or count < 2:
        raise ValueError(f"crop_px must be at least 16 and the count of contents 2, got {crop_px} and {count}")
    paths = find_images(root) if root is not None else [path for split in embedded_photos() for path in split]
    skipped: dict[str, str] = {}
    large = [path for path in paths if _shorter_side(path, max_pixels, skipped) >= crop_px]
    chosen = _spread(large, count)
    images = {path: image for path in chosen if (image := _read(path, max_pixels, skipped)) is not None}
    if len(images) < 2:
        bad = list_some(skipped.values())
        raise ValueError(f"{len(large)} of {len(paths)} photos hold {crop_px}x{crop_px} pixels; at least 2 must{bad}")
    crops, names, sources = [], [], []
    for source, (path, image) in enumerate(images.items()):
        height, width, _ = image.shape
        corners = central_corners(height, width, crop_px)[: count // len(images)]
        for number, (top, left) in enumerate(corners, start=1):
            crops.append(np.ascontiguousarray(image[top : top + crop_px, left : left + crop_px]))
            names.append(path.name if len(corners) == 1 else f"{path.name} ({number})")
            sources.append(source)
    hr = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float() / 255
    return Contents(hr.contiguous(), names, np.array(sources), skipped)


def _spread(paths: list[Path], count: int) -> list[Path]:
    """So many of the photos, evenly over their names."""
    places = np.linspace(0, len(paths) - 1, min(count, len(paths))).round().astype(int)
    return [paths[i] for i in np.unique(places)]


def _shorter_side(path: Path, max_pixels: int, skipped: dict[str, str]) -> int:
    try:
        return min(image_size(path, max_pixels))
    except ImageReadError as error:
        skipped[str(path)] = str(error)
        return 0


def _read(path: Path, max_pixels: int, skipped: dict[str, str]) -> np.ndarray | None:
    try:
        return read_rgb(path, max_pixels)
    except ImageReadError as error:
        skipped[str(path)] = str(error)
        return None


def central_corners(height: int, width: int, side: int) -> list[tuple[int, int]]:
    """(top, left) of all squares of a centred grid that fills an image, nearest to its centre first."""
    rows, columns = height // side, width // side
    top, left = (height - rows * side) // 2, (width - columns * side) // 2
    corners = [(top + r * side, left + c * side) for r in range(rows) for c in range(columns)]
    center = ((height - side) / 2, (width - side) / 2)
    return sorted(corners, key=lambda corner: ((corner[0] - center[0]) ** 2 + (corner[1] - center[1]) ** 2, corner))
