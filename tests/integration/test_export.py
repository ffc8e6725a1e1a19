"""The export command: every format is read back as the same function."""

import importlib
import importlib.util
import subprocess
import sys
import tomllib
import types
from pathlib import Path

import pytest
import torch

from realsr_mod.export import Format, export_official, write
from realsr_mod.methods.mmrealsr.network import MMRealSRNet
from realsr_mod.networks.rrdb import RRDBNet
from realsr_mod.networks.srvgg import SRVGGNetCompact
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
    [
        (["--format", "pickle"], "'pickle' is not one of 'safetensors', 'onnx', 'official', 'ncnn'"),
        (["no=1"], "takes options"),
    ],
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


@pytest.mark.fault
def test_ncnn_takes_the_degradation_of_a_photo_or_given_degrees(run, tmp_path):
    pytest.importorskip("ncnn")
    from PIL import Image

    torch.manual_seed(0)
    sizes = {"scale": 4, "channels": 4, "num_blocks": 1, "growth": 2, "estimator_widths": [4]}
    sizes |= {"estimator_blocks": [1], "estimator_downscales": [1]}
    target = {"_target_": "realsr_mod.methods.mmrealsr.network.MMRealSRNet", **sizes}
    save_model(MMRealSRNet(**sizes), tmp_path / "model", target, {"name": "mine"})
    Image.new("RGB", (20, 16)).save(tmp_path / "photo.png")
    refused = run("export", ".", "--format", "ncnn", "--noise", "0.5", check=False, cwd=tmp_path)
    assert "give --like PHOTO" in refused.stdout
    assert "--blur DEGREE" in refused.stdout
    for arguments in (["--like", "photo.png"], ["--blur", "0.25", "--noise", "0.5"]):
        done = run("export", ".", "--format", "ncnn", "-o", "out", *arguments, cwd=tmp_path)
        assert "agrees with torch" in done.stdout
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["mine-x4.bin", "mine-x4.param"]
        (tmp_path / "out" / "mine-x4.param").unlink()


@pytest.fixture
def spandrel(monkeypatch):
    """The library by which other people's programs load models; `make test` installs it without torchvision."""
    if importlib.util.find_spec("spandrel") is None:
        pytest.skip("spandrel is not installed; make test does it")
    for name in ("torchvision", "torchvision.transforms", "torchvision.transforms.functional"):
        module = types.ModuleType(name)
        module.InterpolationMode = types.SimpleNamespace(BILINEAR=None)  # of two architectures that are not ours
        module.rotate = module.normalize = None
        monkeypatch.setitem(sys.modules, name, module)
    return importlib.import_module("spandrel")


@pytest.mark.parametrize(
    ("name", "architecture"), [("mmrealsr-x4", "MMRealSR"), ("rrdb", "ESRGAN"), ("compact", "Compact")]
)
@torch.no_grad()
def test_other_people_s_programs_load_what_is_written(spandrel, tmp_path, name, architecture):
    torch.manual_seed(0)
    own = {"rrdb": RRDBNet(4, 8, 1, 32), "compact": SRVGGNetCompact(4, 8, 2)}
    network = own[name].eval() if name in own else load_model(name)
    export_official(network, tmp_path / "model.pth")
    loaded = spandrel.ModelLoader().load_from_file(tmp_path / "model.pth")
    assert (loaded.architecture.id, loaded.scale) == (architecture, network.scale)
    lr = torch.rand(1, 3, 16, 20, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(loaded(lr), network(lr).clamp(0, 1), atol=1e-5, rtol=0)
