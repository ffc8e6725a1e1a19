"""Videos whose restoring is killed again and again, and files that are damaged anywhere."""

import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from clips import frames_of, write_clip
from commands import environment

from realsr_mod.inference.video import make

pytestmark = pytest.mark.fault

# The command, with parts of five frames.
UPSCALE = """
from realsr_mod.inference.video import make
from realsr_mod.upscale import main
make.SHORTEST_PART = make.LONGEST_PART = 5
main()
"""
DAMAGED = """
import sys, time
from pathlib import Path
from realsr_mod.inference.video.source import open_video
from realsr_mod.inference.video.survey import look_through
from realsr_mod.inference.steady import Steady
class Nobody(Steady):
    def settle(self, frames): return __import__("numpy").zeros(1)
for path in sorted(Path(sys.argv[1]).iterdir()):
    begun = time.perf_counter()
    try:
        with open_video(path, 10**6) as source:
            said = f"{look_through(source, Nobody(None)).count} frames"
    except ValueError as error:
        said = str(error)
    assert "\\n" not in said and time.perf_counter() - begun < 10, (path, said)
    print(said)
"""


def upscale(path, output):
    arguments = [sys.executable, "-c", UPSCALE, path, "-o", output, "--model", "kdsr-real-x4", "--crf", "0"]
    return subprocess.Popen([str(part) for part in arguments], env=environment(), stderr=subprocess.PIPE, text=True)


@pytest.mark.timeout(600)
def test_a_killed_command_goes_on_and_ends_with_the_same_video(tmp_path):
    write_clip(tmp_path / "a.mp4", 60, uneven=True, sound="aac")
    assert upscale(tmp_path / "a.mp4", tmp_path / "whole").wait() == 0
    chance, kills = random.Random(0), 0
    while kills < 40:
        command = upscale(tmp_path / "a.mp4", tmp_path / "out")
        try:
            command.wait(chance.uniform(3, 8))
            break
        except subprocess.TimeoutExpired:
            command.send_signal(chance.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT]))
            command.wait()
            kills += 1
    assert kills >= 2
    pairs = list(zip(frames_of(tmp_path / "out" / "a.mp4"), frames_of(tmp_path / "whole" / "a.mp4"), strict=True))
    assert len(pairs) == 60
    for frame, expected in pairs:
        assert frame.pts == expected.pts
        np.testing.assert_array_equal(frame.to_ndarray(), expected.to_ndarray())
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.mp4"]
    assert make.LONGEST_PART == 240


@pytest.mark.timeout(600)
def test_damaged_videos_are_a_sentence_or_what_is_left_of_them(tmp_path):
    chance = random.Random(0)
    folder = tmp_path / "damaged"
    folder.mkdir()
    for suffix in ("mp4", "mkv", "avi", "webm"):
        codec = "libvpx-vp9" if suffix == "webm" else "ffv1" if suffix == "avi" else "libx264"
        write_clip(tmp_path / f"a.{suffix}", 12, codec=codec, pixel_format="yuv420p")
        content = (tmp_path / f"a.{suffix}").read_bytes()
        for number in range(40):
            damaged = bytearray(content)
            if number % 4 == 0:
                damaged = damaged[: chance.randrange(len(damaged))]
            for _ in range(chance.choice([1, 4, 30])):
                if damaged:
                    damaged[chance.randrange(len(damaged))] = chance.randrange(256)
            (folder / f"{number:02d}.{suffix}").write_bytes(damaged)
    begun = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", DAMAGED, folder], env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    said = done.stdout.splitlines()
    assert len(said) == 160
    assert sum(line.endswith("frames") for line in said) > 10
    assert time.perf_counter() - begun < 300
