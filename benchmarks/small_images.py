"""A folder of small images, one by one and side by side, each on a core: `python benchmarks/small_images.py`.

Images a second by every engine, reading and writing included, and the share of the cores' time that passes in the
engine; medians of `--rounds`, of which each does everything once. With `--calls`, besides, what was tried in its
place: milliseconds for each image where a network takes 1 or 8 of one size in a call. KDSR's graphs take one image,
whose kernels are made of its own degradation.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import skimage.data
import torch

from realsr_mod.images.image import LoadedImage
from realsr_mod.images.write import write_image
from realsr_mod.inference.batch import run_jobs
from realsr_mod.inference.engines.base import Engine, GraphEngine
from realsr_mod.inference.engines.choose import engine_for
from realsr_mod.inference.engines.openvino_import import openvino
from realsr_mod.inference.outcome import Settings
from realsr_mod.inference.plan import Job, plan
from realsr_mod.inference.steady import Steady
from realsr_mod.inference.upscaler import Upscaler
from realsr_mod.runtime.devices import PRECISIONS, describe
from realsr_mod.weights.locate import locate
from realsr_mod.weights.release import load_restorer

BATCH = 8


def write_images(folder: Path, count: int, side: int) -> None:
    """Square pieces of photos, from places that follow from `side` alone."""
    photos = [skimage.data.chelsea(), skimage.data.coffee(), skimage.data.astronaut(), skimage.data.rocket()]
    generator = np.random.default_rng(side)
    for number in range(count):
        photo = photos[number % len(photos)]
        top, left = (int(generator.integers(length - side)) for length in photo.shape[:2])
        write_image(folder / f"{number:04}.png", LoadedImage(photo[top : top + side, left : left + side]))


class Timed:
    """Adds up how long an engine's calls take, in all threads together."""

    def __init__(self, engine: Engine) -> None:
        self.seconds = 0.0
        for name in ("restore", "embed"):
            setattr(engine, name, self._timed(getattr(engine, name)))

    def _timed(self, call: Callable[..., object]) -> Callable[..., object]:
        def timed(*arguments: object) -> object:
            started = time.perf_counter()
            try:
                return call(*arguments)
            finally:
                self.seconds += time.perf_counter() - started

        return timed


class Watched:
    """An upscaler whose engine's calls are timed."""

    def __init__(self, upscaler: Upscaler) -> None:
        self.upscaler, self.timed = upscaler, Timed(upscaler.engine)

    def run(self, jobs: Sequence[Job], beside: bool) -> tuple[float, float]:
        """Images a second, and the engine's share of the time of the threads that could call it."""
        steady = Steady(self.upscaler)
        self.timed.seconds, started = 0.0, time.perf_counter()
        outcomes = list(run_jobs(jobs, steady.photo, Settings(overwrite=True), steady=steady if beside else None))
        wall = time.perf_counter() - started
        assert not any(outcome.failure for outcome in outcomes)
        return len(jobs) / wall, self.timed.seconds / wall / (self.upscaler.engine.cores if beside else 1)


def folder_rows(watched: Watched, name: str, count: int, side: int, rounds: int) -> str:
    """A row of Markdown."""
    with tempfile.TemporaryDirectory() as folder:
        write_images(Path(folder), count, side)
        jobs = plan([Path(folder)], Path(folder) / "out")
        for beside in (False, True):  # compiles what is not compiled yet
            watched.run(jobs[:4], beside)
        found = [[watched.run(jobs, beside) for beside in (False, True)] for _ in range(rounds)]
    (alone, alone_share), (beside, beside_share) = (
        (statistics.median(rates), statistics.median(shares))
        for rates, shares in (zip(*(both[which] for both in found), strict=True) for which in (0, 1))
    )
    engine = f"{watched.upscaler.engine.name} {watched.upscaler.engine.quick}"
    return (
        f"| `{name}` | {engine} | {side}x{side} | {alone:.1f} | {beside:.1f} | {beside / alone - 1:+.0%} | "
        f"{alone_share:.0%} | {beside_share:.0%} |"
    )


def calls(name: str, side: int) -> dict[str, dict[int, Callable[[], object]]]:
    """By engine, what a call with 1 and one with `BATCH` images runs."""
    engine, network = engine_for(locate(name), "openvino", "cpu"), load_restorer(name)
    assert isinstance(engine, GraphEngine)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    lr = np.random.default_rng(0).random((BATCH, 3, side, side), np.float32)
    embedding = np.repeat(engine.embed(lr[:1], "float32")[None], BATCH, axis=0)
    precision = PRECISIONS[engine.quick]

    def restore(count: int) -> object:
        with torch.inference_mode(), torch.autocast("cpu", precision, enabled=precision != torch.float32):
            images = torch.from_numpy(lr[:count]).to(memory_format=torch.channels_last)
            return network.restore(images, torch.from_numpy(embedding[:count]))

    found: dict[str, dict[int, Callable[[], object]]] = {"torch": {n: partial(restore, n) for n in (1, BATCH)}}
    if name.startswith("mmrealsr"):
        core = openvino.Core()
        model = core.read_model(engine.graphs.restore)
        model.reshape({0: [-1, 3, -1, -1], 1: [-1, embedding.shape[1]]})
        hint = {"INFERENCE_PRECISION_HINT": {"float32": "f32", "bfloat16": "bf16"}[engine.quick]}
        compiled = core.compile_model(
            model, "CPU", {**hint, "PERFORMANCE_HINT": "LATENCY", "ENABLE_CPU_PINNING": False}
        )
        found["openvino"] = {n: partial(compiled, [lr[:n], embedding[:n]]) for n in (1, BATCH)}
    return found


def call_rows(name: str, side: int, rounds: int) -> list[str]:
    """Rows of Markdown."""
    rows = []
    for engine, runs in calls(name, side).items():
        times: dict[int, list[float]] = {count: [] for count in runs}
        for _ in range(rounds + 1):
            for count, run in runs.items():
                started = time.perf_counter()
                for _ in range(BATCH // count):
                    run()
                times[count].append(1000 * (time.perf_counter() - started) / BATCH)
        one, many = (statistics.median(values[1:]) for values in times.values())
        rows.append(f"| `{name}` | {engine} | {side}x{side} | {one:.1f} | {many:.1f} | {one / many - 1:+.0%} |")
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=["kdsr-real-x4", "mmrealsr-x4"])
    parser.add_argument("--engines", nargs="+", default=["openvino", "torch"])
    parser.add_argument("--sides", nargs="+", type=int, default=[64, 160], help="of the images, in pixels")
    parser.add_argument("--count", type=int, default=200, help="images of each size")
    parser.add_argument("--rounds", type=int, default=3, help="a figure is the median of so many")
    parser.add_argument("--calls", action="store_true", help="calls with several images in place of folders")
    arguments = parser.parse_args()
    print(f"{describe(torch.device('cpu'))}; medians of {arguments.rounds}\n")
    if arguments.calls:
        print(f"| ms for an image | engine | it is | 1 in a call | {BATCH} in a call | faster |")
        print("|---" * 6 + "|")
    else:
        print("| images a second | engine | each | one by one | side by side | faster | in the engine | beside |")
        print("|---" * 8 + "|")
    for name in arguments.models:
        if arguments.calls:
            for side in arguments.sides:
                print("\n".join(call_rows(name, side, arguments.rounds)), flush=True)
            continue
        for engine in arguments.engines:
            watched = Watched(Upscaler.load(name, engine=engine, device="cpu"))
            for side in arguments.sides:
                print(folder_rows(watched, name, arguments.count, side, arguments.rounds), flush=True)


if __name__ == "__main__":
    main()
