"""NIQE and BRISQUE: figures of the literature's programs, and what no figure can be had of."""

import importlib.util

import pytest
import torch

from realsr_mod.metrics.brisque import NEEDS_EXTRA
from realsr_mod.metrics.named import METRICS, metric_named, named_measures
from realsr_mod.metrics.niqe import niqe


def image(golden, name):
    return golden("image_ops_a")[0][name].permute(2, 0, 1)[None].float() / 255


@pytest.mark.parametrize(("name", "figure"), [("image", "niqe_image"), ("up4_uint8", "niqe_up4")])
def test_niqe_equals_the_literature(golden, name, figure):
    assert niqe(image(golden, name)).item() == pytest.approx(golden("image_ops_a")[1][figure], abs=1e-4)


def test_niqe_of_a_batch_is_that_of_each_image_inside_its_border(golden):
    sharp, blurry = image(golden, "image"), image(golden, "up4_uint8")
    both = torch.nn.functional.pad(torch.cat([sharp, blurry]), (4, 4, 4, 4))
    assert niqe(both, border=4).tolist() == [niqe(sharp).item(), niqe(blurry).item()]


def test_niqe_of_flat_blocks_is_a_number(golden):
    half = image(golden, "image").clone()
    half[..., :96] = 0.5  # two of four blocks without any statistics
    assert 0 < niqe(half).item() < 1000


def test_niqe_in_a_validation_in_bfloat16_is_that_in_float32(golden):
    sharp = image(golden, "image")
    with torch.autocast("cpu", torch.bfloat16):
        assert niqe(sharp).item() == pytest.approx(golden("image_ops_a")[1]["niqe_image"], abs=1e-4)


def test_niqe_needs_two_blocks():
    with pytest.raises(ValueError, match=r"a 100x300 image is too small for NIQE: two blocks .* leave niqe out"):
        niqe(torch.rand(1, 3, 100, 300), border=8)


@pytest.mark.skipif(importlib.util.find_spec("brisque") is None, reason="an extra")
def test_brisque_is_the_package_s_and_finds_blur_worse(golden):
    (measure,) = named_measures(["brisque"])
    sharp, blurry = (measure(image(golden, name), image(golden, name), 0).item() for name in ("image", "up4_uint8"))
    assert sharp == pytest.approx(8.5595, abs=1e-2)
    assert blurry == pytest.approx(57.871, abs=1e-2)


def test_brisque_without_its_package_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "brisque", None)
    with pytest.raises(ValueError, match=NEEDS_EXTRA.replace("[", r"\[")):
        named_measures(["brisque"])


def test_metrics_by_name(golden):
    measures = named_measures(["niqe", "psnr_y"])
    sharp, blurry = image(golden, "image"), image(golden, "up4_uint8")
    assert [measure.title for measure in measures] == ["NIQE", "PSNR-Y"]
    assert [measure.higher_is_better for measure in measures] == [False, True]
    assert measures[1](blurry, sharp, 4).item() == pytest.approx(golden("image_ops_a")[1]["psnr_y"], abs=1e-3)
    assert measures[0](sharp, blurry, 0).item() == niqe(sharp).item(), "of the result, not of the truth"
    assert measures[0].shown(4.1291) == "4.13"
    with pytest.raises(ValueError, match=r"nique: no metric; did you mean 'niqe'\? there are: .*psnr_y"):
        metric_named("nique")
    with pytest.raises(ValueError, match="different names, got niqe, niqe"):
        named_measures(["niqe", "niqe"])
    assert all(name == metric.name for name, metric in METRICS.items())
