"""Training MM-RealSR: degrees that are learned by order alone, pinned by anchors, and steer the restorer."""

from typing import Any

from pytorch_lightning.utilities import rank_zero_warn
from torch import Tensor

from realsr_mod.data.batch import SRBatch
from realsr_mod.methods.base import LossTerms, SRModule
from realsr_mod.methods.mmrealsr.loss import CollapseWatch, RankingLoss, anchor_loss, crosstalk_loss
from realsr_mod.methods.mmrealsr.network import DEGREES, MMRealSRNet
from realsr_mod.methods.mmrealsr.noise_pair import PAIR, keep_noise
from realsr_mod.methods.mmrealsr.quintuple import ROLES, by_role, pin_anchors

WORSE = {"blur": "blurrier", "noise": "noisier"}  # which version a degree must place above the base


class MMRealSR(SRModule):
    """L1 over five versions of each image, ranking of (base, blurrier) and (base, noisier), and anchors.

    Train it on `degradation=quintuple`. Stage 2 (`freeze_estimator`, from a trained model) leaves the degrees as they
    are and trains the restorer alone, usually against a discriminator. Any other degradation will do then, but without
    anchors the restorer comes to rely on the image alone, and the noise slider loses its reach;
    `degradation=noise_pair` gives it more than it had.

    Args:
        network: what is trained.
        ranking_weight: weight of each ranking loss. The authors warn that a large one saturates the sigmoids.
        margin: by how much the degree of the worse image must be higher.
        anchor_weight: weight of the anchors' squared distances from 0 and 1.
        crosstalk_weight: weight of the change of the noise degree under blur, and of the blur degree under noise. The
            paper has no such term (0).
        degrees_lr_ratio: learning rate of the estimator and the modulation over the restorer's. At the rate that a
            small restorer needs, sigmoids saturate and the modulation's wide layers die.
        freeze_estimator: train the restorer alone, on the estimates as they are.
        collapse_steps: warn when a ranking loss stays at its margin for so many steps.
        training: `optimizer`, `scheduler` and what else SRModule takes.
    """

    network: MMRealSRNet

    def __init__(
        self,
        network: MMRealSRNet,
        ranking_weight: float = 0.01,
        margin: float = 0.05,
        anchor_weight: float = 1e-4,
        crosstalk_weight: float = 0.0,
        degrees_lr_ratio: float = 1.0,
        freeze_estimator: bool = False,
        collapse_steps: int = 500,
        **training: Any,
    ) -> None:
        super().__init__(network, **training)
        self.ranking_weight = ranking_weight
        self.anchor_weight = anchor_weight
        self.crosstalk_weight = crosstalk_weight
        self.ranking_loss = RankingLoss(margin)
        self.degrees_lr_ratio = degrees_lr_ratio
        self.freeze_estimator = freeze_estimator
        self.collapse_watch = CollapseWatch(margin, collapse_steps)
        network.estimator.requires_grad_(not freeze_estimator)

    def parameter_groups(self) -> list[dict[str, Any]]:
        restorer = list(self.network.restorer.parameters())
        theirs = {id(parameter) for parameter in restorer}
        of_degrees = [parameter for parameter in self.trainable_parameters() if id(parameter) not in theirs]
        return [{"params": restorer}, {"params": of_degrees, "lr_ratio": self.degrees_lr_ratio}]

    def forward_losses(self, batch: SRBatch) -> tuple[LossTerms, Tensor]:
        if batch.versions != ROLES and not self.freeze_estimator:
            raise ValueError("MM-RealSR learns degrees on five versions of each image; set degradation=quintuple")
        degrees = self.network.embed(batch.lr).float()
        if batch.versions != ROLES:
            sr = self.restore_by_estimates(batch, degrees)
            return {"pixel": self.pixel_loss(sr, batch.hr)}, sr
        sr = self.network.restore(batch.lr, pin_anchors(degrees)).float()
        terms = {"pixel": self.pixel_loss(sr, batch.hr)}
        roles = by_role(degrees)
        self.log_degrees("train", roles)
        if self.freeze_estimator:
            return terms, sr
        rankings = {
            name: self.ranking_loss(roles["base"][:, i], roles[WORSE[name]][:, i]) for i, name in enumerate(DEGREES)
        }
        self.warn_of_collapse(rankings)
        terms |= {f"ranking_{name}": self.ranking_weight * ranking for name, ranking in rankings.items()}
        terms["anchors"] = self.anchor_weight * anchor_loss(roles["clean"], roles["worst"])
        if self.crosstalk_weight:
            crosstalk = crosstalk_loss(roles["base"], roles["blurrier"], roles["noisier"])
            terms["crosstalk"] = self.crosstalk_weight * crosstalk
        return terms, sr

    def restore_by_estimates(self, batch: SRBatch, degrees: Tensor) -> Tensor:
        """Restore. Of noise pairs the restorer is told to keep some noise; what is judged is the result without it."""
        if batch.versions != PAIR:
            return self.network.restore(batch.lr, degrees).float()
        told, noise = keep_noise(batch.lr, degrees, batch.params["kept"], self.network.scale)
        return self.network.restore(batch.lr, told).float() - noise

    def validation_step(self, batch: SRBatch, batch_idx: int) -> dict[str, Tensor]:
        """Measure the base version; of a quintuple, log the degrees of all versions too."""
        if batch.versions == ROLES:
            roles = by_role(self.network.embed(batch.lr).float())
            self.log_degrees("val", roles)
            for i, name in enumerate(DEGREES):
                in_order = roles["base"][:, i] < roles[WORSE[name]][:, i]
                self.log(f"val/{name}_in_order", in_order.float().mean(), batch_size=len(in_order), sync_dist=True)
            batch = batch.only("base")
        elif batch.versions == PAIR:
            batch = batch.only("drawn")
        return super().validation_step(batch, batch_idx)

    def log_degrees(self, stage: str, roles: dict[str, Tensor]) -> None:
        """Log the mean degree of every version: the anchors belong at 0 and 1, the others between, in order."""
        for i, name in enumerate(DEGREES):
            means = {f"{stage}/{name}_of_{role}": roles[role][:, i].detach().mean() for role in ROLES}
            self.log_dict(means, batch_size=len(roles["base"]), sync_dist=stage == "val")

    def warn_of_collapse(self, rankings: dict[str, Tensor]) -> None:
        """Say which degree, if any, has stopped to tell images apart."""
        for name in self.collapse_watch.update(rankings):
            rank_zero_warn(
                f"the {name} ranking has stayed at its margin for {self.collapse_watch.patience_steps} steps: the "
                f"estimator gives both images of a pair the same {name} degree (collapse). Try a lower or higher "
                "method.optimizer.lr, another seed, or a higher method.ranking_weight; the anchors' degrees are in "
                "metrics.csv"
            )
