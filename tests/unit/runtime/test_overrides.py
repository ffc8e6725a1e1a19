"""What people type as names and folders reaches Hydra as the text that it is."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from realsr_mod.runtime.overrides import groups_taken_away, readable, without_null


def values(argument: str, is_sweep: bool = False) -> list:
    """What Hydra makes of an argument: the values of a sweep, or the one there is."""
    override = OverridesParser.create().parse_override(readable(argument, is_sweep))
    return list(override.sweep_iterator()) if override.is_sweep_override() else [override.value()]


def texts(argument: str, is_sweep: bool = False) -> list[str]:
    return [str(getattr(value, "text", value)).strip("'") for value in values(argument, is_sweep)]


@pytest.mark.parametrize(
    "value", ["2024", "2024_10", "1e3", "-5", "0.5", "true", "nan", "~nosuch", "Grün (1)", "a[1]", "K, 2023"]
)
@pytest.mark.parametrize("key", ["data.root", "name", "data.val_hr_root", "+output"])
def test_folders_and_names_are_text(key, value):
    (only,) = values(f"{key}={value}")
    assert str(getattr(only, "text", only)) == value
    assert not isinstance(only, int | float | bool)


@pytest.mark.parametrize(("key", "expected"), [("seed", 2024), ("method.optimizer.lr", 0.001)])
def test_numbers_stay_numbers(key, expected):
    assert values(f"{key}={expected}") == [expected]


def test_nothing_and_lists_stay_what_they_are():
    assert values("data.val_root=null") == [None]
    assert [str(value) for value in values("data.root=[a,b]")[0]] == ["a", "b"]


@pytest.mark.parametrize(
    "argument", ["data.root=Grün,Blau", "data.root=Größe,a b/Blau", "name=2024,2025", "data.root=a[1],Müller"]
)
def test_a_sweep_over_any_names_is_one_over_each(argument):
    assert texts(argument, is_sweep=True) == argument.partition("=")[2].split(",")


def test_a_sweep_over_numbers_stays_one():
    assert [float(text) for text in texts("method.optimizer.lr=1e-3,2e-3", is_sweep=True)] == [1e-3, 2e-3]


def test_nothing_chosen_for_a_group_is_the_group_taken_away():
    assert [without_null(item) for item in ("scheduler=null", "adversarial=Null")] == ["~scheduler", "~adversarial"]
    others = ["teacher=null", "scheduler=linear", "data.root=null", "+scheduler=null", "scheduler", "--cfg"]
    assert [without_null(item) for item in others] == others
    assert groups_taken_away(["~scheduler", "~data=folder", "~seed", "network=kdsr_m"]) == ["scheduler", "data"]
