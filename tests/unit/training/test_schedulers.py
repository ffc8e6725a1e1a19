"""One-cycle rates and momenta; rates that change at given steps."""

import pytest
import torch

from realsr_mod.runtime.compose import compose, instantiate
from realsr_mod.training.schedulers import one_cycle, piecewise


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


def rates_of(scheduler, steps):
    """The rates of each group, step by step."""
    seen = []
    for _ in range(steps):
        seen.append([group["lr"] for group in scheduler.optimizer.param_groups])
        scheduler.optimizer.step()
        scheduler.step()
    return seen


def test_piecewise_rates_change_at_their_steps_and_keep_the_ratio_of_groups():
    optimizer = torch.optim.SGD([{"params": weight()}, {"params": weight(), "lr": 0.1}], lr=1.0)
    rates = rates_of(piecewise(optimizer, milestones=[2, 3], factors=[2.0, 0.5, 1.0]), 5)
    assert [rate for rate, _ in rates] == [2.0, 2.0, 0.5, 1.0, 1.0]
    assert [other for _, other in rates] == pytest.approx([0.2, 0.2, 0.05, 0.1, 0.1])
    with pytest.raises(ValueError, match=r"must be one more than .* got milestones=\[3, 2\]"):
        piecewise(optimizer, milestones=[3, 2], factors=[1.0, 1.0, 1.0])


def test_kdsrs_anisotropic_student_warms_its_encoder_up_as_published():
    cfg = compose("train", ["experiment=paper/kdsr_aniso_student", "data.root=photos"])
    optimizer = instantiate(cfg.method.optimizer)(weight())
    factor = instantiate(cfg.scheduler)(optimizer).lr_lambdas[0]
    epochs = {0: 2e-4, 59: 2e-4, 60: 2e-5, 99: 2e-5, 100: 1e-4, 224: 1e-4, 225: 5e-5, 350: 2.5e-5, 499: 1.25e-5}
    assert {epoch: cfg.method.optimizer.lr * factor(1000 * epoch) for epoch in epochs} == pytest.approx(epochs)
    assert cfg.method.warmup_steps == 100 * 1000
    assert cfg.trainer.max_steps == 500 * 1000
