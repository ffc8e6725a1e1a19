"""The released form of a model: `model.safetensors` with `config.json` beside it, written and read without pickle."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from realsr_mod.networks.base import EmbeddingRange, Estimator, SRNetwork
from realsr_mod.runtime.door import build, check_plain, described
from realsr_mod.runtime.files import atomic_write, read_json, write_json
from realsr_mod.weights.borrowed import MOST_TENSORS, borrowed_state, check_sizes, named_in, own_state
from realsr_mod.weights.catalog import CONFIG_NAME, WEIGHTS_NAME
from realsr_mod.weights.locate import Model, ModelLocation, locate
from realsr_mod.weights.official import read_official
from realsr_mod.weights.state import check_state, load_state, read_checkpoint, read_shapes

_LARGEST_CONFIG_BYTES = 1_000_000
_COPY_AGAIN = "copy the model again from where it was trained"
_NAME = re.compile(r"[\w .,:+×()/-]{1,200}")  # of a run; it stands in tables, reports and file names
_KINDS = {"sha256": str, "name": str, "method": str, "restores": bool}  # of what else commands read


def save_model(network: Estimator, folder: str | Path, network_config: Mapping[str, Any], info: dict[str, Any]) -> Path:
    """Write a network's weights and config into `folder`, each file atomically. Returns the weights' path.

    What a network borrows from a published model is left out: `load_model` takes it from the user's cache.

    Args:
        network: what to release; one in half precision is stored so, and loads as float32.
        network_config: `_target_` and the constructor's arguments, as in `conf/network/*.yaml`, resolved.
        info: whatever should travel with it (method, degradation, steps, measured figures); plain JSON values.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    content = save({key: value.detach().cpu().contiguous() for key, value in own_state(network).items()})
    weights = folder / WEIGHTS_NAME
    with atomic_write(weights, sync=True) as file:
        file.write(content)
    config = {"network": dict(network_config), "restores": isinstance(network, SRNetwork), **info}
    if network.embedding_range is not None:
        config["embedding_range"] = network.embedding_range.described()
    write_json(folder / CONFIG_NAME, config | {"sha256": hashlib.sha256(content).hexdigest()})
    return weights


def read_config(model: Model) -> dict[str, Any]:
    """The config that travels with a model: `network`, and what else is known about it; plain values alone.

    The network it describes is of this package and has the very tensors that lie beside it.

    Of a checkpoint of another program, `network` as `read_official` finds it, and `source`, the file's name.

    Raises:
        FileNotFoundError: no model there.
        ValueError: not JSON, or not a model's config; the message names the file.
    """
    location = locate(model)
    if location.kind == "checkpoint":
        return {"network": read_official(location.weights)[1], "source": location.weights.name}
    config = _read_json(location.config)
    if not isinstance(config, dict) or not isinstance(config.get("network"), dict):
        raise ValueError(f"{location.config}: not a model's config, which has the key 'network'; {_COPY_AGAIN}")
    for key, kind in _KINDS.items():
        if key in config and not isinstance(config[key], kind):
            raise ValueError(f"{location.config}: {key} is {config[key]!r:.60}, not a {kind.__name__}; {_COPY_AGAIN}")
    name = config.get("name", "model")
    if not _NAME.fullmatch(name):
        raise ValueError(f"{location.config}: name is {name!r:.60}, expected letters, digits, . _ - and spaces")
    check_network_config(config["network"], location.config)
    _check_fit(config["network"], location)
    return config


def _check_fit(network_config: Mapping[str, Any], location: ModelLocation) -> None:
    """Raise a ValueError unless the network that a config describes is the one whose weights lie beside it.

    It is built without memory, so whatever sizes a config gives are only believed if the weights have them.
    """
    shapes = read_shapes(location.weights)
    most = 2 * len(shapes) + 64 + (MOST_TENSORS if named_in(network_config) else 0)
    with torch.device("meta"):
        network = build_network(network_config, location.config, most)
    check_sizes(network, location.config)
    check_state(network, shapes, location.weights.parent, own_state(network))


def check_network_config(network_config: object, where: object) -> None:
    """Raise a ValueError unless it is a network of this package with plain values, which Hydra may then build too."""
    _, arguments = described(network_config, (Estimator,), where)
    if any(_describes(value) for value in arguments.values()):
        raise ValueError(f"{where}: a network's arguments are numbers, texts and lists, and describe no other object")


def _describes(value: object) -> bool:
    """Whether an object is described in a value, however deep."""
    if isinstance(value, Mapping):
        return any(key.startswith("_") or _describes(inner) for key, inner in value.items())
    return isinstance(value, list | tuple) and any(map(_describes, value))


def _read_json(path: Path) -> Any:
    try:
        content = read_json(path, _LARGEST_CONFIG_BYTES)
    except ValueError as error:
        raise ValueError(f"{error}; {_COPY_AGAIN}") from error
    check_plain(content, path)
    return content


def build_network(
    network_config: Mapping[str, Any], where: object = "config", most_tensors: int | None = None
) -> Estimator:
    """Build the network that a model's config names. Only networks of this package are built, of plain values.

    Args:
        network_config: `_target_` and the constructor's arguments.
        where: the file, for messages.
        most_tensors: a network that has more is not built to its end.
    """
    check_network_config(network_config, where)
    with _at_most(most_tensors, where):
        network: Estimator = build(network_config, (Estimator,), where)
    return network


@contextmanager
def _at_most(most: int | None, where: object) -> Iterator[None]:
    """Stop a network that registers more parameters than `most`, before its config fills the memory."""
    count = 0

    def watch(module: nn.Module, name: str, parameter: object) -> None:
        nonlocal count
        count += parameter is not None
        if most is not None and count > most:
            raise ValueError(f"{where}: describes a network of over {most} tensors, far more than its weights have")

    handle = register_module_parameter_registration_hook(watch)
    try:
        yield
    finally:
        handle.remove()


def load_model(model: Model, device: str | torch.device = "cpu") -> Estimator:
    """Load a model in evaluation mode; `load_restorer` where it must be one that super-resolves.

    Args:
        model: a run folder, a model folder, or its `model.safetensors`; a name of the zoo; `newest`; or a checkpoint
            file of one of the papers' own programs (see `realsr_mod.weights.official`).
        device: where to.

    Raises:
        FileNotFoundError: nothing there, or a published model that it builds on has not been fetched.
        ValueError: weights and config do not fit; the message names the keys. Or the file is not the one released.
    """
    location = locate(model)
    if location.kind == "checkpoint":
        return read_official(location.weights)[0].to(device)
    config, source = read_config(location), location.weights.parent
    check_hash(location.weights, config.get("sha256"))  # models of earlier versions have none
    network = build_network(config["network"], location.config)
    load_state(network, {**read_checkpoint(location.weights), **borrowed_state(network)}, source)
    network.embedding_range = described_range(config.get("embedding_range"), network, location.config)
    return network.to(device).eval()


def described_range(described: object, network: Estimator, where: object) -> EmbeddingRange | None:
    """The range of embeddings that a config gives; None if it gives none, as those of earlier versions.

    Raises ValueError if it is no range of this network's embedding.
    """
    if described is None:
        return None
    try:
        found = EmbeddingRange(**described)  # type: ignore[arg-type]  # whatever does not fit is refused below
        if len(found.low_D) == network.embedding_dim:
            return found
        reason = f"{len(found.low_D)} entries, the embedding has {network.embedding_dim}"
    except (TypeError, ValueError, RuntimeError) as error:
        reason = str(error)
    raise ValueError(f"{where}: embedding_range is no range of this network's embedding ({reason}); {_COPY_AGAIN}")


def load_restorer(model: Model, device: str | torch.device = "cpu") -> SRNetwork:
    """`load_model`, or a ValueError if the model only estimates the degradation."""
    network = load_model(model, device)
    if not isinstance(network, SRNetwork):
        raise ValueError(
            f"{model}: a {type(network).__name__} estimates the degradation and makes no images; give the run of a "
            "network that restores"
        )
    return network


def check_hash(weights: Path, expected: str | None) -> None:
    """Raise a ValueError if a weights file is not the one that its config was written with."""
    found = hashlib.sha256(weights.read_bytes()).hexdigest()
    if expected is not None and found != expected:
        raise ValueError(
            f"{weights}: its SHA-256 is {found}, but {CONFIG_NAME} beside it says {expected}: the file is damaged, or "
            "another model's. Copy the whole folder again from where it comes from (the zoo's: pip install "
            "--force-reinstall --no-deps realsr-mod)"
        )
