"""How much each auxiliary task counts for a camera: by likeness, by agreement of gradients, or all the same.

Legend: B batch, K auxiliary tasks.
"""

import logging
from collections.abc import Callable, Sequence
from typing import Any, Literal

import torch
from pytorch_lightning.utilities import rank_zero_only
from torch import Tensor

from realsr_mod.data.datamodule import SRDataModule
from realsr_mod.methods.base import RestorationModule, TrainingModule
from realsr_mod.methods.drtl.bank import AuxiliaryBank
from realsr_mod.methods.drtl.gradient import agreement, task_gradients
from realsr_mod.methods.drtl.target import camera_weights

log = logging.getLogger(__name__)

GRADIENT = "gradient"
_CHECKPOINT_KEY = "task_weights"
SupportFactory = Callable[[], SRDataModule]


class TaskWeighting:
    """What DRTL's transfers share: the weight of every auxiliary task for the camera.

    Args:
        scale: of the network that is trained.
        relation: "gradient": by how much of the gradient of the camera's pairs each task's explains, measured when the
            training starts; or a released relation network: by likeness; None: all tasks count the same.
        pairs: a folder of the camera's pairs, of which likeness looks at the LR images alone; None: as for `relation`.
        temperature: of the softmax over the cosines; small ones leave only the nearest tasks.
        draw: `by_weight` draws task k with probability w_k; `evenly` draws all alike and multiplies its loss by
            K w_k. Both follow sum_k w_k grad L_k on average; the former wastes no image on tasks that hardly count.
        support: makes the data of `pairs` for "gradient".
    """

    def __init__(
        self,
        scale: int,
        relation: str | None,
        pairs: str | None,
        temperature: float = 0.2,
        draw: Literal["by_weight", "evenly"] = "by_weight",
        support: SupportFactory | None = None,
    ) -> None:
        if draw not in ("by_weight", "evenly"):
            raise ValueError(f"draw must be by_weight or evenly, got {draw!r}")
        if (relation is None) != (pairs is None):
            raise ValueError(
                "weights need both relation=gradient or RUN, and pairs=FOLDER; give both, or neither for equal weights"
            )
        if not temperature > 0:
            raise ValueError(f"temperature must be positive, got {temperature}")
        self.draw, self.temperature = draw, temperature
        self.weights: dict[str, float] | None = None
        self.support: SRDataModule | None = None
        if relation == GRADIENT:
            assert support is not None, "the experiments that take a relation describe it"
            self.support = support()
        elif relation is not None and pairs is not None:
            self.weights = camera_weights(relation, pairs, scale, temperature)

    def prepare(self, bank: object) -> None:
        """Make the bank draw as `draw` says, and say what counts how much, as far as that is known by now."""
        if self.support is not None:
            checked_bank(bank)
        if self.weights is None:
            return
        bank = checked_bank(bank, tuple(self.weights))
        if self.draw == "by_weight":
            bank.draw_by(list(self.weights.values()))
        by_weight = sorted(self.weights.items(), key=lambda item: -item[1])
        shown = ", ".join(f"{name} {weight:.2f}" for name, weight in by_weight if weight >= 0.01)
        rank_zero_only(log.info)("related to the camera: %s; the rest under 0.01 each", shown)

    def measure(self, module: RestorationModule) -> None:
        """Find the weights by gradients, unless they are known or not wanted, when `module` is about to be trained."""
        if self.support is None or self.weights is not None:
            return
        data = data_of(module)
        bank = checked_bank(data.degradation)
        relation_K = agreement(*task_gradients(module.network, data, bank, self.support, module.pixel_loss))
        relation_K = module.trainer.strategy.broadcast(relation_K)  # every process draws its own distortions
        weights_K = (relation_K / self.temperature).softmax(0)
        self.weights = dict(zip(bank.names, weights_K.tolist(), strict=True))
        self.prepare(bank)

    def importance(self, task_B: Tensor) -> Tensor:
        """By how much each row's loss is multiplied: w_k / q_k, q_k being the probability that task k is drawn."""
        if self.weights is None or self.draw == "by_weight":
            return torch.ones(len(task_B), device=task_B.device)
        return len(self.weights) * torch.tensor(list(self.weights.values()), device=task_B.device)[task_B]

    def save(self, checkpoint: dict[str, Any]) -> None:
        """Keep measured weights: a training that goes on would measure others."""
        if self.support is not None:
            checkpoint[_CHECKPOINT_KEY] = self.weights

    def load(self, checkpoint: dict[str, Any]) -> None:
        """Take the weights that were measured when the training began."""
        if self.support is not None:
            self.weights = checkpoint[_CHECKPOINT_KEY]


def data_of(module: TrainingModule) -> SRDataModule:
    """What the trainer trains on."""
    data: SRDataModule = module.trainer.datamodule  # type: ignore[attr-defined]  # set, but not declared
    return data


def checked_bank(degradation: object, tasks: Sequence[str] | None = None) -> AuxiliaryBank:
    """What the data are degraded by, if it is a bank of exactly these tasks (None: of any); else a ValueError."""
    if not isinstance(degradation, AuxiliaryBank):
        raise ValueError("DRTL trains on a bank of auxiliary distortions; set degradation=auxiliary")
    if tasks is not None and degradation.names != tuple(tasks):
        odd = sorted(set(degradation.names) ^ set(tasks)) or "their order"
        raise ValueError(
            f"the relation network and degradation.tasks differ in {odd}; train the relation network on this bank "
            "(relation=auto), or give the bank that it was trained on"
        )
    return degradation
