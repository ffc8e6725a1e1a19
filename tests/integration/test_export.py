"""The export command: every format is read back as the same function."""

import importlib
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import torch

from realsr_mod.export import Format, write
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


@pytest.mark.parametrize("wrapper", ["params", ""])
@torch.no_grad()
def test_official_and_back(model, wrapper):
    path = write(model, Format.official, wrapper=wrapper)
    assert path == model / "export" / "model.pth"
    content = torch.load(path, weights_only=True)
    assert "conv_first.weight" in (content[wrapper] if wrapper else content)
    back = write(path, Format.safetensors, model / "back")
    expected = load_model(model)(LR)
    torch.testing.assert_close(load_model(path)(LR), expected)
    torch.testing.assert_close(load_model(back)(LR), expected)


@torch.no_grad()
def test_checkpoints_of_one_folder_are_exported_side_by_side(model):
    source = write(model, Format.official)
    for name in ("A", "B.v2"):
        (model / f"{name}.pth").write_bytes(source.read_bytes())
        path = write(model / f"{name}.pth", Format.safetensors)
        assert path == model / "export" / name / "model.safetensors"
        torch.testing.assert_close(load_model(path)(LR), load_model(model)(LR))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(["--format", "pickle"], "'pickle' is not one of 'safetensors', 'onnx', 'official'"), (["no=1"], "takes options")],
)
def test_what_is_not_understood_is_answered_in_a_sentence(model, run, arguments, said):
    done = run("export", *arguments, check=False, cwd=model)
    assert done.returncode != 0
    assert said in " ".join(done.stdout.replace("│", " ").split())
    assert "Traceback" not in done.stdout


def test_the_real_command(model):
    command = [sys.executable, "-m", "realsr_mod.export", str(model), "-o", str(model / "out")]
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
