"""Adversarial losses by hand."""

import math

import pytest
import torch

from realsr_mod.losses.adversarial import AdversarialLoss

REAL, FAKE = torch.tensor([2.0, 0.5]), torch.tensor([-3.0, 0.5])


def softplus(x):
    return math.log1p(math.exp(x))


@pytest.mark.parametrize(
    ("kind", "generator", "discriminator"),
    [
        (
            "vanilla",
            (softplus(3) + softplus(-0.5)) / 2,
            (softplus(-2) + softplus(-0.5)) / 2 + (softplus(-3) + softplus(0.5)) / 2,
        ),
        ("hinge", 1.25, (0 + 0.5) / 2 + (0 + 1.5) / 2),
        ("lsgan", (16 + 0.25) / 2, (1 + 0.25) / 2 + (9 + 0.25) / 2),
    ],
)
def test_by_hand(kind, generator, discriminator):
    loss = AdversarialLoss(kind)
    assert loss.generator(FAKE).item() == pytest.approx(generator, rel=1e-6)
    assert loss.discriminator(REAL, FAKE).item() == pytest.approx(discriminator, rel=1e-6)


@pytest.mark.parametrize("kind", ["vanilla", "hinge", "lsgan"])
def test_the_two_pull_the_fake_logit_in_opposite_directions(kind):
    fake = torch.zeros(1, requires_grad=True)
    (toward_real,) = torch.autograd.grad(AdversarialLoss(kind).generator(fake), fake)
    (toward_fake,) = torch.autograd.grad(AdversarialLoss(kind).discriminator(REAL, fake), fake, allow_unused=True)
    assert toward_real.item() < 0
    assert toward_fake.item() >= 0 if kind == "lsgan" else toward_fake.item() > 0


def test_unknown_kind_lists_what_exists():
    with pytest.raises(ValueError, match="vanilla, hinge, lsgan; got 'wgan'"):
        AdversarialLoss("wgan")
