"""JPEG compression as arithmetic: what an image looks like after an encoder and a decoder, with a quality per row.

The steps of ITU-T T.81 with libjpeg's habits: 4:2:0 chroma by 2x2 means, quality scaling of the standard tables,
chroma upsampled by a triangle filter. The DCT of an 8x8 block is one product with a 64x64 matrix.
Legend: B batch, C channels, H height, W width, N blocks.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from realsr_mod.degradations.base import DegradationOp, Params, Shape, check_range, shape_of, uniform

BLOCK = 16  # pixels that a 4:2:0 unit covers
_LUMA = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMA = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 8,) * 4,
)
_RGB_TO_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
_YCC_TO_RGB = ((1.0, 0.0, 1.402), (1.0, -0.344136, -0.714136), (1.0, 1.772, 0.0))


class _Constants(NamedTuple):
    dct: Tensor  # (64, 64): coefficients of a flattened block = dct @ pixels
    luma: Tensor  # (64,) quantisation steps at quality 50
    chroma: Tensor
    to_ycc: Tensor  # (3, 3)
    to_rgb: Tensor


@lru_cache
@torch.inference_mode(False)  # they outlive whoever asks first
def _constants(device: torch.device) -> _Constants:
    tables = [torch.tensor(table, dtype=torch.float32) for table in (_LUMA, _CHROMA, _RGB_TO_YCC, _YCC_TO_RGB)]
    luma, chroma, to_ycc, to_rgb = tables
    tensors = (_dct_matrix(), luma.flatten(), chroma.flatten(), to_ycc, to_rgb)
    return _Constants(*(tensor.to(device) for tensor in tensors))


def _dct_matrix() -> Tensor:
    """The orthonormal 2-D DCT-II of a flattened 8x8 block, (64, 64)."""
    frequency, position = torch.arange(8.0)[:, None], torch.arange(8.0)
    dct = torch.cos((2 * position + 1) * frequency * torch.pi / 16) / 2
    dct[0] /= 2**0.5
    return torch.kron(dct, dct)


def _to_blocks(plane_BCHW: Tensor) -> Tensor:
    """(B, C, H, W) to (B, N, 64)."""
    batch, channels, height, width = plane_BCHW.shape
    blocks = plane_BCHW.reshape(batch, channels, height // 8, 8, width // 8, 8).transpose(3, 4)
    return blocks.reshape(batch, -1, 64)


def _from_blocks(blocks_BN64: Tensor, shape_BCHW: Shape) -> Tensor:
    """The inverse of `_to_blocks`."""
    batch, channels, height, width = shape_BCHW
    return blocks_BN64.reshape(batch, channels, height // 8, width // 8, 8, 8).transpose(3, 4).reshape(shape_BCHW)


def _mix(matrix_33: Tensor, x_BCHW: Tensor) -> Tensor:
    return (matrix_33 @ x_BCHW.flatten(2)).view(x_BCHW.shape)


def _code(plane_BCHW: Tensor, table_64: Tensor, quality_B1: Tensor, dct_6464: Tensor) -> Tensor:
    """Transform, round to multiples of the quantisation steps, transform back."""
    percent_B1 = torch.where(quality_B1 < 50, 5000 / quality_B1, 200 - 2 * quality_B1)
    step_B164 = ((table_64 * percent_B1 + 50) / 100).floor().clamp(1, 255)[:, None]
    coefficients = (_to_blocks(plane_BCHW) @ dct_6464.mT).div_(step_B164).round_().mul_(step_B164)
    return _from_blocks(coefficients @ dct_6464, shape_of(plane_BCHW))


class JPEG(DegradationOp):
    """Compress and decompress as JPEG, 4:2:0. Params: `quality` (B,), 1 to 100, fractions allowed.

    Agrees with Pillow's encoder to more than 40 dB. On images of any size the last row and column are repeated up to
    whole units, as encoders do. The result is 8-bit, as a decoder's.
    """

    def __init__(self, quality_range: Sequence[float] = (30.0, 95.0)) -> None:
        super().__init__()
        self.quality_range = check_range("quality_range", quality_range, lowest=1)
        if self.quality_range[1] > 100:
            raise ValueError(f"quality_range must end at 100 or below, got {list(quality_range)}")

    def sample(self, shape_BCHW: Shape, generator: torch.Generator) -> Params:
        return {"quality": uniform((shape_BCHW[0],), *self.quality_range, generator)}

    def forward(self, x_BCHW: Tensor, params: Params) -> Tensor:
        height, width = x_BCHW.shape[-2:]
        pixels = (x_BCHW.clamp(0, 1) * 255).round_()
        if height % BLOCK or width % BLOCK:
            pixels = F.pad(pixels, (0, -width % BLOCK, 0, -height % BLOCK), mode="replicate")
        constants, quality_B1 = _constants(x_BCHW.device), params["quality"][:, None]
        ycc = _mix(constants.to_ycc, pixels)
        luma = _code(ycc[:, :1] - 128, constants.luma, quality_B1, constants.dct)
        chroma = _code(F.avg_pool2d(ycc[:, 1:], 2), constants.chroma, quality_B1, constants.dct)
        chroma = F.interpolate(chroma, scale_factor=2, mode="bilinear", align_corners=False)
        rgb = _mix(constants.to_rgb, torch.cat([luma, chroma], dim=1)).add_(128)
        return rgb[..., :height, :width].round_().clamp_(0, 255) / 255
