"""Training DRTL: the relation network, then restoration in which every auxiliary task counts by its relation.

Legend: B batch, K auxiliary tasks, H and W the low-resolution size, s the scale.
"""

import logging
from collections.abc import Sequence
from typing import Any, Literal

import torch
import torch.nn.functional as F
from pytorch_lightning.utilities import rank_zero_only
from torch import Tensor, nn

from realsr_mod.methods.base import LossTerms, SRModule
from realsr_mod.methods.drtl.bank import AuxiliaryBank
from realsr_mod.methods.drtl.meta import OptimizerFactory, maml_direction, reptile_direction, trained, with_gradients
from realsr_mod.methods.drtl.network import RelationNetwork
from realsr_mod.methods.drtl.target import camera_weights
from realsr_mod.types import SRBatch, SRNetwork

log = logging.getLogger(__name__)

META = {"maml": maml_direction, "reptile": reptile_direction}


class RelationTraining(SRModule):
    """Teach the relation network to tell the auxiliary distortions apart: softmax over cosine / temperature."""

    def __init__(self, network: RelationNetwork, **training: Any) -> None:
        super().__init__(network, **training)
        _refuse_games(training)

    def on_fit_start(self) -> None:
        super().on_fit_start()
        _check_bank(self.trainer.datamodule.degradation, self.network.tasks)

    def forward_losses(self, batch: SRBatch) -> tuple[LossTerms, None]:
        logits = self.network.logits(self.network.embed(batch.lr).float())
        self.log("train/accuracy", _accuracy(logits, batch.params["task"]), batch_size=len(batch))
        return {"classification": F.cross_entropy(logits, batch.params["task"])}, None

    def validation_step(self, batch: SRBatch, batch_idx: int) -> None:
        """How often the nearest vector of the memory is the right one; guessing gives 1/K."""
        logits = self.network.logits(self.network.embed(batch.lr).float())
        self.log("val/accuracy", _accuracy(logits, batch.params["task"]), batch_size=len(batch), sync_dist=True)


class WeightedRestoration(SRModule):
    """What DRTL's transfers share: the weight of every auxiliary task for the camera.

    Args:
        network: what is trained.
        relation: a released relation network; None: all tasks count the same.
        pairs: a folder of the camera's pairs (only the LR pictures are looked at); None: all tasks count the same.
        weight_temperature: of the softmax over the cosines; small ones leave only the nearest tasks.
        draw: `by_weight` draws task k with probability w_k; `evenly` draws all alike and multiplies its loss by
            K w_k. Both follow sum_k w_k grad L_k on average; the former wastes no picture on tasks that hardly count.
        training: `optimizer`, `scheduler` and what else SRModule takes.
    """

    def __init__(
        self,
        network: SRNetwork,
        relation: str | None,
        pairs: str | None,
        weight_temperature: float = 0.2,
        draw: Literal["by_weight", "evenly"] = "by_weight",
        **training: Any,
    ) -> None:
        super().__init__(network, **training)
        if draw not in ("by_weight", "evenly"):
            raise ValueError(f"draw must be by_weight or evenly, got {draw!r}")
        if (relation is None) != (pairs is None):
            raise ValueError("weights need both relation=RUN and pairs=FOLDER; give both, or neither for equal weights")
        self.draw = draw
        self.weights = None if relation is None else camera_weights(relation, pairs, network.scale, weight_temperature)

    def on_fit_start(self) -> None:
        super().on_fit_start()
        self.prepare_bank(self.trainer.datamodule.degradation)

    def prepare_bank(self, bank: AuxiliaryBank) -> None:
        """Make the bank draw as `draw` says, and say what counts how much."""
        if self.weights is None:
            return
        _check_bank(bank, tuple(self.weights))
        if self.draw == "by_weight":
            bank.draw_by(list(self.weights.values()))
        by_weight = sorted(self.weights.items(), key=lambda item: -item[1])
        shown = ", ".join(f"{name} {weight:.2f}" for name, weight in by_weight if weight >= 0.01)
        rank_zero_only(log.info)("related to the camera: %s; the rest under 0.01 each", shown)

    def importance(self, task_B: Tensor) -> Tensor:
        """By how much each row's loss is multiplied: w_k / q_k, q_k being the probability that task k is drawn."""
        if self.weights is None or self.draw == "by_weight":
            return torch.ones(len(task_B), device=task_B.device)
        return len(self.weights) * torch.tensor(list(self.weights.values()), device=task_B.device)[task_B]


class WeightedPretraining(WeightedRestoration):
    """Pre-training along g = sum_k w_k grad L_k. Without a relation it is plain training, on any degradation."""

    def forward_losses(self, batch: SRBatch) -> tuple[LossTerms, Tensor]:
        sr = self.network(batch.lr).float()
        if self.weights is None:
            return {"pixel": self.pixel_loss(sr, batch.hr)}, sr
        loss_B = torch.stack([self.pixel_loss(*row) for row in zip(sr, batch.hr, strict=True)])
        return {"pixel": (self.importance(batch.params["task"]) * loss_B).mean()}, sr


class MetaLearning(WeightedRestoration):
    """First-order MAML or Reptile: per task a few inner steps, and an outer update weighted by the task's relation.

    Rows of one task come in groups (`degradation.group_rows`); a batch holds as many tasks as groups. The outer
    update is the optimiser's step along sum_k w_k g_k; with plain SGD and Reptile that is
    theta + lr sum_k w_k (theta_k - theta).

    Args:
        network: what is trained; the model that comes out is made to be fine-tuned.
        algorithm: `maml` or `reptile`.
        inner_optimizer: partial of a torch optimiser, begun anew for every task.
        inner_steps: MAML takes them on the first half of a group, Reptile one on each of so many parts of it.
        weighting: `relation` and what else WeightedRestoration takes.
    """

    def __init__(
        self,
        network: SRNetwork,
        algorithm: Literal["maml", "reptile"],
        inner_optimizer: OptimizerFactory,
        inner_steps: int,
        **weighting: Any,
    ) -> None:
        super().__init__(network, **weighting)
        _refuse_games(weighting)
        if algorithm not in META:
            raise ValueError(f"algorithm must be one of {', '.join(META)}, got {algorithm!r}")
        if inner_steps < 1:
            raise ValueError(f"inner_steps must be at least 1, got {inner_steps}")
        self.algorithm, self.inner_optimizer, self.inner_steps = algorithm, inner_optimizer, inner_steps
        self.group_rows = 0  # the bank's, once it is known

    def prepare_bank(self, bank: AuxiliaryBank) -> None:
        super().prepare_bank(bank)
        _check_bank(bank, bank.names if isinstance(bank, AuxiliaryBank) else ())
        least = 2 if self.algorithm == "maml" else self.inner_steps
        if bank.group_rows < least or self.trainer.datamodule.batch_size % bank.group_rows:
            raise ValueError(
                f"{self.algorithm} needs whole groups of at least {least} rows of one task, got "
                f"degradation.group_rows={bank.group_rows} and data.batch_size={self.trainer.datamodule.batch_size}"
            )
        self.group_rows = bank.group_rows

    def forward_losses(self, batch: SRBatch) -> tuple[LossTerms, None]:
        pictures = zip(batch.lr.split(self.group_rows), batch.hr.split(self.group_rows), strict=True)
        directions = [
            META[self.algorithm](self.network, lr, hr, self._loss, self.inner_optimizer, self.inner_steps)
            for lr, hr in pictures
        ]
        shares = self.importance(batch.params["task"][:: self.group_rows]) / len(directions)
        outer = [
            sum(share * gradient for share, gradient in zip(shares, per_task, strict=True))
            for per_task in zip(*(direction.gradients for direction in directions), strict=True)
        ]
        value = torch.stack([direction.loss for direction in directions]).mean()
        return {"query": with_gradients(value, trained(self.network), outer)}, None

    def _loss(self, network: nn.Module, lr_B3HW: Tensor, hr_B3HW: Tensor) -> Tensor:
        return self.pixel_loss(network(lr_B3HW).float(), hr_B3HW)


def _accuracy(logits_BK: Tensor, task_B: Tensor) -> Tensor:
    return (logits_BK.argmax(1) == task_B).float().mean()


def _check_bank(degradation: object, tasks: Sequence[str]) -> None:
    """Raise unless the data are degraded by a bank of exactly these tasks."""
    if not isinstance(degradation, AuxiliaryBank):
        raise ValueError("DRTL trains on a bank of auxiliary distortions; set degradation=auxiliary")
    if degradation.names != tuple(tasks):
        odd = sorted(set(degradation.names) ^ set(tasks)) or "their order"
        raise ValueError(
            f"the relation network and degradation.tasks differ in {odd}; train the relation network on this bank "
            "(relation=auto), or give the bank that it was trained on"
        )


def _refuse_games(training: dict[str, Any]) -> None:
    """Raise if something is asked that judges pictures, where no pictures come out of the loss."""
    for name in ("adversarial", "perceptual", "output_distillation"):
        if training.get(name) is not None:
            raise ValueError(f"{name} does not go with this training; add it to drtl_pretrain or drtl_adapt")
