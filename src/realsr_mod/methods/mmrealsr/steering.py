"""Training the sliders of a frozen network: its own pictures, edited, are what it should make where they are turned."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from realsr_mod.data.batch import SRBatch
from realsr_mod.methods.base import LossTerms, RestorationModule
from realsr_mod.methods.mmrealsr.steered import SteeredRRDBNet
from realsr_mod.methods.mmrealsr.turns import VERSIONS, by_version, kept_noise, softened, told_degrees
from realsr_mod.weights.borrowed import borrowed_state
from realsr_mod.weights.release import load_model

ESTIMATOR = "estimator."


@dataclass
class Lesson:
    """What the network sees and is told of B images, and what it should make of them.

    C and D as in `SteeredRRDBNet`, s the scale.
    """

    lr: Tensor  # (B, 3, H, W)
    features: Tensor  # (B, C, H, W), the backbone's
    own: Tensor  # (B, 3, sH, sW), the backbone's image
    embedding: Tensor  # (B, 2D): told degrees, estimated ones
    wanted: Tensor  # (B, 3, sH, sW)


class Steering(RestorationModule):
    """`pixel_loss` towards the frozen backbone's pictures, edited as far as the sliders are turned.

    Train it on `degradation=turned_sliders`. Turned down, a slider asks for the backbone's picture with that share of
    the image's blur or noise put back; turned up, for its picture of the image with less blur, or with more noise,
    which it smooths more. Nothing else is ever a target: no picture lies beyond what the backbone draws. Only the
    network beside the backbone trains. Validation measures the turned pictures against those targets.

    Args:
        network: what is trained.
        estimator_from: a trained MM-RealSR whose estimator the network takes, unless `start_from` brings one.
        training: `optimizer`, `scheduler` and what else RestorationModule takes.
    """

    network: SteeredRRDBNet

    def __init__(self, network: SteeredRRDBNet, estimator_from: str, **training: Any) -> None:
        if training.get("start_from") is None:
            estimator = _estimator(network, estimator_from)
            network.load_state_dict(network.state_dict() | borrowed_state(network) | estimator)
        super().__init__(network, **training)
        network.estimator.requires_grad_(False)

    def forward_losses(self, batch: SRBatch) -> tuple[LossTerms, Tensor]:
        lesson = self.lesson(batch)
        sr = self.turned(lesson)
        return {"pixel": self.pixel_loss(sr, lesson.wanted)}, sr

    @torch.no_grad()
    def lesson(self, batch: SRBatch) -> Lesson:
        """What a batch teaches; the backbone looks at each image, and at the edits of those that are turned up."""
        if batch.versions != VERSIONS:
            raise ValueError("sliders learn on three versions of each image; set degradation=turned_sliders")
        seen, edit, noiseless = by_version(batch.lr)
        base, turn_B2 = batch.params["base"], batch.params["turn"]
        estimated_B2 = self.network.embed(seen)[:, 2:].float()
        is_up_B = (turn_B2 > 0).any(dim=1)
        features, pictures = self.network.untouched(torch.cat([seen, edit[is_up_B]]))
        own, edited = pictures.float().split([len(seen), int(is_up_B.sum())])
        wanted = own.clone()
        wanted[is_up_B] = edited
        less_blur_B, less_noise_B = (-turn_B2).clamp(min=0).unbind(dim=1)
        wanted = softened(wanted, base, less_blur_B) + kept_noise(seen, noiseless, less_noise_B, self.network.scale)
        embedding_B4 = torch.cat([told_degrees(estimated_B2, turn_B2), estimated_B2], dim=1)
        return Lesson(seen, features[: len(seen)], own, embedding_B4, wanted)

    def turned(self, lesson: Lesson) -> Tensor:
        """What the network makes of a lesson, (B, 3, sH, sW)."""
        return self.network.steer(lesson.lr, lesson.features, lesson.own, lesson.embedding).float()

    def predict_sr(self, batch: SRBatch) -> Tensor:
        return self.network.restore(batch.lr, batch.params["embedding"]).float()

    def validation_step(self, batch: SRBatch, batch_idx: int) -> dict[str, Tensor]:
        """Measure the turned pictures; `val/left` is their distance from the targets over the backbone's own one."""
        lesson = self.lesson(batch)
        left = self.pixel_loss(self.turned(lesson), lesson.wanted) / self.pixel_loss(lesson.own, lesson.wanted)
        self.log("val/left", left, batch_size=len(lesson.lr), sync_dist=True)
        params = batch.params | {"embedding": lesson.embedding}
        judged = replace(batch, lr=lesson.lr, hr=lesson.wanted.clamp(0, 1), params=params, versions=())
        return super().validation_step(replace(judged, unsharpened=None), batch_idx)


def _estimator(network: SteeredRRDBNet, source: str) -> dict[str, Tensor]:
    """The estimator's tensors out of a trained MM-RealSR. Raises ValueError if they do not fit."""
    found = {key: value for key, value in load_model(source).state_dict().items() if key.startswith(ESTIMATOR)}
    own = {key: value.shape for key, value in network.state_dict().items() if key.startswith(ESTIMATOR)}
    if own != {key: value.shape for key, value in found.items()}:
        raise ValueError(
            f"{source}: has no estimator of this network's size; give an MM-RealSR that was trained with these "
            "network.estimator_widths, estimator_blocks and estimator_downscales"
        )
    return found
