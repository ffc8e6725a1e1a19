"""A model between two others: their weights mixed once, kept as a model of its own that every engine can run.

blended = blend(locate("kdsr-camera-x4"), locate("kdsr-texture-x4"), 0.5)
upscaler = Upscaler.load(blended)  # the same as Upscaler.load("kdsr-camera-x4", blend=("kdsr-texture-x4", 0.5))
"""

import hashlib
import logging
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from realsr_mod.weights import catalog
from realsr_mod.weights.catalog import CONFIG_NAME, WEIGHTS_NAME
from realsr_mod.weights.graphs import Graphs, cache_folder, kept_folder, read_graphs, sha256_of, write_info
from realsr_mod.weights.locate import Model, ModelLocation, locate

if TYPE_CHECKING:
    from torch import Tensor

    from realsr_mod.networks.base import SRNetwork

logger = logging.getLogger(__name__)

VERSION = 1  # of how models are blended; another one makes all anew
MOST_KEPT = 12  # those used least recently make room
STEP = 0.01  # shares are rounded to it
STRANGE = 4 / 255  # how far halfway weights may lead from halfway images, if that is less than the two differ


def blend(first: Model, second: Model, share: float) -> ModelLocation:
    """The model whose weights lie at `share` of the way from `first` (0) to `second` (1).

    It is made when it is first asked for, and kept in the user's cache folder.

    Raises:
        ValueError: `share` is not in [0, 1], or the two are no networks of one architecture.
        FileNotFoundError: one of them is not there.
    """
    first, second = locate(first), locate(second)
    if not 0 <= share <= 1:
        raise ValueError(f"the share of {_name(second)} must be between 0 (none) and 1 (it alone), got {share}")
    share = round(share / STEP) * STEP
    if share in (0, 1):
        return second if share else first
    parts = (VERSION, sha256_of(first.weights), sha256_of(second.weights), round(share / STEP))
    folder = cache_folder("blended", hashlib.sha256(repr(parts).encode()).hexdigest()[:24])
    made = ModelLocation(folder, folder / WEIGHTS_NAME, "released")
    if made.config.is_file() and made.weights.is_file():
        made.config.touch()
        return made
    _write(made, first, second, share)
    _make_room(folder.parent)
    return made


def texture_pair(model: Model) -> tuple[ModelLocation, ModelLocation] | None:
    """The zoo's network of fidelity and that of texture, if the model is one of such a pair; None else."""
    location = locate(model)
    if not location.in_zoo:
        return None
    pairs = [(entry.fidelity, entry.name) for entry in catalog.entries() if entry.fidelity is not None]
    found = next((pair for pair in pairs if location.path.name in pair), None)
    return None if found is None else (locate(catalog.ZOO_DIR / found[0]), locate(catalog.ZOO_DIR / found[1]))


def textured(model: Model, texture: float, texture_model: Model | None = None) -> ModelLocation:
    """A model with so much of the texture, 0 to 1, of `texture_model`, or of the other half of its pair.

    Raises ValueError for a model that is no half of a pair.
    """
    if texture_model is not None:
        return blend(model, texture_model, texture)
    pair = texture_pair(model)
    if pair is None:
        pairs = [f"{entry.fidelity} and {entry.name}" for entry in catalog.entries() if entry.fidelity]
        raise ValueError(
            f"{_name(locate(model))} has no counterpart that draws texture; give one of its architecture "
            f"(--texture-model){', or choose one of ' + '; '.join(pairs) if pairs else ''}"
        )
    return blend(*pair, texture)


def _write(made: ModelLocation, first: ModelLocation, second: ModelLocation, share: float) -> None:
    import torch

    from realsr_mod.networks.base import EmbeddingRange
    from realsr_mod.networks.interpolation import interpolated
    from realsr_mod.weights.release import load_restorer, read_config, save_model
    from realsr_mod.weights.state import read_checkpoint

    one, other = load_restorer(first), load_restorer(second)
    _check_alike(one, other, first, second)
    halfway = interpolated(one.state_dict(), other.state_dict(), 0.5)
    mixed = interpolated(one.state_dict(), other.state_dict(), share)
    _warn_of_strangers(one, other, halfway, f"{_name(first)} and {_name(second)}")
    one.load_state_dict(mixed)
    if one.embedding_range is not None and other.embedding_range is not None:
        a, b = one.embedding_range, other.embedding_range
        one.embedding_range = EmbeddingRange(
            torch.minimum(a.low_D, b.low_D).tolist(),
            torch.maximum(a.high_D, b.high_D).tolist(),
            torch.lerp(a.typical_D, b.typical_D, share).tolist(),
        )
    if first.kind == "released" and any(v.dtype == torch.float16 for v in read_checkpoint(first.weights).values()):
        one = one.half()
    name = f"{_name(first)} + {share:.0%} {_name(second)}"[:200]
    save_model(one, made.path, read_config(first)["network"], {"name": name.replace("%", " percent")})
    if first.in_zoo and (graphs := read_graphs(first.weights.parent)) is not None:
        _bring_graphs(made, first, graphs, one)


def _check_alike(one: "SRNetwork", other: "SRNetwork", first: ModelLocation, second: ModelLocation) -> None:
    """Raise a ValueError unless weights of one network fit the other, and mean the same there."""
    shapes, others = ({key: value.shape for key, value in network.state_dict().items()} for network in (one, other))
    if type(one) is not type(other) or shapes != others or one.scale != other.scale:
        sizes = [f"{type(n).__name__} ×{n.scale}, {sum(p.numel() for p in n.parameters()):,}" for n in (one, other)]
        raise ValueError(
            f"{_name(first)} and {_name(second)} are networks of two architectures ({sizes[0]} and {sizes[1]} "
            "parameters), and weights are blended of one; choose two of which one was trained from the other"
        )


def _warn_of_strangers(one: "SRNetwork", other: "SRNetwork", halfway: "dict[str, Tensor]", names: str) -> None:
    """Say so where the weights halfway are far from the images halfway: nothing that was learned is there."""
    import copy

    import torch

    between = copy.deepcopy(one)
    between.load_state_dict(halfway)
    noise = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    lr = torch.nn.functional.avg_pool2d(noise, 5, 1, 2)
    with torch.inference_mode():
        a, b, middle = (network(lr).clamp(0, 1) for network in (one, other, between))
    if (middle - (a + b) / 2).abs().mean() > max(STRANGE, float((a - b).abs().mean())):
        logger.warning(
            "%s do not blend: halfway between their weights is something else than halfway between their images; "
            "neither seems to have been trained from the other",
            names,
        )


def _bring_graphs(made: ModelLocation, first: ModelLocation, graphs: Graphs, network: "SRNetwork") -> None:
    """Give a blended model its first one's graphs: they refer to weights by their place in the file beside them.

    Only where the two files are of one plan; and of the zoo alone, whose graphs come with the package.
    """
    if _plan_of(made.weights) != _plan_of(first.weights):
        return
    folder = kept_folder(made)
    folder.mkdir(parents=True, exist_ok=True)
    for path in (graphs.restore, graphs.embed):
        if path.is_file():
            shutil.copyfile(path, folder / path.name)
    shutil.copyfile(made.weights, folder / WEIGHTS_NAME)
    known = network.embedding_range
    described = None if known is None else known.described()
    write_info(folder, replace(graphs.info, weights=sha256_of(made.weights), embedding_range=described))


def _plan_of(weights: Path) -> bytes:
    """The header of a safetensors file: which tensor lies where."""
    with weights.open("rb") as file:
        return file.read(int.from_bytes(file.read(8), "little"))


def _make_room(folder: Path) -> None:
    kept = sorted(folder.glob(f"*/{CONFIG_NAME}"), key=lambda path: path.stat().st_mtime, reverse=True)
    for config in kept[MOST_KEPT:]:
        model = ModelLocation(config.parent, config.with_name(WEIGHTS_NAME), "released")
        shutil.rmtree(kept_folder(model), ignore_errors=True)
        shutil.rmtree(model.path, ignore_errors=True)


def _name(location: ModelLocation) -> str:
    path = location.path
    return path.stem if path.is_file() else path.parent.name if path.name in ("model", "export") else path.name
