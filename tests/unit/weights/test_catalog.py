"""Networks by name: made from a run, found by every command, checked when they are loaded."""

import json
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from safetensors.torch import load_file
from typer.testing import CliRunner

from realsr_mod.app import offered_models
from realsr_mod.export import Format, write
from realsr_mod.inference.studio import Studio
from realsr_mod.inference.upscaler import Upscaler
from realsr_mod.methods.kdsr.module import KDSRStudent, KDSRTeacher
from realsr_mod.methods.kdsr.network import KDSRNet
from realsr_mod.runtime.compose import compose
from realsr_mod.upscale import app
from realsr_mod.weights import catalog
from realsr_mod.weights.borrowed import own_state
from realsr_mod.weights.card import CARD_NAME, IMAGES_NAME, render_card, shown_degradation
from realsr_mod.weights.catalog import CONFIG_NAME, WEIGHTS_NAME
from realsr_mod.weights.locate import locate
from realsr_mod.weights.release import build_network, load_model, read_config, save_model
from realsr_mod.zoo import add, command, measured, measured_rows, stages

SIZES = {"scale": 2, "channels": 4, "encoder_blocks": 1, "restorer_blocks": 1}
DEGRADATION = {"_target_": "realsr_mod.degradations.classic.ClassicDegradation", "scale": 2}
TEXTS = {"made_for": "Tests", "trained_on": "Nothing", "weak_at": "Everything", "license": "None needed"}
LR = torch.rand(1, 3, 8, 10, generator=torch.Generator().manual_seed(0))


def finished_run(folder, name, prerequisites=None, overrides=(), **sizes):
    torch.manual_seed(0)
    network = KDSRNet(**SIZES, **sizes).eval()
    target = {"_target_": "realsr_mod.methods.kdsr.network.KDSRNet", **SIZES, **sizes}
    info = {"name": name, "method": "realsr_mod.methods.kdsr.module.KDSRStudent", "degradation": DEGRADATION}
    save_model(network, folder / "model", target, info)
    summary = {"name": name, "steps": 7, "seconds": 3600, "machine": "abacus", "prerequisites": prerequisites or {}}
    (folder / "summary.json").write_text(json.dumps(summary))
    (folder / ".hydra").mkdir()
    OmegaConf.save(OmegaConf.create(list(overrides)), folder / ".hydra" / "overrides.yaml")
    return network


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A zoo of a teacher and the default model, made from runs; and the default model's network as it was trained."""
    root = tmp_path_factory.mktemp("made")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalog, "ZOO_DIR", root / "zoo")
        finished_run(root / "teacher", "stage_one", sees_hr=True)
        overrides = ["experiment=zoo/x", "seed=3", f"data.root={root}", f"teacher={root}", f"runs_dir={root}"]
        network = finished_run(root / "student", "stage_two", {"teacher": str(root / "teacher")}, overrides)
        add(root / "student", catalog.DEFAULT_MODEL, **TEXTS)
    save_model(load_model(root / "teacher").half(), root / "teacher_half", read_config(root / "teacher")["network"], {})
    return root, network


@pytest.fixture
def zoo(made, monkeypatch):
    monkeypatch.setattr(catalog, "ZOO_DIR", made[0] / "zoo")
    return made[1]


def test_half_precision_on_disk_float32_in_memory(zoo):
    folder = catalog.read_entry(catalog.DEFAULT_MODEL).folder
    stored, loaded = load_file(folder / WEIGHTS_NAME), load_model(catalog.DEFAULT_MODEL).state_dict()
    for key, value in zoo.state_dict().items():
        assert stored[key].dtype == torch.float16
        assert loaded[key].dtype == torch.float32
        assert torch.equal(loaded[key], value.half().float())


def test_card_and_catalog_say_what_the_runs_say(zoo, made):
    entry = catalog.read_entry(catalog.DEFAULT_MODEL)
    assert (entry.method, entry.scale, entry.sliders, entry.trained_on) == ("kdsr", 2, [], "Nothing")
    assert entry.parameters == sum(p.numel() for p in zoo.parameters())
    assert [(stage["name"], stage["steps"]) for stage in entry.stages] == [("stage_one", 7), ("stage_two", 7)]
    assert entry.command == "python -m realsr_mod.train experiment=zoo/x seed=3 data.root=PHOTOS"
    card = (entry.folder / CARD_NAME).read_text()
    assert "stage_one: 7 steps in 1.00 h (abacus); stage_two" in card
    assert all(text in card for text in TEXTS.values())
    assert entry.sha256 in card
    assert str(made[0]) not in card + (entry.folder / CONFIG_NAME).read_text()
    assert (entry.folder / IMAGES_NAME).stat().st_size > 10_000


def test_weights_beyond_half_precision_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(catalog, "ZOO_DIR", tmp_path / "zoo")
    network = finished_run(tmp_path / "run", "x")
    network.restorer.head.weight.data[0] = 1e5
    config = read_config(tmp_path / "run")
    save_model(network, tmp_path / "run" / "model", config.pop("network"), config)
    with pytest.raises(ValueError, match="exceeds 65504"):
        add(tmp_path / "run", "x", **TEXTS)
    assert catalog.zoo_names() == []


def test_of_a_training_on_pairs_one_says_how_they_came_about(tmp_path, monkeypatch):
    monkeypatch.setattr(catalog, "ZOO_DIR", tmp_path / "zoo")
    network = finished_run(tmp_path / "run", "x", overrides=["data=paired", "data.hr_root=a", "data.lr_root=b"])
    config = read_config(tmp_path / "run")
    save_model(network, tmp_path / "run" / "model", config.pop("network"), config | {"degradation": None})
    with pytest.raises(ValueError, match="trained on pairs; say what the card's images are degraded by, --degradation"):
        add(tmp_path / "run", "x", **TEXTS)
    add(tmp_path / "run", "x", **TEXTS, degradation="bicubic")
    assert read_config(tmp_path / "zoo" / "x")["degradation"]["_target_"].endswith("Bicubic")
    assert catalog.read_entry("x").command.endswith("train data=paired data.hr_root=HR data.lr_root=LR")


def test_other_weights_than_the_released_ones_are_refused(tmp_path):
    finished_run(tmp_path, "x")
    weights = tmp_path / "model" / WEIGHTS_NAME
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ValueError, match=r"model\.safetensors: its SHA-256 is .* Copy the whole folder again"):
        load_model(tmp_path)


@pytest.mark.usefixtures("nothing_fetched")
def test_every_command_takes_the_name(zoo, made, tmp_path, monkeypatch):
    name, expected = catalog.DEFAULT_MODEL, load_model(made[0] / "zoo" / catalog.DEFAULT_MODEL)
    monkeypatch.chdir(tmp_path)
    training = {"optimizer": torch.optim.Adam}
    assert torch.equal(Upscaler.load().engine.network(LR), expected(LR))
    assert write(name, Format.safetensors).parent.as_posix() == f"export/{name}"
    started = KDSRStudent(KDSRNet(**SIZES), teacher=None, start_from=name, **training)
    assert torch.equal(started.network(LR), expected(LR))
    assert [model.path for model in offered_models([name], tmp_path)] == [made[0] / "zoo" / name]
    studio = Studio(offered_models([], tmp_path), 10**6)
    assert studio.names == [name]
    assert torch.equal(studio.upscaler(name).engine.network(LR), expected(LR))


def test_a_teacher_of_the_zoo(made, tmp_path, monkeypatch):
    monkeypatch.setattr(catalog, "ZOO_DIR", tmp_path)
    (tmp_path / "my-teacher").symlink_to(made[0] / "teacher_half")
    student = KDSRStudent(KDSRNet(**SIZES), teacher="my-teacher", optimizer=torch.optim.Adam)
    assert torch.equal(student.teacher.encoder.mlp[0].weight, load_model(tmp_path / "my-teacher").encoder.mlp[0].weight)
    KDSRTeacher(KDSRNet(**SIZES, sees_hr=True), start_from="my-teacher", optimizer=torch.optim.Adam)


def test_what_lies_here_wins_over_a_name(zoo, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    finished_run(tmp_path / catalog.DEFAULT_MODEL, "mine")
    assert read_config(catalog.DEFAULT_MODEL)["name"] == "mine"


def test_unknown_names_are_answered_with_the_known_ones(zoo):
    wrong = catalog.DEFAULT_MODEL.replace("-", "_")
    with pytest.raises(FileNotFoundError, match=f"{wrong}: no model here; did you mean {catalog.DEFAULT_MODEL}?"):
        load_model(wrong)
    with pytest.raises(ValueError, match=f"not in the zoo; it has {catalog.DEFAULT_MODEL}"):
        catalog.read_entry(wrong)


def test_list_and_default_of_the_upscale_command(zoo, tmp_path, monkeypatch):
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    listed = CliRunner().invoke(app, ["--list"])
    assert listed.exit_code == 0
    assert all(part in listed.output for part in (catalog.DEFAULT_MODEL, "(default)", "Tests", "0.00 M"))
    Image.new("RGB", (12, 10)).save("photo.png")
    done = CliRunner().invoke(app, ["photo.png"])
    assert done.exit_code == 0, done.output
    assert f"model: {catalog.DEFAULT_MODEL} of the zoo" in done.output
    assert Image.open("upscaled/photo.png").size == (24, 20)


def evaluation(path, sha256, psnr_y, protocol="iso", name="set5"):
    row = {"cases": 2, "psnr_y": psnr_y, "ssim_y": 0.8, "bicubic_psnr_y": 25.0, "bicubic_ssim_y": 0.7}
    row |= {"seconds": 0.5, "megapixels": 0.25}
    summary = [{"set": s, "condition": c, **row} for s, c in ((name, "σ 1"), (name, "mean"), ("all", "mean"))]
    content = {"model": "x", "sha256": sha256, "protocol": protocol, "machine": "abacus", "precision": "32-true"}
    content["summary"] = summary
    path.write_text(json.dumps(content))
    return path


def test_figures_are_those_of_these_weights_and_replace_older_ones(made, tmp_path, monkeypatch):
    monkeypatch.setattr(catalog, "ZOO_DIR", tmp_path / "zoo")
    add(made[0] / "student", "x", **TEXTS)
    sha256 = catalog.read_entry("x").sha256
    with pytest.raises(ValueError, match="measured on other weights"):
        measured("x", [evaluation(tmp_path / "a.json", "0" * 64, 27.0)])
    measured(
        "x", [evaluation(tmp_path / "a.json", sha256, 27.0), evaluation(tmp_path / "b.json", sha256, 26.0, "bicubic")]
    )
    measured(
        "x", [evaluation(tmp_path / "a.json", sha256, 28.0), evaluation(tmp_path / "c.json", sha256, 30.0, name="B")]
    )
    entry = catalog.read_entry("x")
    assert entry.gains() == {"bicubic": pytest.approx(1.0), "iso": pytest.approx(4.0)}
    assert entry.seconds_per_megapixel() == {"abacus, 32-true": pytest.approx(2.0)}
    card = (entry.folder / CARD_NAME).read_text()
    assert "| iso | set5 | σ 1 | 28.00 | 25.00 | +3.00 | 0.8000 | 0.7000 |" in card
    assert "27.00" not in card
    assert card.count("| mean |") == 0  # of one condition each
    assert "2.00 s per megapixel of the result (abacus, 32-true)" in card


def test_many_draws_are_one_row_of_a_card(made, tmp_path, monkeypatch):
    monkeypatch.setattr(catalog, "ZOO_DIR", tmp_path / "zoo")
    add(made[0] / "student", "x", **TEXTS)
    path = evaluation(tmp_path / "a.json", catalog.read_entry("x").sha256, 27.0)
    content = json.loads(path.read_text())
    first, mean, _ = content["summary"]
    content["summary"] = [first | {"condition": "seed 0"}, first | {"condition": "seed 1", "psnr_y": 28.0}, mean]
    path.write_text(json.dumps(content))
    measured("x", [path])
    card = (catalog.read_entry("x").folder / CARD_NAME).read_text()
    assert "| iso | set5 | 2 draws | 27.00 |" in card
    assert "seed" not in card.split("## Measured")[1].split("## What")[0]


@pytest.mark.parametrize("name", catalog.zoo_names())
def test_the_zoo_that_ships(name):
    entry = catalog.read_entry(name)
    config = read_config(entry.folder)
    assert config["name"] == name
    with torch.device("meta"):
        network = build_network(config["network"])
    stored = load_file(entry.weights)
    assert sum(p.numel() for p in network.parameters()) == entry.parameters
    assert {key: value.shape for key, value in own_state(network).items()} == {k: v.shape for k, v in stored.items()}
    assert {value.dtype for value in stored.values()} == {torch.float16}
    assert (entry.folder / CARD_NAME).read_text() == render_card(entry)  # made after the last change
    assert entry.measured
    assert all((entry.made_for, entry.trained_on, entry.weak_at, entry.license, entry.stages))


def test_without_a_model_the_default_is_meant_and_the_newest_run_where_the_zoo_lacks_it(zoo, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert locate().path == catalog.ZOO_DIR / catalog.DEFAULT_MODEL
    monkeypatch.setattr(catalog, "ZOO_DIR", tmp_path / "empty")
    with pytest.raises(FileNotFoundError, match="newest: no trained model under runs/"):
        locate()
    finished_run(tmp_path / "runs" / "mine", "mine")
    assert locate().path == Path("runs/mine")


def test_the_default_is_in_the_zoo_that_ships():
    assert not catalog.zoo_names() or catalog.DEFAULT_MODEL in catalog.zoo_names()


@pytest.mark.parametrize("trained_on", ["quintuple", "noise_pair"])
def test_of_a_degradation_with_several_versions_one_is_shown(trained_on):
    composed = compose("train", [f"degradation={trained_on}"]).degradation
    hr = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    one = shown_degradation(OmegaConf.to_container(composed, resolve=True))
    other = shown_degradation(read_config(catalog.ZOO_DIR / "kdsr-real-x4")["degradation"])
    params = one.sample(tuple(hr.shape), torch.Generator().manual_seed(0))
    assert torch.equal(one(hr, params), other(hr, params))
    assert torch.equal(one.target(hr), other.target(hr))
    assert not torch.equal(one.target(hr), hr)


@pytest.mark.parametrize(
    "summary",
    ["{}", "[]", '{"name": 5}', '{"name": "a", "steps": 1, "seconds": 1, "prerequisites": {"teacher": "RUN"}}',
     '{"name": "a", "steps": 1, "seconds": 1, "prerequisites": [1]}', '{"prerequisites": {"teacher": [1]}}'],
)  # fmt: skip
def test_odd_summaries_of_runs_are_named(summary, tmp_path):
    (tmp_path / "summary.json").write_text(summary.replace("RUN", str(tmp_path)))
    with pytest.raises(ValueError, match=str(tmp_path)):
        stages(tmp_path)
    if "RUN" not in summary:
        with pytest.raises(ValueError, match=str(tmp_path)):
            command(tmp_path)


@pytest.mark.parametrize("rows", ["null", "[5]", "[{}]", '[{"set": "a", "condition": 1, "cases": 1, "psnr_y": "b"}]'])
def test_odd_evaluations_are_named(rows, tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"model": 1, "machine": 1, "precision": 1, "protocol": 1, "sha256": "c", "summary": ' + rows + "}")
    with pytest.raises(ValueError, match="not what evaluate writes"):
        measured_rows(path, "c")
