"""Tensors from checkpoint files, and into networks, without running anything that a file holds."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

CHECKPOINT_SUFFIXES = (".pth", ".pt", ".ckpt", ".safetensors")


def read_checkpoint(path: str | Path) -> Mapping[str, Any]:
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


def load_state(network: nn.Module, state: Mapping[str, Tensor], source: object) -> None:
    """Load a state dict that must fit exactly; raise a ValueError that names what does not."""
    check_state(network, state, source)
    network.load_state_dict(state)


def check_state(network: nn.Module, state: Mapping[str, Tensor], source: object) -> None:
    """Raise a ValueError that names what does not fit, unless the names and shapes are exactly the network's."""
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
