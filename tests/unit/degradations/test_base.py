"""Params as data, and the drawing helpers."""

import pytest
import torch

from realsr_mod.degradations.base import (
    Chain,
    DegradationOp,
    bernoulli,
    check_probabilities,
    check_probability,
    check_range,
    choose,
    map_params,
    row,
    rows,
    stack_rows,
    uniform,
)
from realsr_mod.degradations.noise import GaussianNoise, Quantize
from realsr_mod.degradations.resize import Downscale

NESTED = {"a": torch.arange(3), "b": {"c": torch.arange(6).view(3, 2)}}


def generator():
    return torch.Generator().manual_seed(0)


def test_rows_are_cut_repeated_and_joined():
    assert row(NESTED, 1)["b"]["c"].tolist() == [[2, 3]]
    assert rows(NESTED, [2, 0, 2])["a"].tolist() == [2, 0, 2]
    again = stack_rows([row(NESTED, i) for i in range(3)])
    assert torch.equal(again["a"], NESTED["a"])
    assert torch.equal(again["b"]["c"], NESTED["b"]["c"])
    assert map_params(NESTED, lambda tensor: tensor + 1)["b"]["c"][0].tolist() == [1, 2]


def test_choose_and_flip_follow_their_probabilities():
    drawn = choose(20_000, (0.2, 0.0, 0.7, 0.1), generator())
    assert (torch.bincount(drawn, minlength=4) / 20_000).tolist() == pytest.approx([0.2, 0, 0.7, 0.1], abs=0.01)
    assert bernoulli(20_000, 0.3, generator()).float().mean() == pytest.approx(0.3, abs=0.01)
    assert not bernoulli(1000, 0.0, generator()).any()
    assert bernoulli(1000, 1.0, generator()).all()
    assert (choose(1000, (1.0,), generator()) == 0).all()


def test_uniform_stays_in_its_bounds_and_repeats_with_its_generator():
    drawn = uniform((1000,), 2.0, 3.0, generator())
    assert 2 <= drawn.min() < 2.01
    assert 2.99 < drawn.max() <= 3
    assert torch.equal(uniform((1000,), 2.0, 3.0, generator()), drawn)


def test_chain_draws_for_the_shape_that_each_op_sees():
    class Probe(DegradationOp):
        def sample(self, shape_BCHW, generator):
            return {"shape": torch.tensor([shape_BCHW])}

        def forward(self, x_BCHW, params):
            assert list(x_BCHW.shape) == params["shape"][0].tolist()
            return x_BCHW

    chain = Chain(first=Probe(), down=Downscale(2), second=Probe(), noise=GaussianNoise((1, 2)), quantize=Quantize())
    params = chain.sample((1, 3, 8, 6), generator())
    assert set(params) == {"first", "second", "noise"}
    assert params["second"]["shape"].tolist() == [[1, 3, 4, 3]]
    assert chain(torch.rand(1, 3, 8, 6), params).shape == (1, 3, 4, 3)
    assert chain.output_shape((1, 3, 8, 6)) == (1, 3, 4, 3)


@pytest.mark.parametrize("wrong", [(2, 1), (-1, 1), (1,), (1, 2, 3)])
def test_ranges_are_checked(wrong):
    with pytest.raises(ValueError, match=r"size must be \[low, high\] with 0 <= low <= high"):
        check_range("size", wrong)
    assert check_range("size", [1, 2]) == (1.0, 2.0)


def test_probabilities_are_checked():
    with pytest.raises(ValueError, match=r"p must be at least 0 and sum to 1, got \[0.5, 0.4\]"):
        check_probabilities("p", [0.5, 0.4])
    with pytest.raises(ValueError, match="at least 0"):
        check_probabilities("p", [1.5, -0.5])
    with pytest.raises(ValueError, match=r"p must be in \[0, 1\], got -0.1"):
        check_probability("p", -0.1)
