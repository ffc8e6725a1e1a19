"""A search: who takes which trial, how it ends, what its page says."""

import json
import re
from types import SimpleNamespace

import optuna
import pytest
import torch
from filelock import FileLock
from hydra.core.utils import JobReturn, JobStatus
from optuna.trial import TrialState

from realsr_mod.metrics.named import metric_named
from realsr_mod.runtime.folders import let_go
from realsr_mod.training import pruning
from realsr_mod.training.search import Search, outcome
from realsr_mod.training.search_page import importance, write_page
from realsr_mod.training.space import split
from realsr_mod.training.study import open_study

FIXED, SPACE = split(["sweep=optuna", "lr=tag(log,interval(1e-4,1e-2))", "net=choice(small,large)"])


def search(folder, trials=3, seed=0):
    return Search(folder, open_study(folder, "journal", "psnr_y"), SPACE, FIXED, trials, seed)


class Launcher:
    """Trains by writing down a figure; what is asked of it is kept."""

    def __init__(self, folder, figure=lambda overrides: 30.0):
        self.folder, self.figure, self.launched = folder, figure, []

    def launch(self, jobs, initial_job_idx):
        (overrides,) = jobs
        self.launched.append((initial_job_idx, overrides))
        run = self.folder / str(initial_job_idx)
        run.mkdir(exist_ok=True)
        (run / "summary.json").write_text(json.dumps({"psnr_y": self.figure(overrides), "name": "x"}))
        job = JobReturn()
        job.status, job.return_value = JobStatus.COMPLETED, 0.0
        return [job]


def test_there_are_as_many_trials_as_wanted_by_all_together(tmp_path):
    launcher, counts = Launcher(tmp_path), []
    for _ in range(2):  # the second finds nothing to do
        one = search(tmp_path)
        while (trial := one.take()) is not None:
            one.train(trial, launcher, "psnr_y")
        counts.append(len(one.study.trials))
    assert counts == [3, 3]
    assert [number for number, _ in launcher.launched] == [0, 1, 2]
    assert all(overrides[0] == "sweep=optuna" for _, overrides in launcher.launched)
    assert len({overrides[1] for _, overrides in launcher.launched}) == 3


def test_draws_are_a_function_of_seed_and_number(tmp_path):
    found = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        (tmp_path / name).mkdir()
        one = search(tmp_path / name, seed=seed)
        found.append([one.take().params for _ in range(2)])
    assert found[0] == found[1] != found[2]
    assert found[0][0] != found[0][1]


def test_a_trial_whose_process_is_gone_is_taken_over_and_one_at_work_is_not(tmp_path):
    first = search(tmp_path)
    left, at_work = first.take(), first.take()
    (tmp_path / "0").mkdir()
    let_go(tmp_path / ".claims" / "0")  # as the system does when a process ends
    let_go(tmp_path / ".claims" / "1")
    second, launcher = search(tmp_path), Launcher(tmp_path)
    with FileLock(tmp_path / ".claims" / "1" / ".lock"):
        taken = second.take()
        assert taken.number == left.number
        second.train(taken, launcher, "psnr_y")
        assert launcher.launched == [(0, [*left.user_attrs["overrides"], "resume=auto"])]
        assert second.take().number == 2, "a new one"
        assert second.take() is None, "there are enough, one of them with another process"
    assert second.take().number == at_work.number


def test_a_trial_that_was_never_proposed_as_a_whole_does_not_count(tmp_path):
    one = search(tmp_path, trials=1)
    one.study.ask()  # and the process ends
    assert one.take().number == 1
    assert one.study.trials[0].state == TrialState.FAIL
    assert len(one.trials_of(one.study.trials)) == 1


def test_how_a_trial_ended_is_read_from_its_folder(tmp_path):
    assert outcome(tmp_path, "psnr_y")[0] == TrialState.FAIL
    pruning.end_early(tmp_path, {"step": 4, "psnr_y": 20.0}, "x")
    assert outcome(tmp_path, "psnr_y") == (TrialState.PRUNED, None, None)
    (tmp_path / "failed.json").write_text('{"error": "too large"}')
    assert outcome(tmp_path, "psnr_y") == (TrialState.FAIL, None, "too large")
    (tmp_path / "summary.json").write_text('{"psnr_y": 28.5}')
    assert outcome(tmp_path, "psnr_y") == (TrialState.COMPLETE, 28.5, None)


def test_a_fault_of_the_program_is_written_down_and_raised(tmp_path):
    one = search(tmp_path)
    job = JobReturn()
    job.status, job.return_value = JobStatus.FAILED, KeyError("a fault")
    launcher = SimpleNamespace(launch=lambda jobs, initial_job_idx: [job])
    with pytest.raises(KeyError):
        one.train(one.take(), launcher, "psnr_y")
    assert one.study.trials[0].state == TrialState.FAIL
    assert "a fault" in one.study.trials[0].user_attrs["error"]


def test_a_weak_trial_ends_early_and_what_was_reported_stays(tmp_path):
    study = open_study(tmp_path, "journal", "psnr_y")
    study.pruner = optuna.pruners.MedianPruner(2, 0)
    for figure in (30.0, 31.0):
        trial = study.ask()
        assert not pruning.report(study, trial.number, 10, figure)
        study.tell(trial, figure)
    weak, good = study.ask().number, study.ask().number
    assert pruning.report(study, weak, 10, 29.0)
    assert pruning.report(study, weak, 10, 40.0), "reported again by a training that goes on"
    assert not pruning.report(study, good, 10, 30.6)
    assert study.trials[weak].intermediate_values == {10: 29.0}


def test_for_a_figure_that_is_better_lower_the_study_minimizes(tmp_path):
    assert open_study(tmp_path, "journal", "niqe").direction.name == "MINIMIZE"
    assert open_study(tmp_path / "..", "journal", "psnr_y").direction.name == "MAXIMIZE"


def test_the_page_ranks_and_says_what_mattered(tmp_path):
    one = search(tmp_path, trials=12)
    launcher = Launcher(tmp_path, lambda o: 30.0 - abs(float(o[1].split("=")[1]) - 0.003) * 100)  # the rate alone
    while (trial := one.take()) is not None:
        one.train(trial, launcher, "psnr_y")
    text = write_page(tmp_path, one.study, one.study.trials, metric_named("psnr_y")).read_text()
    assert text.count("<svg") == 3
    assert "http://" not in re.sub(r"http://www\.w3\.org\S*|http://purl\S*|http://creativecommons\S*", "", text)
    assert text.count("<tr class='complete'") == 12
    best = max(one.study.trials, key=lambda trial: trial.value)
    assert f"lr={best.params['lr']:.4g} net={best.params['net']}" in text
    shares = importance(one.study)
    assert shares["lr"] > 0.8
    assert sum(shares.values()) == pytest.approx(1)


def test_the_callback_does_nothing_outside_of_a_search(tmp_path):
    callback = pruning.Pruning("psnr_y")
    trainer = SimpleNamespace(
        state=SimpleNamespace(fn="fit"), sanity_checking=False, is_global_zero=True, global_step=1, max_steps=9,
        strategy=SimpleNamespace(broadcast=lambda value: value), callback_metrics={"val/psnr_y": torch.tensor(1.0)},
        should_stop=False,
    )  # fmt: skip
    callback.on_validation_end(trainer, None)
    assert callback.ended is None
    assert not trainer.should_stop
    with pytest.raises(ValueError, match="startup_trials"):
        pruning.Pruning("psnr_y", startup_trials=0)
