"""The outer directions on problems whose answers are known.

The network multiplies the enlarged image by one number, theta. On images of ones the L1 loss against truth c is
|theta - c|, its gradient sign(theta - c), so every step of plain descent moves theta by exactly the learning rate.
"""

from functools import partial

import pytest
import torch
from torch import nn

from realsr_mod.methods.drtl.meta import maml_direction, reptile_direction, trained, with_gradients
from realsr_mod.methods.mmrealsr.network import MMRealSRNet

SGD = partial(torch.optim.SGD, lr=0.1)


class Gain(nn.Module):
    def __init__(self, theta=1.0):
        super().__init__()
        self.theta = nn.Parameter(torch.tensor(theta, dtype=torch.float64))

    def forward(self, lr):
        return self.theta * lr.repeat_interleave(2, 2).repeat_interleave(2, 3)


def l1(network, lr, hr):
    return (network(lr) - hr).abs().mean()


def squared(network, lr, hr):
    return 0.5 * (network(lr) - hr).square().mean()


def task(truth, rows=4):
    ones = torch.ones(rows, 3, 2, 2, dtype=torch.float64)
    return ones, truth * torch.ones(rows, 3, 4, 4, dtype=torch.float64)


def test_reptile_points_from_the_adapted_to_the_initial_weights():
    network = Gain()
    direction = reptile_direction(network, *task(2.0), l1, SGD, inner_steps=4)
    assert direction.gradients[0].item() == pytest.approx(-0.4)  # theta_k = 1 + 4 * 0.1
    assert direction.loss.item() == pytest.approx(0.7)  # before the last step
    assert network.theta.item() == 1.0


def test_reptile_takes_as_many_steps_as_asked_for_whatever_the_rows():
    direction = reptile_direction(Gain(), *task(2.0, rows=5), l1, SGD, inner_steps=4)
    assert direction.gradients[0].item() == pytest.approx(-0.4)


def test_maml_takes_the_gradient_at_the_adapted_weights():
    # squared loss: grad = theta - c, so two steps with rate a leave theta - c at (1 - a)^2 of what it was
    direction = maml_direction(Gain(), *task(2.0), squared, SGD, inner_steps=2)
    assert direction.gradients[0].item() == pytest.approx(-(0.9**2))
    assert direction.loss.item() == pytest.approx(0.5 * 0.9**4)


def test_maml_adapts_on_the_first_half_and_is_judged_by_the_second():
    lr, hr = task(2.0)
    hr[2:] = 0.0
    direction = maml_direction(Gain(), lr, hr, l1, SGD, inner_steps=3)
    assert direction.loss.item() == pytest.approx(1.3)  # adapted towards 2, judged against 0
    assert direction.gradients[0].item() == pytest.approx(1.0)


def test_a_scalar_can_carry_gradients_that_were_found_otherwise():
    parameters = [nn.Parameter(torch.randn(3, 2)), nn.Parameter(torch.randn(4))]
    wanted = [torch.randn(3, 2), torch.randn(4)]
    value = with_gradients(torch.tensor(0.25), parameters, wanted)
    assert value.item() == pytest.approx(0.25, abs=1e-6)
    value.backward()
    assert all(torch.equal(parameter.grad, gradient) for parameter, gradient in zip(parameters, wanted, strict=True))


def test_any_backbone_will_do_frozen_parts_stay_out():
    size = {"channels": 4, "num_blocks": 1, "growth": 2}
    estimator = {"estimator_widths": (4,), "estimator_blocks": (1,), "estimator_downscales": (1,)}
    network = MMRealSRNet(scale=2, **size, **estimator)
    network.estimator.requires_grad_(False)
    lr, hr = torch.rand(2, 3, 8, 8), torch.rand(2, 3, 16, 16)
    for direction in (maml_direction, reptile_direction):
        gradients = direction(network, lr, hr, l1, SGD, inner_steps=1).gradients
        assert [g.shape for g in gradients] == [p.shape for p in trained(network)]
        assert len(gradients) < len(list(network.parameters()))
        assert any(gradient.abs().sum() > 0 for gradient in gradients)
