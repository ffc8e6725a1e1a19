"""What all tests share."""

import json
from pathlib import Path

import pytest
from safetensors import safe_open
from torch import Tensor

GOLDEN = Path(__file__).parent / "golden"


def read_golden(name: str) -> tuple[dict[str, Tensor], dict]:
    """Tensors and metadata of `golden/NAME.safetensors`."""
    with safe_open(GOLDEN / f"{name}.safetensors", "pt") as file:
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (safe_open is no mapping)
        metadata = {key: json.loads(value) for key, value in (file.metadata() or {}).items()}
    return tensors, metadata


@pytest.fixture
def golden():
    """A function from a golden file's name to its tensors and metadata."""
    return read_golden
