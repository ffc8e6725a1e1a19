import json
import os
from pathlib import Path

import pytest
from omegaconf import OmegaConf

import realsr_mod
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
                "relation": {
                    "experiment": "x_relation",
                    "name": "x",
                    "same": ["scale"],
                    "drop": ["pairs", "network", "data.root"],
                    "rename": {"data.root": "support.root"},
                }
            },
        }
    )
    trained = []

    def train(command, environment):
        assert command[1:4] == ["-P", "-m", "realsr_mod.train"]
        assert str(Path(realsr_mod.__file__).parents[1]) in environment["PYTHONPATH"].split(os.pathsep)
        trained.append(command[4:])
        run = make_run(tmp_path / "made", {"accuracy": 0.75})
        (run / ".hydra").mkdir()
        OmegaConf.save({"name": "x", "scale": 2}, run / ".hydra" / "config.yaml")
        return 0

    monkeypatch.setattr(prerequisites, "run_child", train)
    overrides = ["experiment=x", "pairs=p", "network=kdsr_m", "network.channels=4", "data.batch_size=2", "seed=1"]
    overrides += ["data.root=a=b"]
    assert prerequisites.find_or_train(cfg, "relation", overrides) == str(tmp_path / "made")
    assert trained == [["experiment=x_relation", "resume=auto", "data.batch_size=2", "seed=1", "support.root=a=b"]]
    assert "(3 steps, accuracy 0.750)" in capsys.readouterr().out


ODD = ["", "null", "[]", "5", '"a"', "{", '{"teacher": ["a"]}', '{"teacher": {"_target_": "os.system"}}', "[" * 9_999]
ODD += ['{"teacher": "${oc.env:HOME}"}', '{"teacher": "${oc.create:{_target_: os.system, command: ls}}"}', "\x00"]


@pytest.mark.parametrize("text", [*ODD, pytest.param("[" + "0," * 99_999 + "0]", id="long")])
def test_an_odd_record_of_what_was_chosen_is_named_and_how_to_go_on(text, tmp_path, monkeypatch):
    monkeypatch.setattr(prerequisites, "find_or_train", lambda *_: pytest.fail("another one was chosen"))
    (tmp_path / "prerequisites.json").write_text(text)
    cfg = OmegaConf.create({"teacher": "auto", "prerequisites": {"teacher": {"experiment": "x"}}})
    with pytest.raises(ValueError, match=r"prerequisites\.json: .*teacher=RUN"):
        prerequisites.resolve_prerequisites(cfg, tmp_path, [])
    cfg.teacher = "a"  # given by the user, so that the record is not asked
    prerequisites.resolve_prerequisites(cfg, tmp_path, [])
    assert json.loads((tmp_path / "prerequisites.json").read_text()) == {"teacher": "a"}


def test_what_was_chosen_stays_chosen(tmp_path, monkeypatch):
    monkeypatch.setattr(prerequisites, "find_or_train", lambda *_: "new")
    made = OmegaConf.create(
        {"teacher": "auto", "start_from": "auto", "prerequisites": {"teacher": {}, "start_from": {}}}
    )
    (tmp_path / "prerequisites.json").write_text('{"teacher": "old"}')
    prerequisites.resolve_prerequisites(made, tmp_path, [])
    assert (made.teacher, made.start_from) == ("old", "new")


def damaged_runs(root):
    """Finished runs with something wrong, each of which would fit."""
    texts = {
        "no_config": None,
        "list": "[]",
        "aliases": "name: x\na0: &a0 [b, b]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40)),
        "computed": "name: x\nscale: ${oc.env:HOME}",
        "folder": "name: x\nscale: ${new_folder:" + str(root) + ",made}",
        "deep": "name: x\nscale: " + "[" * 60 + "]" * 60,
        "no_figure": "name: x\nscale: 2",
        "odd_figure": "name: x\nscale: 2",
        "odd_steps": "name: x\nscale: 2",
    }
    summaries = {"no_figure": {"psnr_y": None}, "odd_figure": {"psnr_y": "a"}, "odd_steps": {"psnr_y": 1, "steps": [1]}}
    for name, text in texts.items():
        run = make_run(root / name, summaries.get(name, {"psnr_y": 20.0}))
        if text is not None:
            (run / ".hydra").mkdir()
            (run / ".hydra" / "config.yaml").write_text(text)
    return len(texts)


def test_damaged_runs_are_named_and_passed_over_when_a_prerequisite_is_looked_for(tmp_path, caplog):
    count = damaged_runs(tmp_path)
    cfg = OmegaConf.create(
        {"runs_dir": str(tmp_path), "scale": 2, "prerequisites": {"teacher": {"name": "x", "same": ["scale"]}}}
    )
    assert prerequisites.fitting_run(cfg, "teacher") is None
    assert sum("damaged and left out" in message for message in caplog.messages) == count
    assert not (tmp_path / "made").exists()
    sound = make_run(tmp_path / "sound", {"psnr_y": 20.0})
    (sound / ".hydra").mkdir()
    (sound / ".hydra" / "config.yaml").write_text("name: x\nscale: ${other}\nother: 2\n")
    assert prerequisites.fitting_run(cfg, "teacher") == sound


def test_a_run_fits_whose_folder_of_pairs_is_the_same_in_other_words(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("mine", "other"):
        (tmp_path / name).mkdir()
    run = make_run(tmp_path / "run", {"psnr_y": 20.0})
    (run / ".hydra").mkdir()
    OmegaConf.save({"name": "x", "pairs": "mine"}, run / ".hydra" / "config.yaml")
    need = {"init": {"experiment": "x", "name": "x", "same": ["pairs"]}}
    written = {"mine": True, f"{tmp_path}/mine/": True, "./mine": True, "other": False, "not_there": False}
    for pairs, found in written.items():
        cfg = OmegaConf.create({"runs_dir": str(tmp_path), "pairs": pairs, "init": "auto", "prerequisites": need})
        assert (prerequisites.fitting_run(cfg, "init") == run) is found
        assert prerequisites.trains_others_first(cfg, tmp_path) is not found


def test_a_refused_run_leaves_no_folder_and_one_that_made_something_stays(tmp_path):
    refused, began = (tmp_path / "runs" / name / "2026-01-01_00-00-00" for name in ("refused", "began"))
    for run in (refused, began):
        (run / ".hydra").mkdir(parents=True)
        (run / "checkpoints").mkdir()
        for name in (".lock", "train.log", ".hydra/config.yaml", "prerequisites.json"):
            (run / name).touch()
    (began / "checkpoints" / "last.ckpt").touch()
    for run in (refused, began):
        runs.remove_unused(run, tmp_path / "runs")
    assert [path.name for path in (tmp_path / "runs").iterdir()] == ["began"]
    assert (began / "train.log").exists()
    (began / "checkpoints" / "last.ckpt").unlink()
    runs.remove_unused(began, tmp_path / "runs")
    assert list(tmp_path.iterdir()) == []
