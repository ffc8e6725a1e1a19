"""Pipelines by name or file, and what they drew, on disk.

A params file is safetensors: one tensor per entry ("blur1/sigma_x"), and in its metadata the pipeline's whole
configuration, so that it can be replayed on its own.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from hydra.errors import InstantiationException
from hydra.utils import get_class
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor
from yaml import YAMLError

from realsr_mod.degradations.base import Degradation, DegradationOp, Params
from realsr_mod.degradations.random_resize import RandomResize
from realsr_mod.runtime.config import CONF_DIR, instantiate
from realsr_mod.runtime.files import atomic_write
from realsr_mod.runtime.rng import step_generator

_OURS = "realsr_mod.degradations."


def degradation_names() -> list[str]:
    """The pipelines that have a configuration file and make one LR image of one HR image."""
    paths = (CONF_DIR / "degradation").glob("*.yaml")
    return sorted(
        path.stem for path in paths if OmegaConf.select(OmegaConf.load(path), "_target_", default="").startswith(_OURS)
    )


def read_degradation(name: str, scale: int) -> dict[str, Any]:
    """The configuration of a pipeline of ours, or of the YAML file at the path `name`, with `${scale}` filled in.

    Raises FileNotFoundError, or ValueError for a file that is no configuration.
    """
    is_path = name.endswith((".yaml", ".yml"))
    path = Path(name) if is_path else CONF_DIR / "degradation" / f"{name}.yaml"
    if not path.is_file():
        wanted = "no such file" if is_path else "no such degradation"
        raise FileNotFoundError(f"{name}: {wanted}; give one of {', '.join(degradation_names())}, or a .yaml file")
    try:
        root = OmegaConf.create({"scale": scale, "degradation": OmegaConf.load(path)})
        config: Any = OmegaConf.to_container(root.degradation, resolve=True)
    except (OmegaConfBaseException, YAMLError) as error:
        raise ValueError(f"{path}: not a configuration that can be read: {error}") from error
    if not isinstance(config, dict) or "_target_" not in config:
        raise ValueError(f"{path}: a degradation's configuration needs the key _target_, the path of its class")
    return config


def build_degradation(config: Mapping[str, Any]) -> Degradation:
    """Make the pipeline that a configuration describes. Raises ValueError if it describes none."""
    try:
        degradation = instantiate(dict(config))
    except InstantiationException as error:
        raise ValueError(f"the degradation cannot be built: {error.__cause__ or error}") from error
    if not isinstance(degradation, Degradation):
        raise ValueError(f"{config['_target_']} makes a {type(degradation).__name__}, not a degradation pipeline")
    return degradation


def flatten(params: Mapping[str, Any], prefix: str = "") -> dict[str, Tensor]:
    """Nested params as one level, keys joined by "/"."""
    flat: dict[str, Tensor] = {}
    for key, value in params.items():
        if isinstance(value, Mapping):
            flat |= flatten(value, f"{prefix}{key}/")
        else:
            flat[prefix + key] = value
    return flat


def unflatten(flat: Mapping[str, Tensor]) -> Params:
    """The inverse of `flatten`."""
    params: Params = {}
    for key, value in flat.items():
        *outer, last = key.split("/")
        inner = params
        for name in outer:
            inner = inner.setdefault(name, {})
        inner[last] = value
    return params


def save_params(path: Path, params: Params, config: Mapping[str, Any]) -> None:
    """Write params and their pipeline's configuration, atomically."""
    tensors = {key: value.contiguous() for key, value in flatten(params).items()}
    with atomic_write(path) as file:
        file.write(save(tensors, {"degradation": json.dumps(config)}))


def load_params(path: Path) -> tuple[Params, dict[str, Any]]:
    """Params and their pipeline's configuration. Raises FileNotFoundError, or ValueError for any other file.

    The file may come from anyone, so a configuration that names a class outside this package is refused.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; --save-params writes one beside each image")
    try:
        with safe_open(path, "pt") as file:
            config = json.loads((file.metadata() or {})["degradation"])
            params = unflatten({key: file.get_tensor(key) for key in file.keys()})  # noqa: SIM118 (no mapping)
    except (SafetensorError, KeyError, ValueError) as error:
        raise ValueError(f"{path}: not a params file of a degradation ({error})") from error
    foreign = [target for target in _targets(config) if not _is_ours(target)]
    if foreign or "_target_" not in config:
        raise ValueError(
            f"{path}: names {foreign or 'no class'}, but only ops of {_OURS[:-1]} are built from such a file"
        )
    return params, config


def _is_ours(target: object) -> bool:
    """Whether this is the path of one of our ops, and not of something that their modules import."""
    if not isinstance(target, str) or not target.startswith(_OURS):
        return False
    try:
        found = get_class(target)
    except Exception:  # Hydra raises several kinds for what cannot be imported or is no class
        return False
    return issubclass(found, Degradation | DegradationOp | RandomResize) and found.__module__.startswith(_OURS)


def _targets(config: object) -> Iterator[object]:
    """Every class that a configuration names, however deep."""
    if isinstance(config, Mapping):
        yield from (value for key, value in config.items() if key == "_target_")
    children = config.values() if isinstance(config, Mapping) else config if isinstance(config, list) else ()
    for child in children:
        yield from _targets(child)


def check_params(params: Params, degradation: Degradation) -> None:
    """Raise ValueError, with the names, if these are not one image's params of this pipeline."""
    side = 8 * degradation.scale
    expected = flatten(degradation.sample((1, 3, side, side), step_generator(0, 0, 0)))
    given = flatten(params)
    if given.keys() != expected.keys():
        raise ValueError(
            f"the params were drawn by another pipeline: {type(degradation).__name__} misses "
            f"{_names(expected.keys() - given.keys())} and does not know {_names(given.keys() - expected.keys())}; "
            "leave out --degradation to use the file's own"
        )
    wrong = {key for key in given if given[key].shape != expected[key].shape or given[key].dtype != expected[key].dtype}
    if wrong:
        raise ValueError(f"the params are not those of one image: wrong shape or type of {_names(wrong)}")


def _names(keys: set[str]) -> str:
    """A few of the names, for a message."""
    shown = sorted(keys)[:4]
    return (", ".join(shown) or "nothing") + (f" and {len(keys) - 4} more" if len(keys) > 4 else "")
