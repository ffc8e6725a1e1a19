"""What all tests share."""

import json
import logging
import os
import sys
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
def logging_as_it_was():
    """Commands that run inside a test set up logging anew, and the next tests share what they leave.

    The root's level would show other tests more. absl's handler (TensorBoard imports it) keeps the stream that pytest
    had put in place of stderr and closes it with the next set-up, under every test that follows; it leaves the real
    one alone.
    """
    level = logging.root.level
    yield
    logging.root.setLevel(level)
    if absl_logging := sys.modules.get("absl.logging"):
        absl_logging.get_absl_handler().python_handler.stream = sys.__stderr__


@pytest.fixture
def nothing_fetched(monkeypatch):
    """Real-ESRGAN's own models are not here, even where the package that carries them is installed."""
    from realsr_mod.weights import realesrgan

    monkeypatch.setattr(realesrgan, "find", lambda model: None)


@pytest.fixture
def golden():
    """A function from a golden file's name to its tensors and metadata."""
    return read_golden
