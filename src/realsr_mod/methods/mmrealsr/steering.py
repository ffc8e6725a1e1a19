"""Training the sliders of a frozen network: its own pictures, edited, are what it should make where they are turned."""

from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from realsr_mod.data.batch import SRBatch
from realsr_mod.degradations.base import stack_rows
from realsr_mod.methods.base import LossTerms, RestorationModule
from realsr_mod.methods.mmrealsr.network import DEGREES
from realsr_mod.methods.mmrealsr.steered import SteeredRRDBNet
from realsr_mod.methods.mmrealsr.turns import VERSIONS, by_version, kept_noise, told_degrees, with_blur
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
    the image's blur or noise put back; turned up, for its picture sharpened by as much, or for that of the image with
    more noise, which it smooths more. No truth is ever a target. Only the network beside the backbone trains.
    Validation measures the turned pictures against those targets.

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
        """What a batch teaches: of each image under its `turn`, and again under `down`, which takes no other picture.

        The backbone looks at each image once, and at the noisier ones where noise is turned up.
        """
        if batch.versions != VERSIONS:
            raise ValueError("sliders learn on three versions of each image; set degradation=turned_sliders")
        seen, noisier, noiseless = by_version(batch.lr)
        params, noise = batch.params, DEGREES.index("noise")
        is_up_B = params["turn"][:, noise] > 0
        features, pictures = self.network.untouched(torch.cat([seen, noisier[is_up_B]]))
        own, smoother = pictures.float().split([len(seen), int(is_up_B.sum())])
        pictures = torch.cat([own, own])
        pictures[: len(own)][is_up_B] = smoother
        turn = torch.cat([params["turn"], params["down"]])
        wanted = with_blur(pictures, stack_rows([params["base"]] * 2), turn[:, 1 - noise])
        left = (-turn[:, noise]).clamp(min=0)
        wanted += kept_noise(seen.repeat(2, 1, 1, 1), noiseless.repeat(2, 1, 1, 1), left, self.network.scale)
        estimated = self.network.embed(seen)[:, len(DEGREES) :].float().repeat(2, 1)
        embedding = torch.cat([told_degrees(estimated, turn), estimated], dim=1)
        features = features[: len(seen)].repeat(2, 1, 1, 1)
        return Lesson(seen.repeat(2, 1, 1, 1), features, own.repeat(2, 1, 1, 1), embedding, wanted)

    def turned(self, lesson: Lesson) -> Tensor:
        """What the network makes of a lesson, (B, 3, sH, sW)."""
        return self.network.steer(lesson.lr, lesson.features, lesson.own, lesson.embedding).float()

    def predict_sr(self, batch: SRBatch) -> Tensor:
        return self.network.restore(batch.lr, batch.params["embedding"]).float()

    def validation_step(self, batch: SRBatch, batch_idx: int) -> dict[str, Tensor]:
        """Measure the turned pictures; `val/left` is their squared error over that of the backbone's own."""
        lesson = self.lesson(batch)
        left = F.mse_loss(self.turned(lesson), lesson.wanted) / F.mse_loss(lesson.own, lesson.wanted)
        self.log("val/left", left, batch_size=len(lesson.lr), sync_dist=True)
        params = {"embedding": lesson.embedding}
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
