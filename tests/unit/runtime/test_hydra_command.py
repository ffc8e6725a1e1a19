import os
import sys

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from realsr_mod.runtime.hydra_command import run_command
from realsr_mod.training.resume import resumed_arguments
from realsr_mod.training.runs import run_lock


def failing(arguments, monkeypatch, capsys, task=lambda cfg: None):
    monkeypatch.setattr(sys, "argv", ["train", *arguments])
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    with pytest.raises(SystemExit) as exit_:
        run_command("train", task)
    assert exit_.value.code == 1
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("argument", "named"),
    [
        ("method.temprature=1", ["no key 'temprature' in 'method'", "did you mean 'temperature'?", "warmup_steps"]),
        ("sede=1", ["no key 'sede'", "did you mean 'seed'?", "scale"]),
        ("experiment=kdsr_studnt", ["no experiment 'kdsr_studnt'", "'kdsr_student'?", "paper/kdsr_iso_teacher"]),
        ("data=foldr", ["data/foldr", "folder"]),
    ],
)
def test_what_does_not_exist_is_named_with_what_does(argument, named, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    error = failing([argument], monkeypatch, capsys)
    assert all(part in error for part in named), error
    assert "Traceback" not in error


def test_a_key_that_only_some_jobs_of_a_sweep_have_is_named(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    error = failing(["-m", "experiment=crlsr,kdsr_student", "teacher=null"], monkeypatch, capsys)
    assert "not every job of this sweep has a key 'teacher'" in error


def test_a_users_error_is_one_message(monkeypatch, capsys, tmp_path):
    def task(cfg):
        raise ValueError("HR is odd; crop it")

    monkeypatch.chdir(tmp_path)
    error = failing([], monkeypatch, capsys, task)
    assert "error: HR is odd; crop it" in error
    assert "Traceback" not in error


@pytest.fixture
def unfinished(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, overrides in {"a": ["seed=1", "scale=2"], "b": ["seed=2"]}.items():
        run = tmp_path / "runs" / "kdsr" / name
        (run / ".hydra").mkdir(parents=True)
        (run / "checkpoints").mkdir()
        (run / "checkpoints" / "last.ckpt").touch()
        OmegaConf.save(OmegaConf.create(overrides), run / ".hydra" / "overrides.yaml")
    return tmp_path / "runs" / "kdsr"


def test_resume_auto_takes_the_run_of_the_same_command(unfinished):
    resumed = resumed_arguments(["resume=auto", "scale=2", "seed=1"])
    assert resumed[:2] == ["scale=2", "seed=1"]
    assert resumed[2:] == [f"resume='{unfinished / 'a'}'", f"hydra.run.dir='{unfinished / 'a'}'"]
    assert resumed_arguments(["resume=auto", "seed=3"]) == ["seed=3"]


def test_resume_auto_leaves_finished_runs_alone(unfinished):
    (unfinished / "b" / "summary.json").touch()
    assert resumed_arguments(["resume=auto", "seed=2"]) == ["seed=2"]


def test_resume_by_folder_brings_the_runs_overrides_and_then_yours(unfinished):
    resumed = resumed_arguments([f"resume={os.path.relpath(unfinished / 'a')}", "logger=tensorboard", "--cfg", "job"])
    assert resumed[:5] == ["--cfg", "job", "seed=1", "scale=2", "logger=tensorboard"]


@pytest.mark.parametrize("change", ["method.optimizer.lr=1", "trainer.max_steps=9", "~scheduler", "scale=3"])
def test_resume_refuses_what_the_checkpoint_has_fixed(unfinished, change):
    with pytest.raises(ValueError, match="cannot change"):
        resumed_arguments([f"resume={unfinished / 'a'}", change])


def test_resume_of_a_finished_run_is_refused(unfinished):
    (unfinished / "a" / "summary.json").touch()
    with pytest.raises(ValueError, match="has finished"):
        resumed_arguments([f"resume={unfinished / 'a'}"])


def test_resume_auto_leaves_running_runs_alone(unfinished):
    with run_lock(unfinished / "b"):
        assert resumed_arguments(["resume=auto", "seed=2"]) == ["seed=2"]
    assert resumed_arguments(["resume=auto", "seed=2"])[0] == "seed=2"
    assert len(resumed_arguments(["resume=auto", "seed=2"])) == 3


def test_a_missing_value_is_named(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    error = failing(["data=folder"], monkeypatch, capsys, lambda cfg: cfg.data.root)
    assert "data.root is needed" in error


def test_a_missing_value_of_the_method_is_named_as_it_is_given(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    error = failing(
        ["output_distillation=released"], monkeypatch, capsys, lambda cfg: cfg.method.output_distillation.model
    )
    assert "error: output_distillation.model is needed and has no default; give output_distillation.model=" in error


def test_resume_of_nothing_is_named(unfinished):
    with pytest.raises(FileNotFoundError, match="no run here"):
        resumed_arguments(["resume=nowhere"])


@pytest.mark.parametrize("name", ["Fotos Mädchen (1)", "d'Artagnan", "R&B #1!", "a=b", "plain"])
def test_folders_may_be_called_as_people_call_them(name, monkeypatch, tmp_path):
    seen = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["train", f"name={name}", f"hydra.run.dir={tmp_path / name}"])
    run_command("train", lambda cfg: seen.append(cfg.name))
    assert seen == [name]
    assert (tmp_path / name / ".hydra").is_dir()


def test_a_run_in_an_odd_folder_can_be_resumed(unfinished):
    run = (unfinished / "a").rename(unfinished.parent / "it's (1)")
    *_, resumed, folder = resumed_arguments([f"resume={run}"])
    parsed = OverridesParser.create().parse_overrides([resumed, folder])
    assert [override.value() for override in parsed] == [str(run)] * 2


def test_a_full_disk_is_one_message(monkeypatch, capsys, tmp_path):
    def task(cfg):
        raise OSError(28, "No space left on device", "last.ckpt")

    monkeypatch.chdir(tmp_path)
    error = failing([], monkeypatch, capsys, task)
    assert "No space left on device: 'last.ckpt'" in error
    assert "Traceback" not in error
