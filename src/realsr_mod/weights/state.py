"""Tensors from checkpoint files, and into networks, without running anything that a file holds."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from realsr_mod.weights.locate import CHECKPOINT_SUFFIXES
from realsr_mod.weights.pickles import check_pickles


def read_checkpoint(path: str | Path) -> Mapping[str, Any]:
    """Read a checkpoint file without running anything that is in it.

    Raises:
        FileNotFoundError: no such file.
        ValueError: truncated, not a checkpoint, or holding Python objects other than tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; give a checkpoint ({', '.join(CHECKPOINT_SUFFIXES)})")
    if stray := describe_stray_file(path):
        raise ValueError(f"{path}: {stray}")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with path.open("rb") as file:
            check_pickles(file)
            content = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{path}: refused: besides tensors it holds Python objects, which could run code (none was run), or it "
            "is no checkpoint; ask its author for safetensors, or for the state dict alone"
        ) from error
    except Exception as error:  # torch and its unpickler have errors of every kind for what is damaged
        reason = " ".join(str(error).split())[:100] or type(error).__name__
        raise ValueError(f"{path}: truncated or damaged, or not a checkpoint ({reason}); fetch it again") from error
    if not isinstance(content, Mapping):
        raise ValueError(f"{path}: holds a {type(content).__name__}, not a state dict")
    return content


def describe_stray_file(path: Path) -> str | None:
    """What a download left in the place of weights, and what to do about it; None for anything else."""
    with path.open("rb") as file:
        begin = file.read(512).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if begin.startswith(b"version https://git-lfs"):
        return (
            "a Git-LFS pointer, which only says where the weights are; fetch them with 'git lfs pull', or download the "
            "file itself"
        )
    if begin.startswith((b"<!doctype html", b"<html", b"<head", b"<?xml")):
        return "a web page, not weights: the download's page was saved; open it and download the file itself"
    return None


def read_shapes(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file without their values: nothing but names and shapes is read.

    Raises ValueError for a file that is damaged.
    """
    try:
        with safe_open(path, "pt") as file:
            names = file.keys()
            return {name: torch.empty(file.get_slice(name).get_shape(), device="meta") for name in names}
    except (SafetensorError, OSError, RuntimeError, ValueError) as error:
        raise ValueError(f"{path}: truncated or damaged, or not a checkpoint; fetch it again") from error


def check_dense(key: str, value: Tensor) -> None:
    """Raise a ValueError unless every element of a tensor has a place of its own in the file."""
    is_dense = value.layout == torch.strided and not value.is_quantized and value.device.type == "cpu"
    if not is_dense or value.numel() * value.element_size() > value.untyped_storage().nbytes():
        raise ValueError(f"{key} is no plain tensor: sparse, quantized, or larger than what is stored of it")


def load_state(network: nn.Module, state: Mapping[str, Tensor], source: object) -> None:
    """Load a state dict that must fit exactly; raise a ValueError that names what does not."""
    check_state(network, state, source)
    network.load_state_dict(state)


def begin_with(network: nn.Module, start: nn.Module, source: object) -> bool:
    """Give `network` the weights of `start`, a model of the same kind; returns whether its upsampler is another.

    All but that must fit: as EDSR's ×4 begins with its ×2, layers of it that both have are taken, and the others keep
    their random weights. Raises a ValueError that names what does not fit.
    """
    state, own = dict(start.state_dict()), network.state_dict()
    given, upsampler = ({k: v for k, v in part.items() if "upsampler" in k.split(".")} for part in (state, own))
    shared = {key for key, value in upsampler.items() if key in given and given[key].shape == value.shape}
    kept = {key: value for key, value in state.items() if key not in given or key in shared}
    load_state(network, upsampler | kept, source)
    return shared != given.keys() | upsampler.keys()


def check_state(
    network: nn.Module, state: Mapping[str, Tensor], source: object, wanted: Mapping[str, Tensor] | None = None
) -> None:
    """Raise a ValueError that names what does not fit, unless the names and shapes are exactly the network's.

    `wanted`: the part of the network's tensors that `state` should hold, where that is not all of them.
    """
    expected = network.state_dict() if wanted is None else wanted
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
