"""Trainings that are killed again and again end with the bits of one that was left alone, and lose no figure.

Every method, and the signals that clusters, terminals and schedulers send, to the whole group as they do.
"""

import csv
import itertools
import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import command, environment
from PIL import Image
from safetensors.torch import load_file

KDSR = ["network.channels=4", "network.encoder_blocks=1", "network.restorer_blocks=1"]
MMREALSR = ["network.channels=4", "network.num_blocks=1", "network.growth=4", "network.estimator_widths=[4,4,4,4]"]
GAN = ["adversarial=unet", "adversarial.discriminator.channels=4"]
METHODS = {
    "kdsr": ["experiment=kdsr_student", "teacher=null", *KDSR],
    "kdsr_gan": ["experiment=kdsr_student", "teacher=null", *KDSR, *GAN],
    "mmrealsr": ["experiment=mmrealsr_net", *MMREALSR],
    "crlsr": ["experiment=crlsr", "network.channels=4", "network.remover_blocks=1", "network.restorer_blocks=1"],
    "plain": ["experiment=srresnet", "network.channels=4", "network.num_blocks=1"],
    "drtl_relation": ["experiment=drtl_relation", "network.channels=4", "network.embedding_dim=8"],
    "drtl_pretrain": ["experiment=drtl_pretrain", "relation=null", "pairs=null", "start_from=null", *KDSR],
    "drtl_reptile": ["experiment=drtl_reptile", "relation=null", "pairs=null", "degradation.group_rows=2",
                     "method.inner_steps=2", *KDSR],
}  # fmt: skip
COMMON = [
    "data.hr_crop_px=32",
    "data.batch_size=2",
    "data.val_draws=1",
    "data.val_crop_px=64",
    "trainer.precision=float32",
    "trainer.max_steps=240",
    "trainer.val_check_interval=30",
    "trainer.log_every_n_steps=1",
    "callbacks.last.every_n_train_steps=9",
]
FOLDER = ["data=folder", "data.root=photos", "data.val_count=1", "data.num_workers=2"]
KILLS = int(os.environ.get("REALSR_MOD_KILLS", "8"))  # of each training; how many there were is printed at the end
SIGNALS = ["SIGKILL", "SIGTERM", "SIGHUP", "SIGUSR1", "SIGINT"]


def photos(folder: Path) -> None:
    folder.mkdir()
    for number in range(4):
        pixels = np.random.default_rng(number).integers(0, 256, (80, 80, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number}.png")


def only(pattern: Path) -> Path:
    (found,) = pattern.parent.glob(pattern.name)
    return found


def train(folder: Path, *arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        command("train", *arguments),
        cwd=folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finished(process: subprocess.Popen) -> str:
    output = process.communicate(timeout=900)[0]
    assert process.returncode == 0, output
    return output


def wait_for_file(process: subprocess.Popen, folder: Path, pattern: str) -> None:
    while not list(folder.glob(pattern)):
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.02)


def kill_some_steps_later(process: subprocess.Popen, run: Path, number: int, seconds: random.Random) -> str:
    """Wait for a checkpoint that is newer than now, then a little, and send the signal to the whole group."""
    begun, checkpoint = time.time(), run / "checkpoints" / "last.ckpt"
    while process.poll() is None and not (checkpoint.is_file() and checkpoint.stat().st_mtime > begun):
        time.sleep(0.01)
    time.sleep(seconds.uniform(0, 0.4))
    if process.poll() is None:
        os.killpg(process.pid, number)
    return process.communicate(timeout=300)[0]


def assert_equal_runs(whole: Path, killed: Path) -> None:
    for name in ("model/model.safetensors", "checkpoints/best.safetensors"):
        expected, found = load_file(whole / name), load_file(killed / name)
        assert expected.keys() == found.keys()
        assert all(torch.equal(expected[key], found[key]) for key in expected), name
    rows = [list(csv.DictReader((run / "metrics.csv").open())) for run in (whole, killed)]
    for measured in ("loss", "val/psnr_y", "val/accuracy"):
        figures = [[(row["step"], row[measured]) for row in some if row.get(measured)] for some in rows]
        assert figures[0] == figures[1], f"{measured}: each once, and the same"


@pytest.mark.fault
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("data", ["embedded", "workers"])
@pytest.mark.parametrize(("method", "number"), zip(METHODS, itertools.cycle(SIGNALS), strict=False))
def test_killed_again_and_again(method, number, data, tmp_path, record_property):
    photos(tmp_path / "photos")
    arguments = [*METHODS[method], *COMMON, *(FOLDER if data == "workers" else [])]
    if method == "mmrealsr":
        arguments = [item for item in arguments if not item.startswith("data.batch_size")] + ["data.batch_size=1"]
    if method == "drtl_relation":
        arguments.append("data.val_crop_px=32")
    finished(train(tmp_path, *arguments, "name=whole"))
    seconds, kills = random.Random(f"{method} {data}"), 0
    signals = itertools.cycle([number, "SIGKILL"])
    process = train(tmp_path, *arguments, "name=killed")
    while process.poll() is None and kills < KILLS:
        while not list((tmp_path / "runs").glob("killed/*")):
            time.sleep(0.01)
        output = kill_some_steps_later(
            process, only(tmp_path / "runs/killed/*"), getattr(signal, next(signals)), seconds
        )
        assert "Traceback" not in output, output
        kills += 1
        process = train(tmp_path, *arguments, "name=killed", "resume=auto")
    finished(process)
    record_property("kills", kills)
    assert kills
    assert_equal_runs(only(tmp_path / "runs/whole/*"), only(tmp_path / "runs/killed/*"))


@pytest.mark.parametrize("number", [pytest.param("SIGTERM"), pytest.param("SIGHUP", marks=pytest.mark.fault)])
def test_a_signal_to_the_whole_group_saves_the_step_without_a_traceback(number, tmp_path):
    photos(tmp_path / "photos")
    arguments = [
        *METHODS["plain"],
        *COMMON,
        *FOLDER,
        "trainer.max_steps=100000",
        "callbacks.last.every_n_train_steps=50",
    ]
    process = train(tmp_path, *arguments)
    wait_for_file(process, tmp_path, "runs/srresnet/*/checkpoints/last.ckpt")
    os.killpg(process.pid, getattr(signal, number))
    output = process.communicate(timeout=60)[0]
    assert f"{number}: saving after this step" in output
    assert "stopped after step" in output
    assert "Traceback" not in output, output


@pytest.mark.fault
def test_a_damaged_checkpoint_is_noticed_and_the_one_before_takes_its_place(tmp_path):
    arguments = [*METHODS["plain"], *COMMON, "trainer.max_steps=60"]
    finished(train(tmp_path, *arguments, "name=whole"))
    run = only(tmp_path / "runs/whole/*")
    shutil.copytree(run, tmp_path / "broken")
    (tmp_path / "broken" / "summary.json").unlink()
    last = tmp_path / "broken" / "checkpoints" / "last.ckpt"
    content = bytearray(last.read_bytes())
    content[len(content) // 2] ^= 4  # one bit
    last.write_bytes(content)
    output = finished(train(tmp_path, "resume=broken"))
    assert "its hash is not that of what was written; going on from the one before it" in output
    assert_equal_runs(run, tmp_path / "broken")
    last.write_bytes(content[: len(content) // 3])
    last.with_name("last.previous.ckpt").unlink()
    (tmp_path / "broken" / "summary.json").unlink()
    process = train(tmp_path, "resume=broken")
    output = process.communicate(timeout=60)[0]
    assert process.returncode == 1
    assert "last.ckpt: truncated or damaged" in output
    assert "Traceback" not in output


@pytest.mark.fault
def test_a_teacher_ends_with_its_student_and_a_second_command_waits_for_it(tmp_path):
    tiny = [*KDSR, *COMMON, "trainer.max_steps=400"]
    first = train(tmp_path, "experiment=kdsr_student", *tiny)
    while not list(tmp_path.glob("runs/kdsr_teacher/*/checkpoints/last.ckpt")):
        assert first.poll() is None
        time.sleep(0.02)
    first.kill()  # the student alone; its teacher is another process of its group
    second = train(tmp_path, "experiment=kdsr_student", *tiny)
    output = finished(second)
    first.communicate(timeout=30)
    teachers = list(tmp_path.glob("runs/kdsr_teacher/*"))
    assert len(teachers) == 1, "the one that was begun was finished"
    assert "resuming runs/kdsr_teacher" in output


@pytest.mark.fault
def test_commands_of_one_second_get_folders_of_their_own(tmp_path):
    runs = [train(tmp_path, *METHODS["plain"], *COMMON, "trainer.max_steps=10", f"seed={seed}") for seed in range(4)]
    for process in runs:
        finished(process)
    folders = list(tmp_path.glob("runs/srresnet/*"))
    assert len(folders) == 4
    seeds = {line for folder in folders for line in (folder / ".hydra/overrides.yaml").read_text().splitlines()}
    assert {f"- seed={seed}" for seed in range(4)} <= seeds


@pytest.mark.fault
def test_a_killed_sweep_goes_on_and_ranks_all(tmp_path):
    arguments = ["-m", *METHODS["plain"], *COMMON, "trainer.max_steps=120", "seed=0,1,2"]
    process = train(tmp_path, *arguments)
    wait_for_file(process, tmp_path, "runs/sweeps/*/1_srresnet/checkpoints/last.ckpt")
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    output = finished(train(tmp_path, *arguments, "resume=auto"))
    assert "0_srresnet has finished" in output
    assert "3 jobs, best first" in output
    assert len(list(tmp_path.glob("runs/sweeps/*"))) == 1


@pytest.mark.fault
def test_a_full_disk_is_one_sentence_and_leaves_the_last_good_checkpoint(tmp_path):
    """A small tmpfs of its own, where the system lets us make one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1500k", "tmpfs", str(disk)], capture_output=True)
    if made.returncode:
        pytest.skip("no right to mount a tmpfs")
    try:
        arguments = [
            *METHODS["plain"],
            *COMMON,
            "trainer.max_steps=4000",
            "network.channels=8",
            "callbacks.images=null",
        ]
        process = train(disk, *arguments)
        wait_for_file(process, disk, "runs/srresnet/*/checkpoints/last.previous.ckpt")
        with (disk / "ballast").open("wb", buffering=0) as ballast:
            try:
                while True:
                    ballast.write(b"x" * 1000)
            except OSError:
                pass
        output = process.communicate(timeout=60)[0]
        assert process.returncode == 1, output
        assert "No space left on device" in output
        assert "Traceback" not in output, output
        run = only(disk / "runs/srresnet/*")
        assert not list(run.rglob("*.tmp"))
        (disk / "ballast").unlink()
        resumed = train(disk, f"resume={run}")
        while "step" not in resumed.stdout.readline():
            assert resumed.poll() is None
        os.killpg(resumed.pid, signal.SIGKILL)
        resumed.communicate()
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


@pytest.mark.fault
def test_ranks_end_when_the_first_is_killed(tmp_path):
    process = train(tmp_path, *METHODS["plain"], *COMMON, "trainer=ddp_cpu", "trainer.max_steps=100000")
    wait_for_file(process, tmp_path, "runs/srresnet/*/checkpoints/last.ckpt")
    process.kill()
    process.wait()
    for _ in range(200):
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGKILL)
    pytest.fail("a rank trains on without the first")
