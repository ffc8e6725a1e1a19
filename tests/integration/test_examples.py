"""The programs in `examples/` run."""

import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"


def main_of(name):
    return runpy.run_path(str(EXAMPLES / f"{name}.py"))["main"]


def test_a_plain_loop_learns():
    losses = main_of("own_loop")(12)
    assert len(losses) == 12
    assert sum(losses[-4:]) < 0.9 * sum(losses[:4])


@pytest.mark.filterwarnings("ignore")
def test_lightning_and_fabric_train():
    assert main_of("own_lightning")(2).global_step == 2
    assert 0 < main_of("own_fabric")(2, accelerator="cpu") < 1
