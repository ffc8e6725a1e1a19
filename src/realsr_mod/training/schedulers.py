"""Learning-rate schedules that torch's own do not quite give."""

from bisect import bisect_right
from collections.abc import Sequence

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, OneCycleLR


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


def piecewise(optimizer: Optimizer, milestones: Sequence[int], factors: Sequence[float]) -> LambdaLR:
    """The learning rate times `factors[0]`, from step `milestones[0]` on times `factors[1]`, and so on.

    Unlike torch's own MultiStepLR, each factor is of the rate at the start, so it may rise again.
    """
    milestones = [int(step) for step in milestones]
    if len(factors) != len(milestones) + 1 or milestones != sorted(set(milestones)):
        raise ValueError(
            "scheduler.factors must be one more than scheduler.milestones, which must rise, got "
            f"milestones={milestones} and factors={list(factors)}"
        )
    return LambdaLR(optimizer, lambda step: factors[bisect_right(milestones, step)])
