"""LPIPS (arXiv 1801.03924) and DISTS (arXiv 2004.07728): distances of deep features that were fitted to people's votes.

torchmetrics carries what was fitted; the networks below it, AlexNet and VGG16 as torchvision trained them, come from a
file. No torchvision is needed. Legend: B batch, C channels.
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
import torchmetrics.functional.image as torchmetrics_image
from torch import Tensor

from realsr_mod.losses.vgg import IMAGENET_MEAN, IMAGENET_STD
from realsr_mod.weights.state import read_checkpoint

# What each metric's network is called where it is published; the end of the name begins the file's SHA-256.
NETWORK_FILES = {"lpips": "alexnet-owt-7be5be79.pth", "dists": "vgg16-397923af.pth"}
_FITTED = Path(torchmetrics_image.__file__).parent
_SHIFT, _SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)  # of LPIPS, for images in [-1, 1]
_ALEXNET = ((0, 4, 2), (3, 1, 2), (6, 1, 1), (8, 1, 1), (10, 1, 1))  # place in `features`, stride, padding
_POOLED = (3, 6)  # what a max-pool stands before
_VGG16 = ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28))  # places of the convolutions of each stage
_STABLE = 1e-6


def network_weights(metric: str, file: str | None) -> dict[str, Tensor]:
    """The weights of the network below a metric: of `file`, or of torch's own cache if it has been downloaded there.

    Raises ValueError, with what to do, where neither is there, or where it is another file.
    """
    name = NETWORK_FILES[metric]
    path = Path(file).expanduser() if file else Path(torch.hub.get_dir()) / "checkpoints" / name
    if not path.is_file():
        raise ValueError(
            f"metrics=[{metric}] needs torchvision's {name}, which is not at {path}; give it by "
            f"metric_weights.{metric}=FILE"
        )
    with path.open("rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    expected = name.rpartition("-")[2].removesuffix(".pth")
    if not digest.startswith(expected):
        raise ValueError(f"{path}: SHA-256 begins with {digest[:8]}, that of {name} with {expected}; fetch it again")
    return {key: value.float() for key, value in read_checkpoint(path).items() if key.startswith("features.")}


def _fitted(name: str) -> dict[str, Tensor]:
    """What torchmetrics carries: pickled by an old Python, so in a form that files of strangers may not have."""
    content: dict[str, Tensor] = torch.load(_FITTED / name, map_location="cpu", weights_only=True)
    return content


class LPIPS:
    """LPIPS of RGB images in [0, 1] over AlexNet, as papers report it: (B, 3, H, W) twice, to (B,). 0 is equal.

    Args:
        network: AlexNet's weights, see `network_weights`.
    """

    def __init__(self, network: Mapping[str, Tensor]) -> None:
        self.network = network
        fitted = _fitted("lpips_models/alex.pth")
        self.weights = [fitted[f"lin{i}.model.1.weight"] for i in range(len(_ALEXNET))]

    @torch.no_grad()
    def __call__(self, sr_B3HW: Tensor, hr_B3HW: Tensor) -> Tensor:
        distance = sr_B3HW.new_zeros(len(sr_B3HW))
        for weight, a, b in zip(self.weights, self._features(sr_B3HW), self._features(hr_B3HW), strict=True):
            difference = (_unit(a) - _unit(b)).square()
            distance = distance + F.conv2d(difference, weight.to(difference)).mean((1, 2, 3))
        return distance

    def _features(self, x_B3HW: Tensor) -> list[Tensor]:
        x = (2 * x_B3HW - 1 - _per_channel(_SHIFT, x_B3HW)) / _per_channel(_SCALE, x_B3HW)
        found = []
        for place, stride, padding in _ALEXNET:
            if place in _POOLED:
                x = F.max_pool2d(x, 3, 2)
            x = _convolved(x, self.network, place, stride, padding)
            found.append(x)
        return found


class DISTS:
    """DISTS of RGB images in [0, 1] over VGG16: (B, 3, H, W) twice, to (B,). 0 is equal; texture may be another one.

    Args:
        network: VGG16's weights, see `network_weights`.
    """

    def __init__(self, network: Mapping[str, Tensor]) -> None:
        self.network = network
        fitted = _fitted("dists_models/weights.pt")
        total = fitted["alpha"].sum() + fitted["beta"].sum()
        self.of_means, self.of_structure = (fitted[name].flatten() / total for name in ("alpha", "beta"))

    @torch.no_grad()
    def __call__(self, sr_B3HW: Tensor, hr_B3HW: Tensor) -> Tensor:
        means, structures = [], []
        for a, b in zip(self._features(sr_B3HW), self._features(hr_B3HW), strict=True):
            mean_a, mean_b = (x.mean((2, 3), keepdim=True) for x in (a, b))
            variance_a, variance_b = ((x - mean).square().mean((2, 3)) for x, mean in ((a, mean_a), (b, mean_b)))
            covariance = (a * b).mean((2, 3)) - (mean_a * mean_b)[..., 0, 0]
            product, squares = (mean_a * mean_b)[..., 0, 0], (mean_a.square() + mean_b.square())[..., 0, 0]
            means.append((2 * product + _STABLE) / (squares + _STABLE))
            structures.append((2 * covariance + _STABLE) / (variance_a + variance_b + _STABLE))
        of_means, of_structure = (weight.to(sr_B3HW) for weight in (self.of_means, self.of_structure))
        alike: Tensor = torch.cat(means, 1) @ of_means + torch.cat(structures, 1) @ of_structure
        return 1 - alike

    def _features(self, x_B3HW: Tensor) -> list[Tensor]:
        found = [x_B3HW]
        x = (x_B3HW - _per_channel(IMAGENET_MEAN, x_B3HW)) / _per_channel(IMAGENET_STD, x_B3HW)
        for stage, places in enumerate(_VGG16):
            if stage:
                x = _pooled(x)
            for place in places:
                x = _convolved(x, self.network, place, 1, 1)
            found.append(x)
        return found


def _convolved(x: Tensor, network: Mapping[str, Tensor], place: int, stride: int, padding: int) -> Tensor:
    weight, bias = (network[f"features.{place}.{kind}"].to(x) for kind in ("weight", "bias"))
    return F.relu(F.conv2d(x, weight, bias, stride=stride, padding=padding))


def _pooled(x_BCHW: Tensor) -> Tensor:
    """DISTS' pooling: the root of a blurred square, every second pixel."""
    line = torch.tensor([0.5, 1.0, 0.5]).to(x_BCHW)
    window = torch.outer(line, line) / line.sum() ** 2
    channels = x_BCHW.shape[1]
    blurred = F.conv2d(x_BCHW.square(), window.expand(channels, 1, 3, 3), stride=2, padding=1, groups=channels)
    return (blurred + 1e-12).sqrt()


def _unit(x_BCHW: Tensor) -> Tensor:
    return x_BCHW / (1e-8 + x_BCHW.square().sum(1, keepdim=True)).sqrt()


def _per_channel(values: tuple[float, float, float], like: Tensor) -> Tensor:
    return torch.tensor(values).to(like).view(1, 3, 1, 1)
