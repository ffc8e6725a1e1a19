"""Models that are given to others and fetched from them, over HTTP, with a hub of this process."""

import json
from datetime import date
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from hub_stub import local_hub
from PIL import Image
from typer.testing import CliRunner

from realsr_mod.export import beside
from realsr_mod.inference.upscaler import Upscaler
from realsr_mod.methods.kdsr.network import KDSRNet
from realsr_mod.share import app
from realsr_mod.weights.facts import known_facts
from realsr_mod.weights.hub import HubModel, fetch, parse
from realsr_mod.weights.hub_card import write_folder
from realsr_mod.weights.locate import locate
from realsr_mod.weights.openmodeldb import entry, file_name
from realsr_mod.weights.release import save_model

pytest.importorskip("huggingface_hub")
SIZES = {"scale": 2, "channels": 4, "encoder_blocks": 1, "restorer_blocks": 1}
SUMMARY = {"steps": 7, "psnr_y": 30.5, "ssim_y": 0.91, "bicubic_psnr_y": 29.25, "bicubic_ssim_y": 0.9}
PHOTO = np.random.default_rng(0).integers(0, 256, (8, 9, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    torch.manual_seed(0)
    described = {"_target_": "realsr_mod.methods.kdsr.network.KDSRNet", **SIZES}
    degradation = {"_target_": "realsr_mod.degradations.classic.ClassicDegradation", "scale": 2}
    info = {"name": "mine", "method": "realsr_mod.methods.kdsr.module.KDSRStudent", "degradation": degradation}
    save_model(KDSRNet(**SIZES).eval(), folder / "model", described, info)
    (folder / "summary.json").write_text(json.dumps(SUMMARY))
    return folder


@pytest.fixture
def hub(monkeypatch, tmp_path):
    monkeypatch.setattr("realsr_mod.weights.hub_card.draw_images", lambda folder: Image.new("RGB", (8, 8)))
    with local_hub(monkeypatch, tmp_path / "cache") as hub:
        yield hub


def share(*arguments):
    return CliRunner().invoke(app, ["hub", *map(str, arguments)])


def front_matter(text):
    return yaml.safe_load(text.split("---\n")[1])


def test_a_model_that_is_pushed_is_that_model_under_its_name_in_every_door(hub, run):
    assert share(run, "me/mine", "--license", "MIT", "--private").exit_code == 0
    files = hub.branches["me/mine"]["main"]
    assert set(files) == {"model.safetensors", "config.json", "README.md", "images.jpg"}
    assert files["model.safetensors"] == (run / "model" / "model.safetensors").read_bytes()
    assert hub.private["me/mine"]
    expected = Upscaler.load(run, tile=0)(PHOTO)
    for upscaler in (Upscaler.load("hf://me/mine", tile=0), Upscaler.from_pretrained("me/mine", tile=0)):
        np.testing.assert_array_equal(upscaler(PHOTO), expected)
    location = locate("hf://me/mine")
    assert (str(location), beside(location)) == ("hf://me/mine", Path("export/mine"))
    assert not any("images.jpg" in asked or "README.md" in asked for asked in hub.asked)  # which nobody needs


def test_a_revision_is_a_branch_and_a_file_is_a_checkpoint_of_another_program(hub, run, tmp_path):
    assert share(run, "me/mine@v2", "--license", "mit").exit_code == 0
    assert hub.branches["me/mine"]["main"] == {}
    assert Upscaler.from_pretrained("me/mine", revision="v2").scale == 2
    with pytest.raises(FileNotFoundError, match=r"hf://me/mine: this repository has no model\.safetensors"):
        locate("hf://me/mine")
    hub.branches["a/b"] = {"main": {"deep/net.pth": b"pickled"}}
    location = locate("hf://a/b/deep/net.pth")
    assert (location.kind, location.weights.read_bytes(), str(location)) == (
        "checkpoint",
        b"pickled",
        "hf://a/b/deep/net.pth",
    )


def test_what_comes_from_the_hub_goes_through_the_same_doors(hub, run):
    config = json.loads((run / "model" / "config.json").read_text())
    weights = (run / "model" / "model.safetensors").read_bytes()
    named = config | {"network": {"_target_": "os.system", "command": "true"}}
    hub.branches["evil/one"] = {
        "main": {"model.safetensors": weights, "config.json": json.dumps(named).encode(), "model.py": b"1/0"},
        "other": {"model.safetensors": weights + b"x", "config.json": json.dumps(config).encode()},
    }
    with pytest.raises(ValueError, match="only classes of realsr_mod are made from files"):
        Upscaler.load("hf://evil/one")
    with pytest.raises(ValueError, match=r"truncated or damaged|SHA-256"):
        Upscaler.load("hf://evil/one@other")
    assert not any("model.py" in asked for asked in hub.asked)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("hf://no/body", "the hub has no such model"),
        ("hf://a/b@never", "has no revision never"),
        ("hf://a/b/none.pth", r"has no file none\.pth"),
        ("hf://a", "give hf://USER/NAME"),
        ("hf://a/b/../../c", "give hf://USER/NAME"),
    ],
)
def test_what_is_not_there_is_said(hub, name, said):
    hub.branches["a/b"] = {"main": {"x": b"y"}}
    with pytest.raises((FileNotFoundError, ValueError), match=said):
        locate(name)


def test_a_hub_out_of_reach_is_said_unless_the_cache_has_the_model(hub, run, monkeypatch):
    assert share(run, "me/mine", "--license", "mit").exit_code == 0
    folder = fetch(parse("hf://me/mine"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert fetch(parse("hf://me/mine")) == folder
    with pytest.raises(FileNotFoundError, match="cannot be reached, and the cache has no copy"):
        fetch(parse("hf://me/other"))


def test_without_a_token_nothing_is_sent_and_that_is_said(hub, run, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_may_read")
    done = share(run, "me/mine", "--license", "mit")
    assert isinstance(done.exception, ValueError)
    assert "'hf auth login' with a token that may write" in str(done.exception)
    assert hub.branches == {}


def test_the_card_has_the_hub_s_metadata_and_the_run_s_figures(hub, run, tmp_path):
    write_folder(known_facts(run), HubModel("me/mine"), "My-Own", tmp_path / "out")
    text = (tmp_path / "out" / "README.md").read_text()
    data = front_matter(text)
    results = data.pop("model-index")[0]["results"]
    assert data == {
        "license": "other",
        "license_name": "my-own",
        "library_name": "realsr-mod",
        "pipeline_tag": "image-to-image",
        "tags": ["super-resolution", "image-restoration", "kdsr", "x2", "deblurring"],
        "metrics": ["psnr", "ssim"],
    }
    assert [(m["type"], m["value"]) for m in results[0]["metrics"]] == [("psnr", 30.5), ("ssim", 0.91)]
    assert "| as trained | its validation photos | mean | 30.50 | 29.25 | +1.25 | 0.9100 | 0.9000 |" in text
    assert "| training | 7 steps |" in text
    (tmp_path / "out" / "secret.txt").write_text("x")
    with pytest.raises(ValueError, match="holds other files, which would be sent along"):
        write_folder(known_facts(run), HubModel("me/mine"), "mit", tmp_path / "out")
    with pytest.raises(ValueError, match="is no identifier"):
        write_folder(known_facts(run), HubModel("me/mine"), "two words", tmp_path / "new")


def test_the_list_s_entry_has_its_schema(run):
    facts, file = known_facts(run), run / "model" / "model.safetensors"
    found = entry(facts, "jane-doe", "MIT", [file], "https://x.org/a/", date(2026, 1, 31), ["https://x.org/b.png"])
    sha256 = json.loads((run / "model" / "config.json").read_text())["sha256"]
    assert found["resources"] == [
        {
            "platform": "pytorch",
            "type": "safetensors",
            "size": file.stat().st_size,
            "sha256": sha256,
            "urls": ["https://x.org/a/model.safetensors"],
        }
    ]
    assert (found["scale"], found["inputChannels"], found["outputChannels"], found["date"]) == (2, 3, 3, "2026-01-31")
    assert (found["architecture"], found["trainingIterations"], found["trainingOTF"]) == ("kdsr", 7, True)
    assert found["images"] == [{"type": "standalone", "url": "https://x.org/b.png"}]
    assert found["tags"][:2] == ["photo", "deblur"]
    assert file_name(facts) == "2x-mine.json"
    with pytest.raises(ValueError, match="letters and digits in groups"):
        entry(facts, "Jane Doe", "MIT", [file], "https://x.org", date(2026, 1, 31))
    with pytest.raises(ValueError, match=r"the list takes \.pth"):
        entry(facts, "jane", "MIT", [run / "summary.json"], "https://x.org", date(2026, 1, 31))


def test_what_says_nothing_about_itself_is_exported_first(tmp_path):
    torch.save({"a": torch.ones(1)}, tmp_path / "net.pth")
    with pytest.raises(ValueError, match=r"export .*net\.pth --format safetensors"):
        known_facts(tmp_path / "net.pth")
