"""DRTL as a person uses it: relation, weighted pre-training, adaptation to pairs, upscaling with the result."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from commands import TINY
from PIL import Image
from skimage import data

from realsr_mod.inference.upscaler import Upscaler
from realsr_mod.weights.locate import newest_model
from realsr_mod.weights.release import read_config

ADAPT_TINY = [item for item in TINY if not item.startswith("data.val_draws")]
RELATION_TINY = ["network.channels=4", *(item for item in TINY if not item.startswith("network."))]


@pytest.fixture
def pairs(tmp_path):
    for name in ("HR", "LR"):
        (tmp_path / "pairs" / name).mkdir(parents=True)
    for i in range(2):
        hr = np.ascontiguousarray(data.astronaut()[:160, 100 * i : 100 * i + 240])
        lr = cv2.GaussianBlur(cv2.resize(hr, (120, 80), interpolation=cv2.INTER_AREA), (0, 0), 0.8)
        Image.fromarray(hr).save(tmp_path / "pairs" / "HR" / f"{i}.png")
        Image.fromarray(lr).save(tmp_path / "pairs" / "LR" / f"{i}.png")
    return tmp_path / "pairs"


def only(folder, pattern):
    (found,) = folder.glob(pattern)
    return found


@pytest.mark.slow
def test_from_pairs_to_a_larger_image(run, tmp_path, pairs):
    done = run("train", "experiment=drtl_relation", *RELATION_TINY)
    relation = only(tmp_path, "runs/drtl_relation/*")
    assert 0 <= json.loads((relation / "summary.json").read_text())["accuracy"] <= 1
    assert "accuracy" in done.stdout
    assert read_config(relation)["restores"] is False

    run("train", "experiment=drtl_general", *TINY)
    general = only(tmp_path, "runs/drtl_general/*")
    done = run("train", "experiment=drtl_pretrain", "pairs=pairs", *TINY)
    assert f"start_from: {general.relative_to(tmp_path)}" in done.stdout  # found, not trained again
    assert "2 pairs, at most" in done.stdout
    assert "related to the camera:" in done.stdout  # by gradients

    done = run("train", "experiment=drtl_adapt", "pairs=pairs", *ADAPT_TINY)
    adapted = only(tmp_path, "runs/drtl_adapt/*")
    assert "init: runs/" in done.stdout
    assert "2 pairs, at most" in done.stdout
    init = Path(json.loads((adapted / "summary.json").read_text())["prerequisites"]["init"])
    assert "experiment=drtl_pretrain" in (tmp_path / init / ".hydra" / "overrides.yaml").read_text()
    assert read_config(adapted)["network"] == read_config(tmp_path / init)["network"]
    assert newest_model(tmp_path / "runs") == adapted
    assert Upscaler.load(adapted)(Image.open(pairs / "LR" / "0.png")).size == (240, 160)
