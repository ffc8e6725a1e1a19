"""The ten steps of `methods/README.md` are followed to the letter, in a copy of the package and outside of it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from commands import environment
from PIL import Image

ROOT = Path(__file__).parents[2]
STEPS = (ROOT / "src" / "realsr_mod" / "methods" / "README.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r'^```\w+ title="([^"]+)"\n(.*?)^```$', STEPS, re.M | re.S))
TINY = ["data.batch_size=2", "data.val_draws=1", "data.val_crop_px=64"]


def write(root, files):
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")


def run(folder, path, *arguments):
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        env=environment() | {"PYTHONPATH": os.pathsep.join(map(str, path))},
        capture_output=True,
        text=True,
    )


def succeeded(done):
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def shown(start):
    """The arguments of the command in the README that begins so, without its comment."""
    (line,) = re.findall(rf"^python -m ({re.escape(start)}.*)$", STEPS, re.M)
    return line.partition("  #")[0].split()


@pytest.mark.slow
def test_the_ten_steps_make_a_method(tmp_path):
    for folder in ("src", "conf"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    write(tmp_path, FILES)
    (tmp_path / "src/realsr_mod/methods/edges/__init__.py").touch()
    Image.new("RGB", (24, 20), "teal").save(tmp_path / "photo.jpg")
    path = [tmp_path / "src"]
    assert "of the term for edges" in succeeded(run(tmp_path, path, *shown("realsr_mod.train --help")))
    train = shown("realsr_mod.train experiment=edges trainer")
    train = [re.sub(r"(max_steps|val_check_interval)=\d+", r"\1=2", item) for item in train]
    succeeded(run(tmp_path, path, *train, *TINY))
    succeeded(run(tmp_path, path, *shown("realsr_mod.upscale")))
    assert Image.open(tmp_path / "better" / "photo.jpg").size == (96, 80)
    succeeded(run(tmp_path, path, "pytest", "-c", os.devnull, "--rootdir", ".", "tests/unit/methods/edges"))
    code = "from realsr_mod.runtime.reference import unexplained; assert not unexplained(), unexplained()"
    subprocess.run([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(path[0])}, check=True)


@pytest.mark.slow
def test_outside_of_the_package_it_trains_and_loads_in_python_and_no_further(tmp_path):
    inside = "src/realsr_mod/methods/"
    files = {name.replace(inside, ""): text for name, text in FILES.items() if name.startswith((inside, "conf"))}
    write(tmp_path, {name: text.replace("realsr_mod.methods.edges", "edges") for name, text in files.items()})
    path = [ROOT / "src", tmp_path]
    train = shown("realsr_mod.train --config-dir")
    succeeded(run(tmp_path, path, *train, "trainer.max_steps=2", "trainer.val_check_interval=2", *TINY))
    (trained,) = (tmp_path / "runs" / "edges").iterdir()
    refused = run(tmp_path, path, "realsr_mod.export", str(trained))
    assert refused.returncode == 1
    assert "only classes of realsr_mod are made from files" in refused.stderr
    (code,) = re.findall(r"^```python\n(from edges.*?)^```$", STEPS, re.M | re.S)
    code = code.replace("runs/edges/DATE_TIME", str(trained))
    done = subprocess.run(
        [sys.executable, "-c", code + "\nassert upscaler.scale == 4"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(map(str, path))},
    )
    assert done.returncode == 0
