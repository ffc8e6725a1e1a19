"""Meta-learning over the auxiliary tasks: what a few steps on one task say about the weights to begin with.

Every direction is one tensor per trained parameter, in the order of `trained(network)`, to be descended along.
Legend: B rows of one task, H and W the LR size, s the scale.
"""

from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

OptimizerFactory = Callable[[Iterable[nn.Parameter]], Optimizer]
Loss = Callable[[nn.Module, Tensor, Tensor], Tensor]  # network, lr, hr to a scalar


class Direction(NamedTuple):
    """Where one task wants the initial weights to go, and the loss that it was left with."""

    gradients: list[Tensor]
    loss: Tensor


def trained(network: nn.Module) -> list[nn.Parameter]:
    """The parameters that are not frozen."""
    return [parameter for parameter in network.parameters() if parameter.requires_grad]


def adapted(
    network: nn.Module, chunks: Sequence[tuple[Tensor, Tensor]], loss: Loss, optimizer: OptimizerFactory
) -> tuple[nn.Module, Tensor]:
    """A copy of the network after one step on each of the (lr, hr) chunks, and the loss of the last one."""
    fast = deepcopy(network)
    steps = optimizer(trained(fast))
    for lr_B3HW, hr_B3HW in chunks:
        value = loss(fast, lr_B3HW, hr_B3HW)
        steps.zero_grad()
        value.backward()
        steps.step()
    return fast, value.detach()


def maml_direction(
    network: nn.Module, lr_B3HW: Tensor, hr_B3HW: Tensor, loss: Loss, optimizer: OptimizerFactory, inner_steps: int
) -> Direction:
    """First-order MAML: `inner_steps` steps on the first half of the rows, then the gradient there of the second half.

    The gradient is taken at the adapted weights and applied to the initial ones (Finn et al., arXiv 1703.03400, 5.2).
    """
    half = len(lr_B3HW) // 2
    support = (lr_B3HW[:half], hr_B3HW[:half])
    fast, _ = adapted(network, [support] * inner_steps, loss, optimizer)
    value = loss(fast, lr_B3HW[half:], hr_B3HW[half:])
    return Direction(list(torch.autograd.grad(value, trained(fast), materialize_grads=True)), value.detach())


def reptile_direction(
    network: nn.Module, lr_B3HW: Tensor, hr_B3HW: Tensor, loss: Loss, optimizer: OptimizerFactory, inner_steps: int
) -> Direction:
    """Reptile: one step on each of `inner_steps` parts of the rows; the direction is initial minus adapted weights.

    Plain descent along it with learning rate epsilon is theta + epsilon (theta_k - theta) (arXiv 1803.02999, eq. 1).
    """
    parts = zip(lr_B3HW.tensor_split(inner_steps), hr_B3HW.tensor_split(inner_steps), strict=True)
    fast, value = adapted(network, list(parts), loss, optimizer)
    pairs = zip(trained(network), trained(fast), strict=True)
    return Direction([(before - after).detach() for before, after in pairs], value)


def with_gradients(value: Tensor, parameters: Iterable[Tensor], gradients: Iterable[Tensor]) -> Tensor:
    """A scalar that equals `value` and whose gradient is `gradients`.

    So directions found by other means than backpropagation go through the usual optimizer step, with its clipping,
    schedule and averaging.
    """
    products = [(parameter * gradient).sum() for parameter, gradient in zip(parameters, gradients, strict=True)]
    carrier = torch.stack(products).sum()
    return value + (carrier - carrier.detach())
