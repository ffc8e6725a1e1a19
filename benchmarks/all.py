"""The speed table of the README, all of it on this machine in one run: `python benchmarks/all.py`.

Milliseconds for a tile of 160x160 px, four times larger, for every network of the zoo under every engine, and for
Real-ESRGAN's networks under ncnn (pip install '.[ncnn]'; python -m realsr_mod.zoo get realesrgan-x4plus). Each figure
is the median of `--rounds`; a round asks everyone once, so that a busy moment of the machine meets all alike. With
`--cpu-time` it is the processor's time, of all threads together, which a busy machine inflates less; OMP_NUM_THREADS=1
leaves out that threads wait for each other. "as before" is what upscaling did until engines came: torch, float32,
channels first.

Then what the command takes: from its start to its end on a photo of 24x24 px, the first tile of a new process, and
how much of a folder's time is spent in the engine.
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import skimage.data
import torch
from small_images import Timed

from realsr_mod.images.image import LoadedImage
from realsr_mod.images.write import write_image
from realsr_mod.inference.batch import run_jobs
from realsr_mod.inference.engines.choose import engine_for
from realsr_mod.inference.outcome import Settings
from realsr_mod.inference.plan import plan
from realsr_mod.inference.steady import Steady
from realsr_mod.inference.upscaler import Upscaler
from realsr_mod.runtime.devices import cpu_multiplies_bf16, describe
from realsr_mod.weights.catalog import entries
from realsr_mod.weights.locate import locate
from realsr_mod.weights.realesrgan import PUBLISHED, find, where_to_get
from realsr_mod.weights.release import load_restorer

PARTS = ("tiles", "start", "folders")
SIDE = 160
PEERS = ("realesr-animevideov3-x4", "realesrgan-x4plus-anime", "realesrgan-x4plus")
PHOTO = skimage.data.chelsea()[60:220, 100:260]
FIRST_TILE = """
import numpy as np
from realsr_mod.inference.upscaler import Upscaler
upscaler = Upscaler.load({name!r}, engine={engine!r})
pixels = np.random.default_rng(0).random((1, 3, {side}, {side}), np.float32)
upscaler.engine.restore(pixels, np.full(upscaler.engine.embedding_dim, 0.5, np.float32), upscaler.engine.quick)
"""


def as_before(name: str, lr_13HW: np.ndarray) -> Callable[[], object]:
    """The network alone, as the upscaler used to call it."""
    network, lr = load_restorer(name), torch.from_numpy(lr_13HW)
    with torch.inference_mode():
        embedding = network.embed(lr)

    def run() -> object:
        with torch.inference_mode():
            return network.restore(lr, embedding)

    return run


def ours(name: str, lr_13HW: np.ndarray) -> dict[str, Callable[[], object]]:
    """By column, what restores the tile."""
    found: dict[str, Callable[[], object]] = {"as before": as_before(name, lr_13HW)}
    for kind in ("torch", "onnxruntime", "openvino"):
        try:
            engine = engine_for(locate(name), kind, "cpu")
        except ValueError as error:
            print(error, file=sys.stderr)
            continue
        embedding = engine.embed(lr_13HW, "float32")
        native = ["bfloat16"] if cpu_multiplies_bf16() and "bfloat16" in engine.precisions else []
        for precision in dict.fromkeys(("float32", engine.quick, *native)):
            found[f"{kind} {precision}"] = partial(engine.restore, lr_13HW, embedding, precision)
    return found


def peers(lr_13HW: np.ndarray) -> dict[str, Callable[[], object]]:
    """Real-ESRGAN's networks under ncnn, by name; none where the packages are missing."""
    try:
        import ncnn
    except ImportError as error:
        print(f"without peers: {error}", file=sys.stderr)
        return {}
    found: dict[str, Callable[[], object]] = {}
    for model in (model for model in PUBLISHED if model.name in PEERS):
        name, param = model.name, find(model)
        if param is None:
            print(f"without a peer: {where_to_get(model)}", file=sys.stderr)
            continue
        net = ncnn.Net()
        net.opt.num_threads = torch.get_num_threads()
        net.load_param(str(param))
        net.load_model(str(param.with_suffix(".bin")))

        def run(net: "ncnn.Net" = net) -> np.ndarray:
            extractor = net.create_extractor()
            extractor.input("data", ncnn.Mat(lr_13HW[0]).clone())
            return np.array(extractor.extract("output")[1])

        assert run().shape == (3, 4 * SIDE, 4 * SIDE), name
        found[name] = run
    return found


def medians_ms(
    contenders: dict[str, Callable[[], object]], rounds: int, clock: Callable[[], float]
) -> dict[str, float]:
    """Everyone once a round, after one round that does not count."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds + 1):
        for name, run in contenders.items():
            started = clock()
            run()
            times[name].append(1000 * (clock() - started))
    return {name: statistics.median(values[1:]) for name, values in times.items()}


def tile_table(rounds: int, clock: Callable[[], float]) -> str:
    """Markdown: a row for each network, a column for each engine; how many times faster the best is than before."""
    lr = np.ascontiguousarray(PHOTO.transpose(2, 0, 1)[None] / np.float32(255))
    small = [entry.name for entry in entries() if entry.backbone is None]
    contenders = {f"{name}|{kind}": run for name in small for kind, run in ours(name, lr).items()}
    contenders |= {f"{name}|ncnn": run for name, run in peers(lr).items()}
    measured = medians_ms(contenders, rounds, clock)
    kinds = list(dict.fromkeys(key.partition("|")[2] for key in measured))
    lines = [f"| ms for {SIDE}x{SIDE} px | {' | '.join(kinds)} | faster |", "|---" * (len(kinds) + 2) + "|"]
    for name in dict.fromkeys(key.partition("|")[0] for key in measured):
        row = {kind: measured[f"{name}|{kind}"] for kind in kinds if f"{name}|{kind}" in measured}
        gain = f"{row['as before'] / min(row.values()):.1f}×" if "as before" in row else ""
        lines.append(f"| `{name}` | " + " | ".join(f"{row[k]:.0f}" if k in row else "" for k in kinds) + f" | {gain} |")
    return "\n".join(lines)


def processor_seconds() -> float:
    """Of all processes that were waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def seconds(command: list[str], rounds: int, status: int = 0, **environment: str) -> str:
    """Medians of how long a program takes from its start to its end: by the clock, and of the processor."""
    taken, used = [], []
    for _ in range(rounds):
        started, processor = time.perf_counter(), processor_seconds()
        done = subprocess.run([sys.executable, *command], capture_output=True, env=os.environ | environment)
        assert done.returncode == status, done.stderr.decode()
        taken.append(time.perf_counter() - started)
        used.append(processor_seconds() - processor)
    return f"{statistics.median(taken):.2f} ({statistics.median(used):.2f})"


def start_table(rounds: int) -> str:
    """Markdown: what a person waits for besides the arithmetic."""
    lines = ["| seconds (of the processor) | openvino | torch |", "|---|---|---|"]
    with tempfile.TemporaryDirectory() as folder:
        write_image(Path(folder) / "tiny.png", LoadedImage(PHOTO[:24, :24]))
        command = ["-m", "realsr_mod.upscale", f"{folder}/tiny.png", "-o", f"{folder}/out", "--overwrite", "--engine"]
        row = [seconds([*command, engine], rounds) for engine in ("openvino", "torch")]
        lines.append(f"| `upscale` on 24x24 px, start to end | {row[0]} | {row[1]} |")
        missing = seconds(["-m", "realsr_mod.upscale", f"{folder}/nothing.png", "-o", f"{folder}/out"], rounds, 1)
        lines.append(f"| `upscale` on a photo that is not there | {missing} | |")
        lines.append(f"| `train --help` | {seconds(['-m', 'realsr_mod.train', '--help'], rounds)} | |")
        lines.append(f"| `import torch` alone | | {seconds(['-c', 'import torch'], rounds)} |")
        for name in ("kdsr-real-x4", "mmrealsr-x4"):
            scripts = [FIRST_TILE.format(name=name, engine=engine, side=SIDE) for engine in ("openvino", "torch")]
            row = [seconds(["-c", script], rounds) for script in scripts]
            lines.append(f"| first tile of `{name}` in a new process | {row[0]} | {row[1]} |")
        script = FIRST_TILE.format(name="mmrealsr-x4", engine="openvino", side=SIDE)
        cold = seconds(["-c", script], 1, XDG_CACHE_HOME=f"{folder}/cache")
        lines.append(f"| the same, never compiled before, once | {cold} | |")
    return "\n".join(lines)


def folder_share(name: str, count: int = 16) -> str:
    """A sentence: how much of the time for a folder of photos is spent in the engine."""
    image = skimage.data.coffee()
    with tempfile.TemporaryDirectory() as folder:
        for number in range(count):
            top, left = 8 * (number % 4), 40 * (number // 4)
            write_image(Path(folder) / f"{number}.jpg", LoadedImage(image[top : top + 360, left : left + 400], "jpeg"))
        upscaler = Upscaler.load(name, device="cpu")
        upscaler(PHOTO)
        timed, steady = Timed(upscaler.engine), Steady(upscaler)
        started = time.perf_counter()
        jobs = plan([Path(folder)], Path(folder) / "out")
        outcomes = list(run_jobs(jobs, steady.photo, Settings(), steady=steady))
        wall = time.perf_counter() - started
    assert not any(outcome.failure for outcome in outcomes)
    return (
        f"{count} JPEGs of 400x360 px by `{name}` under {upscaler.engine.name}: {wall:.1f} s, "
        f"{100 * timed.seconds / wall:.0f} % of it in the engine"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="a figure is the median of so many")
    parser.add_argument("--cpu-time", action="store_true", help="of tiles: the processor's, not the clock's")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, help="leave out the others")
    parser.add_argument("--output", type=Path, help="also write the tables as Markdown")
    arguments = parser.parse_args()
    clock = time.process_time if arguments.cpu_time else time.perf_counter
    of = "processor time, " if arguments.cpu_time else ""
    parts = [f"{describe(torch.device('cpu'))}; {of}medians of {arguments.rounds}"]
    print(parts[0], flush=True)
    measures: dict[str, list[Callable[[], str]]] = {
        "tiles": [lambda: tile_table(arguments.rounds, clock)],
        "start": [lambda: start_table(arguments.rounds)],
        "folders": [partial(folder_share, name) for name in ("kdsr-real-x4", "mmrealsr-x4")],
    }
    for measure in (measure for name in PARTS if name in arguments.only for measure in measures[name]):
        parts.append(measure())
        print(f"\n{parts[-1]}", flush=True)
    if arguments.output:
        arguments.output.write_text("\n\n".join(parts) + "\n")


if __name__ == "__main__":
    main()
