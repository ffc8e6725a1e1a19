"""KDSR's networks (arXiv 2211.16928): an encoder that reads the degradation off, a restorer steered by it.

Legend: B batch, C feature channels, H and W the low-resolution size, s the scale.
"""

from types import MappingProxyType
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from realsr_mod.degradations.resize import resize
from realsr_mod.networks.base import SRNetwork
from realsr_mod.networks.blocks import (
    Initialization,
    ResidualBlock,
    UpsamplerKind,
    check_initialization,
    conv3x3,
    init_scaled,
)
from realsr_mod.networks.dynamic import IDRRestorer

TeacherInput = Literal["plain", "difference"]


class DegradationEncoder(nn.Module):
    """KD-IDE: image to the implicit degradation representation (IDR).

    Returns `(idr_BC, distilled_B4C)`: the vector that steers the restorer, and the longer one before the last
    linear layer, on which the student is compared with its teacher.

    With `zero_dc_start`, the kernels of the first layer sum to zero at the start, so that it sees edges and texture,
    which blur changes, and not brightness, which it leaves as it is. Training may change that.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        num_blocks: int,
        initialization: Initialization = "kaiming",
        zero_dc_start: bool = False,
    ) -> None:
        super().__init__()
        c = channels
        first = conv3x3(in_channels, c)
        self.features = nn.Sequential(
            first,
            nn.LeakyReLU(0.1),
            *[ResidualBlock(c, nn.LeakyReLU(0.1)) for _ in range(num_blocks)],
            conv3x3(c, 2 * c),
            nn.LeakyReLU(0.1),
            conv3x3(2 * c, 2 * c),
            nn.LeakyReLU(0.1),
            conv3x3(2 * c, 4 * c),
            nn.LeakyReLU(0.1),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.mlp = nn.Sequential(nn.Linear(4 * c, 4 * c), nn.LeakyReLU(0.1), nn.Linear(4 * c, 4 * c), nn.LeakyReLU(0.1))
        self.compress = nn.Sequential(nn.Linear(4 * c, c), nn.LeakyReLU(0.1))
        if initialization == "kaiming":
            init_scaled([self], scale=1.0)
        if zero_dc_start:
            first.weight.data -= first.weight.data.mean(dim=(2, 3), keepdim=True)

    def forward(self, x_BCHW: Tensor) -> tuple[Tensor, Tensor]:
        distilled = self.mlp(self.features(x_BCHW))
        return self.compress(distilled), distilled


class KDSRNet(SRNetwork):
    """KDSR student (`sees_hr=False`) or teacher (`sees_hr=True`): the same network but for what its encoder reads.

    Args:
        scale: 2, 3 or 4 (any power of two works).
        channels: C, feature channels; the IDR has as many entries.
        encoder_blocks: residual blocks of the encoder (N_e).
        restorer_blocks: IDR-DCRB of the restorer (N_b).
        sees_hr: the encoder reads the LR image together with the HR one, pixel-unshuffled to its size.
        initialization: what the encoder and the dynamic kernels begin with. "kaiming": full-size weights, no biases, so
            that what differs between images passes some fifteen layers undiminished; "pytorch": as in the authors'
            program.
        teacher_input: what of the HR image such an encoder reads: "plain", the image, as published; "difference", the
            image less the bicubic enlargement of LR. They tell the same, but the encoder's pooled means hardly change
            with blur when it reads the image, whose mean blur keeps.
        zero_dc_start: see DegradationEncoder.
        upsampler: of the restorer: "pixel_shuffle", as published, or "resize_conv", for training against a
            discriminator, which leaves the first's grid in images (see ResizeConvUpsampler).
    """

    taps = MappingProxyType({"distilled": "encoder.mlp"})
    default_taps = ("embedding", "distilled")

    def __init__(
        self,
        scale: int,
        channels: int,
        encoder_blocks: int,
        restorer_blocks: int,
        sees_hr: bool = False,
        initialization: Initialization = "kaiming",
        teacher_input: TeacherInput = "plain",
        zero_dc_start: bool = False,
        upsampler: UpsamplerKind = "pixel_shuffle",
    ) -> None:
        super().__init__()
        check_initialization(initialization)
        if upsampler not in get_args(UpsamplerKind):
            raise ValueError(f"upsampler must be {' or '.join(get_args(UpsamplerKind))}, got {upsampler!r}")
        if teacher_input not in get_args(TeacherInput):
            raise ValueError(f"teacher_input must be plain or difference, got {teacher_input!r}")
        self.scale, self.teacher_input, self.upsampler = scale, teacher_input, upsampler
        self.embedding_dim = channels
        self.sees_hr = sees_hr
        seen_channels = 3 + 3 * scale**2 if sees_hr else 3
        self.encoder = DegradationEncoder(seen_channels, channels, encoder_blocks, initialization, zero_dc_start)
        self.restorer = IDRRestorer(channels, restorer_blocks, scale, initialization, upsampler)

    def encode(self, lr_B3HW: Tensor, hr: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """The IDR (B, C) and the distilled vector (B, 4C). A teacher needs `hr` (B, 3, sH, sW) as well."""
        if self.sees_hr:
            if hr is None:
                raise ValueError(
                    "a KDSR teacher estimates the degradation from LR and HR together; call encode(lr, hr), "
                    "or use the student, which needs the LR image alone"
                )
            known = hr if self.teacher_input == "plain" else hr - resize(lr_B3HW, scale=self.scale)
            lr_B3HW = torch.cat([lr_B3HW, F.pixel_unshuffle(known, self.scale)], dim=1)
        encoded: tuple[Tensor, Tensor] = self.encoder(lr_B3HW)
        return encoded

    def embed(self, lr_B3HW: Tensor, hr: Tensor | None = None) -> Tensor:
        return self.encode(lr_B3HW, hr)[0]

    def restore(self, lr_B3HW: Tensor, embedding_BC: Tensor) -> Tensor:
        sr: Tensor = self.restorer(lr_B3HW, embedding_BC)
        return sr
