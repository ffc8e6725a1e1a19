"""Training on two machines, which are two commands on this one that meet over the network."""

import os
import socket
import subprocess
import sys

import pytest
from commands import TINY, environment
from safetensors.torch import load_file

ARGUMENTS = ["experiment=kdsr_student", "teacher=null", *TINY, "trainer=ddp_cpu", "trainer.max_steps=6"]
ON_TWO = ["trainer.devices=1", "trainer.num_nodes=2"]


def only(folder, pattern):
    found = sorted(folder.glob(pattern))
    assert len(found) == 1, found
    return found[0]


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def torchrun(port, node, *arguments):
    where = ["--nnodes", "2", "--node-rank", str(node), "--nproc-per-node", "1"]
    where += ["--master-addr", "127.0.0.1", "--master-port", str(port)]
    run = [sys.executable, "-m", "torch.distributed.run", *where, "-m", "realsr_mod.train", *arguments]
    return run, environment()


def srun(port, node, *arguments):
    """What SLURM tells the processes that srun starts."""
    told = {"SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "1", "SLURM_NNODES": "2", "SLURM_PROCID": str(node)}
    told |= {"SLURM_NODEID": str(node), "SLURM_LOCALID": "0", "SLURM_JOB_ID": "77", "SLURM_JOB_NAME": "train"}
    told |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    return [sys.executable, "-m", "realsr_mod.train", *arguments], environment() | told


def together(launch, folder, *arguments):
    """Both machines' commands; returns what they said."""
    port = free_port()
    started = []
    for node in (1, 0):  # the first comes last
        run, told = launch(port, node, *arguments)
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        started.append(subprocess.Popen(run, cwd=folder, env=told, **pipes))
    try:
        said = [process.communicate(timeout=200)[0] for process in started]
    finally:
        for process in started:
            process.kill()
    return [process.returncode for process in started], said[::-1]


@pytest.mark.fault
@pytest.mark.parametrize("launch", [torchrun, srun])
def test_two_machines_end_with_the_bits_of_two_processes_on_one(run, tmp_path, launch):
    run("train", *ARGUMENTS, "name=one")
    codes, said = together(launch, tmp_path, *ARGUMENTS, *ON_TWO, "name=two")
    assert codes == [0, 0], said
    one, two = only(tmp_path, "runs/one/*"), only(tmp_path, "runs/two/*")  # and one folder, not one for each
    assert (two / "metrics.csv").read_text().count("\n") == (one / "metrics.csv").read_text().count("\n")
    ours, theirs = load_file(two / "model" / "model.safetensors"), load_file(one / "model" / "model.safetensors")
    assert all(ours[key].equal(theirs[key]) for key in theirs)
    assert (two / ".hydra" / "overrides.yaml").is_file()


@pytest.mark.fault
def test_machines_go_on_together_with_what_was_interrupted(run, tmp_path):
    saved = ["callbacks.last.every_n_train_steps=2", "trainer.max_steps=300", "trainer.val_check_interval=150"]
    run("train", *ARGUMENTS, *saved, "name=one")
    longer = [*ARGUMENTS, *ON_TWO, *saved, "name=two"]
    port = free_port()
    runs = [torchrun(port, node, *longer) for node in (0, 1)]
    started = [subprocess.Popen(arguments, cwd=tmp_path, env=told) for arguments, told in runs]
    checkpoint = None
    while checkpoint is None and all(process.poll() is None for process in started):
        checkpoint = next(tmp_path.glob("runs/two/*/checkpoints/last.ckpt"), None)
    for process in started:
        process.terminate()  # which torchrun passes on
    for process in started:
        process.wait(timeout=100)
    assert checkpoint is not None
    assert not list(tmp_path.glob("runs/two/*/summary.json")), "too fast to be interrupted"
    codes, said = together(torchrun, tmp_path, *longer, "resume=auto")
    assert codes == [0, 0], said
    one, two = only(tmp_path, "runs/one/*"), only(tmp_path, "runs/two/*")
    ours, theirs = load_file(two / "model" / "model.safetensors"), load_file(one / "model" / "model.safetensors")
    assert all(ours[key].equal(theirs[key]) for key in theirs)


@pytest.mark.fault
def test_what_the_first_refuses_ends_all(tmp_path):
    codes, said = together(torchrun, tmp_path, *ARGUMENTS, *ON_TWO, "resume=runs/none")
    assert all(code != 0 for code in codes)
    assert "runs/none" in said[0]
    assert not os.path.exists(tmp_path / "runs" / "kdsr_student")
