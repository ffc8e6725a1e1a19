import sys

import pytest
from commands import forked
from hydra._internal.utils import get_args_parser
from hydra.errors import ConfigCompositionException

from realsr_mod.runtime.config_errors import explain
from realsr_mod.runtime.hydra_command import run_command
from realsr_mod.runtime.overrides import VALUED_FLAGS, flags_first


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
        (
            "adversarial.weight=1",
            ["nothing is chosen for adversarial", "no key 'weight'", "choose adversarial=patch or adversarial=unet"],
        ),
        ("~nosuch/group", ["nosuch/group"]),
        ("conditions=null", ["~conditions: this command has no group 'conditions'", "leave it out"]),
    ],
)
def test_what_does_not_exist_is_named_with_what_does(argument, named, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    error = failing([argument], monkeypatch, capsys)
    assert all(part in error for part in named), error
    assert "Traceback" not in error


@pytest.mark.parametrize("argument", ["degradation=null", "~degradation"])
def test_what_cannot_be_taken_away_is_named_with_what_there_is(argument, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    error = failing([argument], monkeypatch, capsys, lambda cfg: cfg.data.degradation)
    assert "error: ~degradation takes away what is needed here; leave it out, or choose degradation=auxiliary" in error
    error = failing(["~logger"], monkeypatch, capsys, lambda cfg: cfg.logger)
    assert "error: ~logger takes away what is needed here" in error


def test_a_sweep_cannot_choose_nothing(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    error = failing(["-m", "start_from=null", "scheduler=one_cycle,null"], monkeypatch, capsys)
    assert "error: scheduler=null: a sweep cannot" in error
    assert "~scheduler does" in error


@pytest.mark.parametrize("argument", ["scheduler=null", "~scheduler"])
def test_a_choice_is_taken_away_by_either_word(argument, monkeypatch, tmp_path):
    seen = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["train", argument, "adversarial=null"])
    run_command("train", lambda cfg: seen.append((cfg.method.scheduler, cfg.method.adversarial)))
    assert seen == [(None, None)]


def test_omegaconfs_own_hint_from_2_4_on_is_passed_over():
    error = ConfigCompositionException("Could not override 'sede'.")
    error.__cause__ = ValueError("Key 'sede' is not in struct. Did you mean one of: 'seed'?\n    full_key: sede\n")
    assert "no key 'sede'; did you mean 'seed'?" in explain(error)


def test_a_key_that_only_some_jobs_of_a_sweep_have_is_named(tmp_path, monkeypatch):
    monkeypatch.delenv("HYDRA_FULL_ERROR", raising=False)
    sweep = ("train", "-m", "experiment=crlsr,kdsr_student", "teacher=null")
    done = forked(sweep, tmp_path, tmp_path / "said.txt", timeout_s=200)
    assert done.returncode == 1
    assert "not every job of this sweep has a key 'teacher'" in done.stdout


def test_a_users_error_is_one_message(monkeypatch, capsys, tmp_path):
    def task(cfg):
        raise ValueError("HR is odd; crop it")

    monkeypatch.chdir(tmp_path)
    error = failing([], monkeypatch, capsys, task)
    assert "error: HR is odd; crop it" in error
    assert "Traceback" not in error


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


@pytest.mark.parametrize("name", ["Fotos Mädchen (1)", "d'Artagnan", "R&B #1!", "a=b", "plain"])
def test_folders_may_be_called_as_people_call_them(name, monkeypatch, tmp_path):
    seen = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["train", f"name={name}", f"hydra.run.dir={tmp_path / name}"])
    run_command("train", lambda cfg: seen.append(cfg.name))
    assert seen == [name]
    assert (tmp_path / name / ".hydra").is_dir()


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (["a=1", "-m", "seed=0,1"], ["-m", "a=1", "seed=0,1"]),
        (["a=1", "--cfg", "job", "b=2"], ["--cfg", "job", "a=1", "b=2"]),
        (["a=1", "-c", "job", "-r", "~b", "--multirun"], ["-c", "job", "-r", "--multirun", "a=1", "~b"]),
        (["a=1", "--cfg=job", "b=2", "-cn=x"], ["--cfg=job", "-cn=x", "a=1", "b=2"]),
        (["a=1", "--info", "b=2"], ["--info", "a=1", "b=2"]),
        (["a=-1", "b=[1,2]", "resume=auto"], ["a=-1", "b=[1,2]", "resume=auto"]),
        (["a=1", "--cfg"], ["--cfg", "a=1"]),
        ([], []),
    ],
)
def test_flags_may_stand_anywhere(given, read):
    assert flags_first(given) == read


def test_the_flags_with_a_value_are_hydras():
    actions = get_args_parser()._actions
    valued = {name for action in actions if action.nargs != 0 for name in action.option_strings}
    assert valued <= VALUED_FLAGS


def test_a_sweep_between_overrides_runs_every_job(monkeypatch, tmp_path):
    seen = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["train", "name=a", "-m", "seed=0,1"])
    run_command("train", lambda cfg: seen.append((cfg.name, cfg.seed)))
    assert seen == [("a", 0), ("a", 1)]


def test_a_full_disk_is_one_message(monkeypatch, capsys, tmp_path):
    def task(cfg):
        raise OSError(28, "No space left on device", "last.ckpt")

    monkeypatch.chdir(tmp_path)
    error = failing([], monkeypatch, capsys, task)
    assert "No space left on device: 'last.ckpt'" in error
    assert "Traceback" not in error
