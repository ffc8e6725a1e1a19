"""The released form of a model: `model.safetensors` with `config.json` beside it, written and read without pickle."""

import difflib
import hashlib
import importlib
import json
import os
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from realsr_mod.types import Estimator, SRNetwork
from realsr_mod.weights import catalog
from realsr_mod.weights.catalog import CONFIG_NAME, NEWEST, WEIGHTS_NAME

CHECKPOINT_SUFFIXES = (".pth", ".pt", ".ckpt", ".safetensors")


def save_model(network: Estimator, folder: str | Path, network_config: dict[str, Any], info: dict[str, Any]) -> Path:
    """Write a network's weights and config into `folder`, each file atomically. Returns the weights' path.

    Args:
        network: what to release; one in half precision is stored so, and loads as float32.
        network_config: `_target_` and the constructor's arguments, as in `conf/network/*.yaml`, resolved.
        info: whatever should travel with it (method, degradation, steps, measured figures); plain JSON values.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    state = {key: value.detach().cpu().contiguous() for key, value in network.state_dict().items()}
    weights = folder / WEIGHTS_NAME
    temporary = weights.with_name(weights.name + ".tmp")
    content = save(state)  # save_file would let nobody else read the file
    temporary.write_bytes(content)
    os.replace(temporary, weights)
    config = {"network": network_config, "restores": isinstance(network, SRNetwork), **info}
    write_json(folder / CONFIG_NAME, config | {"sha256": hashlib.sha256(content).hexdigest()})
    return weights


def write_json(path: Path, content: Any) -> None:
    """Write JSON atomically: a reader sees the old file or the new one, never half of one."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(json.dumps(content, indent=2) + "\n")
    os.replace(temporary, path)


def build_network(network_config: dict[str, Any]) -> Estimator:
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


def locate(model: str | Path | None = None) -> Path:
    """The path that a person means by `model`: a path, a name of the zoo, or `newest`. What lies at the path wins.

    None means `catalog.default_model()`.

    Raises FileNotFoundError if `newest` is asked for and nothing has been trained.
    """
    model = catalog.default_model() if model is None else model
    path = Path(model)
    if path.exists():
        return path
    if str(model) == NEWEST:
        from realsr_mod.runs import newest_model  # imports this module

        found = newest_model()
        if found is None:
            raise FileNotFoundError(
                f"{NEWEST}: no trained model under runs/; train one (python -m realsr_mod.train), or give another model"
            )
        return found
    return catalog.ZOO_DIR / path if str(model) in catalog.zoo_names() else path


def model_folder(model: str | Path) -> Path:
    """The folder of a released model, given that folder, its run's folder, the weights file in it, or its name."""
    path = locate(model)
    for folder in (path, path / "model", path.parent if path.name == WEIGHTS_NAME else path):
        if (folder / WEIGHTS_NAME).is_file() and (folder / CONFIG_NAME).is_file():
            return folder
    names = catalog.zoo_names()
    near = difflib.get_close_matches(str(model), names, n=1)
    raise FileNotFoundError(
        f"{model}: no model here; "
        + (f"did you mean {near[0]}? " if near else "")
        + f"a model is a folder with {WEIGHTS_NAME} and {CONFIG_NAME}, for example the run folder of a finished "
        f"training; or {NEWEST}, the newest of those; or one of the zoo: {', '.join(names) or 'none is installed'}"
    )


def read_config(path: str | Path) -> dict[str, Any]:
    """The config beside a released model (see `locate`): `network`, and what else is known about it."""
    file = model_folder(path) / CONFIG_NAME
    try:
        return json.loads(file.read_text())
    except ValueError as error:
        raise ValueError(f"{file}: not JSON ({error}); copy the model again from where it was trained") from error


def network_config_of(path: str | Path) -> dict[str, Any]:
    """`_target_` and the constructor's arguments of the network in whatever `load_model` takes."""
    if is_checkpoint(path):
        from realsr_mod.weights.official import read_official  # imports this module

        return read_official(path)[1]
    return read_config(path)["network"]


def is_checkpoint(path: str | Path) -> bool:
    """Whether `path` is a checkpoint file of another program, rather than a model released here."""
    path = Path(path)
    return path.is_file() and not (path.name == WEIGHTS_NAME and (path.parent / CONFIG_NAME).is_file())


def load_model(path: str | Path, device: str | torch.device = "cpu") -> Estimator:
    """Load a model in evaluation mode; `load_restorer` where it must be one that super-resolves.

    Args:
        path: a run folder, a model folder, or its `model.safetensors`; a name of the zoo; `newest`; or a checkpoint
            file of one of the papers' own programs (see `realsr_mod.weights.official`).

    Raises:
        FileNotFoundError: nothing there.
        ValueError: weights and config do not fit; the message names the keys. Or the file is not the one released.
    """
    if is_checkpoint(path):
        from realsr_mod.weights.official import load_official  # imports this module

        return load_official(path).to(device)
    folder = model_folder(path)
    config = read_config(folder)
    network = build_network(config["network"])
    check_hash(folder / WEIGHTS_NAME, config.get("sha256"))  # models of earlier versions have none
    load_state(network, read_checkpoint(folder / WEIGHTS_NAME), source=folder)
    return network.to(device).eval()


def check_hash(weights: Path, expected: str | None) -> None:
    """Raise a ValueError if a weights file is not the one that its config was written with."""
    found = hashlib.sha256(weights.read_bytes()).hexdigest()
    if expected is not None and found != expected:
        raise ValueError(
            f"{weights}: its SHA-256 is {found}, but {CONFIG_NAME} beside it says {expected}: the file is damaged, or "
            "another model's. Copy the whole folder again from where it comes from (the zoo's: pip install "
            "--force-reinstall --no-deps realsr-mod)"
        )


def load_restorer(path: str | Path, device: str | torch.device = "cpu") -> SRNetwork:
    """`load_model`, or a ValueError if the model only estimates the degradation."""
    network = load_model(path, device)
    if not isinstance(network, SRNetwork):
        raise ValueError(
            f"{path}: a {type(network).__name__} estimates the degradation and makes no pictures; give the run of a "
            "network that restores"
        )
    return network


def read_checkpoint(path: str | Path) -> Mapping:
    """Read a checkpoint file without running anything that is in it.

    Raises:
        FileNotFoundError: no such file.
        ValueError: truncated, not a checkpoint, or holding Python objects other than tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; give a checkpoint ({', '.join(CHECKPOINT_SUFFIXES)})")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{path}: refused: besides tensors it holds Python objects, which could run code (none was run), or it "
            "is no checkpoint; ask its author for safetensors, or for the state dict alone"
        ) from error
    except (SafetensorError, RuntimeError, EOFError, OSError, LookupError, ValueError) as error:
        raise ValueError(f"{path}: truncated or damaged, or not a checkpoint; fetch it again") from error
    if not isinstance(content, Mapping):
        raise ValueError(f"{path}: holds a {type(content).__name__}, not a state dict")
    return content


def load_state(network: torch.nn.Module, state: dict[str, torch.Tensor], source: object) -> None:
    """Load a state dict that must fit exactly; raise a ValueError that names what does not."""
    expected = network.state_dict()
    problems = [f"missing {key}" for key in expected.keys() - state.keys()]
    problems += [f"unexpected {key}" for key in state.keys() - expected.keys()]
    problems += [
        f"{key} is {tuple(state[key].shape)}, expected {tuple(expected[key].shape)}"
        for key in expected.keys() & state.keys()
        if state[key].shape != expected[key].shape
    ]
    if problems:
        shown = "; ".join(sorted(problems)[:5])
        more = f" and {len(problems) - 5} more" if len(problems) > 5 else ""
        raise ValueError(f"{source}: weights do not fit {type(network).__name__}: {shown}{more}")
    network.load_state_dict(state)
