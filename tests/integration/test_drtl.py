"""DRTL as a person uses it: relation, weighted pre-training, adaptation to pairs, upscaling with the result."""

import json

import cv2
import numpy as np
import pytest
from commands import TINY
from PIL import Image
from skimage import data

from realsr_mod.weights.release import load_model, read_config

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
def test_from_pairs_to_a_larger_picture(run, tmp_path, pairs):
    done = run("train", "experiment=drtl_relation", *RELATION_TINY)
    relation = only(tmp_path, "runs/drtl_relation/*")
    assert json.loads((relation / "summary.json").read_text())["accuracy"] >= 0
    assert "accuracy" in done.stdout
    assert read_config(relation)["restores"] is False

    drawn = run("methods.drtl.relation", str(relation), "pairs", "-o", "graph")
    assert "poster" in drawn.stdout
    assert (tmp_path / "graph" / "relation.png").is_file()

    done = run("train", "experiment=drtl_pretrain", "pairs=pairs", *TINY)
    assert str(relation.relative_to(tmp_path)) in done.stdout  # found, not trained again
    assert "related to the camera:" in done.stdout

    done = run("train", "experiment=drtl_adapt", "pairs=pairs", *TINY)
    pretrained, adapted = only(tmp_path, "runs/drtl_pretrain/*"), only(tmp_path, "runs/drtl_adapt/*")
    assert f"init: {pretrained.relative_to(tmp_path)}" in done.stdout
    assert "2 pairs, at most" in done.stdout
    network = load_model(adapted)
    assert sum(p.numel() for p in network.parameters()) == sum(p.numel() for p in load_model(pretrained).parameters())
    summary = json.loads((adapted / "summary.json").read_text())
    assert summary["bicubic_psnr_y"] > 20

    run("train", "experiment=drtl_reptile", "pairs=pairs", *TINY, "data.batch_size=8")
    run("train", "experiment=drtl_maml", "pairs=pairs", *TINY, "data.batch_size=8")
    run("upscale", "pairs/LR/0.png", "-o", "larger", "--model", str(adapted))
    assert Image.open(tmp_path / "larger" / "0.png").size == (240, 160)
