"""The released form of a model: `model.safetensors` with `config.json` beside it, written and read without pickle."""

import hashlib
import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save

from realsr_mod.networks.base import Estimator, SRNetwork
from realsr_mod.runtime.files import atomic_write, write_json
from realsr_mod.weights.catalog import CONFIG_NAME, WEIGHTS_NAME
from realsr_mod.weights.locate import Model, locate
from realsr_mod.weights.official import read_official
from realsr_mod.weights.state import load_state, read_checkpoint


def save_model(network: Estimator, folder: str | Path, network_config: Mapping[str, Any], info: dict[str, Any]) -> Path:
    """Write a network's weights and config into `folder`, each file atomically. Returns the weights' path.

    Args:
        network: what to release; one in half precision is stored so, and loads as float32.
        network_config: `_target_` and the constructor's arguments, as in `conf/network/*.yaml`, resolved.
        info: whatever should travel with it (method, degradation, steps, measured figures); plain JSON values.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    content = save({key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()})
    weights = folder / WEIGHTS_NAME
    with atomic_write(weights, sync=True) as file:
        file.write(content)
    config = {"network": dict(network_config), "restores": isinstance(network, SRNetwork), **info}
    write_json(folder / CONFIG_NAME, config | {"sha256": hashlib.sha256(content).hexdigest()})
    return weights


def read_config(model: Model) -> dict[str, Any]:
    """The config that travels with a model: `network`, and what else is known about it.

    Of a checkpoint of another program, `network` as `read_official` finds it, and `source`, the file's name.
    """
    location = locate(model)
    if location.kind == "checkpoint":
        return {"network": read_official(location.weights)[1], "source": location.weights.name}
    try:
        config: dict[str, Any] = json.loads(location.config.read_text())
    except ValueError as error:
        raise ValueError(
            f"{location.config}: not JSON ({error}); copy the model again from where it was trained"
        ) from error
    return config


def build_network(network_config: Mapping[str, Any]) -> Estimator:
    """Build the network that a model's config names. Only networks of this package are built."""
    arguments = dict(network_config)
    target = arguments.pop("_target_", "")
    module_name, _, class_name = target.rpartition(".")
    if not module_name.startswith("realsr_mod."):
        raise ValueError(f"config names the network {target!r}; only classes of realsr_mod are loaded")
    try:
        network_class = getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"config names the network {target!r}, which this version of realsr_mod lacks") from error
    if not (isinstance(network_class, type) and issubclass(network_class, Estimator)):
        raise ValueError(f"config names {target!r}, which is not a network of a method here")
    try:
        return network_class(**arguments)
    except TypeError as error:
        raise ValueError(f"config gives {target} arguments that it does not take: {error}") from error


def load_model(model: Model, device: str | torch.device = "cpu") -> Estimator:
    """Load a model in evaluation mode; `load_restorer` where it must be one that super-resolves.

    Args:
        model: a run folder, a model folder, or its `model.safetensors`; a name of the zoo; `newest`; or a checkpoint
            file of one of the papers' own programs (see `realsr_mod.weights.official`).
        device: where to.

    Raises:
        FileNotFoundError: nothing there.
        ValueError: weights and config do not fit; the message names the keys. Or the file is not the one released.
    """
    location = locate(model)
    if location.kind == "checkpoint":
        return read_official(location.weights)[0].to(device)
    config = read_config(location)
    network = build_network(config["network"])
    check_hash(location.weights, config.get("sha256"))  # models of earlier versions have none
    load_state(network, read_checkpoint(location.weights), source=location.weights.parent)
    return network.to(device).eval()


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
