"""What a refusal is: one sentence, soon."""

import time
from collections.abc import Callable, Container, Iterable
from typing import Any

import pytest

from realsr_mod.runtime.config_errors import USER_ERRORS, explain

SECONDS = 10.0  # a refusal takes milliseconds; the first import of a module takes seconds


def all_of(names: Iterable[str], in_short: Container[str]) -> list:
    """Parameters of a test: those named run always, the others by `make faults`."""
    return [pytest.param(name, marks=() if name in in_short else pytest.mark.fault) for name in names]


def refusal(call: Callable[[], Any]) -> str:
    """The sentence by which a call refuses what it was given; fails if it takes it, or fails otherwise."""
    started = time.process_time()  # of this process: others may keep the machine busy
    with pytest.raises(USER_ERRORS) as refused:
        call()
    assert time.process_time() - started < SECONDS
    said = explain(refused.value)
    assert said
    assert "Traceback" not in said
    assert len(said.encode()) < 1500, "it can be printed, and read"
    return said
