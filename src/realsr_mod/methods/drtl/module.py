"""Training DRTL: the relation network, then restoration in which every auxiliary task counts by its relation.

Legend: B batch, K auxiliary tasks, H and W the low-resolution size, s the scale.
"""

from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from realsr_mod.data.batch import SRBatch
from realsr_mod.methods.base import LossTerms, RestorationModule, SRModule, TrainingModule
from realsr_mod.methods.drtl.meta import OptimizerFactory, maml_direction, reptile_direction, trained, with_gradients
from realsr_mod.methods.drtl.network import RelationNetwork
from realsr_mod.methods.drtl.weighting import SupportFactory, TaskWeighting, checked_bank, data_of
from realsr_mod.networks.base import SRNetwork

META = {"maml": maml_direction, "reptile": reptile_direction}


class RelationTraining(TrainingModule):
    """Teach the relation network to tell the auxiliary distortions apart: softmax over cosine / temperature."""

    network: RelationNetwork

    def on_fit_start(self) -> None:
        super().on_fit_start()
        checked_bank(data_of(self).degradation, self.network.tasks)

    def forward_losses(self, batch: SRBatch) -> tuple[LossTerms, None]:
        logits = self.network.logits(self.network.embed(batch.lr).float())
        self.log("train/accuracy", _accuracy(logits, batch.params["task"]), batch_size=len(batch))
        return {"classification": F.cross_entropy(logits, batch.params["task"])}, None

    def validation_step(self, batch: SRBatch, batch_idx: int) -> None:
        """How often the nearest vector of the memory is the right one; guessing gives 1/K."""
        logits = self.network.logits(self.network.embed(batch.lr).float())
        self.log("val/accuracy", _accuracy(logits, batch.params["task"]), batch_size=len(batch), sync_dist=True)


class WeightedPretraining(SRModule):
    """Pre-training along g = sum_k w_k grad L_k. Without a relation it is plain training, on any degradation.

    Args:
        network: what is trained.
        relation, pairs, weight_temperature, draw, support: see `TaskWeighting`.
        training: `optimizer`, `scheduler` and what else SRModule takes.
    """

    def __init__(
        self,
        network: SRNetwork,
        relation: str | None,
        pairs: str | None,
        weight_temperature: float = 0.2,
        draw: Literal["by_weight", "evenly"] = "by_weight",
        support: SupportFactory | None = None,
        **training: Any,
    ) -> None:
        super().__init__(network, **training)
        self.weighting = TaskWeighting(network.scale, relation, pairs, weight_temperature, draw, support)

    def on_fit_start(self) -> None:
        super().on_fit_start()
        self.weighting.prepare(data_of(self).degradation)

    def on_train_start(self) -> None:
        self.weighting.measure(self)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        self.weighting.save(checkpoint)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        self.weighting.load(checkpoint)

    def forward_losses(self, batch: SRBatch) -> tuple[LossTerms, Tensor]:
        sr = self.network(batch.lr).float()
        if self.weighting.weights is None:
            return {"pixel": self.pixel_loss(sr, batch.hr)}, sr
        loss_B = torch.stack([self.pixel_loss(*row) for row in zip(sr, batch.hr, strict=True)])
        return {"pixel": (self.weighting.importance(batch.params["task"]) * loss_B).mean()}, sr


class MetaLearning(RestorationModule):
    """First-order MAML or Reptile: per task a few inner steps, and an outer update weighted by the task's relation.

    Rows of one task come in groups (`degradation.group_rows`); a batch holds as many tasks as groups. The outer
    update is the optimizer's step along sum_k w_k g_k; with plain SGD and Reptile that is
    theta + lr sum_k w_k (theta_k - theta).

    Args:
        network: what is trained; the model that comes out is made to be fine-tuned.
        algorithm: `maml` or `reptile`.
        inner_optimizer: partial of a torch optimizer, begun anew for every task.
        inner_steps: MAML takes them on the first half of a group, Reptile one on each of so many parts of it.
        relation, pairs, weight_temperature, draw, support: see `TaskWeighting`.
        training: `optimizer`, `scheduler` and what else RestorationModule takes.
    """

    def __init__(
        self,
        network: SRNetwork,
        algorithm: Literal["maml", "reptile"],
        inner_optimizer: OptimizerFactory,
        inner_steps: int,
        relation: str | None,
        pairs: str | None,
        weight_temperature: float = 0.2,
        draw: Literal["by_weight", "evenly"] = "by_weight",
        support: SupportFactory | None = None,
        **training: Any,
    ) -> None:
        super().__init__(network, **training)
        if algorithm not in META:
            raise ValueError(f"algorithm must be one of {', '.join(META)}, got {algorithm!r}")
        if inner_steps < 1:
            raise ValueError(f"inner_steps must be at least 1, got {inner_steps}")
        self.algorithm, self.inner_optimizer, self.inner_steps = algorithm, inner_optimizer, inner_steps
        self.weighting = TaskWeighting(network.scale, relation, pairs, weight_temperature, draw, support)
        self.group_rows = 0  # the bank's, once it is known

    def on_fit_start(self) -> None:
        super().on_fit_start()
        data = data_of(self)
        self.group_rows = self.checked_group_rows(data.degradation, data.batch_size)
        self.weighting.prepare(data.degradation)

    def on_train_start(self) -> None:
        self.weighting.measure(self)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        self.weighting.save(checkpoint)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.weighting.load(checkpoint)

    def checked_group_rows(self, bank: object, batch_size: int) -> int:
        """How many rows of one task come together. Raises a ValueError if the data are not made for this algorithm."""
        rows = checked_bank(bank).group_rows
        least = 2 if self.algorithm == "maml" else self.inner_steps
        if rows < least or batch_size % rows:
            raise ValueError(
                f"{self.algorithm} needs whole groups of at least {least} rows of one task, got "
                f"degradation.group_rows={rows} and data.batch_size={batch_size}"
            )
        return rows

    def forward_losses(self, batch: SRBatch) -> tuple[LossTerms, None]:
        groups = zip(batch.lr.split(self.group_rows), batch.hr.split(self.group_rows), strict=True)
        directions = [
            META[self.algorithm](self.network, lr, hr, self._loss, self.inner_optimizer, self.inner_steps)
            for lr, hr in groups
        ]
        shares = self.weighting.importance(batch.params["task"][:: self.group_rows]) / len(directions)
        outer = [
            sum(share * gradient for share, gradient in zip(shares, per_task, strict=True))
            for per_task in zip(*(direction.gradients for direction in directions), strict=True)
        ]
        value = torch.stack([direction.loss for direction in directions]).mean()
        return {"query": with_gradients(value, trained(self.network), outer)}, None

    def _loss(self, network: nn.Module, lr_B3HW: Tensor, hr_B3HW: Tensor) -> Tensor:
        loss: Tensor = self.pixel_loss(network(lr_B3HW).float(), hr_B3HW)
        return loss


def _accuracy(logits_BK: Tensor, task_B: Tensor) -> Tensor:
    return (logits_BK.argmax(1) == task_B).float().mean()
