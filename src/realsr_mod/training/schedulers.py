"""Learning-rate schedules that torch's own do not quite give."""

from torch.optim import Optimizer
from torch.optim.lr_scheduler import OneCycleLR


def one_cycle(
    optimizer: Optimizer, max_lr: float, total_steps: int, pct_start: float = 0.1, cycle_momentum: bool = True
) -> OneCycleLR:
    """torch's OneCycleLR for any number of steps and for groups whose rates differ: each keeps its ratio to the others.

    torch's own gives every group the same rate, and divides by zero where the rise takes exactly one step.
    `cycle_momentum`: the momentum, Adam's first beta, goes from 0.95 to 0.85 and back while the rate rises and falls,
    whatever the optimizer's configuration says. An optimizer without momentum stays without.
    """
    if abs(pct_start * total_steps - 1) < 1e-6:
        pct_start *= 1.001
    rates = [max_lr * group["lr"] / optimizer.defaults["lr"] for group in optimizer.param_groups]
    has_momentum = optimizer.defaults.get("momentum", 1) != 0
    return OneCycleLR(
        optimizer, rates, total_steps=total_steps, pct_start=pct_start, cycle_momentum=cycle_momentum and has_momentum
    )
