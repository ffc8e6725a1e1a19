import os

import pytest
from filelock import FileLock
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from realsr_mod.runtime.folders import let_go
from realsr_mod.training.resume import resumed_arguments, steps_done


@pytest.fixture
def unfinished(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name, overrides in {"a": ["seed=1", "scale=2"], "b": ["seed=2"]}.items():
        run = tmp_path / "runs" / "kdsr" / name
        (run / ".hydra").mkdir(parents=True)
        (run / "checkpoints").mkdir()
        (run / "checkpoints" / "last.ckpt").touch()
        OmegaConf.save(OmegaConf.create(overrides), run / ".hydra" / "overrides.yaml")
    yield tmp_path / "runs" / "kdsr"
    for folder in tmp_path.rglob("*"):  # what the test took, as a command does until it ends
        let_go(folder)


def test_resume_auto_takes_the_run_of_the_same_command(unfinished):
    resumed = resumed_arguments(["resume=auto", "scale=2", "seed=1"])
    assert resumed[:2] == ["scale=2", "seed=1"]
    assert resumed[2:] == [f"resume='{unfinished / 'a'}'", f"hydra.run.dir='{unfinished / 'a'}'"]
    assert resumed_arguments(["resume=auto", "seed=3"]) == ["seed=3"]


def test_a_run_is_ended_by_its_folder_or_its_command_and_can_then_still_go_on(unfinished):
    assert resumed_arguments([f"resume={unfinished / 'a'}", "finish=true"])[:3] == ["seed=1", "scale=2", "finish=true"]
    assert resumed_arguments(["resume=auto", "seed=2", "finish=true"])[2] == f"resume='{unfinished / 'b'}'"
    OmegaConf.save(OmegaConf.create(["seed=2", "finish=true"]), unfinished / "b" / ".hydra" / "overrides.yaml")
    assert resumed_arguments([f"resume={unfinished / 'b'}"])[0] == "seed=2"
    with pytest.raises(ValueError, match="no checkpoint of one is there; give resume=RUN"):
        steps_done(None)


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


@pytest.mark.parametrize("schedule", ["scheduler=null", "scheduler=halving"])
def test_the_length_may_change_where_the_learning_rate_does_not_go_by_it(unfinished, schedule):
    OmegaConf.save(OmegaConf.create([schedule, "trainer.max_steps=5"]), unfinished / "a" / ".hydra" / "overrides.yaml")
    assert resumed_arguments([f"resume={unfinished / 'a'}", "trainer.max_steps=9"])[:2] == [
        schedule,
        "trainer.max_steps=9",
    ]


def test_resume_of_a_finished_run_is_refused(unfinished):
    (unfinished / "a" / "summary.json").touch()
    with pytest.raises(ValueError, match="has finished"):
        resumed_arguments([f"resume={unfinished / 'a'}"])


def test_resume_auto_leaves_running_runs_alone(unfinished):
    with FileLock(unfinished / "b" / ".lock"):
        assert resumed_arguments(["resume=auto", "seed=2"]) == ["seed=2"]
    assert resumed_arguments(["resume=auto", "seed=2"])[0] == "seed=2"
    assert len(resumed_arguments(["resume=auto", "seed=2"])) == 3


def test_resume_of_nothing_is_named(unfinished):
    with pytest.raises(FileNotFoundError, match="no run here"):
        resumed_arguments(["resume=nowhere"])


def test_a_run_in_an_odd_folder_can_be_resumed(unfinished):
    run = (unfinished / "a").rename(unfinished.parent / "it's (1)")
    *_, resumed, folder = resumed_arguments([f"resume={run}"])
    parsed = OverridesParser.create().parse_overrides([resumed, folder])
    assert [override.value() for override in parsed] == [str(run)] * 2
