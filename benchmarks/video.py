"""How fast videos are restored, whether memory grows with their length, and how much they flicker.

`python benchmarks/video.py`: clips of a photo of scikit-image under a moving window, and of one that stands still, as
phones encode them. Flicker is how far a pixel that should stay moves from frame to frame, on average, of 255: on the
clip that stands still, with noise and without; beside it that of bicubic enlargement: what the clip itself brings.
Each clip runs in a process of its own; memory is its peak.
"""

import argparse
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import av
import cv2
import numpy as np
from rich.console import Console
from rich.table import Table
from skimage import data

from realsr_mod.inference.batch import run_jobs
from realsr_mod.inference.outcome import Settings
from realsr_mod.inference.plan import plan
from realsr_mod.inference.steady import Steady
from realsr_mod.inference.upscaler import Upscaler


def frames(count: int, size: tuple[int, int], moves: bool, noise: float) -> Iterator[np.ndarray]:
    """What a camera sees, (H, W, 3) uint8: a window that goes over a photo by half a pixel a frame, or stands still."""
    photo, (width, height) = data.astronaut(), size
    draws = np.random.default_rng(0)
    for number in range(count):
        left = number % 350 / 2 if moves else 80.0
        place = np.array([[1, 0, -left], [0, 1, -40]], dtype=np.float32)
        seen = cv2.warpAffine(photo, place, (width, height), flags=cv2.INTER_AREA)
        yield (seen + draws.normal(0, noise, seen.shape)).clip(0, 255).round().astype(np.uint8) if noise else seen


def write(path: Path, count: int, size: tuple[int, int], moves: bool, noise: float, crf: int) -> None:
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=25, options={"crf": str(crf)})
        stream.width, stream.height = size
        for pixels in frames(count, size, moves, noise):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        file.mux(stream.encode(None))


def flicker(path: Path, size: tuple[int, int]) -> float:
    """Mean change of a pixel from one frame to the next, of 255, at a size."""
    with av.open(str(path)) as file:
        shown = [frame.to_ndarray(format="rgb24") for frame in file.decode(video=0)]
    larger = [cv2.resize(frame, size, interpolation=cv2.INTER_CUBIC).astype(np.float32) for frame in shown]
    return float(np.mean([np.abs(after - before).mean() for before, after in pairwise(larger)]))


def restore(path: Path, output: Path, model: str, answers: "multiprocessing.Queue[tuple[float, float]]") -> None:
    """Restore a clip; puts seconds and peak memory in GB."""
    steady = Steady(Upscaler.load(model))
    begun = time.perf_counter()
    [outcome] = run_jobs(
        plan([path], output), lambda image, _: image, Settings(overwrite=True, crf=12), lambda *_: None, steady
    )
    assert not outcome.failure, outcome.failure
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    answers.put((time.perf_counter() - begun, peak))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["kdsr-real-x4"])
    parser.add_argument("--frames", type=int, default=16, help="of a clip; one has four times as many")
    parser.add_argument("--size", type=int, nargs=2, default=(160, 90), help="width and height of the clips")
    arguments = parser.parse_args()
    shape = tuple(arguments.size)
    short, long = arguments.frames, 4 * arguments.frames
    clips = {
        f"moves, {short} frames": (short, True, 2.0, 23),
        f"moves, {long} frames": (long, True, 2.0, 23),
        "stands still": (short, False, 0.0, 0),
        "stands still, as a phone encodes it": (short, False, 0.0, 23),
        "stands still, noise of 4": (short, False, 4.0, 23),
    }
    columns = ("clip", "frames/s", "memory (GB)", "flicker", "of bicubic")
    for model in arguments.models:
        table = Table(*columns, title=f"{model}, {shape[0]}x{shape[1]}")
        for name, (count, moves, noise, crf) in clips.items():
            with tempfile.TemporaryDirectory() as folder:
                path, output = Path(folder, "clip.mp4"), Path(folder, "better")
                write(path, count, shape, moves, noise, crf)
                spawn = multiprocessing.get_context("spawn")
                answers: multiprocessing.Queue[tuple[float, float]] = spawn.Queue()
                child = spawn.Process(target=restore, args=(path, output, model, answers))
                child.start()
                seconds, peak = answers.get(timeout=7200)
                child.join()
                with av.open(str(output / "clip.mp4")) as file:
                    size = file.streams.video[0].width, file.streams.video[0].height
                both = () if moves else (flicker(output / "clip.mp4", size), flicker(path, size))
            table.add_row(name, f"{count / seconds:.2f}", f"{peak:.2f}", *(f"{value:.3f}" for value in both))
        Console(width=100).print(table)


if __name__ == "__main__":
    main()
