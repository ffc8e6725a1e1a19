"""Shares of the work: with `--shard 3/16` (or `shard=3/16`), each of sixteen jobs does its own, knowing of no other.

Which share a photo is in depends on its path inside the folder that was given, and on nothing else: not on where that
folder is mounted, on the order of the files, or on what is there besides.
"""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol, TypeVar

_SHARD = re.compile(r"(\d{1,6})/(\d{1,6})")


class Named(Protocol):
    """What has a path inside the folder that was given."""

    @property
    def name(self) -> Path: ...


Job = TypeVar("Job", bound=Named)


def parse_shard(text: str, option: str = "--shard ") -> tuple[int, int]:
    """`3/16` as the third of sixteen shares. Raises ValueError, with the rule and the `option`, for anything else."""
    found = _SHARD.fullmatch(text.strip())
    if found is None or not 1 <= int(found[1]) <= int(found[2]):
        raise ValueError(
            f"{option}{text} must be I/N with I from 1 to N, such as 3/16; in a job array: "
            f"--array=1-16 and {option}$SLURM_ARRAY_TASK_ID/16"
        )
    return int(found[1]), int(found[2])


def shard_of(name: Path, count: int) -> int:
    """Which of `count` shares, from 1, a photo of this name is in."""
    digest = hashlib.sha256(name.as_posix().encode("utf-8", "surrogateescape")).digest()
    return 1 + int.from_bytes(digest[:8], "big") % count


def share(jobs: Sequence[Job], shard: str | None) -> list[Job]:
    """The jobs of one share, in their order; all without one. Raises ValueError as `parse_shard` does."""
    if shard is None:
        return list(jobs)
    index, count = parse_shard(shard)
    return [job for job in jobs if shard_of(job.name, count) == index]
