"""What evaluate measures of one model and of several, in one or in shares, what it calls its sets, where it writes."""

import json
import shutil

import numpy as np
import pytest
import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf
from PIL import Image

from realsr_mod.analysis.evaluation import evaluate, output_file, set_names
from realsr_mod.metrics import psnr_y
from realsr_mod.networks.rrdb import RRDBNet
from realsr_mod.runtime.compose import compose
from realsr_mod.weights.release import load_restorer, save_model


@pytest.fixture
def setting(tmp_path, monkeypatch):
    """Three photos, two networks of ×2 and one of ×4, and a function that evaluates."""
    rng = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    for name in "abc":
        Image.fromarray(rng.integers(0, 256, (40, 48, 3), np.uint8)).save(tmp_path / "photos" / f"{name}.png")
    for seed, (name, scale) in enumerate({"first": 2, "second": 2, "four": 4}.items()):
        torch.manual_seed(seed)
        config = {"scale": scale, "channels": 4, "num_blocks": 1, "growth": 2}
        target = {"_target_": "realsr_mod.networks.rrdb.RRDBNet", **config}
        save_model(RRDBNet(**config), tmp_path / name, target, {"name": name})
    choices = OmegaConf.create({"runtime": {"choices": {"protocol": "bicubic"}, "output_dir": str(tmp_path)}})
    monkeypatch.setattr(HydraConfig, "get", staticmethod(lambda: choices))
    monkeypatch.chdir(tmp_path)

    def run(*overrides):
        evaluate(
            compose(
                "evaluate", ["data.root=photos", "protocol=bicubic", "output=out.json", "precision=float32", *overrides]
            )
        )
        written = tmp_path / "out.json"
        return json.loads(written.read_text()) if written.exists() else None

    return run


def test_several_models_are_compared_on_the_same_cases(setting, tmp_path, capsys):
    found = setting("model=[first,second,bicubic]", "page_images=1")
    assert [content["model"] for content in found["models"]] == ["first", "second", "bicubic"]
    values = [[row["psnr_y"] for row in content["images"]] for content in found["models"]]
    assert values[2] == [row["bicubic_psnr_y"] for row in found["models"][0]["images"]]
    difference = next(d for d in found["differences"] if (d["model"], d["metric"]) == ("second", "psnr_y"))
    assert difference["from"] == "first"
    assert difference["mean"] == pytest.approx(np.subtract(values[1], values[0]).mean())
    assert difference["low"] <= difference["mean"] <= difference["high"]
    shown = capsys.readouterr().out
    assert all(
        part in shown for part in ("first", "second", "95 % by paired bootstrap", "side by side: comparison.html")
    )
    assert len(list((tmp_path / "comparison_images").iterdir())) == 5  # LR, bicubic, HR, and of each network


@torch.no_grad()
def test_one_model_s_figures_are_its_image_s(setting, tmp_path):
    found = setting("model=first", "metrics=[psnr_y]")
    assert not (tmp_path / "comparison.html").exists()
    assert found["sha256"]
    assert found["images"][0].keys() == {
        "set", "condition", "image", "psnr_y", "bicubic_psnr_y", "seconds", "megapixels"
    }  # fmt: skip
    from realsr_mod.data.protocols import FixedClassic

    case = next(iter(FixedClassic(2, [{}]).cases("photos")))
    assert found["images"][0]["psnr_y"] == pytest.approx(psnr_y(load_restorer("first")(case.lr), case.hr, 2).item())


def test_models_of_several_scales_are_refused(setting):
    with pytest.raises(ValueError, match=r"models of one scale can be compared.*first ×2, four ×4"):
        setting("model=[first,four]")
    with pytest.raises(ValueError, match=r"a\.png in photos: a 40x48 image is too small for NIQE"):
        setting("model=first", "metrics=[niqe]")


def test_sets_of_one_name_are_told_apart(tmp_path, monkeypatch):
    assert set_names(["data/Set5", "data/Set14"]) == ["Set5", "Set14"]
    assert set_names(["Canon/Test/HR", "Nikon/Test/HR"]) == ["Canon/Test/HR", "Nikon/Test/HR"]
    assert set_names(["a/all"]) == ["a/all"], "'all' is the row of all sets"
    (tmp_path / "Urban100").mkdir()
    monkeypatch.chdir(tmp_path / "Urban100")
    assert set_names(["."]) == ["Urban100"]


def test_the_output_is_ready_before_anything_is_measured(tmp_path):
    assert output_file(OmegaConf.create({"output": str(tmp_path)})) == tmp_path / "evaluation.json"
    output = output_file(OmegaConf.create({"output": str(tmp_path / "new" / "figures.json")}))
    assert output == tmp_path / "new" / "figures.json"
    assert output.parent.is_dir()


def with_bad_images(folder) -> None:
    (folder / "bad.png").write_bytes(b"no image")
    Image.new("RGB", (2, 2)).save(folder / "tiny.png")
    Image.new("RGB", (9, 9)).save(folder / "small.png")


def test_bad_images_cost_themselves_alone(setting, tmp_path, capsys):
    with_bad_images(tmp_path / "photos")
    found = setting("model=[first,second]", "metrics=[psnr_y]")
    for content in found["models"]:
        assert [row["image"] for row in content["images"]] == ["a.png", "b.png", "c.png"]
    assert len(found["skipped"]) == 3
    said = capsys.readouterr().out
    assert "3 images are left out of these figures:" in said
    assert "bad.png: not a PNG" in said


def test_nothing_but_bad_images_is_an_error_that_names_the_first(setting, tmp_path):
    for path in (tmp_path / "photos").iterdir():
        path.unlink()
    with_bad_images(tmp_path / "photos")
    with pytest.raises(ValueError, match=r"bad.png: not a PNG"):
        setting("model=bicubic", "scale=2")


@pytest.fixture
def shares(setting, tmp_path):
    """Two folders, one of which holds a name twice and a bad image, and a function that measures shares of them."""
    shutil.copytree(tmp_path / "photos", tmp_path / "more" / "inside")
    for name in "ad":
        shutil.copy(tmp_path / "photos" / "b.png", tmp_path / "more" / f"{name}.png")
    with_bad_images(tmp_path / "photos")

    def run(*overrides):
        noisy = ["protocol=iso", "protocol.blurs=[{sigma_px: 1.2}]", "protocol.noise_sigmas_255=[0,9]"]
        given = ["model=[first,second]", "data.root=[photos,more]", "metrics=[psnr_y]", "page=false"]
        return setting(*noisy, *given, *overrides)

    return run


def without_times(content):
    """What was measured, but for seconds."""
    if isinstance(content, dict):
        return {key: without_times(value) for key, value in content.items() if key != "seconds"}
    return [without_times(value) for value in content] if isinstance(content, list) else content


def test_shares_together_have_the_bits_of_the_whole(shares, capsys):
    whole = without_times(shares())
    for index in range(1, 6):
        shares(f"shard={index}/5", "output=parts/")
    assert capsys.readouterr().out.count(" of 22 cases, written to parts/evaluation_") == 5
    joined = without_times(shares("join=parts"))
    assert json.dumps(joined) == json.dumps(whole)  # in the same order, too
    assert len(joined["models"][1]["images"]) == 16
    assert len(joined["skipped"]) == 3


def test_shares_that_do_not_make_a_whole_are_refused(shares, tmp_path):
    for index in (1, 2):
        shares(f"shard={index}/3", "output=parts/")
    with pytest.raises(ValueError, match=r"1 of 3 shares are missing; measure them:\n  shard=3/3"):
        shares("join=parts")
    shares("shard=3/3", "output=parts/", "metrics=[ssim_y]")
    with pytest.raises(ValueError, match=r"3_of_3.json is of another measurement .* metrics is \['ssim_y'\]"):
        shares("join=parts")
    shares("shard=3/3", "output=parts/")
    shutil.copy(tmp_path / "parts" / "evaluation_3_of_3.json", tmp_path / "parts" / "copy.json")
    with pytest.raises(ValueError, match=r"share 3/3 is there twice: .*copy.json, .*evaluation_3_of_3.json"):
        shares("join=parts")
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(ValueError, match=r"other.json is no share of an evaluation"):
        shares("join=[other.json]")
    with pytest.raises(FileNotFoundError, match="no share lies there"):
        shares("join=photos")
    with pytest.raises(ValueError, match=r"shard=4/3 must be I/N"):
        shares("shard=4/3")
    with pytest.raises(ValueError, match="give one of the two"):
        shares("shard=1/3", "join=parts")
    with pytest.raises(ValueError, match="page=true shows images that one job has measured"):
        shares("shard=1/3", "page=true")
