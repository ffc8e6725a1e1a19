"""Output distillation: what a trained network makes of the same images as a second target."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from realsr_mod.weights.release import load_restorer


class OutputDistillationLoss:
    """weight · distance(sr, the teacher's image of the same LR image); images are RGB in [0, 1].

    The truth holds what the LR image no longer tells; to a network that cannot know it, that is noise, and where the
    degradation is severe it is nearly all of the loss. The teacher's image has none. (Hinton and others, arXiv
    1503.02531, with images in place of class probabilities.)

    Deliberately no `nn.Module`, as `PerceptualLoss`: nothing in it trains.

    Args:
        model: the teacher, a released model that restores from the LR image alone: a name of the zoo, a run, a file.
        weight: of the distance, beside the distance from the truth.
    """

    def __init__(self, model: str | Path, weight: float = 1.0) -> None:
        if weight <= 0:
            raise ValueError(f"weight must be positive, got {weight}; to do without set output_distillation=null")
        self.weight = weight
        self.teacher = load_restorer(model).requires_grad_(False).eval()
        if self.teacher.sees_hr:
            raise ValueError(f"{model} reads the truth as well; give a network that needs the LR image alone")
        self.source = str(model)

    def __call__(self, sr_B3HW: Tensor, lr_B3HW: Tensor, distance: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        with torch.no_grad():
            wanted = self.teacher.to(lr_B3HW.device)(lr_B3HW).float()
        if wanted.shape != sr_B3HW.shape:
            raise ValueError(
                f"output_distillation.model={self.source} enlarges {self.teacher.scale} times, to "
                f"{tuple(wanted.shape[-2:])}; the network trained gives {tuple(sr_B3HW.shape[-2:])}. Give one of the "
                "scale that is trained"
            )
        return self.weight * distance(sr_B3HW, wanted)

    def __deepcopy__(self, memo: dict[int, Any]) -> "OutputDistillationLoss":
        return self
