"""Small images side by side: which, how many at once, and that their results and what is said are as one by one."""

import math
import threading
from types import SimpleNamespace

import numpy as np
import pytest
import skimage.data
from PIL import Image

from realsr_mod.inference.batch import run_jobs
from realsr_mod.inference.engines.base import Engine
from realsr_mod.inference.outcome import Settings
from realsr_mod.inference.plan import plan
from realsr_mod.inference.side_by_side import SideBySide
from realsr_mod.inference.steady import Steady
from realsr_mod.inference.upscaler import Upscaler

PHOTO = skimage.data.chelsea()


class Threads(Engine):
    """Three cores, one byte for each pixel, room for 3000 bytes; notes how many images are at work."""

    name, cores, restore_bytes, embed_bytes = "threads", 3, 1.0, 1.0
    scale, embedding_dim, embedding_names, precisions, quick = 2, 0, (), ("float32",), "float32"
    network_name = "Threads"

    def __init__(self):
        self.lock, self.sizes, self.seen = threading.Lock(), [], []

    def budget(self):
        return 3000.0

    def restore(self, lr_13HW, embedding_D, precision):
        with self.lock:
            self.sizes.append(lr_13HW[0, 0].size)
            self.seen.append(tuple(self.sizes))
        threading.Event().wait(0.02)
        with self.lock:
            self.sizes.remove(lr_13HW[0, 0].size)
        return lr_13HW.repeat(2, 2).repeat(2, 3)

    def embed(self, lr_13HW, precision):
        raise AssertionError("it has no embedding")


@pytest.fixture
def engine():
    return Threads()


@pytest.fixture
def upscaler(engine):
    return Upscaler(engine, tile=0, overlap=0)


def folder_of(tmp_path, sizes):
    for number, (height, width) in enumerate(sizes):
        Image.fromarray(PHOTO[number : number + height, :width]).save(tmp_path / f"{number:02}.png")
    return plan([tmp_path], tmp_path / "out")


def enlarge(jobs, upscaler):
    steady = Steady(upscaler)
    return list(run_jobs(jobs, steady.photo, Settings(), steady=steady))


def test_an_image_that_leaves_no_room_for_another_is_done_alone(upscaler):
    with SideBySide(upscaler) as beside:
        assert [beside.takes(size) for size in ((30, 50), (30, 51), (1, 1), (4000, 1))] == [True, False, True, False]
    upscaler.engine.cores = 1
    with SideBySide(upscaler) as beside:
        assert not beside.takes((1, 1))
    with SideBySide(None) as beside:
        assert not beside.takes((1, 1))


def test_results_come_in_order_and_as_one_by_one(upscaler, tmp_path):
    jobs = folder_of(tmp_path, [(20 + number, 30) for number in range(8)])
    (tmp_path / "05.png").write_bytes(b"no image")
    outcomes = enlarge(jobs, upscaler)
    assert [outcome.job for outcome in outcomes] == jobs
    assert [bool(outcome.failure) for outcome in outcomes] == [number == 5 for number in range(8)]
    for number in {*range(8)} - {5}:
        found = np.asarray(Image.open(outcomes[number].path))
        np.testing.assert_array_equal(found, upscaler(PHOTO[number : number + 20 + number, :30]))
    again = enlarge(jobs, upscaler)
    assert [outcome.kept for outcome in again] == [number != 5 for number in range(8)]


def test_as_many_at_once_as_there_are_cores_and_as_fit_in_memory(upscaler, engine, tmp_path):
    small, half, large = (10, 10), (37, 40), (50, 50)
    enlarge(folder_of(tmp_path, [small] * 9 + [half] * 4 + [large] + [small] * 3), upscaler)
    assert max(map(len, engine.seen)) == engine.cores
    assert max(map(sum, engine.seen)) <= engine.budget()
    assert max(sizes.count(math.prod(half)) for sizes in engine.seen) == 2
    assert [sizes for sizes in engine.seen if math.prod(large) in sizes] == [(math.prod(large),)]


def test_who_stops_it_is_told_of_what_was_begun(upscaler, tmp_path, monkeypatch):
    jobs = folder_of(tmp_path, [(10, 10)] * 8)
    begun, go_on = threading.Semaphore(0), threading.Event()
    submit, cancel = SideBySide.submit, SideBySide.cancel

    def held(image, on_tile):
        begun.release()
        assert go_on.wait(10)
        return image

    def stopped(self, *arguments):
        if len(self._running) > self._cores:  # those at work and one that waits
            assert all(begun.acquire(timeout=10) for _ in range(self._cores))
            raise KeyboardInterrupt
        return submit(self, *arguments)

    monkeypatch.setattr(SideBySide, "submit", stopped)
    monkeypatch.setattr(SideBySide, "cancel", lambda self: (cancel(self), go_on.set()))
    outcomes = []
    with pytest.raises(KeyboardInterrupt):
        outcomes.extend(run_jobs(jobs, held, Settings(), steady=SimpleNamespace(upscaler=upscaler)))
    assert [outcome.job for outcome in outcomes] == jobs[:3]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["00.png", "01.png", "02.png"]
