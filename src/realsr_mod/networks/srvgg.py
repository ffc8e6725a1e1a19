"""SRVGGNetCompact, the small network of Real-ESRGAN's program (`realesr-general-x4v3`, `realesr-animevideov3`).

Legend: B batch, C channels, H and W the low-resolution size, s the scale.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from realsr_mod.networks.base import SRNetwork
from realsr_mod.networks.blocks import conv3x3
from realsr_mod.networks.interpolation import interpolated

PUBLISHED_STRENGTH = 0.5  # what Real-ESRGAN's program takes where nobody says how much noise to remove


class SRVGGNetCompact(SRNetwork):
    """A plain stack of convolutions and PReLUs at low resolution; the result is added to nearest-neighbour enlarging.

    Args:
        scale: s, of the result.
        channels: C, of every convolution.
        num_convs: convolutions between the first and the last: 16 in animevideov3, 32 in realesr-general-x4v3.
        shuffle: what the last convolution's PixelShuffle enlarges by; None: `scale`. Otherwise the enlarged image is
            brought to `scale` bicubically, as Real-ESRGAN's programs make ×2 and ×3 out of a network of ×4.
    """

    default_taps = ("body",)

    def __init__(self, scale: int = 4, channels: int = 64, num_convs: int = 16, shuffle: int | None = None) -> None:
        super().__init__()
        self.scale = scale
        self.shuffle = scale if shuffle is None else shuffle
        layers: list[nn.Module] = []
        for inputs in [3] + [channels] * num_convs:
            layers += [conv3x3(inputs, channels), nn.PReLU(channels)]
        self.body = nn.Sequential(*layers, conv3x3(channels, 3 * self.shuffle**2))

    @property
    def taps(self) -> Mapping[str, str]:
        return {"body": f"body.{len(self.body) - 2}"}

    def restore(self, lr_B3HW: Tensor, embedding_B0: Tensor) -> Tensor:
        nearest = F.interpolate(lr_B3HW, scale_factor=self.shuffle, mode="nearest")
        sr = F.pixel_shuffle(self.body(lr_B3HW), self.shuffle) + nearest
        if self.shuffle == self.scale:
            return sr
        height, width = lr_B3HW.shape[-2:]
        return F.interpolate(sr, (height * self.scale, width * self.scale), mode="bicubic")


class SRVGGNetDenoise(SRNetwork):
    """Two networks of one shape, their weights mixed: `noise` 1 is the one that denoises, 0 the one that hardly does.

    Real-ESRGAN's `realesr-general-x4v3` and `-wdn-x4v3`, mixed as its program does under `--denoise_strength`
    (deep network interpolation, arXiv 1811.10515). The degree is not estimated: it is 0.5 until somebody sets it.

    Args: see `SRVGGNetCompact`.
    """

    embedding_dim = 1
    embedding_names = ("noise",)

    def __init__(self, scale: int = 4, channels: int = 64, num_convs: int = 32, shuffle: int | None = None) -> None:
        super().__init__()
        self.scale = scale
        self.strong = SRVGGNetCompact(scale, channels, num_convs, shuffle)
        self.weak = SRVGGNetCompact(scale, channels, num_convs, shuffle)

    @property
    def taps(self) -> Mapping[str, str]:
        return {"body": f"strong.{self.strong.taps['body']}"}

    def embed(self, lr_B3HW: Tensor, hr: Tensor | None = None) -> Tensor:
        return lr_B3HW.new_full((lr_B3HW.shape[0], 1), PUBLISHED_STRENGTH)

    def restore(self, lr_B3HW: Tensor, embedding_B1: Tensor) -> Tensor:
        rows = [self._restore_one(lr[None], noise) for lr, noise in zip(lr_B3HW, embedding_B1[:, 0], strict=True)]
        return torch.cat(rows)

    def _restore_one(self, lr_13HW: Tensor, noise: Tensor) -> Tensor:
        mixed = interpolated(dict(self.weak.named_parameters()), dict(self.strong.named_parameters()), noise)
        sr: Tensor = functional_call(self.strong, mixed, (lr_13HW,))
        return sr
