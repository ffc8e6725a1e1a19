"""What a training step is made of: `python benchmarks/step.py`.

Milliseconds of the processor, on one thread, for KDSR's student at the size of the paper (C = 64, N_e = 5, N_b = 28), a
batch of eight LR crops of 32x32 px; medians of `--rounds`, in which each variant is asked once, so that a busy moment
of the machine meets all alike. `--compile` adds the network through torch.compile, which takes minutes to begin.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from rich.console import Console
from rich.table import Table
from torch import nn

from realsr_mod.methods.kdsr.network import KDSRNet
from realsr_mod.runtime.devices import describe

SCALE, BATCH, SIDE = 4, 8, 32


def student(channels_last: bool = False) -> KDSRNet:
    """The paper's size; all have the same weights."""
    torch.manual_seed(0)
    network = KDSRNet(scale=SCALE, channels=64, encoder_blocks=5, restorer_blocks=28)
    return network.to(memory_format=torch.channels_last) if channels_last else network  # type: ignore[call-overload]


def forward_backward(network: nn.Module, bfloat16: bool) -> Callable[[], None]:
    """L1 and its gradients."""
    lr, hr = torch.rand(BATCH, 3, SIDE, SIDE), torch.rand(BATCH, 3, SCALE * SIDE, SCALE * SIDE)

    def run() -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            loss = (network(lr).float() - hr).abs().mean()
        loss.backward()

    return run


def around() -> dict[str, Callable[[], object]]:
    """What else a step does to the weights."""
    network = student()
    forward_backward(network, True)()
    weights = list(network.parameters())
    averages = [weight.detach().clone() for weight in weights]
    plain, fused = (torch.optim.Adam(weights, lr=1e-4, fused=fused) for fused in (False, True))

    def average() -> None:
        for mean, weight in zip(averages, weights, strict=True):
            mean.lerp_(weight.detach(), 1e-3)

    return {
        "Adam": plain.step,
        "Adam, fused": fused.step,
        "norm of the gradients": lambda: nn.utils.get_total_norm([w.grad for w in weights if w.grad is not None]),
        "moving average of the weights": average,
        "the same by one call": lambda: torch._foreach_lerp_(averages, [w.detach() for w in weights], 1e-3),
    }


def milliseconds(variants: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """By variant, the median of its rounds after a first one that does not count."""
    taken: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(rounds + 1):
        for name, run in variants.items():
            begun = time.process_time()
            run()
            taken[name].append((time.process_time() - begun) * 1e3)
    return {name: statistics.median(times[1:]) for name, times in taken.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="of which the median is taken (default: 5)")
    parser.add_argument("--compile", action="store_true", help="compile the network, too")
    options = parser.parse_args()
    torch.set_num_threads(1)
    variants: dict[str, Callable[[], object]] = {
        "forward and backward, float32": forward_backward(student(), False),
        "forward and backward, bfloat16": forward_backward(student(), True),
        "the same, channels last": forward_backward(student(channels_last=True), True),
    }
    if options.compile:
        compiled = student()
        compiled.compile()
        variants["the same, compiled"] = forward_backward(compiled, True)
    found = milliseconds(variants | around(), options.rounds)
    whole = found["forward and backward, float32"]
    table = Table("part of a step", "ms", "of float32", title=f"KDSR student, {describe(torch.device('cpu'))}")
    for name, taken in found.items():
        table.add_row(name, f"{taken:.1f}", f"{taken / whole:.1%}")
    Console().print(table)


if __name__ == "__main__":
    main()
