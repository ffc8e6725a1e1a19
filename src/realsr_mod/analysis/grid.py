"""The same contents under a grid of fixed degradations, so that nothing else differs between the groups.

Legend: M contents, K conditions, N = K M images, condition by condition; H and W the high-resolution size, h and w
the low-resolution one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from realsr_mod.analysis.contents import Contents
from realsr_mod.degradations.base import ChainDegradation, DegradationOp, Params
from realsr_mod.degradations.blur import GaussianBlur
from realsr_mod.degradations.defocus import Defocus
from realsr_mod.degradations.jpeg import JPEG
from realsr_mod.degradations.kornia_op import KorniaOp
from realsr_mod.degradations.noise import GaussianNoise, Quantize
from realsr_mod.degradations.resize import Downscale

SHOWN = {
    "defocus": "defocus {:g}",
    "motion": "motion {:g}",
    "blur": "blur σ {:g}",
    "noise": "noise {:g}",
    "jpeg": "JPEG {:g}",
}
CLEAN = "clean"
GOLDEN_RATIO = 0.6180339887498949  # whose multiples lie evenly between whole numbers


@dataclass(frozen=True)
class Condition:
    """A degradation of given levels. `levels` maps a kind to its level; none: bicubic downscaling alone.

    Kinds: `defocus`, the radius of a disk in HR pixels; `motion`, the length of a path in HR pixels, odd, whose
    direction is the content's; `blur`, the width of a Gaussian in HR pixels; `noise`, the standard deviation of white
    noise on the LR image in 1/255 units; `jpeg`, the quality of the compressed LR image. They happen in this order.
    """

    levels: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for kind, level in self.levels.items():
            if kind not in SHOWN:
                raise ValueError(f"there is no degradation {kind!r}; a condition consists of {', '.join(SHOWN)}")
            if kind == "motion" and (level < 3 or level % 2 != 1):
                raise ValueError(f"the level of motion is a length in pixels, odd and at least 3; got {level}")
            if not level > 0:
                raise ValueError(f"the level of {kind} must lie above 0, got {level}; leave {kind} out for none")

    @property
    def kind(self) -> str:
        """What it consists of, whatever the levels: "clean", "blur", "blur+noise" …"""
        return "+".join(kind for kind in SHOWN if kind in self.levels) or CLEAN

    def __str__(self) -> str:
        parts = [text.format(self.levels[kind]) for kind, text in SHOWN.items() if kind in self.levels]
        return " + ".join(parts) or CLEAN

    def degradation(self, scale: int, kernel_size: int = 21) -> ChainDegradation:
        """The pipeline that this condition needs, of the same ops that training uses."""
        ops: dict[str, DegradationOp] = {}
        if "defocus" in self.levels:
            ops["defocus"] = Defocus((0.0, self.levels["defocus"]))
        if "motion" in self.levels:
            ops["motion"] = motion_blur(int(self.levels["motion"]))
        if "blur" in self.levels:
            ops["blur"] = GaussianBlur(kernel_size)
        ops["down"] = Downscale(scale)
        if "noise" in self.levels:
            ops["noise"] = GaussianNoise((0.0, 255.0))
        ops["quantize"] = Quantize()
        if "jpeg" in self.levels:
            ops["jpeg"] = JPEG()
        return ChainDegradation(scale, **ops)

    def params(self, seeds_M: Tensor) -> Params:
        """The pipeline's params for images whose noise patterns have the seeds `seeds_M` (M,) int64."""
        batch = seeds_M.shape
        params: Params = {}
        if "defocus" in self.levels:
            params["defocus"] = {"radius": torch.full(batch, float(self.levels["defocus"]))}
        if "motion" in self.levels:
            drawn = motion_blur(int(self.levels["motion"])).sample((len(seeds_M), 3, 32, 32), torch.Generator())
            turns_M = (seeds_M.double() * GOLDEN_RATIO % 1).float()
            params["motion"] = drawn | {"seed": seeds_M, "angle_factor": 360 * turns_M}
        if "blur" in self.levels:
            params["blur"] = {"sigma_x": torch.full(batch, float(self.levels["blur"]))}
        if "noise" in self.levels:
            params["noise"] = {"sigma": torch.full(batch, self.levels["noise"] / 255), "seed": seeds_M}
        if "jpeg" in self.levels:
            params["jpeg"] = {"quality": torch.full(batch, float(self.levels["jpeg"]))}
        return params


def motion_blur(length_px: int) -> KorniaOp:
    """Blur along a straight path of this odd length, in any direction."""
    return KorniaOp("RandomMotionBlur", kernel_size=length_px, angle=[0.0, 360.0], direction=[0.0, 0.0],
                    border_type="reflect", resample="bilinear")  # fmt: skip


class DegradationGrid:
    """Conditions under which every content is seen.

    Args:
        levels: of each condition, a mapping from kind to level, `{}` for clean; those of a kind from mild to severe.
        kernel_size: side of the blur kernels in pixels.
    """

    def __init__(self, levels: Sequence[Mapping[str, float]], kernel_size: int = 21) -> None:
        self.conditions = [Condition(dict(of_one)) for of_one in levels]
        self.kernel_size = kernel_size
        names = [str(condition) for condition in self.conditions]
        if len(names) < 2 or len(set(names)) < len(names):
            raise ValueError(f"give two conditions or more, each of them once; got {', '.join(names) or 'none'}")

    def degrade(self, hr_M3HW: Tensor, scale: int, seed: int = 0) -> Tensor:
        """Every content under every condition, (K, M, 3, h, w). Content m has one noise pattern under all of them."""
        seeds_M = torch.arange(len(hr_M3HW), dtype=torch.int64) + seed * 1_000_003
        return torch.stack(
            [c.degradation(scale, self.kernel_size)(hr_M3HW, c.params(seeds_M)) for c in self.conditions]
        )


@dataclass(frozen=True)
class DegradedImages:
    """N degraded images and what each one is.

    `contents` and `conditions` are what they were made of; the arrays (N,) say for each image which ones.
    """

    lr_N3hw: Tensor
    contents: Contents
    conditions: tuple[Condition, ...]
    condition_N: np.ndarray
    content_N: np.ndarray

    @classmethod
    def make(cls, contents: Contents, grid: DegradationGrid, scale: int, seed: int = 0) -> "DegradedImages":
        """All contents under all conditions of a grid."""
        lr = grid.degrade(contents.hr_M3HW, scale, seed)
        kinds, count = lr.shape[:2]
        return cls(
            lr.flatten(0, 1),
            contents,
            tuple(grid.conditions),
            np.repeat(np.arange(kinds), count),
            np.tile(np.arange(count), kinds),
        )

    def __len__(self) -> int:
        return len(self.condition_N)

    @property
    def condition_names(self) -> list[str]:
        """Of the K conditions."""
        return [str(condition) for condition in self.conditions]

    @property
    def source_N(self) -> np.ndarray:
        """The photo that each image was cut out of."""
        source_N: np.ndarray = self.contents.source_M[self.content_N]
        return source_N

    @property
    def clean(self) -> int | None:
        """The index of the condition without any degradation, if it is among them."""
        kinds = [condition.kind for condition in self.conditions]
        return kinds.index(CLEAN) if CLEAN in kinds else None
