"""What all tests share."""

import json
import logging
import os
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import Tensor

torch.set_num_threads(1)  # the tests run side by side, and waiting threads would steal from each other

os.environ["REALSR_MOD_CACHE"] = "no-such-folder"  # else a test would see what its user has fetched

GOLDEN = Path(__file__).parent / "golden"


def read_golden(name: str) -> tuple[dict[str, Tensor], dict]:
    """Tensors and metadata of `golden/NAME.safetensors`."""
    with safe_open(GOLDEN / f"{name}.safetensors", "pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (safe_open is no mapping)
        metadata = {key: json.loads(value) for key, value in (file.metadata() or {}).items()}
    return tensors, metadata


@pytest.fixture(autouse=True)
def log_level_as_it_was():
    """Commands that run inside a test set the root's level, by which other tests see more."""
    level = logging.root.level
    yield
    logging.root.setLevel(level)


@pytest.fixture
def golden():
    """A function from a golden file's name to its tensors and metadata."""
    return read_golden
