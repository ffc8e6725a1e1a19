"""How images go on beyond their borders: mirrored at the end pixels, which are not repeated.

Legend: B batch, C channels, H height, W width.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def reflect_index(position: Tensor, size: int | Tensor) -> Tensor:
    """Where `position` lies in an axis of `size` pixels that is mirrored at its end pixels, however far outside."""
    last = size - 1
    period = (2 * last).clamp(min=1) if isinstance(last, Tensor) else max(2 * last, 1)
    return last - (position.remainder(period) - last).abs()


def reflect_pad(x_BCHW: Tensor, pad: int) -> Tensor:
    """Mirror the borders by `pad` pixels; unlike `F.pad`, also where the image is smaller than `pad`."""
    height, width = x_BCHW.shape[-2:]
    if pad < min(height, width):
        return F.pad(x_BCHW, (pad, pad, pad, pad), mode="reflect")
    rows = reflect_index(torch.arange(-pad, height + pad, device=x_BCHW.device), height)
    columns = reflect_index(torch.arange(-pad, width + pad, device=x_BCHW.device), width)
    return x_BCHW[:, :, rows[:, None], columns]
