import builtins
import json

import numpy as np
import pytest

from realsr_mod.analysis.embeddings import collect, pooled
from realsr_mod.analysis.projection import pca, to_plane
from realsr_mod.analysis.study import study
from realsr_mod.networks.srresnet import SRResNet


@pytest.fixture(scope="module")
def features(images):
    return collect(SRResNet(4, 4, 1), images, pool="flatten", batch_size=5)["rb1"]


def test_rows_do_not_depend_on_the_batches(images, features):
    network = SRResNet(4, 4, 1)
    whole, parts = (collect(network, images, ["rb1", "up1"], "flatten", size) for size in (18, 7))
    assert whole["rb1"].shape == (18, 4 * 8 * 8)
    assert all(np.allclose(whole[tap], parts[tap], atol=1e-6) for tap in whole)
    means = collect(network, images)["rb1"]
    assert np.allclose(means, whole["rb1"].reshape(18, 4, 64).mean(2), atol=1e-6)
    with pytest.raises(ValueError, match="pool must be mean or flatten, got 'max'"):
        pooled(None, "max")


def test_the_same_seed_gives_the_same_study(images, features):
    first, second = (study("a", "rb1", features, images, seed=3) for _ in range(2))
    assert np.array_equal(first.plane_N2, second.plane_N2)
    assert json.dumps(first.figures()) == json.dumps(second.figures())
    other = study("a", "rb1", features, images, seed=4)
    assert other.by_coordinates.chi_degradation == pytest.approx(first.by_coordinates.chi_degradation)


def test_rows_say_what_each_image_is(images, features):
    one = study("a", "rb1", features[:, :5], images, projection="pca")
    rows = list(one.rows())
    assert rows[0] | {"content": "photo0 (0)", "photo": 0, "condition": "clean"} == rows[0]
    assert rows[7]["blur"] == 2
    assert [rows[7][f"e{i}"] for i in range(5)] == pytest.approx(features[7, :5].tolist())
    assert rows[7]["taken_for"] in ("clean", "blur σ 2", "noise 20")


def test_two_entries_are_shown_as_they_are(images, features):
    one = study("a", "embedding", features[:, :2], images, names=("blur", "noise"))
    assert one.axes == ("blur", "noise")
    assert np.array_equal(one.plane_N2, features[:, :2])
    assert to_plane(features[:, :1]).tolist() == [[value, 0] for value in features[:, 0].tolist()]


def test_broken_features_and_unknown_projections_are_named(images, features, monkeypatch):
    with pytest.raises(ValueError, match="NaN or infinite values at rb1"):
        study("a", "rb1", features * np.nan, images)
    with pytest.raises(ValueError, match="got 'som'"):
        to_plane(pca(features), "som")
    real_import = builtins.__import__

    def no_umap(name, *arguments):
        if name == "umap":
            raise ModuleNotFoundError(name=name)
        return real_import(name, *arguments)

    monkeypatch.setattr(builtins, "__import__", no_umap)
    with pytest.raises(ValueError, match=r"realsr-mod\[umap\]"):
        to_plane(pca(features), "umap")
