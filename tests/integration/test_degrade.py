"""The degrade command as people call it."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file
from skimage import data
from typer.testing import CliRunner

from realsr_mod.degrade import app


@pytest.fixture
def photos(tmp_path) -> Path:
    folder = tmp_path / "my photos"
    (folder / "trip").mkdir(parents=True)
    Image.fromarray(data.astronaut()[:65, 100:182]).save(folder / "näh.png")
    Image.fromarray(data.coffee()[:80, :80]).save(folder / "trip" / "cup.jpg")
    return folder


def degrade(*arguments: object):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def pixels(path: Path) -> np.ndarray:
    return np.array(Image.open(path))


def test_folder_is_degraded_and_replayed_from_its_params(photos, tmp_path):
    done = degrade(photos, "-o", tmp_path / "LR", "--save-params")
    assert done.exit_code == 0, done.output
    assert "cropped from 82x65 to 80x64" in done.output
    lr = pixels(tmp_path / "LR/näh.png")
    assert lr.shape == (16, 20, 3)
    assert pixels(tmp_path / "LR/trip/cup.png").shape == (20, 20, 3)
    again = degrade(photos / "näh.png", "-o", tmp_path / "again", "--params", tmp_path / "LR/näh.safetensors")
    assert again.exit_code == 0, again.output
    assert np.array_equal(pixels(tmp_path / "again/näh.png"), lr)


def test_draw_depends_on_name_and_seed_alone(photos, tmp_path):
    degrade(photos, "-o", tmp_path / "all")
    degrade(photos / "näh.png", "-o", tmp_path / "one")
    degrade(photos / "näh.png", "-o", tmp_path / "other", "--seed", 1)
    together = pixels(tmp_path / "all/näh.png")
    assert np.array_equal(pixels(tmp_path / "one/näh.png"), together)
    assert not np.array_equal(pixels(tmp_path / "other/näh.png"), together)


def test_one_images_degradation_is_applied_to_another_of_other_size(photos, tmp_path):
    degrade(photos / "trip/cup.jpg", "-o", tmp_path / "LR", "--degradation", "classic_aniso", "--save-params")
    params = tmp_path / "LR/cup.safetensors"
    done = degrade(photos / "näh.png", "-o", tmp_path / "LR", "--params", params, "--scale", 2)
    assert done.exit_code == 0, done.output
    assert pixels(tmp_path / "LR/näh.png").shape == (32, 41, 3)


def test_regions_of_one_image_are_saved_and_given_to_another(photos, tmp_path):
    done = degrade(photos / "näh.png", "-o", tmp_path / "LR", "--degradation", "spatial_classic", "--save-params")
    assert done.exit_code == 0, done.output
    params = tmp_path / "LR/näh.safetensors"
    assert load_file(params)["masks"].shape == (1, 3, 4, 4)
    for name in ("näh.png", "trip/cup.jpg"):
        done = degrade(photos / name, "-o", tmp_path / "again", "--params", params)
        assert done.exit_code == 0, done.output
    assert np.array_equal(pixels(tmp_path / "again/näh.png"), pixels(tmp_path / "LR/näh.png"))
    assert pixels(tmp_path / "again/cup.png").shape == (20, 20, 3)


def test_bad_images_are_named_and_the_others_done(photos, tmp_path):
    (photos / "broken.png").write_bytes(b"no photo")
    Image.fromarray(data.coffee()[:3, :9]).save(photos / "tiny.png")
    done = degrade(photos, photos / "missing.png", "-o", tmp_path / "LR", "--degradation", "bicubic")
    assert done.exit_code == 1
    assert "3 of 5 photos failed" in done.output
    summary = done.output.split("failed:")[-1]
    for name in ("broken.png", "tiny.png: 9x3 pixels are too few", "missing.png"):
        assert name in summary
    assert sorted(path.name for path in (tmp_path / "LR").rglob("*.*")) == ["cup.png", "näh.png"]


def test_shares_draw_what_one_job_draws(photos, tmp_path):
    assert degrade(photos, "-o", tmp_path / "one").exit_code == 0
    for index in (1, 2, 3):
        assert degrade(photos, "-o", tmp_path / "LR", "--shard", f"{index}/3").exit_code == 0
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.png"))
    assert sorted(path.relative_to(tmp_path / "LR") for path in (tmp_path / "LR").rglob("*.png")) == files
    for name in files:
        assert np.array_equal(pixels(tmp_path / "LR" / name), pixels(tmp_path / "one" / name))


def test_photo_is_never_replaced(photos):
    before = (photos / "näh.png").read_bytes()
    done = degrade(photos / "näh.png", "-o", photos)
    assert done.exit_code == 1
    assert "would replace the photo itself" in done.output
    assert (photos / "näh.png").read_bytes() == before


def test_images_of_one_name_all_get_results_and_keep_their_draws(photos, tmp_path):
    (tmp_path / "other").mkdir()
    Image.fromarray(data.coffee()[:48, :48]).save(tmp_path / "other" / "näh.png")
    arguments = (photos / "näh.png", tmp_path / "other", "-o", tmp_path / "LR")
    for _ in range(2):  # existing results are written anew
        done = degrade(*arguments)
        assert done.exit_code == 0, done.output
        assert pixels(tmp_path / "LR/other/näh.png").shape == (12, 12, 3)
    degrade(photos / "näh.png", "-o", tmp_path / "one")
    assert np.array_equal(pixels(tmp_path / "LR/my photos/näh.png"), pixels(tmp_path / "one/näh.png"))


@pytest.mark.parametrize("existing", ["cup.png", "cup.safetensors"])
def test_nothing_beside_a_photo_is_replaced(photos, existing):
    (photos / "trip" / existing).write_bytes(b"mine")
    done = degrade(photos / "trip/cup.jpg", photos / "näh.png", "-o", photos / "trip", "--save-params")
    assert done.exit_code == 1
    assert "1 of 2 photos failed" in done.output
    assert f"{existing} exists beside the photos and may be one of yours; give -o another folder" in done.output
    assert (photos / "trip" / existing).read_bytes() == b"mine"
    assert pixels(photos / "trip" / "näh.png").shape == (16, 20, 3)


def test_results_in_a_folder_among_the_photos_are_written_anew(photos):
    for _ in range(2):
        done = degrade(photos, "-o", photos / "LR")
        assert done.exit_code == 0, done.output
    assert sorted(path.name for path in (photos / "LR").rglob("*.*")) == ["cup.png", "näh.png"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--degradation", "nothing"], "give one of bicubic, camera_shake, classic_aniso"),
        (["--params", "nowhere.safetensors"], "nowhere.safetensors: no such file"),
        (["--degradation", "nowhere.yaml"], "nowhere.yaml: no such file"),
    ],
)
def test_wrong_options_say_what_to_do(photos, tmp_path, options, message):
    done = degrade(photos, "-o", tmp_path / "LR", *options)
    assert done.exit_code == 1
    assert message in done.output
    assert not (tmp_path / "LR").exists()


def test_real_command(photos, run):
    run("degrade", str(photos), "-o", "LR", "--degradation", "classic_iso", "--scale", "3")
    assert pixels(photos.parent / "LR/näh.png").shape == (21, 27, 3)
