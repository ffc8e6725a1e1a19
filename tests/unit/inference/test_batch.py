"""Many images in a row: what is kept, and that reading, restoring and writing overlap."""

import threading
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from realsr_mod.inference import batch
from realsr_mod.inference.batch import run_jobs
from realsr_mod.inference.outcome import Settings
from realsr_mod.inference.plan import plan


def test_a_kept_result_is_compared_though_it_exceeds_the_limit_for_photos(tmp_path):
    small, large = np.zeros((4, 6, 3), np.uint8), np.full((16, 24, 3), 255, np.uint8)
    for path, pixels in ((tmp_path / "a.png", small), (tmp_path / "out" / "a.png", large)):
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(path)
    settings = Settings(compare=True, max_pixels=small[..., 0].size)
    jobs = plan([tmp_path / "a.png"], tmp_path / "out", compare=True)
    [outcome] = run_jobs(jobs, lambda image, on_tile: pytest.fail("made anew"), settings, lambda *_: None)
    assert (outcome.kept, outcome.failure) == (True, "")
    np.testing.assert_array_equal(
        np.asarray(Image.open(tmp_path / "out" / "a_compare.png"))[-len(large) :, -24:], large
    )


@pytest.fixture
def jobs(tmp_path):
    for number in range(4):
        Image.new("RGB", (6, 4), (number, 0, 0)).save(tmp_path / f"{number}.png")
    return plan([tmp_path], tmp_path / "out")


def number_of(image) -> int:
    return int(image.pixels_HWC[0, 0, 0])


def run(jobs, enlarge, **settings):
    return list(run_jobs(jobs, lambda image, on_tile: enlarge(image), Settings(**settings), lambda *_: None))


def test_the_next_is_read_and_the_last_written_while_one_is_enlarged(jobs, monkeypatch):
    has_read, has_begun = ([threading.Event() for _ in jobs] for _ in range(2))
    read, write = batch.read_image, batch.write_image

    def read_image(path, max_pixels):
        has_read[int(path.stem)].set()
        return read(path, max_pixels)

    def write_image(path, image):
        number = int(path.stem)
        if number < 3:
            assert has_begun[number + 1].wait(10), "the next waits for this to be written"
        write(path, image)

    def enlarge(image):
        number = number_of(image)
        has_begun[number].set()
        if number < 3:
            assert has_read[number + 1].wait(10), "the next is not read before this is done"
        return image

    monkeypatch.setattr(batch, "read_image", read_image)
    monkeypatch.setattr(batch, "write_image", write_image)
    outcomes = run(jobs, enlarge)
    assert [outcome.failure for outcome in outcomes] == [""] * 4
    assert [outcome.path.name for outcome in outcomes] == ["0.png", "1.png", "2.png", "3.png"]
    assert [number_of(batch.read_image(outcome.path, 100)) for outcome in outcomes] == [0, 1, 2, 3]


def test_failures_stay_in_order_wherever_they_happen(jobs, monkeypatch):
    write = batch.write_image

    def write_image(path, image):
        if path.stem == "2":
            raise OSError("disk is full")
        write(path, image)

    def enlarge(image):
        if number_of(image) == 1:
            raise ValueError("too odd")
        return image

    jobs[0].source.write_bytes(b"no image")
    monkeypatch.setattr(batch, "write_image", write_image)
    outcomes = run(jobs, enlarge)
    assert [outcome.job for outcome in outcomes] == jobs
    assert "image" in outcomes[0].failure
    assert [outcome.failure for outcome in outcomes[1:]] == ["too odd", "disk is full", ""]


def test_results_that_wait_are_bounded(jobs, monkeypatch):
    waiting, most = set(), []
    write = batch.write_image

    def write_image(path, image):
        write(path, image)
        waiting.discard(path.stem)

    def enlarge(image):
        most.append(len(waiting))
        waiting.add(str(number_of(image)))
        return replace(image)

    monkeypatch.setattr(batch, "WAITING_BYTES", 6 * 4 * 3 - 1)  # less than one result: each is written at once
    monkeypatch.setattr(batch, "write_image", write_image)
    run(jobs, enlarge)
    assert most == [0, 0, 0, 0]
