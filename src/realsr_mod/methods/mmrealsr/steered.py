"""MM-RealSR on another's shoulders: a trained RRDBNet stays as it is, and two sliders steer it away from its own image.

MM-RealSR's restorer is Real-ESRGAN's RRDBNet with an affine after each block. Where the affines are the identity, the
two are one function; here they are, wherever a person leaves the estimated degrees alone.
Legend: B batch, C feature channels, D = 2 degrees, H and W the low-resolution size, s the scale.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from realsr_mod.methods.mmrealsr.network import DEGREES, DegreeEstimator
from realsr_mod.networks.base import SRNetwork
from realsr_mod.networks.blocks import init_scaled
from realsr_mod.networks.rrdb import Affine, RRDBRestorer


class RelativeModulation(nn.Module):
    """Told and estimated degrees to one (gamma, beta) per restorer block, all zero where the two are the same.

    Each block's MLP reads both and gives a (gamma, beta) per degree, which counts times what was told less what is
    estimated; the last layers begin at zero.

    Args:
        channels: C.
        num_blocks: of the restorer.
        hidden: width of the shared embedding and of the MLPs' hidden layer.
    """

    def __init__(self, channels: int, num_blocks: int, hidden: int) -> None:
        super().__init__()
        self.embed = nn.Sequential(nn.Linear(2 * len(DEGREES), hidden), nn.ReLU())
        self.mlps = nn.ModuleList(
            [
                nn.Sequential(nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, 2 * channels * len(DEGREES)))
                for _ in range(num_blocks)
            ]
        )
        init_scaled([self], 1.0)
        init_scaled([mlp.get_submodule("2") for mlp in self.mlps], 0.0)

    def forward(self, told_BD: Tensor, estimated_BD: Tensor) -> list[Affine]:
        shared = self.embed(torch.cat([told_BD, estimated_BD], dim=1))
        turned_BD1 = (told_BD - estimated_BD)[:, :, None]
        parts = (mlp(shared).unflatten(1, (len(DEGREES), -1)) for mlp in self.mlps)
        return [(turned_BD1 * part).sum(dim=1).chunk(2, dim=1) for part in parts]


class SteeredRRDBNet(SRNetwork):
    """A frozen RRDBNet with sliders for blur and noise; as estimated, its image is the RRDBNet's own, to the bit.

    The embedding is (blur, noise, blur, noise): the degrees that the restorer is told, which a person may set, and
    those that were estimated, which say where the sliders stood.

    Args:
        backbone: the published model (see `realsr_mod.weights.realesrgan`) whose weights the restorer has. They are no
            part of a released file; who builds a network fills them in, see `realsr_mod.weights.borrowed`.
        scale, channels, num_blocks, growth: the backbone's.
        hidden: see `RelativeModulation`.
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
        hidden: int = 64,
        estimator_widths: Sequence[int] = (16, 16, 16, 32),
        estimator_blocks: Sequence[int] = (1, 1, 1, 1),
        estimator_downscales: Sequence[int] = (1, 1, 2, 1),
    ) -> None:
        super().__init__()
        self.scale = scale
        self.borrowed = {"restorer.": backbone}
        self.estimator = DegreeEstimator(estimator_widths, estimator_blocks, estimator_downscales)
        self.modulation = RelativeModulation(channels, num_blocks, hidden)
        self.restorer = RRDBRestorer(scale, channels, num_blocks, growth).requires_grad_(False)

    def embed(self, lr_B3HW: Tensor, hr: Tensor | None = None) -> Tensor:
        degrees_BD: Tensor = self.estimator(lr_B3HW)
        return degrees_BD.repeat(1, 2)

    def restore(self, lr_B3HW: Tensor, embedding_B4: Tensor) -> Tensor:
        sr: Tensor = self.restorer(lr_B3HW, self.modulation(*embedding_B4.chunk(2, dim=1)))
        return sr

    def untouched(self, lr_B3HW: Tensor) -> Tensor:
        """The backbone's own image, (B, 3, sH, sW)."""
        sr: Tensor = self.restorer(lr_B3HW)
        return sr
