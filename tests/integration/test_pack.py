"""The pack command as people call it, and a training on what it made."""

import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from realsr_mod.data.store import INDEX, Place, read_index
from realsr_mod.pack import app


def pack(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def save(path, seed, side=64):
    pixels = np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def test_photos_are_packed_and_bad_files_named(tmp_path):
    photos = tmp_path / "photos"
    for number in range(3):
        save(photos / f"{number}.png", number)
    (photos / "broken.png").write_bytes(b"no photo")
    done = pack(photos, "-o", tmp_path / "store")
    assert done.exit_code == 1
    assert "3 photos packed; train with data=packed data.root=" in done.output
    assert "1 of 4 files are left out:" in done.output
    assert "broken.png: not a " in done.output
    (photos / "broken.png").unlink()
    again = pack(photos, "-o", tmp_path / "store")
    assert again.exit_code == 0, again.output
    assert "3 of 3 photos are packed already" in again.output


def test_shares_say_how_they_become_one_store(tmp_path):
    for number in range(6):
        save(tmp_path / "photos" / f"{number}.png", number)
    store = tmp_path / "store"
    for shard in ("1/2", "2/2"):
        done = pack(tmp_path / "photos", "-o", store, "--shard", shard)
        assert done.exit_code == 0, done.output
        assert f"photos of share {shard} packed; after all shares, the same command without --shard" in done.output
    joined = pack(tmp_path / "photos", "-o", store)
    assert "6 of 6 photos are packed already" in joined.output
    assert len(read_index(Place(str(store)))) == 6


def test_a_wrong_folder_is_one_sentence(tmp_path):
    done = pack(tmp_path / "nowhere", "-o", tmp_path / "store")
    assert done.exit_code == 1
    assert done.output.startswith("error: image folder")
    assert not (tmp_path / "store").exists()


@pytest.mark.fault
def test_what_was_packed_before_a_kill_is_not_packed_again(tmp_path):
    photos, store = tmp_path / "photos", tmp_path / "store"
    for number in range(30):
        save(photos / f"{number:02d}.png", number, side=700)
    command = [sys.executable, "-m", "realsr_mod.pack", str(photos), "-o", str(store), "--threads", "1"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    while len(list(store.glob("arrays/*/[!.]*"))) < 3 and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (store / INDEX).exists()
    done = pack(photos, "-o", store)
    assert done.exit_code == 0, done.output
    assert int(done.output.split(" of 30 photos are packed already")[0]) >= 3
    assert len(read_index(Place(str(store)))) == 30
