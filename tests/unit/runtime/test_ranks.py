"""What the first of several processes decides holds for all of them."""

import json

import pytest

from realsr_mod.runtime import ranks
from realsr_mod.runtime.ranks import agreed, is_first, started_together

VARIABLES = (
    *("TORCHELASTIC_RUN_ID", "TORCHELASTIC_RESTART_COUNT", "RANK", "WORLD_SIZE", "LOCAL_RANK"),
    *("SLURM_PROCID", "SLURM_NTASKS", "SLURM_JOB_NAME"),
)


class Store(dict):
    """torch's store, whose `get` would wait."""

    def set(self, key, value):
        self[key] = value.encode()

    def get(self, key):
        return self[key]


@pytest.fixture
def told(monkeypatch):
    monkeypatch.setattr(ranks, "_stores", [Store()])

    def tell(**variables):
        for name in VARIABLES:
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, str(value))

    return tell


@pytest.mark.parametrize(
    ("variables", "together", "first"),
    [
        ({}, None, True),
        ({"LOCAL_RANK": 1}, None, False),  # of Lightning's
        ({"TORCHELASTIC_RUN_ID": "none", "RANK": 3, "WORLD_SIZE": 4, "LOCAL_RANK": 0}, (3, 4), False),
        ({"TORCHELASTIC_RUN_ID": "none", "RANK": 0, "WORLD_SIZE": 4, "LOCAL_RANK": 0}, (0, 4), True),
        ({"SLURM_PROCID": 1, "SLURM_NTASKS": 2}, (1, 2), False),
        ({"SLURM_PROCID": 0, "SLURM_NTASKS": 1}, None, True),  # a job of a sweep
        ({"SLURM_PROCID": 0, "SLURM_NTASKS": 2, "SLURM_JOB_NAME": "interactive"}, None, True),
    ],
)
def test_who_is_there_and_who_is_first(told, variables, together, first):
    told(**variables)
    assert (started_together(), is_first()) == (together, first)


def test_the_first_decides_for_all(told):
    torchrun = {"TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": 2}
    told(**torchrun, RANK=0)
    assert agreed("folder", lambda: "runs/a") == "runs/a"
    told(**torchrun, RANK=1)
    assert agreed("folder", lambda: pytest.fail("decided again")) == "runs/a"
    told(**torchrun, RANK=0, TORCHELASTIC_RESTART_COUNT=1)
    assert agreed("folder", lambda: "runs/b") == "runs/b", "after a restart, anew"


def test_where_the_first_fails_all_end(told):
    told(SLURM_PROCID=0, SLURM_NTASKS=2)
    with pytest.raises(ValueError, match="no such run"):
        agreed("arguments", lambda: (_ for _ in ()).throw(ValueError("no such run")))
    told(SLURM_PROCID=1, SLURM_NTASKS=2)
    with pytest.raises(SystemExit) as ended:
        agreed("arguments", lambda: pytest.fail("decided again"))
    assert ended.value.code == 1
    assert [json.loads(value) for value in ranks._stores[0].values()] == [{}]


def test_one_that_is_alone_just_decides(told):
    told()
    assert agreed("folder", lambda: "runs/a") == "runs/a"
    assert ranks._stores[0] == {}
