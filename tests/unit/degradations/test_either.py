"""One pipeline for each image: who gets which, replay, independence of rows, what does not go together."""

import pytest
import torch
from randomness import generator

from realsr_mod.degradations.base import row, rows
from realsr_mod.degradations.classic import Bicubic
from realsr_mod.degradations.either import Either
from realsr_mod.degradations.second_order import SecondOrder
from realsr_mod.degradations.stored import build_degradation, read_degradation

SHAPE = (6, 3, 32, 48)


def either(**changes):
    return Either(4, **({"probabilities": {"bicubic": 0.5, "severe": 0.5}, "bicubic": Bicubic(4)} | changes))


@pytest.fixture
def both():
    return either(severe=SecondOrder(4, sharpen=False))


def test_each_image_goes_through_the_pipeline_that_was_drawn(both):
    hr = torch.rand(SHAPE, generator=generator(9))
    params = both.sample(hr.shape, generator())
    assert set(params["which"].tolist()) == {0, 1}
    lr = both(hr, params)
    for i, which in enumerate(params["which"].tolist()):
        name = ("bicubic", "severe")[which]
        alone = both.pipelines[name](hr[i : i + 1], row(params[name], i))
        assert torch.equal(lr[i : i + 1], alone)
        assert torch.equal(both(hr[i : i + 1], row(params, i)), alone)
    assert torch.equal(both(hr[[4, 1]], rows(params, [4, 1])), lr[[4, 1]])
    assert torch.equal(both(hr, params), lr)
    assert lr.shape == both.output_shape(SHAPE)


def test_where_values_cannot_be_looked_at_the_result_is_the_same(both, monkeypatch):
    hr = torch.rand(SHAPE, generator=generator(9))
    params = both.sample(hr.shape, generator())
    lr = both(hr, params)
    monkeypatch.setattr("realsr_mod.degradations.either.can_look", lambda _: False)
    assert torch.equal(both(hr, params), lr)


def test_probabilities_are_kept():
    certain = either(probabilities={"bicubic": 1.0, "severe": 0.0}, severe=SecondOrder(4, sharpen=False))
    assert not certain.sample((100, 3, 8, 8), generator())["which"].any()
    drawn = build_degradation(read_degradation("severe_or_mild", 4)).sample((1000, 3, 8, 8), generator())["which"]
    assert drawn.float().mean().item() == pytest.approx(0.67, abs=0.04)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "each pipeline needs a probability"),
        ({"severe": SecondOrder(4)}, "severe must be of scale 4, without sharpening .* sharpen=True"),
        ({"severe": Bicubic(2)}, "got scale 2"),
        ({"severe": Bicubic(4), "probabilities": {"bicubic": 0.5, "severe": 0.6}}, "sum to 1"),
    ],
)
def test_what_does_not_go_together(changes, message):
    with pytest.raises(ValueError, match=message):
        either(**changes)
