"""Many photos by Ray's workers, one of which is killed: every photo has its result, once, and bad ones are named."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from commands import command, environment
from PIL import Image

from realsr_mod.methods.kdsr.network import KDSRNet
from realsr_mod.weights.release import save_model

pytest.importorskip("ray")
SIZES = {"scale": 2, "channels": 4, "encoder_blocks": 1, "restorer_blocks": 1}
COUNT = int(os.environ.get("REALSR_MOD_PHOTOS", "2000"))


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    folder = tmp_path_factory.mktemp("many")
    torch.manual_seed(0)
    save_model(KDSRNet(**SIZES), folder / "net", {"_target_": f"{KDSRNet.__module__}.KDSRNet", **SIZES}, {})
    (folder / "photos").mkdir()
    pixels = np.random.default_rng(0).integers(0, 256, (COUNT, 12, 10, 3), dtype=np.uint8)
    for number, image in enumerate(pixels):
        Image.fromarray(image).save(folder / "photos" / f"{number:05}.png")
    (folder / "photos" / "broken.png").write_bytes(b"no photo")
    return folder


def upscale(here, out, *arguments):
    run = command("upscale", "photos", "-o", out, "--model", "net", "--engine", "torch", *arguments)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen(run, cwd=here, env=environment(), start_new_session=True, **pipes)


def workers(session):
    """The processes of a session in which a worker of ours lives."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            named = (entry / "cmdline").read_bytes().startswith(b"ray::Worker")
            if named and os.getsid(int(entry.name)) and descends(int(entry.name), session):
                found.append(int(entry.name))
        except (OSError, ProcessLookupError):
            continue
    return found


def descends(process, ancestor):
    while process > 1 and process != ancestor:
        process = int(re.search(r"PPid:\s*(\d+)", Path(f"/proc/{process}/status").read_text())[1])
    return process == ancestor


def results(folder):
    return sorted(path.name for path in folder.glob("*.png"))


@pytest.mark.fault
@pytest.mark.timeout(900)
def test_a_killed_worker_costs_no_photo_and_a_killed_driver_is_gone_on_with(here):
    begun = time.monotonic()
    alone = upscale(here, "alone")
    assert "1 of" in alone.communicate()[0]
    seconds = {"one process": time.monotonic() - begun}
    expected = results(here / "alone")
    assert len(expected) == COUNT

    begun = time.monotonic()
    process = upscale(here, "many", "--cluster", "ray", "--workers", "2")
    while len(results(here / "many")) < COUNT // 8 and process.poll() is None:
        time.sleep(0.05)
    victim = workers(process.pid)[0]
    os.kill(victim, signal.SIGKILL)
    said = process.communicate()[0]
    seconds["two workers, one killed"] = time.monotonic() - begun
    print(f"{COUNT} photos:", ", ".join(f"{name} {value:.0f} s" for name, value in seconds.items()))
    assert process.returncode == 1, said
    assert f"1 of {COUNT + 1} photos failed" in said
    assert "broken.png" in said.split("photos failed:")[1]
    lines = re.findall(r"(?:written|kept) +many/(\d+\.png)", said)
    assert sorted(lines) == expected, "each has one outcome"
    assert results(here / "many") == expected
    for name in expected[:: COUNT // 20]:
        assert (here / "many" / name).read_bytes() == (here / "alone" / name).read_bytes()

    process = upscale(here, "stopped", "--cluster", "ray", "--workers", "2")
    while len(results(here / "stopped")) < COUNT // 4 and process.poll() is None:
        time.sleep(0.05)
    process.kill()
    process.communicate()
    before = {name: (here / "stopped" / name).stat().st_mtime_ns for name in results(here / "stopped")}
    assert COUNT // 4 <= len(before) < COUNT
    said = upscale(here, "stopped", "--cluster", "ray", "--workers", "2").communicate()[0]
    assert results(here / "stopped") == expected, said
    assert all((here / "stopped" / name).stat().st_mtime_ns == when for name, when in before.items())
    assert len(re.findall(r"kept +stopped/", said)) >= len(before)
