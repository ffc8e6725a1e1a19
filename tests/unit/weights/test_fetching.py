"""A missing model is fetched once somebody agrees: itself by name, or the backbone of one that builds on it."""

import json
import shutil

import pytest
from typer.testing import CliRunner

from realsr_mod import upscale
from realsr_mod.weights import realesrgan
from realsr_mod.weights.fetching import fetch_missing, missing
from realsr_mod.weights.locate import locate

NAME = "realesrgan-x4plus"


@pytest.fixture
def fetched(tiny_backbone, monkeypatch):
    """How often it was fetched; the cache is empty until then."""
    aside, calls = tiny_backbone.parent.with_name("aside"), []
    tiny_backbone.parent.rename(aside)

    def fetch():
        calls.append(1)
        return shutil.copytree(aside, tiny_backbone.parent)

    monkeypatch.setattr(realesrgan, "fetch", fetch)
    return calls


@pytest.fixture
def sliders(tmp_path):
    """A model folder that builds on it; its weights are not looked at."""
    folder = tmp_path / "sliders"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"")
    (folder / "config.json").write_text(json.dumps({"network": {"backbone": NAME}}))
    return folder


@pytest.mark.parametrize("by_name", [True, False])
def test_what_is_missing_is_fetched_once_that_is_agreed(fetched, sliders, by_name):
    model, questions = NAME if by_name else sliders, []
    with pytest.raises(FileNotFoundError, match=r"'python -m realsr_mod\.zoo get .*; so does --yes"):
        fetch_missing(model, lambda question: questions.append(question) or False)
    assert questions == [f"{NAME} (46 MB, license BSD-3-Clause) is needed and not here yet. Fetch it?"]
    assert not fetched
    fetch_missing(model, lambda question: True)
    assert fetched == [1]
    assert missing(model) is None
    fetch_missing(model, lambda question: False)  # nobody is asked again
    assert fetched == [1]


def test_models_that_need_nothing(fetched, tmp_path):
    assert missing("mmrealsr-x4") is None
    assert missing(None) is None
    assert missing("hf://nobody/nothing") is None  # and nothing is asked of the hub
    (tmp_path / "model.pth").write_bytes(b"")
    assert missing(locate(tmp_path / "model.pth")) is None
    with pytest.raises(FileNotFoundError, match="no model here"):
        missing(tmp_path / "nothing")


def test_the_command_fetches_with_yes_alone_where_nobody_can_be_asked(fetched, tmp_path):
    from PIL import Image

    Image.new("RGB", (8, 8)).save(tmp_path / "photo.png")
    command = [str(tmp_path / "photo.png"), "--model", NAME, "-o", str(tmp_path / "out"), "--engine", "torch"]
    done = CliRunner().invoke(upscale.app, command)
    assert done.exit_code == 1
    assert "--yes" in done.output
    assert not fetched
    done = CliRunner().invoke(upscale.app, [*command, "--yes"])
    assert done.exit_code == 0, done.output
    assert f"fetching {NAME} (46 MB, license BSD-3-Clause)" in done.output
    assert fetched == [1]
    assert (tmp_path / "out" / "photo.png").is_file()
