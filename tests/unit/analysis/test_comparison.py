"""Paired differences with their intervals, and the page that shows models side by side."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from realsr_mod.analysis.comparison import paired_differences
from realsr_mod.analysis.comparison_page import IMAGES_FOLDER, ComparisonPage
from realsr_mod.analysis.models import Judged
from realsr_mod.data.protocols import Case
from realsr_mod.metrics.named import named_measures


def rows(values, set_name="a", condition="x"):
    return [{"set": set_name, "condition": condition, "image": str(i), "psnr_y": v} for i, v in enumerate(values)]


def test_a_difference_that_hardly_varies_is_sure_whatever_the_images_are_like():
    truth = np.random.default_rng(0).normal(27, 5, 30)  # images differ by far more than models do
    noise = np.random.default_rng(1).normal(0, 0.1, 30)
    (difference,) = paired_differences(rows(truth + 0.5 + noise), rows(truth), ["psnr_y"])
    assert difference.mean == pytest.approx(0.5 + noise.mean())
    expected = 1.96 * noise.std() / 30**0.5  # of the normal distribution, which 30 images come near to
    assert difference.high - difference.mean == pytest.approx(expected, rel=0.2)
    assert difference.mean - difference.low == pytest.approx(expected, rel=0.2)
    assert paired_differences(rows(truth + 0.5 + noise), rows(truth), ["psnr_y"]) == [difference], "the same again"


def test_conditions_of_one_image_are_no_new_evidence():
    values = np.random.default_rng(0).normal(0, 1, 12)
    (once,) = paired_differences(rows(values), rows(np.zeros(12)), ["psnr_y"])
    many = [row for condition in "xyz" for row in rows(values, condition=condition)]
    none = [row for condition in "xyz" for row in rows(np.zeros(12), condition=condition)]
    (thrice,) = paired_differences(many, none, ["psnr_y"])
    assert (thrice.low, thrice.high, thrice.images) == (pytest.approx(once.low), pytest.approx(once.high), 12)


def test_sets_stand_alone_and_together_and_one_image_has_no_interval():
    ours, others = rows([1.0, 2.0]) + rows([7.0], "b"), rows([0.0, 0.0]) + rows([0.0], "b")
    found = {difference.set: difference for difference in paired_differences(ours, others, ["psnr_y"])}
    assert {name: d.mean for name, d in found.items()} == {"a": 1.5, "b": 7, "all": pytest.approx(10 / 3)}
    assert (found["b"].low, found["b"].high) == (None, None)


@pytest.fixture
def page(tmp_path):
    page = ComparisonPage(tmp_path, most=2)
    images = {"LR": torch.zeros(1, 3, 4, 6), "bicubic": torch.full((1, 3, 8, 12), 0.5), "HR": torch.ones(1, 3, 8, 12)}
    evil = Judged("</script><b>", "x", None, [{"set": "s", "condition": "c", "image": "i", "psnr_y": 20.0}])
    case = Case("c", "i.png", images["LR"], images["HR"])
    page.add("s", case, images | {evil.name: torch.full((1, 3, 8, 12), 2.0)}, {evil.name: evil.rows[0]})
    summary = [{"set": "s", "condition": "mean", "cases": 1, "psnr_y": 20.0, "bicubic_psnr_y": 20.0, "seconds": 0.0}]
    page.write([evil], named_measures(["psnr_y"]), {evil.name: summary}, {})
    return tmp_path


def test_the_page_holds_images_as_they_are_and_names_as_text(page):
    text = (page / "comparison.html").read_text()
    assert text.count("</script>") == 1, "no name ends the script"
    data = json.loads(text.split("const data = ")[1].split(";\n")[0])
    assert data["cases"][0]["figures"]["</script><b>"]["psnr_y"] == 20
    values = {name: np.array(Image.open(page / file)) for name, file in data["cases"][0]["files"].items()}
    assert {name: (*value.shape[:2], value[0, 0, 0]) for name, value in values.items()} == {
        "LR": (4, 6, 0), "bicubic": (8, 12, 128), "HR": (8, 12, 255), "</script><b>": (8, 12, 255)
    }  # fmt: skip
    assert len(list((page / IMAGES_FOLDER).iterdir())) == 4


def test_cases_are_spread_evenly_over_all():
    page = ComparisonPage(None, most=3)
    assert [number for number in range(9) if page.shows(number, 9)] == [0, 4, 8]
    assert all(page.shows(number, 2) for number in range(2))
    with pytest.raises(ValueError, match="page=false makes no page"):
        ComparisonPage(None, most=0)
