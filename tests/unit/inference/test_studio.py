"""What the web page does, without the page."""

import gc
import os
import time

import numpy as np
import pytest
import torch

from realsr_mod.app import offered_models
from realsr_mod.images.read import LoadedImage, read_image
from realsr_mod.images.write import write_image
from realsr_mod.inference.studio import EXAMPLE_SIDE_PX, Studio, example_images
from realsr_mod.methods.kdsr.network import KDSRNet
from realsr_mod.weights import catalog
from realsr_mod.weights.release import save_model

SIZES = {"scale": 2, "channels": 4, "encoder_blocks": 1, "restorer_blocks": 1}


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
    photo = studio.open((tmp_path / "deep.png").read_bytes(), "deep.png", studio.names[0])
    path, before, after = studio.upscale(photo, studio.names[0], {}, tmp_path)
    assert path == tmp_path / "deep_x2.png"
    result = read_image(path).pixels_HWC
    assert (result.shape, result.dtype) == ((40, 60, 4), np.uint16)
    assert before.shape == after.shape == (40, 60, 3)
    assert before.dtype == after.dtype == np.uint8


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


@pytest.mark.slow
def test_results_are_forgotten_after_the_promised_time_and_with_the_page(tmp_path):
    page = pytest.importorskip("realsr_mod.inference.page", reason="the web page's extra is not installed")
    handlers = page.Handlers(Studio([release(tmp_path / "run")], 10**6))
    model = handlers.studio.names[0]
    photo = handlers.open_file(str(handlers.examples[0]), model)[0]

    folder = handlers.folder

    def results() -> list:
        return sorted(folder.glob("*/*.png"))

    handlers.upscale(photo, model, 0, 0)
    [first] = results()
    handlers.upscale(photo, model, 0, 0)
    assert len(results()) == 2
    long_ago = time.time() - page.FORGET_AFTER_S - 1
    os.utime(first.parent, (long_ago, long_ago))
    os.utime(handlers.examples[0], (long_ago, long_ago))
    handlers.upscale(photo, model, 0, 0)
    assert len(results()) == 2
    assert not first.parent.exists()
    assert handlers.examples[0].is_file()  # not a visitor's
    del handlers
    gc.collect()
    assert not folder.exists()
