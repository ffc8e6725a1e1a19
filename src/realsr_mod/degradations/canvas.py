"""Images of different sizes in one tensor: each lies at the top left of a common canvas.

Ops on a canvas take the true (height, width) of each row and read no pixel outside it, so a row's result does not
depend on the size of the canvas. How large a canvas must be, or whether any row needs a step at all, is a question
about values. On a CPU it is answered by looking; on any other device looking would make the host wait for the
device, so there the largest size allowed is taken and no step is left out.
Legend: B batch, H height, W width.
"""

import torch
from torch import Tensor


def can_look(tensor: Tensor) -> bool:
    """Whether the host may read the values of `tensor` without waiting for a device."""
    return tensor.device.type == "cpu"


def largest(values_B: Tensor, limit: float) -> float:
    """The largest value, or `limit` where looking at values would cost a wait."""
    return values_B.max().item() if can_look(values_B) else limit


def any_row(mask_B: Tensor) -> bool:
    """Whether any row needs a step; True where looking would cost a wait."""
    return bool(mask_B.any()) if can_look(mask_B) else True


def equal_sizes(batch: int, size: tuple[int, int], device: torch.device) -> Tensor:
    """The same (height, width) for each row: (B, 2) int64."""
    return torch.stack([torch.full((batch,), side, device=device) for side in size], dim=1)


def whole_size(x_BCHW: Tensor) -> Tensor:
    """The sizes (B, 2) of images that fill their canvas."""
    batch, _, height, width = x_BCHW.shape
    return equal_sizes(batch, (height, width), x_BCHW.device)


def clamped_coordinates(length: int, size_B: Tensor) -> Tensor:
    """Coordinates (B, length), int32, that stop at each image's last pixel."""
    position = torch.arange(length, device=size_B.device)
    return torch.minimum(position, size_B[:, None] - 1).to(torch.int32)


def per_row(values_B: Tensor) -> Tensor:
    """(B,) to (B, 1, 1, 1)."""
    return values_B[:, None, None, None]
