"""A search's space, as Hydra's overrides write it."""

import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from realsr_mod.training.space import as_overrides, split


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tag(log,interval(1e-4,1e-2))", FloatDistribution(1e-4, 1e-2, log=True)),
        ("interval(0,0.5)", FloatDistribution(0, 0.5)),
        ("int(interval(1,8))", IntDistribution(1, 8)),
        ("range(1,9,2)", IntDistribution(1, 7, step=2)),
        ("range(5,1,-2)", IntDistribution(3, 5, step=2)),
        ("range(0,1,0.25)", FloatDistribution(0, 0.75, step=0.25)),
        ("choice(a,2,[1,2])", CategoricalDistribution(("a", "2", "[1,2]"))),
        ("16,32", CategoricalDistribution(("16", "32"))),
    ],
)
def test_each_way_to_write_values(text, expected):
    fixed, space = split(["seed=1", f"some.key={text}"])
    assert fixed == ["seed=1"]
    assert space == {"some.key": expected}


def test_what_comes_later_replaces_what_was_there():
    fixed, space = split(["lr=interval(0,1)", "width=1,2", "~scheduler", "lr=0.5", "+new=3"])
    assert sorted(fixed) == ["+new=3", "lr=0.5", "~scheduler"]
    assert list(space) == ["width"]


def test_values_lose_no_digit():
    assert as_overrides({"lr": 0.1 + 0.2, "n": 3, "net": "kdsr_s"}) == ["lr=0.30000000000000004", "n=3", "net=kdsr_s"]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("lr=3", "nothing to search"),
        ("lr=interval(2,1)", "the lower one first"),
        ("lr=tag(log,interval(0,1))", "above 0"),
        ("n=range(3,3)", "no numbers"),
    ],
)
def test_what_is_no_space_is_said(override, message):
    with pytest.raises(ValueError, match=message):
        split([override])
