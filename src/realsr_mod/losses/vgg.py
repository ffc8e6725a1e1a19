"""VGG19's features (arXiv 1409.1556), for the perceptual loss. The weights are fixed and come from a file.

Legend: B batch, C channels, H height, W width.
"""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from realsr_mod.weights.state import read_checkpoint

STAGES = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))  # (channels, convolutions), with a max-pool in between
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def layer_names() -> list[str]:
    """conv1_1, conv1_2, conv2_1 … conv5_4, in the network's order."""
    return [f"conv{stage + 1}_{i + 1}" for stage, (_, convs) in enumerate(STAGES) for i in range(convs)]


def _torchvision_index(name: str) -> int:
    """Where torchvision's `features` has this convolution: conv, ReLU, conv, ReLU, pool and so on."""
    names = layer_names()
    return 2 * names.index(name) + int(name[4]) - 1


class VGG19Features(nn.Module):
    """Outputs of chosen convolutions of VGG19, before their ReLU. Layers after the deepest one asked for are not built.

    Its weights are buffers that no checkpoint holds: nothing trains them, and 80 MB need not be saved again and again.

    Args:
        layers: names such as conv3_4.
        weights: a state dict in torchvision's layout (`features.0.weight` …), see `load_vgg19`.

    Raises:
        ValueError: an unknown layer, or weights that do not fit.
    """

    mean_1311: Tensor
    std_1311: Tensor

    def __init__(self, layers: Iterable[str], weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        names = layer_names()
        self.layers = sorted(layers)  # the names sort in the network's order
        unknown = [name for name in self.layers if name not in names]
        if unknown or not self.layers:
            raise ValueError(f"VGG19 layers must be some of {', '.join(names)}; got {', '.join(self.layers) or 'none'}")
        self.names = names[: names.index(self.layers[-1]) + 1]
        in_channels = 3
        for name in self.names:
            out_channels = STAGES[int(name[4]) - 1][0]
            for kind, shape in (("weight", (out_channels, in_channels, 3, 3)), ("bias", (out_channels,))):
                key = f"features.{_torchvision_index(name)}.{kind}"
                if key not in weights or weights[key].shape != shape:
                    found = tuple(weights[key].shape) if key in weights else "nothing"
                    raise ValueError(f"VGG19 weights need {key} of shape {shape} for {name}, found {found}")
                self.register_buffer(f"{name}_{kind}", weights[key].detach().float(), persistent=False)
            in_channels = out_channels
        self.register_buffer("mean_1311", torch.tensor(IMAGENET_MEAN).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std_1311", torch.tensor(IMAGENET_STD).view(1, 3, 1, 1), persistent=False)

    def forward(self, x_B3HW: Tensor) -> dict[str, Tensor]:
        """Features of RGB images in [0, 1]: layer name to (B, C, H / 2^k, W / 2^k)."""
        x = (x_B3HW - self.mean_1311) / self.std_1311
        features = {}
        for i, name in enumerate(self.names):
            if i > 0:
                x = F.relu(x)
                if name.endswith("_1"):
                    x = F.max_pool2d(x, 2)
            x = F.conv2d(x, getattr(self, f"{name}_weight"), getattr(self, f"{name}_bias"), padding=1)
            if name in self.layers:
                features[name] = x
        return features


def load_vgg19(weights: str | Path | None, sha256: str) -> dict[str, Tensor]:
    """Read VGG19's weights from a file, or from a URL that is downloaded once to torch's hub cache.

    Args:
        weights: path or URL of torchvision's `vgg19-dcbb9e9d.pth`, or of a safetensors file with the same keys.
        sha256: what the file's SHA-256 must begin with, at least 8 hex digits.

    Raises:
        FileNotFoundError: no file there, or no path given.
        ValueError: another file than `sha256` says, or one that holds no plain tensors.
    """
    if len(sha256) < 8:
        raise ValueError(f"sha256 must be at least the first 8 hex digits of the file's SHA-256, got {sha256!r}")
    path = _fetched(weights, sha256)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if not digest.startswith(sha256.lower()):
        raise ValueError(
            f"{path}: SHA-256 begins with {digest[: len(sha256)]}, expected {sha256}; the file is damaged or another "
            "one. Fetch it again, or set perceptual.sha256 to the digest of the file that you trust."
        )
    return dict(read_checkpoint(path))


def _fetched(weights: str | Path | None, sha256: str) -> Path:
    """The local path of `weights`, downloaded if it is a URL that the cache lacks."""
    advice = (
        "The perceptual loss needs VGG19's pretrained weights (torchvision's vgg19-dcbb9e9d.pth): set "
        "perceptual.weights to its path or URL, or train without it by perceptual=null."
    )
    if not weights:
        raise FileNotFoundError(f"no VGG19 weights given. {advice}")
    if str(weights).startswith(("http://", "https://")):
        path = Path(torch.hub.get_dir()) / "checkpoints" / Path(str(weights)).name
        if not path.is_file():
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                torch.hub.download_url_to_file(str(weights), str(path), hash_prefix=sha256.lower())
            except (OSError, RuntimeError) as error:
                raise FileNotFoundError(f"could not download {weights}: {error}. {advice}") from error
        return path
    if not Path(weights).is_file():
        raise FileNotFoundError(f"{weights}: no VGG19 weights there. {advice}")
    return Path(weights)
