"""Peak memory and seconds of upscaling, by default with the networks of the package: `python benchmarks/upscale.py`.

Each row runs in a process of its own, so that peaks do not add up; memory is what the process takes above what it
held with the model loaded and the image still on disk. Seconds are by the clock; `cpu_s`, of all threads together, is
what a busy machine does not inflate.
"""

import argparse
import json
import multiprocessing
import resource
import tempfile
import threading
import time
from pathlib import Path
from typing import Unpack

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from realsr_mod.images.image import LoadedImage
from realsr_mod.images.read import read_image
from realsr_mod.images.write import write_image
from realsr_mod.inference.upscaler import Upscaler, UpscalerSettings
from realsr_mod.runtime.compose import compose, instantiate
from realsr_mod.runtime.config import CONF_DIR


def build(name: str, **settings: Unpack[UpscalerSettings]) -> Upscaler:
    """The network that `network=NAME` trains, at x4 with random weights; or a released model."""
    if not (CONF_DIR / "network" / f"{name}.yaml").is_file():
        return Upscaler.load(name, **settings)
    return Upscaler(instantiate(compose("train", [f"network={name}"]).network), **settings)


def resident_bytes() -> int:
    """What the process holds in memory now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


def measure(
    name: str, width: int, height: int, settings: UpscalerSettings, queue: "multiprocessing.Queue[dict[str, object]]"
) -> None:
    """Read, upscale and write one image, as the command does; puts the figures on `queue`."""
    torch.manual_seed(0)
    upscaler = build(name, **settings)
    upscaler(np.zeros((40, 40, 3), np.uint8))  # what torch sets up once
    with tempfile.TemporaryDirectory() as folder:
        y, x = np.mgrid[0:height, 0:width].astype(np.float32)
        wave = (127 * np.sin(x / 9) * np.cos(y / 7) + 128).astype(np.uint8)
        write_image(Path(folder) / "in.png", LoadedImage(np.dstack([wave, wave.T.reshape(wave.shape), 255 - wave])))
        del x, y, wave
        idle, peak, ended = resident_bytes(), [0], threading.Event()

        def watch() -> None:
            while not ended.wait(0.01):
                peak[0] = max(peak[0], resident_bytes())

        watcher = threading.Thread(target=watch)
        watcher.start()
        started, cpu_started = time.perf_counter(), time.process_time()
        image = read_image(Path(folder) / "in.png")
        result = upscaler(image)
        upscaled = time.perf_counter()
        write_image(Path(folder) / "out.png", result)
        written, cpu_ended = time.perf_counter(), time.process_time()
        ended.set()
        watcher.join()
    queue.put(
        {
            "model": name,
            "photo": f"{width}x{height}",
            "engine": f"{upscaler.engine.name} {upscaler.precision_for(np.dtype(np.uint8))}",
            "tile": upscaler.tile or "none",
            "upscale_s": round(upscaled - started, 1),
            "write_s": round(written - upscaled, 1),
            "cpu_s": round(cpu_ended - cpu_started, 1),
            "peak_gb": round((peak[0] - idle) / 1e9, 2),
        }
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--models", nargs="+", default=["kdsr-real-x4", "mmrealsr-x4"], help="released models, or files of conf/network"
    )
    parser.add_argument("--sizes", nargs="+", default=["512x512", "2000x1500"], metavar="WxH")
    parser.add_argument("--tiles", nargs="+", default=["auto"], help="auto, 0 or a side in pixels")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--output", type=Path, help="also write the figures as JSON")
    arguments = parser.parse_args()
    context, rows = multiprocessing.get_context("spawn"), []
    for name in arguments.models:
        for size in arguments.sizes:
            for tile in arguments.tiles:
                queue = context.Queue()
                settings: UpscalerSettings = {"device": "cpu", "tile": tile, "engine": arguments.engine}
                settings["precision"] = arguments.precision
                process = context.Process(target=measure, args=(name, *map(int, size.split("x")), settings, queue))
                process.start()
                process.join()
                if process.exitcode:
                    raise SystemExit(f"{name} {size} tile={tile} ended with code {process.exitcode}")
                rows.append(queue.get())
                print(json.dumps(rows[-1]), flush=True)
    table = Table(*rows[0], title=f"{torch.get_num_threads()} threads, torch {torch.__version__}")
    for row in rows:
        table.add_row(*map(str, row.values()))
    Console().print(table)
    if arguments.output:
        arguments.output.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
