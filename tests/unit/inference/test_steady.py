import logging

import numpy as np
import pytest

from realsr_mod.inference import size
from realsr_mod.inference.steady import Steady, evenly, warned_once


class Recorder:
    """Stands for an upscaler of scale 4 whose estimate is a frame's mean."""

    scale = 4

    def __init__(self):
        self.settled = []

    def estimate(self, frame):
        return np.array([frame.mean(), 1], np.float32)

    def settle(self, frame, embedding, degrees):
        self.settled.append((frame.mean(), embedding.tolist(), degrees))
        return embedding


def test_frames_get_the_median_of_their_estimates_judged_on_the_middle_one_under_the_degrees_given():
    recorder = Recorder()
    frames = [np.full((2, 2, 3), value, np.uint8) for value in (9, 200, 1)]
    embedding = Steady(recorder, degrees={"noise": 0.2}).settle(frames)
    assert embedding.tolist() == [9, 1]
    assert embedding.dtype == np.float32
    assert recorder.settled == [(200, [9, 1], {"noise": 0.2})]


def test_results_are_as_large_as_is_wanted():
    assert Steady(Recorder()).result_size(10, 20) == (40, 80)
    assert Steady(Recorder(), outscale=1.5).result_size(10, 20) == (15, 30)
    assert Steady(Recorder(), size=(60, 60)).result_size(10, 20) == (30, 60)


@pytest.mark.parametrize(
    ("count", "looked_at"),
    [(1, [0]), (2, [0, 1]), (5, [0, 1, 2, 3, 4]), (25, [2, 7, 12, 17, 22]), (100, [10, 30, 50, 70, 90])],
)
def test_frames_that_are_looked_at_are_spread_evenly(count, looked_at):
    found = evenly(count)
    assert len(found) == len(looked_at)
    assert all(abs(a - b) <= 1 for a, b in zip(found, looked_at, strict=True))


def test_the_same_warning_is_said_once(caplog):
    with caplog.at_level(logging.WARNING), warned_once():
        for _ in range(3):
            size.logger.warning("interpolated")
    size.logger.warning("interpolated")
    assert [record.message for record in caplog.records] == ["interpolated"] * 2
