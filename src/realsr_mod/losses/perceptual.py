"""Perceptual loss: L1 distance of VGG19 features (arXiv 1603.08155, with ESRGAN's layers before the ReLU)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from realsr_mod.losses.vgg import VGG19Features, load_vgg19


class PerceptualLoss:
    """Sum over layers of weight · L1(features of sr, features of hr), for RGB images in [0, 1].

    Deliberately no `nn.Module`: nothing in it trains, so no checkpoint, weight average or data-parallel group should
    carry its 80 MB. The features go to the images' device by themselves.

    Args:
        layers: layer name to its weight, for example `{conv3_4: 1, conv5_4: 1}`.
        weights: path or URL of VGG19's weights.
        sha256: what the weights file's SHA-256 must begin with.

    Raises:
        FileNotFoundError, ValueError: see `load_vgg19`; there is no fallback to random features.
    """

    def __init__(self, layers: Mapping[str, float], weights: str | Path | None, sha256: str) -> None:
        self.layer_weights = dict(layers)
        self.vgg = VGG19Features(self.layer_weights, load_vgg19(weights, sha256))

    def __call__(self, sr_B3HW: Tensor, hr_B3HW: Tensor) -> Tensor:
        vgg = self.vgg.to(sr_B3HW.device)
        with torch.autocast(sr_B3HW.device.type, enabled=False):  # distances of features are small numbers
            found, wanted = vgg(sr_B3HW.float()), vgg(hr_B3HW.detach().float())
        distances = [weight * F.l1_loss(found[name], wanted[name]) for name, weight in self.layer_weights.items()]
        return sum(distances, start=sr_B3HW.new_zeros(()))

    def __deepcopy__(self, memo: dict[int, Any]) -> "PerceptualLoss":
        return self
