"""How long the second-order degradation takes, by op: milliseconds per pair of 256-pixel HR and 64-pixel LR.

python benchmarks/degradation.py [--device cuda] [--batch 12 --batch 48] [--repeats 4]
"""

import time
from collections import defaultdict
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.table import Table

from realsr_mod.data.photos import embedded_photos
from realsr_mod.degradations.base import shape_of
from realsr_mod.degradations.second_order import SecondOrder
from realsr_mod.images.rgb import read_rgb

HR_SIZE, SCALE = 256, 4


def now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter()


def hr_batch(batch: int, device: torch.device) -> torch.Tensor:
    """Crops of the embedded photos, (batch, 3, 256, 256)."""
    photos = [photo for photo in map(read_rgb, embedded_photos()[0]) if min(photo.shape[:2]) >= HR_SIZE]
    crops = [torch.from_numpy(photos[i % len(photos)][:HR_SIZE, :HR_SIZE].copy()) for i in range(batch)]
    return torch.stack(crops).permute(0, 3, 1, 2).to(device).float() / 255


def watch(degradation: SecondOrder, device: torch.device) -> dict[str, float]:
    """Let every op of the pipeline add its seconds to the returned table."""
    seconds: dict[str, float] = defaultdict(float)
    started: dict[str, float] = {}
    for name, op in degradation.ops.items():
        op.register_forward_pre_hook(lambda *_, name=name: started.update({name: now(device)}))
        op.register_forward_hook(
            lambda *_, name=name: seconds.update({name: seconds[name] + now(device) - started[name]})
        )
    return seconds


@torch.no_grad()
def measure(batch: int, device: torch.device, repeats: int) -> dict[str, float]:
    """Milliseconds per pair: drawing, each op, what lies between the ops, and all without stopwatches."""
    hr = hr_batch(batch, device)
    generator = torch.Generator(device).manual_seed(0)
    degradation = SecondOrder(SCALE)
    draws = [degradation.sample(shape_of(hr), generator) for _ in range(repeats)]
    degradation(hr, draws[0])  # warm up
    start = now(device)
    for params in draws:
        degradation(hr, params)
    total = now(device) - start
    start = now(device)
    for _ in draws:
        degradation.sample(shape_of(hr), generator)
    drawing = now(device) - start
    seconds = watch(degradation, device)
    start = now(device)
    for params in draws:
        degradation(hr, params)
    between = now(device) - start - sum(seconds.values())
    table = {"draw params": drawing, **seconds, "last resize and the rest": between, "whole": drawing + total}
    return {name: 1000 * value / (batch * repeats) for name, value in table.items()}


def main(
    device: Annotated[str, typer.Option(help="cpu or cuda")] = "cpu",
    batch: Annotated[list[int] | None, typer.Option(help="a batch size; may be given several times")] = None,
    repeats: Annotated[int, typer.Option(help="draws that are averaged")] = 4,
) -> None:
    """Print one table of milliseconds per pair, by op and batch size."""
    batches = batch or [12, 48]
    results = [measure(size, torch.device(device), repeats) for size in batches]
    threads = f", {torch.get_num_threads()} threads" if device == "cpu" else ""
    table = Table("op", *(f"batch {size}" for size in batches), title=f"ms per 256/64 pair on {device}{threads}")
    for name in results[0]:
        table.add_row(name, *(f"{result[name]:.2f}" for result in results), end_section=name.startswith("last"))
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
