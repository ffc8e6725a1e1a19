"""MM-RealSR on another's shoulders: a trained RRDBNet stays as it is, and two sliders steer away from its own image.

What the sliders change is drawn by a small network beside it, which reads the image, the RRDBNet's features and its
result, and which degrees modulate as MM-RealSR's do its restorer. As estimated, nothing is drawn.
Legend: B batch, C feature channels of the RRDBNet, N of the small network, D = 2 degrees, H and W the low-resolution
size, s the scale.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from realsr_mod.methods.mmrealsr.network import DEGREES, DegreeEstimator
from realsr_mod.networks.base import SRNetwork
from realsr_mod.networks.blocks import ResidualBlock, conv3x3, init_scaled
from realsr_mod.networks.rrdb import RRDBRestorer

RGB = 3
LEAST_ROOM = 0.01  # between an estimate and an end of its slider, so that nothing is divided by zero


def turns(told_BD: Tensor, estimated_BD: Tensor) -> Tensor:
    """How far sliders are turned from where the estimate has them: -1 down to 0, 0 not at all, 1 up to 1; (B, D).

    Not the plain difference: of an image that is little degraded, too, turning a slider to its end means the whole.
    """
    room_BD = torch.where(told_BD < estimated_BD, estimated_BD, 1 - estimated_BD)
    return (told_BD - estimated_BD) / room_BD.clamp(min=LEAST_ROOM)


class SteeringBranch(nn.Module):
    """What turned sliders add to an image: zero, to the bit, where the told degrees are the estimated ones.

    A convolution, residual blocks, each followed by an affine whose (gamma, beta) both pairs of degrees make, and a
    convolution that gives, for each degree, a share of what the RRDBNet has changed (the image enlarged by bicubic less
    its result), and an image beside that. They count times what was told less what is estimated. The last layer begins
    at zero. All of it works at low resolution; enlarged images go in and come out with each s x s square as channels.

    Args:
        scale: s.
        features: C.
        channels: N.
        num_blocks: residual blocks.
        hidden: width of the layer between degrees and affines.
    """

    def __init__(self, scale: int, features: int, channels: int, num_blocks: int, hidden: int) -> None:
        super().__init__()
        self.scale = scale
        image = RGB * scale**2
        self.head = conv3x3(RGB + features + 2 * image, channels)
        self.blocks = nn.ModuleList([ResidualBlock(channels, nn.ReLU()) for _ in range(num_blocks)])
        self.embed = nn.Sequential(nn.Linear(2 * len(DEGREES), hidden), nn.ReLU())
        self.affines = nn.ModuleList([nn.Linear(hidden, 2 * channels) for _ in range(num_blocks)])
        self.to_images = conv3x3(channels, 2 * len(DEGREES) * image)
        init_scaled([self.head, self.embed], 1.0)
        init_scaled([self.blocks, self.affines], 0.1)
        init_scaled([self.to_images], 0.0)

    def forward(
        self, lr_B3HW: Tensor, features_BCHW: Tensor, sr_B3HW: Tensor, told_BD: Tensor, estimated_BD: Tensor
    ) -> Tensor:
        """(B, 3, sH, sW), to be added to `sr_B3HW` of that size."""
        bicubic = F.interpolate(lr_B3HW, scale_factor=self.scale, mode="bicubic")
        changed = F.pixel_unshuffle(bicubic - sr_B3HW, self.scale)
        x = self.head(torch.cat([lr_B3HW, features_BCHW, F.pixel_unshuffle(sr_B3HW, self.scale), changed], dim=1))
        degrees = self.embed(torch.cat([told_BD, estimated_BD], dim=1))
        for block, affine in zip(self.blocks, self.affines, strict=True):
            gamma_BN11, beta_BN11 = affine(degrees)[:, :, None, None].chunk(2, dim=1)
            x = (1 + gamma_BN11) * block(x) + beta_BN11
        shares, beside = (part.chunk(len(DEGREES), dim=1) for part in self.to_images(F.relu(x)).chunk(2, dim=1))
        turned_BD111 = turns(told_BD, estimated_BD)[:, :, None, None, None]
        images = (share * changed + image for share, image in zip(shares, beside, strict=True))
        return F.pixel_shuffle(sum(turned_BD111[:, i] * image for i, image in enumerate(images)), self.scale)


class SteeredRRDBNet(SRNetwork):
    """A frozen RRDBNet with sliders for blur and noise; as estimated, its image is the RRDBNet's own, to the bit.

    The embedding is (blur, noise, blur, noise): the degrees that are told, which a person may set, and those that were
    estimated, which say where the sliders stood.

    Args:
        backbone: the published model (see `realsr_mod.weights.realesrgan`) whose weights the restorer has. They are no
            part of a released file; who builds a network fills them in, see `realsr_mod.weights.borrowed`.
        scale: 4.
        channels, num_blocks, growth: the backbone's.
        steering_channels, steering_blocks, hidden: see `SteeringBranch`.
        estimator_widths, estimator_blocks, estimator_downscales: see `DegreeEstimator`.
    """

    embedding_dim = 2 * len(DEGREES)
    embedding_names = DEGREES

    def __init__(
        self,
        backbone: str,
        scale: int = 4,
        channels: int = 64,
        num_blocks: int = 23,
        growth: int = 32,
        steering_channels: int = 64,
        steering_blocks: int = 4,
        hidden: int = 64,
        estimator_widths: Sequence[int] = (16, 16, 16, 32),
        estimator_blocks: Sequence[int] = (1, 1, 1, 1),
        estimator_downscales: Sequence[int] = (1, 1, 2, 1),
    ) -> None:
        super().__init__()
        if scale != 4:
            raise ValueError(f"published backbones with RRDBs enlarge four times; set scale=4, not {scale}")
        self.scale = scale
        self.borrowed = {"restorer.": backbone}
        self.estimator = DegreeEstimator(estimator_widths, estimator_blocks, estimator_downscales)
        self.steering = SteeringBranch(scale, channels, steering_channels, steering_blocks, hidden)
        self.restorer = RRDBRestorer(scale, channels, num_blocks, growth).requires_grad_(False)

    def embed(self, lr_B3HW: Tensor, hr: Tensor | None = None) -> Tensor:
        degrees_BD: Tensor = self.estimator(lr_B3HW)
        return degrees_BD.repeat(1, 2)

    def restore(self, lr_B3HW: Tensor, embedding_B4: Tensor) -> Tensor:
        return self.steer(lr_B3HW, *self.untouched(lr_B3HW), embedding_B4)

    @torch.no_grad()
    def untouched(self, lr_B3HW: Tensor) -> tuple[Tensor, Tensor]:
        """The backbone's features (B, C, H, W) and its own image (B, 3, sH, sW)."""
        features_BCHW = self.restorer.features(lr_B3HW)
        return features_BCHW, self.restorer.enlarged(features_BCHW)

    def steer(self, lr_B3HW: Tensor, features_BCHW: Tensor, sr_B3HW: Tensor, embedding_B4: Tensor) -> Tensor:
        """The backbone's image as the embedding has it, out of what `untouched` gives."""
        changed: Tensor = self.steering(lr_B3HW, features_BCHW, sr_B3HW, *embedding_B4.chunk(2, dim=1))
        return sr_B3HW + changed
