"""Training the sliders of a frozen network: its own pictures, edited, are what it should make where they are turned."""

from dataclasses import replace
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


class Steering(RestorationModule):
    """`pixel_loss` towards the frozen backbone's pictures, edited as far as the sliders are turned.

    Train it on `degradation=turned_sliders`. Turned down, a slider asks for the backbone's picture with that share of
    the image's blur or noise put back; turned up, for its picture of the image with less blur, or with more noise,
    which it smooths more. Nothing else is ever a target: no picture lies beyond what the backbone draws. Only the
    modulation trains. Validation measures the turned pictures against those targets.

    Args:
        network: what is trained.
        estimator_from: a trained MM-RealSR whose estimator the network takes, unless `start_from` brings one.
        training: `optimizer`, `scheduler` and what else RestorationModule takes.
    """

    network: SteeredRRDBNet

    def __init__(self, network: SteeredRRDBNet, estimator_from: str, **training: Any) -> None:
        if training.get("start_from") is None:
            network.load_state_dict(network.state_dict() | borrowed_state(network) | _estimator(network, estimator_from))
        super().__init__(network, **training)
        network.estimator.requires_grad_(False)

    def forward_losses(self, batch: SRBatch) -> tuple[LossTerms, Tensor]:
        lesson = self.lesson(batch)
        sr = self.predict_sr(lesson)
        return {"pixel": self.pixel_loss(sr, lesson.hr)}, sr

    @torch.no_grad()
    def lesson(self, batch: SRBatch) -> SRBatch:
        """What the network sees, with the `embedding` that it is told, and as `hr` the picture that it should make."""
        if batch.versions != VERSIONS:
            raise ValueError("sliders learn on three versions of each image; set degradation=turned_sliders")
        seen, edit, noiseless = by_version(batch.lr)
        base, turn_B2 = batch.params["base"], batch.params["turn"]
        embedding_B4 = self.network.embed(seen).float()
        told_B2 = told_degrees(embedding_B4[:, 2:], turn_B2)
        less_blur_B, less_noise_B = (-turn_B2).clamp(min=0).unbind(dim=1)
        picture = self.network.untouched(edit).float()
        wanted = softened(picture, base, less_blur_B) + kept_noise(seen, noiseless, less_noise_B, self.network.scale)
        told = {"embedding": torch.cat([told_B2, embedding_B4[:, 2:]], dim=1)}
        return replace(batch, lr=seen, hr=wanted, params=told, versions=(), unsharpened=None)

    def predict_sr(self, batch: SRBatch) -> Tensor:
        return self.network.restore(batch.lr, batch.params["embedding"]).float()

    def validation_step(self, batch: SRBatch, batch_idx: int) -> dict[str, Tensor]:
        lesson = self.lesson(batch)
        return super().validation_step(replace(lesson, hr=lesson.hr.clamp(0, 1)), batch_idx)


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
