"""How jobs are dealt to workers, by a Ray that is none: at most two calls each, and a job that kills is named."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from realsr_mod.inference.on_ray import CHUNK, _done, check_places
from realsr_mod.inference.outcome import Outcome
from realsr_mod.inference.plan import Job


class Died(Exception):
    pass


class Actor:
    """Dies of a job that is called deadly."""

    def __init__(self, waiting):
        self.waiting = waiting
        self.do = self

    def remote(self, jobs):
        call = (self, tuple(jobs))
        self.waiting.append(call)
        assert sum(actor is self for actor, _ in self.waiting) <= 2 + CHUNK, "no more wait than were dealt"
        return call


def ray_of(waiting):
    def get(call):
        waiting.remove(call)
        if any(job.name.name == "deadly.png" for job in call[1]):
            raise Died
        return [Outcome(job, job.stem) for job in call[1]]

    return SimpleNamespace(
        wait=lambda calls, num_returns: ([calls[-1]], calls[:-1]), get=get, exceptions=SimpleNamespace(RayError=Died)
    )


def job(name):
    return Job(Path("in") / name, Path("out") / Path(name).stem, Path(name))


@pytest.mark.parametrize("count", [1, 7, 200])
def test_every_job_has_one_outcome_though_one_kills_its_workers(count):
    waiting, names = [], [f"{number}.png" for number in range(count)]
    names.insert(count // 2, "deadly.png")
    outcomes = list(_done(ray_of(waiting), [Actor(waiting) for _ in range(3)], [job(name) for name in names]))
    assert sorted(outcome.job.name.name for outcome in outcomes) == sorted(names)
    failed = [outcome for outcome in outcomes if outcome.failure]
    assert [outcome.job.name.name for outcome in failed] == ["deadly.png"]
    assert "its workers died" in failed[0].failure
    assert waiting == []


def test_photos_among_the_results_are_refused(tmp_path):
    check_places([job("a.png")], tmp_path)
    with pytest.raises(ValueError, match="give -o another folder"):
        check_places([Job(tmp_path / "out" / "a.png", tmp_path / "out" / "a", Path("a.png"))], tmp_path / "out")
