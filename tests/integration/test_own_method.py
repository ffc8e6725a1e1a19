"""The ten steps of `methods/README.md` are `examples/my_method`, which trains, goes on, and loads in every command."""

import re
import runpy
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from commands import environment
from PIL import Image
from safetensors.torch import load_file
from typer.testing import CliRunner

import realsr_mod
from realsr_mod import app, degrade, evaluate, explore, export, train, upscale
from realsr_mod.runtime import plugins
from realsr_mod.training.resume import resumed_arguments

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "my_method"
STEPS = (ROOT / "src" / "realsr_mod" / "methods" / "README.md").read_text(encoding="utf-8")
TRAIN = "train --trust my_method"
TINY = ["data.batch_size=2", "data.val_draws=1", "data.val_crop_px=64", "callbacks.last.every_n_train_steps=1"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder with the package, in which this process trusts nothing and leaves no trace."""
    shutil.copytree(EXAMPLE / "my_method", tmp_path / "my_method", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "photos").mkdir()
    image = Image.radial_gradient("L").resize((64, 64)).convert("RGB")
    for path in ("photos/photo.png", "photo.jpg"):
        image.save(tmp_path / path)
    monkeypatch.chdir(tmp_path)
    for variable in (plugins.TRUST, plugins.CONFIG_DIR):
        monkeypatch.setenv(variable, "")
    monkeypatch.setattr(sys, "path", [item for item in sys.path if item])
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] == "my_method"]:
        del sys.modules[name]


def shown(start):
    """The arguments of the command in the README that begins so, without its comment."""
    (line,) = re.findall(rf"^python -m (realsr_mod\.{re.escape(start)}.*)$", STEPS, re.M)
    return line.partition("  #")[0].split()


def hydra(command, monkeypatch, arguments):
    monkeypatch.setattr(sys, "argv", arguments)
    command.main()


def test_the_page_shows_the_example_as_it_is():
    files = dict(re.findall(r'^```\w+ title="([^"]+)"\n(.*?)^```$', STEPS, re.M | re.S))
    assert files == {name: (EXAMPLE / name).read_text("utf-8") for name in files}
    there = {path.relative_to(EXAMPLE).as_posix() for path in EXAMPLE.rglob("*.*") if path.suffix in (".py", ".yaml")}
    assert there - {"my_method/__init__.py"} <= files.keys()
    code = "".join(text for name, text in files.items() if name.endswith((".py", ".yaml")) and "test_" not in name)
    code = re.sub(r'""".*?"""|^(from|import|#) ?.*?$', "", code, flags=re.M | re.S)
    assert len([line for line in code.splitlines() if line.strip()]) <= 75


@pytest.mark.slow
def test_the_ten_steps_make_a_method(here, monkeypatch, capsys):
    arguments = [
        re.sub(r"(max_steps|interval)=\d+", r"\1=2", item) for item in shown(f"{TRAIN} experiment=edges trainer")
    ]
    command = [sys.executable, "-m", *arguments, *TINY]
    done = subprocess.run(command, cwd=here, env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    (run,) = (here / "runs" / "edges").iterdir()

    goes_on(run, monkeypatch, capsys)
    invoke = CliRunner().invoke
    monkeypatch.setenv(plugins.TRUST, "")
    assert invoke(upscale.app, shown("upscale")[1:-2]).exit_code == 1
    assert invoke(upscale.app, shown("upscale")[1:]).exit_code == 0
    assert Image.open(here / "better" / "photo.jpg").size == (256, 256)
    assert invoke(export.app, [word.replace("onnx", "safetensors") for word in shown("export")[1:]]).exit_code == 0
    assert realsr_mod.Upscaler.load(run / "export").scale == 4
    assert [str(model) for model in app.offered_models([], here / "runs")][-1] == str(run)
    assert invoke(degrade.app, shown("degrade")[1:]).exit_code == 0
    assert darkest(here / "hazy" / "photo.png") > darkest(here / "photo.jpg") + 5

    hydra(evaluate, monkeypatch, shown("evaluate"))
    hydra(explore, monkeypatch, shown("explore"))
    again = [item.replace("DATE_TIME", run.name) for item in shown(f"{TRAIN} experiment=edges start")]
    hydra(train, monkeypatch, [*again, "trainer.max_steps=1", "trainer.val_check_interval=2", *TINY])
    assert len(list((here / "runs").rglob("evaluation.json"))) == 1
    assert len(list((here / "runs" / "explore").iterdir())) == 1
    assert len(list((here / "runs" / "edges").iterdir())) == 2
    hydra(train, monkeypatch, shown(f"{TRAIN} --help"))
    assert "of the term for edges" in capsys.readouterr().out


def darkest(path):
    return Image.open(path).convert("L").getextrema()[0]


def goes_on(run, monkeypatch, capsys):
    """The run, cut off after its first step, is refused to who does not trust it, and else ends with the same bits."""
    trained = (run / "model" / "model.safetensors").rename(run / "trained.safetensors")
    (run / "checkpoints" / "last.previous.ckpt").rename(run / "checkpoints" / "last.ckpt")
    (run / "summary.json").unlink()
    plugins.add_config_dir("my_method/conf")  # which trusts nothing
    with pytest.raises(ValueError, match=r"my_method.* lets it be used"):
        resumed_arguments([f"resume={run}"])
    monkeypatch.setenv(plugins.CONFIG_DIR, "")
    resume = [item.replace("DATE_TIME", run.name) for item in shown(f"{TRAIN} resume")]
    hydra(train, monkeypatch, resume)
    assert "2 steps" in capsys.readouterr().out
    before, after = load_file(trained), load_file(run / "model" / "model.safetensors")
    assert all(before[name].equal(after[name]) for name in before)


def test_the_example_passes_its_tests(here):
    assert find_spec("my_method") is None, "it is not installed: what is trusted is named"
    sys.path.append(str(here))
    tests = runpy.run_path(str(EXAMPLE / "test_my_method.py"))
    assert len([function() for name, function in tests.items() if name.startswith("test_")]) == 3
