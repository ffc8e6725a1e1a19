"""The training command, as a person types it."""

import csv
import json
import os
import random
import shutil
import signal
import subprocess
import time

import pytest
import torch
from commands import TINY, command, environment
from PIL import Image
from safetensors.torch import load_file

from realsr_mod.methods.kdsr.network import KDSRNet
from realsr_mod.weights.release import load_model, save_model


def only(folder, pattern):
    found = sorted(folder.glob(pattern))
    assert len(found) == 1, found
    return found[0]


def test_main_job_trains_a_teacher_then_a_student_and_leaves_everything(run, tmp_path):
    first = run("train", "experiment=kdsr_student", *TINY)
    assert "training one first" in first.stdout
    teacher, student = only(tmp_path, "runs/kdsr_teacher/*"), only(tmp_path, "runs/kdsr_student/*")
    summary = json.loads((student / "summary.json").read_text())
    assert summary["steps"] == 4
    assert summary["seed"] == 0
    assert summary["versions"]["torch"] == torch.__version__
    assert 20 < summary["bicubic_psnr_y"] < 40
    assert (student / summary["model"]).is_file()
    assert load_model(student)(torch.rand(1, 3, 8, 8)).shape == (1, 3, 32, 32)
    assert Image.open(student / "images" / "latest.png").width > 4 * 64
    assert f"{summary['psnr_y']:.2f}" in first.stdout
    assert "val/bicubic_psnr_y" in (student / "metrics.csv").read_text()

    second = run("train", "experiment=kdsr_student", *TINY, "trainer.max_steps=2")
    assert str(teacher.relative_to(tmp_path)) in second.stdout
    assert len(list(tmp_path.glob("runs/kdsr_teacher/*"))) == 1

    run("evaluate", f"model={student}", f"data.root={student / 'images'}", "protocol=bicubic", "output=figures.json")
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert {row["condition"] for row in figures["summary"]} == {"no blur", "mean"}
    assert figures["protocol"] == "bicubic"
    assert figures["sha256"] == json.loads((student / "model" / "config.json").read_text())["sha256"]
    width, height = Image.open(student / "images" / "latest.png").size
    assert figures["images"][0]["megapixels"] == pytest.approx(width // 4 * 4 * (height // 4 * 4) / 1e6)


@pytest.mark.slow
def test_a_killed_run_resumes_to_the_bits_of_an_uninterrupted_one(run, tmp_path):
    arguments = ["train", "experiment=kdsr_student", "teacher=null", *TINY, "trainer.max_steps=60"]
    arguments += ["trainer.val_check_interval=25", "callbacks.last.every_n_train_steps=7"]
    run(*arguments, "name=whole")
    process = subprocess.Popen(
        command(*arguments, "name=killed"), cwd=tmp_path, env=environment(), stdout=subprocess.DEVNULL
    )
    while not list(tmp_path.glob("runs/killed/*/checkpoints/last.ckpt")):
        assert process.poll() is None
        time.sleep(0.02)
    time.sleep(random.uniform(0, 0.5))  # any step will do
    process.send_signal(signal.SIGKILL)
    process.wait()
    killed = only(tmp_path, "runs/killed/*")
    assert not (killed / "summary.json").exists()
    resumed = run(*arguments, "name=killed", "resume=auto")
    assert "resuming" in resumed.stdout
    whole, killed = (only(tmp_path, f"runs/{name}/*") for name in ("whole", "killed"))
    expected, weights = (load_file(folder / "model" / "model.safetensors") for folder in (whole, killed))
    assert all(torch.equal(expected[key], weights[key]) for key in expected)
    states = [torch.load(f / "checkpoints" / "last.ckpt", weights_only=True) for f in (whole, killed)]
    assert states[0]["global_step"] == states[1]["global_step"]
    raw = [state["current_model_state"] for state in states]  # beside the averaged weights
    assert all(torch.equal(raw[0][key], raw[1][key]) for key in raw[0])


def interrupted(arguments, folder):
    """Press Ctrl-C, as a terminal does, to all processes of a command once it has validated; its output and status."""
    process = subprocess.Popen(
        command(*arguments),
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    while "PSNR" not in process.stdout.readline():
        assert process.poll() is None
    os.killpg(process.pid, signal.SIGINT)
    return process.communicate(timeout=60)[0], process.returncode


def test_ctrl_c_saves_and_the_run_alone_is_enough_to_go_on_or_to_end(run, tmp_path):
    arguments = [
        "train",
        "experiment=kdsr_student",
        "teacher=null",
        *TINY,
        "trainer.max_steps=150",
        "trainer.log_every_n_steps=1",
    ]
    output, status = interrupted(arguments, tmp_path)
    assert status == 1
    folder = only(tmp_path, "runs/kdsr_student/*")
    assert f"resume={folder.relative_to(tmp_path)}" in output
    state = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    assert 0 < state["global_step"] < 150
    assert "or end it, with a model of these weights: the same and finish=true" in output
    shutil.copytree(folder, tmp_path / "ended")
    run("train", "resume=ended", "finish=true")
    assert json.loads((tmp_path / "ended" / "summary.json").read_text())["steps"] == state["global_step"]
    ended = load_file(tmp_path / "ended" / "model" / "model.safetensors")
    assert all(torch.equal(value, state["state_dict"][f"network.{key}"]) for key, value in ended.items())
    state["callbacks"]["Timer"]["time_elapsed"]["train"] = 1000.0  # as if the first process had trained for long
    torch.save(state, folder / "checkpoints" / "last.ckpt")
    run("train", f"resume={folder}")
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["steps"] == 150
    assert 1000 < summary["seconds"] < 1200
    steps = [int(row["step"]) for row in csv.DictReader((folder / "metrics.csv").open()) if row["loss"]]
    assert steps == list(range(150)), "each once, those from before the interruption included"


@pytest.mark.fault
def test_a_run_that_is_made_longer_comes_to_the_bits_of_one_that_was_longer_from_the_start(run, tmp_path):
    arguments = ["train", "experiment=kdsr_student", "teacher=null", "scheduler=null", *TINY]
    interrupted([*arguments, "trainer.max_steps=400"], tmp_path)
    longer = only(tmp_path, "runs/kdsr_student/*")
    run("train", f"resume={longer}", "trainer.max_steps=450")
    run(*arguments, "name=whole", "trainer.max_steps=450")
    expected, found = (
        load_file(folder / "model" / "model.safetensors") for folder in (only(tmp_path, "runs/whole/*"), longer)
    )
    assert all(torch.equal(expected[key], found[key]) for key in expected)


@pytest.mark.fault
def test_ctrl_c_in_two_processes_saves_and_is_reported_once(tmp_path):
    arguments = ["train", "experiment=kdsr_student", "teacher=null", *TINY, "trainer=ddp_cpu", "trainer.max_steps=3000"]
    output, status = interrupted(arguments, tmp_path)
    assert status == 1
    assert output.count("SIGINT: saving after this step") == 1
    assert output.count("stopped after step") == 1
    assert only(tmp_path, "runs/kdsr_student/*/checkpoints/last.ckpt").is_file()


def test_two_processes_validate_as_one(run, tmp_path):
    size = {"scale": 4, "channels": 4, "encoder_blocks": 1, "restorer_blocks": 1, "sees_hr": True}
    target = "realsr_mod.methods.kdsr.network.KDSRNet"
    save_model(KDSRNet(**size), tmp_path / "teacher", {"_target_": target, **size}, {})
    warmup = ["teacher=teacher", "method.warmup_steps=1"]  # a step that trains a part of the network
    run("train", "experiment=kdsr_student", *TINY, *warmup, "trainer=ddp_cpu", "trainer.max_steps=2")
    folder = only(tmp_path, "runs/kdsr_student/*")
    two = json.loads((folder / "summary.json").read_text())

    from realsr_mod.runtime.compose import compose, instantiate

    data = instantiate(compose("train", TINY).data)
    data.setup()
    network, psnr = load_model(folder), []
    from realsr_mod.metrics import psnr_y

    for raw in data.val_dataloader():
        batch = data.on_after_batch_transfer(raw)
        with torch.no_grad():
            psnr.append(psnr_y(network(batch.lr), batch.hr, 4).item())
    assert len(psnr) == 2
    assert two["psnr_y"] == pytest.approx(sum(psnr) / 2, abs=1e-4)
    assert two["machine"].startswith("2 processes, each on CPU")


def test_sweep_ranks_jobs_of_several_experiments_and_survives_those_that_fail(run, tmp_path):
    small = [item for item in TINY if not item.startswith("network.")]
    sweep = ["experiment=srresnet,crlsr", "trainer.max_steps=2", "data.hr_crop_px=32,33"]
    done = run("train", "-m", *small, *sweep)
    ranking = json.loads(only(tmp_path, "runs/sweeps/*/ranking.json").read_text())
    assert sorted(job["run"].rpartition("_")[2] for job in ranking) == ["crlsr", "srresnet"]
    assert ranking[0]["psnr_y"] > ranking[1]["psnr_y"]
    table = done.stdout.split("2 jobs, best first")[1]
    assert "experiment=srresnet" in table
    assert "experiment=crlsr" in table
    assert table.count("data.hr_crop_px must be a multiple of scale=4, got 33") == 2


@pytest.mark.fault
def test_ctrl_c_while_the_teacher_trains_saves_the_teacher(tmp_path):
    arguments = ["train", "experiment=kdsr_student", *TINY, "trainer.max_steps=3000"]
    output, _ = interrupted(arguments, tmp_path)
    assert "stopped after step" in output
    assert "Traceback" not in output
    assert only(tmp_path, "runs/kdsr_teacher/*/checkpoints/last.ckpt").is_file()


@pytest.mark.fault
def test_wandb_logs_offline_where_nobody_is_logged_in(run, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("WANDB_API_KEY", raising=False)
    done = run("train", "experiment=kdsr_student", "teacher=null", *TINY, "logger=wandb")
    assert "logging offline" in done.stdout
    offline = only(tmp_path, "runs/kdsr_student/*/wandb/offline-run-*")
    assert list(offline.rglob("val/images*.png"))
