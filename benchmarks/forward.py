"""Milliseconds of one forward pass: `python benchmarks/forward.py kdsr_m --size 180x320`, in float32 and bf16."""

import statistics
import time
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.table import Table

from realsr_mod.runtime.compose import compose, instantiate


def median_ms(network: torch.nn.Module, lr: torch.Tensor, bf16: bool, repeats: int) -> float:
    """Median over `repeats` passes, after one that is not counted."""
    times = []
    for _ in range(repeats + 1):
        if lr.is_cuda:
            torch.cuda.synchronize()
        started = time.perf_counter()
        with torch.inference_mode(), torch.autocast(lr.device.type, dtype=torch.bfloat16, enabled=bf16):
            network(lr)
        if lr.is_cuda:
            torch.cuda.synchronize()
        times.append(1000 * (time.perf_counter() - started))
    return statistics.median(times[1:])


def main(
    network: Annotated[str, typer.Argument(help="A name in conf/network.")] = "kdsr_m",
    size: Annotated[str, typer.Option(help="LR height x width in pixels.")] = "180x320",
    scale: int = 4,
    device: str = "cpu",
    repeats: int = 5,
    float32_only: Annotated[
        bool, typer.Option(help="Leave out bf16, which takes minutes where it is emulated.")
    ] = False,
) -> None:
    """Time a network with random weights on one image."""
    cfg = compose("train", [f"network={network}", f"scale={scale}"])
    built = instantiate(cfg.network).to(device).eval()
    height, width = (int(side) for side in size.split("x"))
    lr = torch.rand(1, 3, height, width, device=device)
    parameters = sum(p.numel() for p in built.parameters()) / 1e6
    table = Table(title=f"{network} (x{scale}, {parameters:.2f} M parameters) on 1x3x{size}, {device}")
    for column in ("precision", "ms, median"):
        table.add_column(column, justify="right")
    for name, bf16 in [("float32", False), ("bf16", True)][: 1 if float32_only else 2]:
        table.add_row(name, f"{median_ms(built, lr, bf16, repeats):.0f}")
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
