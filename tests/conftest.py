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


@pytest.fixture
def tiny_backbone(tmp_path, monkeypatch):
    """A small network in place of realesrgan-x4plus, in a cache of its own; gives its `.param` file."""
    import hashlib

    from ncnn_files import rrdb

    from realsr_mod.weights import realesrgan

    monkeypatch.setenv(realesrgan.CACHE_VARIABLE, str(tmp_path / "cache"))
    folder = realesrgan.cache_folder()
    folder.mkdir(parents=True)
    param = rrdb().save(folder / "realesrgan-x4plus.param")
    hashes = (hashlib.sha256(path.read_bytes()).hexdigest() for path in (param, param.with_suffix(".bin")))
    tiny = realesrgan.Published("realesrgan-x4plus", 4, 3659, "Tests", *hashes)
    monkeypatch.setattr(realesrgan, "PUBLISHED", (tiny,))
    return param
