"""Between files, bytes and tensors: uint8 (H, W, 3) on one side, float32 RGB in [0, 1], (…, 3, H, W), on the other."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from realsr_mod.images.bounds import MAX_PIXELS
from realsr_mod.images.rgb import read_rgb


def to_tensor(path: Path, multiple: int, max_pixels: int | None = MAX_PIXELS) -> Tensor:
    """Read an image as (1, 3, H, W), float32 RGB in [0, 1], sides cropped to a multiple."""
    image = torch.tensor(read_rgb(path, max_pixels)).permute(2, 0, 1)[None].float() / 255
    height, width = (side // multiple * multiple for side in image.shape[-2:])
    if not height or not width:
        raise ValueError(f"{path}: {image.shape[-2]}x{image.shape[-1]} is smaller than scale={multiple}")
    return image[..., :height, :width]


def to_uint8(image_3HW: Tensor) -> np.ndarray:
    """(3, H, W) in [0, 1] to uint8 (H, W, 3)."""
    return (image_3HW.detach().float().clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
