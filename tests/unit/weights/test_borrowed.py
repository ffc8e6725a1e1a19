"""Networks that build on a published model: small files, the very backbone, and an answer where it is missing."""

import json

import pytest
import torch
from rich.console import Console
from safetensors import safe_open
from typer.testing import CliRunner

from realsr_mod import zoo
from realsr_mod.app import offered_models
from realsr_mod.methods.mmrealsr.steered import SteeredRRDBNet
from realsr_mod.weights import catalog, realesrgan
from realsr_mod.weights.borrowed import borrowed_state
from realsr_mod.weights.listing import print_models
from realsr_mod.weights.ncnn.export import export_ncnn
from realsr_mod.weights.official import read_official
from realsr_mod.weights.release import load_restorer, read_config, save_model

CONFIG = {
    "_target_": "realsr_mod.methods.mmrealsr.steered.SteeredRRDBNet",
    "backbone": "realesrgan-x4plus",
    "scale": 4,
    "channels": 4,
    "num_blocks": 1,
    "growth": 2,
    "steering_channels": 8,
    "steering_blocks": 1,
    "hidden": 8,
    "estimator_widths": [4],
    "estimator_blocks": [1],
    "estimator_downscales": [1],
}


@pytest.fixture
def network(tiny_backbone) -> SteeredRRDBNet:
    torch.manual_seed(0)
    network = SteeredRRDBNet(**{key: value for key, value in CONFIG.items() if key != "_target_"})
    network.load_state_dict(network.state_dict() | borrowed_state(network))
    torch.nn.init.normal_(network.steering.to_images.weight)
    return network.eval()


@pytest.fixture
def folder(network, tmp_path):
    save_model(network, tmp_path / "model", CONFIG, {"name": "sliders"})
    return tmp_path / "model"


def edit(folder, **changes) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | {"network": config["network"] | changes}))


@torch.no_grad()
def test_a_released_file_has_the_small_part_alone(folder, network, tiny_backbone):
    with safe_open(folder / "model.safetensors", "pt") as file:
        kept = set(file.keys())
    assert kept == {key for key in network.state_dict() if not key.startswith("restorer.")}
    loaded = load_restorer(folder)
    for key, value in network.state_dict().items():
        assert torch.equal(loaded.state_dict()[key], value), key
    lr = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(loaded(lr), read_official(tiny_backbone)[0](lr))
    turned = torch.tensor([[1.0, 0.0, 0.5, 0.5]])
    assert torch.equal(loaded.restore(lr, turned), network.restore(lr, turned))


def test_without_the_backbone_its_config_is_read_and_loading_says_what_to_fetch(folder, tiny_backbone):
    tiny_backbone.with_suffix(".bin").write_bytes(b"other")  # a name means one model
    assert read_config(folder)["network"]["backbone"] == "realesrgan-x4plus"
    with pytest.raises(FileNotFoundError, match=r"realesrgan-x4plus is not here yet; 'python -m realsr_mod\.zoo get"):
        load_restorer(folder)


def test_for_ncnn_the_backbone_is_named_instead(network, tmp_path):
    pytest.importorskip("ncnn")
    with pytest.raises(ValueError, match=r"sliders of a SteeredRRDBNet .* or export realesrgan-x4plus, whose pictures"):
        export_ncnn(network, tmp_path / "model.param", torch.tensor([0.5, 0.0, 0.5, 0.5]))
    assert not any(tmp_path.glob("model.*"))


@pytest.mark.parametrize("name", ["../secret", "hf://somebody/model", "mmrealsr-x4"])
def test_a_config_can_name_published_models_alone(folder, name):
    edit(folder, backbone=name)
    with pytest.raises(ValueError, match=f"backbone '{name}': not a published model; .*realesrgan-x4plus"):
        load_restorer(folder)


def test_a_size_that_the_published_model_has_not_is_refused(folder, tiny_backbone, monkeypatch):
    edit(folder, growth=3000)  # the weights beside it do not contradict
    with pytest.raises(ValueError, match=r"config\.json: describes a network with [\d,]+ parameters of realesrgan"):
        read_config(folder)
    edit(folder, growth=2)
    longer = realesrgan.Published(**vars(realesrgan.PUBLISHED[0]) | {"name": "realesrgan-x4plus-anime"})
    monkeypatch.setattr(realesrgan, "PUBLISHED", (*realesrgan.PUBLISHED, longer))
    with pytest.raises(FileNotFoundError, match="realesrgan-x4plus-anime is not here yet"):
        borrowed_state(SteeredRRDBNet("realesrgan-x4plus-anime", num_blocks=1))


def listed() -> str:
    out = Console(width=100, record=True)
    print_models(out)
    return out.export_text()


def test_in_the_zoo_it_says_what_it_builds_on_and_is_offered_where_that_is_here(
    network, tiny_backbone, tmp_path, monkeypatch
):
    monkeypatch.setattr(catalog, "ZOO_DIR", tmp_path / "zoo")
    blurred = {"_target_": "realsr_mod.degradations.classic.ClassicDegradation", "scale": 4}
    info = {"method": "realsr_mod.methods.mmrealsr.steering.Steering", "degradation": blurred}
    save_model(network, tmp_path / "run/model", CONFIG, info)
    (tmp_path / "run/.hydra").mkdir()
    (tmp_path / "run/.hydra/overrides.yaml").write_text("[]")
    summary = {"name": "sliders", "steps": 7, "seconds": 3600, "machine": "abacus", "prerequisites": {}}
    (tmp_path / "run/summary.json").write_text(json.dumps(summary))
    zoo.add(tmp_path / "run", "sliders-x4", made_for="Tests", trained_on="None", weak_at="All", license="None")
    assert (
        "MB beside `realesrgan-x4plus`, which is fetched once, sliders blur and noise |"
        in (tmp_path / "zoo/sliders-x4/README.md").read_text()
    )
    assert "builds on realesrgan-x4plus, here: yes" in listed()
    assert (tmp_path / "zoo/sliders-x4") in [model.path for model in offered_models([], tmp_path / "runs")]
    tiny_backbone.with_suffix(".bin").rename(tmp_path / "elsewhere.bin")
    assert "builds on realesrgan-x4plus, here: zoo get" in listed()
    assert not offered_models([], tmp_path / "runs")

    def fetch():
        (tmp_path / "elsewhere.bin").rename(tiny_backbone.with_suffix(".bin"))
        return tiny_backbone.parent

    monkeypatch.setattr(realesrgan, "fetch", fetch)
    assert "realesrgan-x4plus is in" in CliRunner().invoke(zoo.app, ["get", "sliders-x4"]).output
    assert offered_models([], tmp_path / "runs")
