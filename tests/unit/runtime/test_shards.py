"""Shares of the work are a partition, the same on every machine."""

from collections import Counter
from pathlib import Path

import pytest

from realsr_mod.inference.plan import Job
from realsr_mod.runtime.shards import parse_shard, shard_of, share


def jobs(root, count=300):
    names = [Path(f"day {number % 7}") / f"ü{number}.jpg" for number in range(count)]
    return [Job(root / name, Path("out") / name.with_suffix(""), name) for name in names]


@pytest.mark.parametrize("count", [1, 2, 7, 16])
def test_every_job_is_in_one_share_and_shares_are_even(count):
    every = jobs(Path("photos"))
    shares = [share(every, f"{index}/{count}") for index in range(1, count + 1)]
    assert Counter(job for part in shares for job in part) == Counter(every)
    assert max(map(len, shares)) <= 2 * len(every) / count
    assert all(part == sorted(part, key=every.index) for part in shares)
    assert share(every, None) == every


def test_a_share_depends_on_the_name_alone():
    here = {job.name for job in share(jobs(Path("/mnt/a")), "2/3")}
    there = {job.name for job in share(jobs(Path("elsewhere"), count=200)[::-1], "2/3")}
    assert there == {name for name in here if int(name.stem[1:]) < 200}
    assert shard_of(Path("day 0/ü0.jpg"), 10**6) == 687440  # of a fixed hash, unlike Python's own


@pytest.mark.parametrize("text", ["0/4", "5/4", "1", "1/0", "a/b", "-1/4", "1/2/3", ""])
def test_what_is_no_share_is_refused_with_the_rule(text):
    with pytest.raises(ValueError, match=r"must be I/N with I from 1 to N"):
        parse_shard(text)
    with pytest.raises(ValueError, match=r"^shard=.* must be I/N .* shard=\$SLURM_ARRAY_TASK_ID/16$"):
        parse_shard(text, "shard=")
