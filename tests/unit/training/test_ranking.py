"""What a sweep shows in the end."""

import json

from omegaconf import OmegaConf

from realsr_mod.training.ranking import Ranking


def rank(folder, capsys, rank_by="psnr_y", **jobs):
    """Let the sweep in `folder` end with these summaries; returns ranking.json and what was printed."""
    for name, summary in jobs.items():
        (folder / name / ".hydra").mkdir(parents=True)
        OmegaConf.save(OmegaConf.create(["seed=0", f"experiment={name}"]), folder / name / ".hydra" / "overrides.yaml")
        (folder / name / "summary.json").write_text(json.dumps(summary))
    Ranking().on_multirun_end(OmegaConf.create({"hydra": {"sweep": {"dir": str(folder)}}, "rank_by": rank_by}))
    return json.loads((folder / "ranking.json").read_text()), capsys.readouterr().out


def psnr(value):
    return {"psnr_y": value, "ssim_y": 0.5, "bicubic_psnr_y": 20.0}


def test_the_best_comes_first_and_only_what_differs_is_shown(tmp_path, capsys):
    ranking, shown = rank(tmp_path, capsys, worse=psnr(21.5), better=psnr(22.25))
    assert [job["psnr_y"] for job in ranking] == [22.25, 21.5]
    assert shown.index("22.250") < shown.index("21.500")
    assert "+2.250" in shown
    assert "seed=0" not in shown


def test_networks_that_classify_stand_below_those_that_restore(tmp_path, capsys):
    ranking, shown = rank(tmp_path, capsys, restores=psnr(21.5), classifies={"accuracy": 0.75})
    assert [job["overrides"][1] for job in ranking] == ["experiment=restores", "experiment=classifies"]
    assert "accuracy 0.750" in shown


def test_a_damaged_job_is_named_and_the_others_are_ranked(tmp_path, capsys, caplog):
    for number, text in enumerate(("", "[]", "{", '{"psnr_y": "a"}', "{}")):
        folder = tmp_path / f"damaged{number}"
        folder.mkdir()
        (folder / "summary.json").write_text(text)
        (folder / "failed.json").write_text(text)
    ranking, shown = rank(tmp_path, capsys, sound=psnr(21.5))
    assert [job["psnr_y"] for job in ranking] == [21.5]
    assert "1 jobs, best first" in shown
    assert sum("damaged and left out" in message for message in caplog.messages) == 10


def test_another_figure_ranks_in_its_own_direction(tmp_path, capsys):
    worse, better = psnr(29.0) | {"niqe": 9.25}, psnr(25.0) | {"niqe": 5.5}
    ranking, shown = rank(tmp_path, capsys, rank_by="niqe", sharp=better, smooth=worse, without=psnr(30.0))
    assert [job["overrides"][1] for job in ranking] == [f"experiment={name}" for name in ("sharp", "smooth", "without")]
    assert shown.index("5.50") < shown.index("9.25")
    assert "NIQE" in shown
