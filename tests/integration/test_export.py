"""The export command: every format is read back as the same function."""

import importlib
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from realsr_mod.export import export
from realsr_mod.networks.rrdb import RRDBNet
from realsr_mod.weights.release import load_model, save_model

SIZES = {"scale": 2, "channels": 4, "num_blocks": 1, "growth": 2}
PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
LR = torch.rand(1, 3, 8, 10, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def model(tmp_path):
    torch.manual_seed(0)
    network = RRDBNet(**SIZES)
    save_model(network, tmp_path / "model", {"_target_": "realsr_mod.networks.rrdb.RRDBNet", **SIZES}, {"step": 7})
    return tmp_path


def config(model, **settings):
    return OmegaConf.create(
        {"model": str(model), "format": "safetensors", "output": None, "wrapper": "params"} | settings
    )


@pytest.mark.parametrize("wrapper", ["params", None])
@torch.no_grad()
def test_official_and_back(model, wrapper):
    path = export(config(model, format="official", wrapper=wrapper))
    assert path == model / "export" / "model.pth"
    content = torch.load(path, weights_only=True)
    assert "conv_first.weight" in (content[wrapper] if wrapper else content)
    back = export(config(path, output=str(model / "back")))
    expected = load_model(model)(LR)
    torch.testing.assert_close(load_model(path)(LR), expected)
    torch.testing.assert_close(load_model(back)(LR), expected)


@torch.no_grad()
def test_checkpoints_of_one_folder_are_exported_side_by_side(model):
    source = export(config(model, format="official"))
    for name in ("A", "B.v2"):
        (model / f"{name}.pth").write_bytes(source.read_bytes())
        path = export(config(model / f"{name}.pth"))
        assert path == model / "export" / name / "model.safetensors"
        torch.testing.assert_close(load_model(path)(LR), load_model(model)(LR))


def test_unknown_format_is_refused(model):
    with pytest.raises(ValueError, match="format must be safetensors, onnx, official, got 'pickle'"):
        export(config(model, format="pickle"))


def test_the_real_command(model):
    command = [sys.executable, "-m", "realsr_mod.export", f"model={model}", f"output={model / 'out'}"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=model)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in (model / "out").iterdir()) == ["config.json", "model.safetensors"]
    assert sorted(path.name for path in model.iterdir()) == ["model", "out"]  # nothing else is left behind


@pytest.mark.parametrize(
    "entry", tomllib.loads(PYPROJECT.read_text())["project"]["scripts"].items(), ids=lambda e: e[0]
)
def test_installed_commands_exist(entry):
    module, _, function = entry[1].partition(":")
    assert callable(getattr(importlib.import_module(module), function))
