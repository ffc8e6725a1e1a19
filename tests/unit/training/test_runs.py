import json

import pytest
from omegaconf import OmegaConf

from realsr_mod.training import prerequisites, runs
from realsr_mod.weights import locate


def make_run(folder, summary, **config):
    (folder / "model").mkdir(parents=True)
    (folder / "model" / "config.json").write_text(json.dumps({"network": {}, **config}))
    (folder / "summary.json").write_text(json.dumps({"steps": 3, **summary}))
    return folder


def test_the_newest_model_is_one_that_makes_images(tmp_path):
    restorer = make_run(tmp_path / "a", {"psnr_y": 20.0}, restores=True)
    make_run(tmp_path / "b", {"accuracy": 0.5}, restores=False)
    make_run(tmp_path / "c", {"psnr_y": 20.0}, network={"sees_hr": True})
    assert len(locate.finished_runs(tmp_path)) == 3
    assert locate.newest_model(tmp_path) == restorer
    assert locate.upscaling_runs(tmp_path) == [restorer]


@pytest.mark.parametrize(("summary", "line"), [({"psnr_y": 25.678}, "25.68 dB"), ({"accuracy": 0.5}, "accuracy 0.500")])
def test_a_run_is_judged_by_what_its_method_measures(summary, line):
    assert runs.headline(summary) == line


def test_a_prerequisite_is_trained_without_the_overrides_that_it_drops(tmp_path, monkeypatch, capsys):
    cfg = OmegaConf.create(
        {
            "runs_dir": str(tmp_path),
            "scale": 2,
            "relation": "auto",
            "prerequisites": {
                "relation": {"experiment": "x_relation", "name": "x", "same": ["scale"], "drop": ["pairs", "network"]}
            },
        }
    )
    trained = []

    def train(command, environment):
        trained.append(command[3:])
        run = make_run(tmp_path / "made", {"accuracy": 0.75})
        (run / ".hydra").mkdir()
        OmegaConf.save({"name": "x", "scale": 2}, run / ".hydra" / "config.yaml")
        return 0

    monkeypatch.setattr(prerequisites, "run_child", train)
    overrides = ["experiment=x", "pairs=p", "network=kdsr_m", "network.channels=4", "data.batch_size=2", "seed=1"]
    assert prerequisites.find_or_train(cfg, "relation", overrides) == str(tmp_path / "made")
    assert trained == [["experiment=x_relation", "resume=auto", "data.batch_size=2", "seed=1"]]
    assert "(3 steps, accuracy 0.750)" in capsys.readouterr().out
