"""One-cycle rates and momenta."""

import pytest
import torch

from realsr_mod.training.schedulers import one_cycle


def run(optimizer, **options):
    """(learning rate, momentum or first beta) of every step."""
    scheduler, seen = one_cycle(optimizer, max_lr=1e-2, total_steps=10, pct_start=0.5, **options), []
    for _ in range(10):
        group = optimizer.param_groups[0]
        seen.append((group["lr"], group["betas"][0] if "betas" in group else group["momentum"]))
        optimizer.step()
        scheduler.step()
    return seen


def weight():
    return [torch.nn.Parameter(torch.zeros(1))]


def test_momentum_falls_while_the_rate_rises():
    rates, betas = zip(*run(torch.optim.Adam(weight(), lr=1e-2, betas=(0.9, 0.99))), strict=True)
    assert max(rates) == pytest.approx(1e-2)
    assert rates[4] == max(rates)
    assert betas[0] == pytest.approx(0.95)
    assert betas[4] == min(betas) == pytest.approx(0.85)


def test_momentum_stays_as_configured_if_asked_and_where_there_is_none():
    betas = [beta for _, beta in run(torch.optim.Adam(weight(), lr=1e-2, betas=(0.9, 0.99)), cycle_momentum=False)]
    assert betas == [0.9] * 10
    assert [momentum for _, momentum in run(torch.optim.SGD(weight(), lr=1e-2))] == [0] * 10
