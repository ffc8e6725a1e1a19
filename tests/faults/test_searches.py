"""A search by two processes, one of them killed: every trial is trained once, the one that was left goes on exactly."""

import os
import signal
import subprocess
import time
from collections import Counter

import optuna
import pytest
import torch
from commands import command, environment
from safetensors.torch import load_file

from realsr_mod.training.runs import read_overrides
from realsr_mod.training.study import open_study

TRIAL = [
    "experiment=srresnet", "network.num_blocks=1", "data.hr_crop_px=32", "data.batch_size=2", "data.val_draws=1",
    "data.val_crop_px=64", "trainer.max_steps=12", "trainer.val_check_interval=3", "trainer.precision=float32",
    "callbacks.last.every_n_train_steps=1", "callbacks.images=null",
]  # fmt: skip
SPACE = ["method.optimizer.lr=tag(log,interval(1e-5,1))", "network.channels=choice(2,4,6)"]


def start(folder, *more):
    with (folder / f"{len(list(folder.glob('*.txt')))}.txt").open("w") as output:
        return subprocess.Popen(
            command("train", "-m", "sweep=optuna", *TRIAL, *SPACE, *more),
            cwd=folder, env=environment(), stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip


def begun_by(output):
    """The numbers of the trials that a process has begun, by what it says."""
    return [line.split("#")[1].split()[0] for line in output.read_text().splitlines() if "[HYDRA] \t#" in line]


@pytest.mark.fault
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("storage", ["journal", "sqlite"])
def test_twenty_trials_by_two_processes_one_killed(storage, tmp_path):
    more = ["hydra.sweeper.trials=20", f"hydra.sweeper.storage={storage}"]
    killed, other = start(tmp_path, *more), start(tmp_path, *more)
    while not (at_work := begun_by(tmp_path / "0.txt")[2:]) or not list(  # its third trial, or a later one
        tmp_path.glob(f"runs/sweeps/*/{at_work[-1]}/checkpoints/last.ckpt")
    ):
        assert killed.poll() is None
        time.sleep(0.02)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    assert other.wait() == 0
    third = start(tmp_path, *more)
    assert third.wait() == 0
    (folder,) = tmp_path.glob("runs/sweeps/*")
    trials = [t for t in open_study(folder, storage, "psnr_y").get_trials() if "overrides" in t.user_attrs]
    ends = Counter(trial.state.name for trial in trials)
    assert ends["COMPLETE"] + ends["PRUNED"] == len(trials) == 20, ends
    assert ends["PRUNED"], "weak ones ended early"
    assert len({str(trial.params) for trial in trials}) == 20
    begun = Counter(trial for number in range(3) for trial in begun_by(tmp_path / f"{number}.txt"))
    again = [trial for trial, count in begun.items() if count == 2]
    assert again == at_work[-1:], "the one that was left, and no other, was begun twice"
    assert len(begun) == 20
    run = folder / again[0]
    (trial,) = [trial for trial in trials if trial.number == int(again[0])]
    steps = sorted(trial.intermediate_values)
    assert steps == [3 * (number + 1) for number in range(len(steps))], "each validation once"
    if trial.state == optuna.trial.TrialState.COMPLETE:
        alone = subprocess.run(command("train", *read_overrides(run), "name=alone"), cwd=tmp_path, env=environment())
        assert alone.returncode == 0
        (whole,) = tmp_path.glob("runs/alone/*")
        expected, found = (load_file(place / "model" / "model.safetensors") for place in (whole, run))
        assert all(torch.equal(expected[key], found[key]) for key in expected)
