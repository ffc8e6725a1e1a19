"""Pipelines by name or file, and what they drew, on disk.

A params file is safetensors: one tensor per entry ("blur1/sigma_x"), and in its metadata the pipeline's whole
configuration, so that it can be replayed on its own.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor
from yaml import YAMLError

from realsr_mod.degradations.base import Degradation, DegradationOp, Params
from realsr_mod.degradations.random_resize import RandomResize
from realsr_mod.runtime.door import build
from realsr_mod.runtime.files import atomic_write
from realsr_mod.runtime.plugins import conf_files, conf_path, is_trusted
from realsr_mod.runtime.rng import step_generator
from realsr_mod.runtime.yaml_files import check_yaml

PARTS = (Degradation, DegradationOp, RandomResize)  # what a description may name
FOLDER = "degradation"  # of `conf/`
_OURS = "realsr_mod.degradations."
_LARGEST_YAML_BYTES = 100_000
_LARGEST_JSON_BYTES = 1_000_000
_LONGEST_KEY = 200
_NEEDS_TARGET = "a degradation's configuration needs the key _target_, the path of its class"


def degradation_names() -> list[str]:
    """The pipelines that have a configuration file and make one LR image of one HR image."""
    found = {name: OmegaConf.select(OmegaConf.load(path), "_target_", default="") for name, path in conf_files(FOLDER)}
    return sorted(name for name, target in found.items() if target.startswith(_OURS) or is_trusted(target))


def read_degradation(name: str, scale: int) -> dict[str, Any]:
    """The configuration of a pipeline of ours, or of the YAML file at the path `name`, with `${scale}` filled in.

    Raises FileNotFoundError, or ValueError for a file that is no configuration.
    """
    is_path = name.endswith((".yaml", ".yml"))
    path = Path(name) if is_path else conf_path(f"{FOLDER}/{name}")
    if not path.is_file():
        wanted = "no such file" if is_path else "no such degradation"
        raise FileNotFoundError(f"{name}: {wanted}; give one of {', '.join(degradation_names())}, or a .yaml file")
    if is_path:
        _check_yaml(path)
    try:
        root = OmegaConf.create({"scale": scale, "degradation": OmegaConf.load(path)})
        config: Any = OmegaConf.to_container(root.degradation, resolve=True)
    except (OmegaConfBaseException, YAMLError) as error:
        raise ValueError(f"{path}: not a configuration that can be read: {error}") from error
    if not isinstance(config, dict) or "_target_" not in config:
        raise ValueError(f"{path}: {_NEEDS_TARGET}")
    return config


def _check_yaml(path: Path) -> None:
    """Look at a file that may come from anyone before it is resolved. Raises ValueError.

    An interpolation can read the environment, or stand for gigabytes.
    """

    def check_text(text: str) -> None:
        if "${" in text and text != "${scale}":
            raise ValueError(f"{path}: {text!r:.80}: nothing but ${{scale}} is filled in")

    if not isinstance(check_yaml(path, _LARGEST_YAML_BYTES, check_text), yaml.MappingNode):
        raise ValueError(f"{path}: {_NEEDS_TARGET}")


def build_degradation(config: object, where: object = "degradation") -> Degradation:
    """Make the pipeline that a configuration describes, of this package's ops alone. Raises ValueError otherwise."""
    built = build(config, PARTS, where)
    if not isinstance(built, Degradation):
        raise ValueError(f"{where}: {type(built).__name__} is a part of a degradation, not a whole pipeline")
    try:
        _drawn(built)
    except Exception as error:  # fractions where whole numbers belong, and their like
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ValueError(f"{where}: nothing can be drawn from {type(built).__name__} so described: {reason}") from error
    return built


def _drawn(degradation: Degradation) -> Params:
    """The params of a small image."""
    side = 8 * degradation.scale
    return degradation.sample((1, 3, side, side), step_generator(0, 0, 0))


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

    The file may come from anyone; `build_degradation` makes nothing of it but ops of this package.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; --save-params writes one beside each image")
    try:
        with safe_open(path, "pt") as file:
            text = (file.metadata() or {})["degradation"]
            if len(text) > _LARGEST_JSON_BYTES or any(len(key) > _LONGEST_KEY for key in file.keys()):  # noqa: SIM118
                raise ValueError("its names or its configuration are far too long")
            config = json.loads(text)
            params = unflatten({key: file.get_tensor(key) for key in file.keys()})  # noqa: SIM118 (no mapping)
    except (SafetensorError, KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"{path}: not a params file of a degradation ({error})") from error
    build_degradation(config, path)
    return params, config


def check_params(params: Params, degradation: Degradation) -> None:
    """Raise ValueError, with the names, if these are not one image's params of this pipeline."""
    expected = flatten(_drawn(degradation))
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
