"""Suites: which sets are found, what stands in the tables, and what they say that papers say."""

import json

import numpy as np
import pytest
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf
from PIL import Image

from realsr_mod.analysis.evaluation import evaluate
from realsr_mod.analysis.suite import evaluate_suite, sets_on_disk
from realsr_mod.analysis.tables import PlainTable
from realsr_mod.runtime.compose import compose
from realsr_mod.runtime.reference import choices

ABOUT = {"images": 2, "origin": "a paper", "folders": ["BSDS100"]}


def write_images(folder, count=2, size=(64, 48)):
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(count):
        Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), np.uint8)).save(folder / f"{number}.png")


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Evaluates with the overrides given, and returns the figures."""
    choices = OmegaConf.create({"runtime": {"choices": {"protocol": "bicubic"}, "output_dir": str(tmp_path)}})
    monkeypatch.setattr(HydraConfig, "get", staticmethod(lambda: choices))
    monkeypatch.chdir(tmp_path)

    def run(command, *overrides):
        command(compose("evaluate", ["model=bicubic", "output=out.json", "precision=float32", *overrides]))
        return json.loads((tmp_path / "out.json").read_text())

    return run


def test_sets_are_found_however_their_folders_are_written(tmp_path):
    write_images(tmp_path / "bsds_100" / "HR")
    write_images(tmp_path / "bsds_100" / "LR", 3)
    write_images(tmp_path / "more" / "set5", 1)
    (tmp_path / "Empty").mkdir()
    sets = {"BSD100": ABOUT, "Set5": {**ABOUT, "folders": []}, "Empty": ABOUT | {"folders": []}}
    found = sets_on_disk(sets, [tmp_path, tmp_path / "more"])
    assert found["BSD100"].truth == tmp_path / "bsds_100" / "HR"
    assert (found["BSD100"].found, found["BSD100"].note) == (2, "")
    assert (found["Set5"].found, found["Set5"].note) == (1, " (1 of 2)")
    assert (found["Empty"].found, found["Empty"].folder) == (0, None)
    with pytest.raises(FileNotFoundError, match=r"holds none of the suite's sets.*\n.*BSD100: a paper"):
        sets_on_disk(sets, [tmp_path / "none"])


def test_our_cells_are_what_evaluate_measures_beside_what_papers_say(run, tmp_path, capsys):
    write_images(tmp_path / "sets" / "Set5")
    expected = {
        protocol: run(evaluate, "data.root=sets/Set5", f"protocol={protocol}")["summary"][-1]
        for protocol in ("bicubic", "gaussian8")
    }
    capsys.readouterr()
    found = run(evaluate_suite, "suite=classic", "data.root=sets")
    shown = capsys.readouterr().out
    for protocol, row in expected.items():
        assert f"{row['psnr_y']:.2f} / {row['ssim_y']:.4f} (2 of 5)" in shown, protocol
    assert "32.02 / 0.8892" in shown
    assert "32.11 / –" in shown, "of KDSR-L no SSIM is known"
    assert "Huang et al." in shown, "where the missing sets come from"
    parts = {part["protocol"]: part for part in found["parts"]}
    assert parts["bicubic"]["models"][0]["summary"][0]["set"] == "Set5"
    assert (tmp_path / "out.md").read_text().strip() in shown
    assert (tmp_path / "out.tex").read_text().count("\\begin{tabular}{lcccccc}") == 2


def test_photos_without_truth_are_judged_alone(run, tmp_path):
    write_images(tmp_path / "sets" / "RealSRSet", 1, (64, 64))
    found = run(evaluate_suite, "suite=real", "data.root=sets")
    measured = [part for part in found["parts"] if part["models"]]
    assert [part["title"] for part in measured] == ["Without truth"]
    (row,) = measured[0]["models"][0]["images"]
    assert row["niqe"] == row["bicubic_niqe"] > 0
    assert "psnr_y" not in row
    assert (
        run(evaluate, "data.root=sets/RealSRSet", "protocol=photos", "metrics=[niqe]")["images"][0]["niqe"]
        == row["niqe"]
    )
    with pytest.raises(ValueError, match="psnr_y, ssim_y: nobody knows the truth of these photos; take"):
        run(evaluate, "data.root=sets/RealSRSet", "protocol=photos")


def test_a_suite_is_measured_by_one_job(run):
    with pytest.raises(ValueError, match="a suite is measured by one job"):
        run(evaluate_suite, "suite=classic", "data.root=sets", "shard=1/2")


@pytest.mark.parametrize("name", choices("suite"))
def test_what_is_published_fits_the_tables_and_has_its_source(name):
    suite = compose("evaluate", [f"suite={name}"]).suite
    assert suite.name == name
    parts = {part.title: part for part in suite.parts}
    assert all(set(part.sets) <= set(suite.sets) for part in suite.parts)
    assert all(part.protocol in choices("protocol") for part in suite.parts)
    for one in suite.published:
        part = parts[one.part]
        assert set(one.figures) <= set(part.sets)
        assert all(1 <= len(given) <= len(part.metrics) for given in one.figures.values())
        assert all(10 < given[0] < 50 and all(0 < ssim < 1 for ssim in given[1:]) for given in one.figures.values())
        assert one.source


def test_tables_are_written_as_markdown_and_latex():
    table = PlainTable("A, ×4", ["method", "set"], [["a_b|c", "1 %"], ["d", "–"]])
    assert table.as_markdown().splitlines() == [
        "**A, ×4**", "", "| method | set |", "|--------|-----|", r"| a_b\|c | 1 % |", "| d      | –   |",
    ]  # fmt: skip
    assert table.as_latex().splitlines()[2:] == [
        r"\caption{A, $\times$4}", r"\begin{tabular}{lc}", r"\toprule", r"method & set \\", r"\midrule",
        r"a\_b|c & 1 \% \\", r"d & -- \\", r"\bottomrule", r"\end{tabular}", r"\end{table}",
    ]  # fmt: skip
