"""Training KDSR: a teacher that sees HR, then a student that learns the teacher's degradation representation."""

import logging
from typing import Any, Literal

import torch
from pytorch_lightning.utilities import rank_zero_only
from torch import Tensor

from realsr_mod.data.batch import SRBatch
from realsr_mod.data.datamodule import SRDataModule
from realsr_mod.methods.base import LossTerms, SRModule
from realsr_mod.methods.kdsr.loss import DistillationLoss
from realsr_mod.methods.kdsr.network import KDSRNet
from realsr_mod.methods.kdsr.sight import degradation_share
from realsr_mod.weights.release import load_model

log = logging.getLogger(__name__)


class KDSRModule(SRModule):
    """What both stages share: a rate of its own for the encoder, and how well it tells degradation from content.

    Each validation measures `val/degradation_share` (see `sight.py`), where there is a degradation to repeat.
    A network that begins with another (`start_from`) is steered by what that one knows alone, as when it is used: a
    patch of checkerboard, of which it has seen none, makes kernels that multiply to billions, and ends the training.

    Args:
        network: what is trained.
        encoder_lr_ratio: learning rate of the encoder over the restorer's. A dozen layers without normalisation end in
            kernels that multiply: in a long training at a high rate, one step of all of them together can explode.
        freeze_encoder: leave the representation as it is (`start_from`) and train the restorer alone.
        training: `optimizer`, `scheduler` and what else SRModule takes.
    """

    network: KDSRNet

    def __init__(
        self, network: KDSRNet, encoder_lr_ratio: float = 1.0, freeze_encoder: bool = False, **training: Any
    ) -> None:
        super().__init__(network, **training)
        network.embedding_range = self.range_at_start
        self.encoder_lr_ratio = encoder_lr_ratio
        if freeze_encoder:
            network.encoder.requires_grad_(False)

    def parameter_groups(self) -> list[dict[str, Any]]:
        encoder = {id(parameter) for parameter in self.network.encoder.parameters()}
        trained = list(self.trainable_parameters())
        groups: list[dict[str, Any]] = [
            {"params": [p for p in trained if id(p) not in encoder]},
            {"params": [p for p in trained if id(p) in encoder], "lr_ratio": self.encoder_lr_ratio},
        ]
        return [group for group in groups if group["params"]]

    def on_validation_epoch_start(self) -> None:
        share = self.measured_share(self.network)
        if share is not None:
            self.log("val/degradation_share", share)

    def measured_share(self, network: KDSRNet) -> float | None:
        """What of `network`'s representation degradation explains on the validation photos; None with real pairs."""
        datamodule = getattr(self.trainer, "datamodule", None)
        if not isinstance(datamodule, SRDataModule) or not datamodule.can_repeat_degradations:
            return None
        return degradation_share(network, datamodule.repeated_degradations(datamodule.val_files[:8], self.device))


class KDSRTeacher(KDSRModule):
    """Stage 1: L1 on a network whose encoder reads LR and HR (`network.sees_hr=true`)."""

    def __init__(self, network: KDSRNet, **training: Any) -> None:
        super().__init__(network, **training)
        if not network.sees_hr:
            raise ValueError("a KDSR teacher reads HR as well; set network.sees_hr=true")

    def forward_losses(self, batch: SRBatch) -> tuple[LossTerms, Tensor]:
        sr = self.predict_sr(batch)
        return {"pixel": self.pixel_loss(sr, batch.hr)}, sr


class KDSRStudent(KDSRModule):
    """Stage 2: L1, and KL between the student's and a frozen teacher's representations.

    Args:
        network: the student.
        teacher: path of a released teacher; None trains the same network without distillation.
        distillation_weight: weight of the KL term.
        temperature: softens both representations.
        warmup_steps: first steps in which only the encoder trains, on the KL term alone.
        initialize_from_teacher: what of the teacher's weights the student begins with, wherever shapes agree and
            unless `start_from` is given: "restorer", as the released program does in effect; "all"; or None.
        least_teacher_share: a teacher of whose representation degradation explains less is warned of at the start.
        training: `encoder_lr_ratio`, `optimizer`, `scheduler` and what else KDSRModule takes.
    """

    def __init__(
        self,
        network: KDSRNet,
        teacher: str | None,
        distillation_weight: float = 1.0,
        temperature: float = 0.15,
        warmup_steps: int = 0,
        initialize_from_teacher: Literal["restorer", "all"] | None = "restorer",
        least_teacher_share: float = 0.1,
        **training: Any,
    ) -> None:
        super().__init__(network, **training)
        if teacher is None and warmup_steps:
            raise ValueError(f"warmup_steps={warmup_steps} trains on the teacher alone; give method.teacher, or set 0")
        if initialize_from_teacher not in ("restorer", "all", None):
            raise ValueError(f"initialize_from_teacher must be restorer, all or null, got {initialize_from_teacher!r}")
        self.least_teacher_share = least_teacher_share
        self.teacher_share: float | None = None  # measured when the training starts
        self.distillation_loss = DistillationLoss(temperature)
        self.distillation_weight = distillation_weight
        self.warmup_steps = warmup_steps
        self.teacher = None if teacher is None else self._load_teacher(teacher)
        if self.teacher is not None and training.get("start_from") is None:
            if initialize_from_teacher == "all":
                copy_matching_weights(self.teacher, self.network)
            elif initialize_from_teacher == "restorer":
                copy_matching_weights(self.teacher.restorer, self.network.restorer)

    def _load_teacher(self, path: str) -> KDSRNet:
        teacher = load_model(path)
        if not isinstance(teacher, KDSRNet) or not teacher.sees_hr:
            raise ValueError(f"{path} is not a KDSR teacher; train one with experiment=kdsr_teacher")
        if (teacher.scale, teacher.embedding_dim) != (self.network.scale, self.network.embedding_dim):
            raise ValueError(
                f"the teacher at {path} has scale {teacher.scale} and {teacher.embedding_dim} channels, the student "
                f"scale {self.network.scale} and {self.network.embedding_dim}; both must agree to distil"
            )
        return teacher.requires_grad_(False)

    @property
    def trains_in_parts(self) -> bool:
        return self.warmup_steps > 0

    def on_fit_start(self) -> None:
        super().on_fit_start()
        if self.teacher is not None:
            self.teacher_share = self.measured_share(self.teacher)
        if self.teacher_share is not None:
            report_teacher(self.teacher_share, self.least_teacher_share)

    def on_validation_epoch_start(self) -> None:
        super().on_validation_epoch_start()
        if self.teacher_share is not None:
            self.log("val/teacher_degradation_share", self.teacher_share)

    def train(self, mode: bool = True) -> "KDSRStudent":
        super().train(mode)
        if self.teacher is not None:
            self.teacher.eval()
        return self

    def forward_losses(self, batch: SRBatch) -> tuple[LossTerms, Tensor | None]:
        idr, distilled = self.network.encode(batch.lr)
        terms: LossTerms = {}
        if self.teacher is not None:
            with torch.no_grad():
                target = self.teacher.encode(batch.lr, batch.hr)[1]
            terms["distillation"] = self.distillation_weight * self.distillation_loss(distilled, target)
        if batch.step < self.warmup_steps:
            return terms, None
        sr = self.network.restore(batch.lr, self.network.inside(idr)).float()
        return terms | {"pixel": self.pixel_loss(sr, batch.hr)}, sr


@rank_zero_only
def report_teacher(share: float, least: float) -> None:
    """Say how much of a teacher's representation degradation explains, and warn where that is less than `least`."""
    log.info("degradation explains %.1f %% of the teacher's representation", 100 * share)
    if share < least:
        log.warning(
            "this teacher cannot teach: degradation explains %.1f %% of how its representation varies over the "
            "validation photos, and content nearly all the rest (method.least_teacher_share=%g). Train it longer, or "
            "with network.teacher_input=difference; or train without a teacher: teacher=null",
            100 * share,
            least,
        )


def copy_matching_weights(source: torch.nn.Module, target: torch.nn.Module) -> list[str]:
    """Copy every tensor that both modules have under one name and shape; returns the names left as they were."""
    given = source.state_dict()
    state = target.state_dict()
    matching = {key: given[key] for key, value in state.items() if key in given and given[key].shape == value.shape}
    target.load_state_dict(state | matching)
    return sorted(state.keys() - matching.keys())
