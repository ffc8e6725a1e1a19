"""The contrasts against loops over places in float64, by the formulas as they are written."""

import math

import pytest
import torch

from realsr_mod.methods.crlsr.loss import (
    alignment,
    bidirectional_contrast,
    conditional_contrast,
    cosines,
    degraded_contrast,
    info_nce,
    near_places,
    uniformity,
    without_local_mean,
)

BATCH, PLACES, LENGTH, TAU = 2, 7, 5, 0.3


@pytest.fixture
def features():
    """Three sets of vectors of very different lengths, (B, M, P)."""
    generator = torch.Generator().manual_seed(0)
    sets = torch.randn(3, BATCH, PLACES, LENGTH, generator=generator)
    return [size * vectors for size, vectors in zip((1, 30, 0.01), sets, strict=True)]


def cosine(x, y):
    x, y = x.double(), y.double()
    return float(x @ y / (x.norm() * y.norm()))


def similarity(x, y):
    return math.exp(cosine(x, y) / TAU)


def test_bidirectional_contrast_is_the_formula(features):
    low, high, _ = features
    total = 0.0
    for b in range(BATCH):
        for i in range(PLACES):
            own = similarity(low[b, i], high[b, i])
            to_high = sum(similarity(low[b, i], high[b, j]) for j in range(PLACES))
            to_low = sum(similarity(high[b, i], low[b, j]) for j in range(PLACES))
            total -= 0.5 * (math.log(own / to_high) + math.log(own / to_low)) / (BATCH * PLACES)
    assert bidirectional_contrast(low, high, TAU).item() == pytest.approx(total, rel=1e-5)
    assert bidirectional_contrast(high, low, TAU).item() == pytest.approx(total, rel=1e-5)


def test_a_place_is_told_apart_from_those_near_it_alone(features):
    low, high, _ = features
    places = torch.tensor([[0, 1, 2, 4, 5, 9, 11], [3, 2, 1, 0, 6, 10, 8]])  # on a grid of 4 columns
    near = near_places(places, width=4, radius=1)
    total = 0.0
    for b in range(BATCH):
        for i in range(PLACES):
            around = [
                j
                for j in range(PLACES)
                if abs(places[b, i] // 4 - places[b, j] // 4) <= 1 and abs(places[b, i] % 4 - places[b, j] % 4) <= 1
            ]
            assert torch.arange(PLACES)[near[b, i]].tolist() == around
            own = similarity(low[b, i], high[b, i])
            to_high = sum(similarity(low[b, i], high[b, j]) for j in around)
            to_low = sum(similarity(high[b, i], low[b, j]) for j in around)
            total -= 0.5 * (math.log(own / to_high) + math.log(own / to_low)) / (BATCH * PLACES)
    assert bidirectional_contrast(low, high, TAU, near).item() == pytest.approx(total, rel=1e-5)
    everywhere = near_places(places, width=4, radius=3)
    torch.testing.assert_close(
        bidirectional_contrast(low, high, TAU, everywhere), bidirectional_contrast(low, high, TAU)
    )


def test_without_its_local_mean_a_feature_says_what_differs_from_around():
    features = torch.randn(2, 3, 6, 7, generator=torch.Generator().manual_seed(0))
    special = without_local_mean(features, side=3)
    expected = features[0, 1, 2, 4] - features[0, 1, 1:4, 3:6].mean()
    torch.testing.assert_close(special[0, 1, 2, 4], expected)
    torch.testing.assert_close(special[1, 2, 0, 0], features[1, 2, 0, 0] - features[1, 2, :2, :2].mean())  # a corner
    color = torch.tensor([0.3, 0.1, 0.9])[None, :, None, None]
    torch.testing.assert_close(without_local_mean(features + color, side=3), special)


def test_conditional_contrast_is_the_formula(features):
    restored, true, condition = features
    condition = condition[:, :4]  # they need not be as many
    total = 0.0
    for b in range(BATCH):
        for i in range(PLACES):
            own = similarity(restored[b, i], true[b, i])
            others = sum(similarity(restored[b, i], condition[b, j]) for j in range(4))
            total -= math.log(own / (own + others)) / (BATCH * PLACES)
    assert conditional_contrast(restored, true, condition, TAU).item() == pytest.approx(total, rel=1e-5)


def test_degraded_contrast_is_the_formula(features):
    restored, true, degraded = features
    both = torch.stack([degraded, degraded.flip(2)], dim=2)
    total = 0.0
    for b in range(BATCH):
        for i in range(PLACES):
            own = similarity(restored[b, i], true[b, i])
            others = sum(similarity(restored[b, i], both[b, i, n]) for n in range(2))
            total -= math.log(own / (own + others)) / (BATCH * PLACES)
    assert degraded_contrast(restored, true, both, TAU).item() == pytest.approx(total, rel=1e-5)


def test_both_contrasts_are_one_loss_of_similarities(features):
    low, high, condition = features
    pairs = cosines(low, high)
    expected = -(pairs / TAU).log_softmax(-1).diagonal(dim1=1, dim2=2).mean() / 2
    expected -= (pairs / TAU).log_softmax(-2).diagonal(dim1=1, dim2=2).mean() / 2
    torch.testing.assert_close(bidirectional_contrast(low, high, TAU), expected)
    own = pairs.diagonal(dim1=1, dim2=2)
    torch.testing.assert_close(
        conditional_contrast(low, high, condition, TAU), info_nce(own, cosines(low, condition), TAU)
    )


def test_gradient_brings_the_same_place_together_and_other_places_apart(features):
    low, high = (x.clone().requires_grad_() for x in features[:2])
    before = cosines(low, high).detach()
    optimizer = torch.optim.SGD([low, high], lr=0.05)
    bidirectional_contrast(low, high, TAU).backward()
    assert low.grad.abs().min() > 0
    optimizer.step()
    change = (cosines(low, high) - before).detach()
    assert change.diagonal(dim1=1, dim2=2).mean() > 0
    assert change.mean() < change.diagonal(dim1=1, dim2=2).mean()


def test_images_are_told_apart_from_places_of_their_own_alone(features):
    low, high, _ = features
    alone = [bidirectional_contrast(low[b : b + 1], high[b : b + 1], TAU) for b in range(BATCH)]
    torch.testing.assert_close(bidirectional_contrast(low, high, TAU), sum(alone) / BATCH)


def test_losses_are_float32_under_autocast(features):
    low, high, condition = features
    expected = [bidirectional_contrast(low, high, 0.07), conditional_contrast(low, high, condition, 0.07)]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = [bidirectional_contrast(low, high, 0.07), conditional_contrast(low, high, condition, 0.07)]
    assert found == expected


def test_alignment_and_uniformity_are_those_of_unit_vectors(features):
    one, other, _ = features
    unit, unit_other = (x.double() / x.double().norm(dim=-1, keepdim=True) for x in (one, other))
    assert alignment(one, other).item() == pytest.approx((unit - unit_other).square().sum(-1).mean().item(), rel=1e-5)
    pairs = [
        math.exp(-2 * (unit[b, i] - unit[b, j]).square().sum().item())
        for b in range(BATCH)
        for i in range(PLACES)
        for j in range(PLACES)
        if i != j
    ]
    assert uniformity(one).item() == pytest.approx(math.log(sum(pairs) / len(pairs)), rel=1e-4)


def test_collapse_shows_as_zero_and_independence_as_minus_four():
    one = torch.randn(1, 1, 512, generator=torch.Generator().manual_seed(0)).expand(2, 50, 512)
    assert alignment(one, 3 * one).item() == pytest.approx(0, abs=1e-5)
    assert uniformity(one).item() == pytest.approx(0, abs=1e-5)
    random = torch.randn(2, 50, 512, generator=torch.Generator().manual_seed(1))
    assert uniformity(random).item() == pytest.approx(-4, abs=0.05)
