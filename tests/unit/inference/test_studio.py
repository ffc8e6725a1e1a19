"""What the web page does, without the page."""

import tempfile
import zipfile

import numpy as np
import pytest
import torch

from realsr_mod.app import offered_models
from realsr_mod.images.image import LoadedImage
from realsr_mod.images.read import read_image
from realsr_mod.images.write import write_image
from realsr_mod.inference.large import Region
from realsr_mod.inference.studio import EXAMPLE_SIDE_PX, Studio, Wish, example_images
from realsr_mod.inference.visitors import PhotoStore, VisitorsFolder
from realsr_mod.methods.kdsr.network import KDSRNet
from realsr_mod.methods.mmrealsr.network import MMRealSRNet
from realsr_mod.weights import catalog
from realsr_mod.weights.release import save_model

SIZES = {"scale": 2, "channels": 4, "encoder_blocks": 1, "restorer_blocks": 1}
MMREALSR = {"scale": 2, "channels": 8, "num_blocks": 1, "growth": 4, "estimator_widths": [4]}
MMREALSR |= {"estimator_blocks": [1], "estimator_downscales": [1]}


def release(folder, **sizes):
    torch.manual_seed(0)
    config = {"_target_": "realsr_mod.methods.kdsr.network.KDSRNet", **SIZES, **sizes}
    save_model(KDSRNet(**SIZES, **sizes), folder, config, {})
    return folder


def test_names_tell_runs_apart_and_hide_folders(tmp_path):
    runs = [
        tmp_path / "kdsr" / "monday",
        tmp_path / "kdsr" / "2026-01-31_12-05-59",
        tmp_path / "other" / "kdsr" / "monday",
    ]
    studio = Studio([release(run / "model").parent for run in runs], 10**6)
    assert studio.names == ["kdsr · monday", "kdsr · 2026-01-31 12:05", "kdsr · monday (2)"]
    assert studio.upscaler("kdsr · monday") is studio.upscaler("kdsr · monday")
    with pytest.raises(ValueError, match="no model 'nonsense'"):
        studio.upscaler("nonsense")


def test_download_keeps_16_bits_and_previews_have_one_size(tmp_path):
    studio = Studio([release(tmp_path / "run")], 10**6)
    deep = np.random.default_rng(0).integers(0, 65536, (20, 30, 4), dtype=np.uint16)
    write_image(tmp_path / "deep.png", LoadedImage(deep))
    photo = studio.open((tmp_path / "deep.png").read_bytes(), "deep.png")
    path, before, after = studio.upscale(photo, Wish(studio.names[0]), tmp_path)
    assert path == tmp_path / "deep_x2.png"
    result = read_image(path).pixels_HWC
    assert (result.shape, result.dtype) == ((40, 60, 4), np.uint16)
    assert before.shape == after.shape == (40, 60, 3)
    assert before.dtype == after.dtype == np.uint8


@pytest.mark.usefixtures("nothing_fetched")
def test_only_models_that_work_on_a_photo_alone_are_offered(tmp_path, monkeypatch):
    monkeypatch.setattr(catalog, "ZOO_DIR", tmp_path / "zoo")
    for name, sees_hr in (("student", False), ("teacher", True)):
        release(tmp_path / name / "1" / "model", sees_hr=sees_hr)
        (tmp_path / name / "1" / "summary.json").write_text("{}")
    assert [model.path for model in offered_models([], tmp_path)] == [tmp_path / "student" / "1"]


def test_examples_are_small_and_always_the_same(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first, second = example_images(tmp_path / "a"), example_images(tmp_path / "b")
    assert len(first) == 6
    for one, other in zip(first, second, strict=True):
        pixels = read_image(one).pixels_HWC
        assert pixels.shape == (EXAMPLE_SIDE_PX, EXAMPLE_SIDE_PX, 3)
        np.testing.assert_array_equal(pixels, read_image(other).pixels_HWC)


def test_an_embedding_serves_the_model_that_made_it_alone(tmp_path):
    torch.manual_seed(0)
    folders = []
    for number in range(2):  # two models whose embeddings could be mistaken for each other's
        network = MMRealSRNet(**MMREALSR)
        for parameter in network.parameters():
            torch.nn.init.normal_(parameter, std=0.3)
        folders.append(tmp_path / str(number) / "run")
        config = {"_target_": "realsr_mod.methods.mmrealsr.network.MMRealSRNet", **MMREALSR}
        save_model(network, folders[-1], config, {})
    studio = Studio(folders, 10**6)
    one, other = studio.names
    (tmp_path / "results").mkdir()

    def result(photo, model):
        return studio.upscale(photo, Wish(model), tmp_path / "results")[2]

    write_image(tmp_path / "a.png", LoadedImage(np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)))
    content = (tmp_path / "a.png").read_bytes()
    alone = result(studio.open(content, "a.png"), other)
    photo = studio.open(content, "a.png")
    assert not np.array_equal(studio.embedding(photo, one), studio.embedding(photo, other))
    switched = studio.open(content, "a.png")
    studio.degrees(switched, one)
    result(switched, one)
    np.testing.assert_array_equal(result(switched, other), alone)
    assert studio.embedding(switched, other) is studio.embedding(switched, other)  # estimated once


@pytest.fixture
def handlers(tmp_path, monkeypatch):
    events = pytest.importorskip("realsr_mod.inference.events", reason="the web page's extra is not installed")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    studio = Studio([release(tmp_path / "run")], 10**6)
    with VisitorsFolder(3600) as folder:
        yield events.Handlers(studio, folder, PhotoStore(2 * 128 * 128 * 3))


def test_a_photo_that_made_room_for_others_is_opened_again_or_a_sentence_says_so(handlers):
    model = handlers.studio.names[0]
    (first, place), *others = (handlers.open_file(str(path)) for path in handlers.examples[:4])
    assert len(others) == 3
    assert handlers.store.nbytes == 2 * 128 * 128 * 3
    with pytest.raises(ValueError, match=r"chelsea\.png had to make room for .*--photo-memory-mb .* once more"):
        handlers.upscale(first, place, model, "2×", 0, 0, 0)
    handlers.open_again(first)
    assert "128×128 → 256×256" in handlers.upscale(first, place, model, "2×", 0, 0, 0)[3]


def test_a_photo_whose_upload_is_gone_is_named_without_its_folder(handlers):
    gone = handlers.folder.uploads / "mine.png"
    with pytest.raises(ValueError, match=r"^mine\.png is no longer kept: nobody has used it for 60 minutes"):
        handlers.open_again(str(gone))


def test_without_a_photo_there_is_nothing_to_do(handlers):
    handlers.open_again(None)
    assert handlers.upscale(None, None, handlers.studio.names[0], "2×", 0, 0, 0)[3].startswith("No photo is open")


def test_a_part_of_a_large_photo_is_shown_as_the_whole_becomes(tmp_path):
    studio = Studio([release(tmp_path / "run")], 10**6)
    pixels = np.random.default_rng(0).integers(0, 256, (410, 500, 3), np.uint8)
    write_image(tmp_path / "large.png", LoadedImage(pixels))
    photo, wish = studio.open((tmp_path / "large.png").read_bytes(), "large.png"), Wish(studio.names[0], outscale=2)
    before, after = studio.preview(photo, wish, photo.region(1, 1))
    assert photo.region(1, 1) == Region(208, 296, 200, 200)
    assert before.shape == after.shape == (400, 400, 3)
    said = []
    path = studio.upscale(photo, wish, tmp_path / "results", lambda done, total: said.append(done / total))[0]
    whole = read_image(path).pixels_HWC
    assert whole.shape == (820, 1000, 3)
    assert np.abs(whole[416:816, 592:992].astype(int) - after).mean() < 0.5
    assert said[0] == 0
    assert said[-1] == 1


def test_several_photos_become_one_file_and_what_fails_is_named(handlers):
    broken = handlers.folder.uploads / "broken.png"
    broken.write_bytes(b"no photo")
    button, said = handlers.make_all([str(handlers.examples[0]), str(broken)], handlers.studio.names[0], "2×")
    assert said.startswith("1 of 2 photos are in photos.zip · broken.png: ")
    with zipfile.ZipFile(button.value["path"]) as archive:
        assert archive.namelist() == ["01_chelsea_x2.png"]
    with pytest.raises(ValueError, match=r"broken\.png"):
        handlers.make_all([str(broken)], handlers.studio.names[0], "2×")


def test_texture_is_offered_by_halves_of_a_pair_alone(tmp_path):
    studio = Studio([*(entry.folder for entry in catalog.entries()), release(tmp_path / "run")], 10**6)
    found = {name: studio.texture(name) for name in studio.names if studio.texture(name) is not None}
    assert found == {"kdsr-camera-x4": 0, "kdsr-texture-x4": 1}
