"""Many photos by the workers of a Ray cluster: each done once, a dead worker's photos by another.

Ray's actors rather than its Data: the rows here are jobs, whose images workers read and write themselves, so there is
nothing to stream through tables, and every photo has an outcome of its own. Ray places the workers (on GPUs where there
are any), starts dead ones again, and does their calls anew. A worker has one call at a time and one waiting, however
many photos there are; a call that is done anew keeps the results that are there.
"""

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from realsr_mod.inference.batch import run_jobs
from realsr_mod.inference.outcome import Outcome, Settings
from realsr_mod.inference.plan import Job
from realsr_mod.inference.size import Size
from realsr_mod.inference.steady import Steady
from realsr_mod.inference.upscaler import Upscaler, UpscalerSettings
from realsr_mod.runtime.plugins import trust, trusted_packages
from realsr_mod.weights.locate import ModelLocation, locate_on_hub

if TYPE_CHECKING:
    from ray.actor import ActorHandle

CHUNK = 8  # photos of a call, at most; a worker reads and writes beside the enlarging within one
_TRIES = 3  # of a call whose worker dies; then its photos are tried alone


@dataclass(frozen=True)
class Recipe:
    """What workers need to know; they see the same files under the same paths.

    Args:
        location: the model.
        upscaler: its settings.
        outscale: see `Upscaler`, as `size` and `degrees`.
        settings: what is wanted of each image.
        identity: see `Steady`.
        trusted: packages whose classes files may name.
    """

    location: ModelLocation
    upscaler: UpscalerSettings
    outscale: float | None
    size: Size | None
    degrees: dict[str, float | None]
    settings: Settings
    identity: str
    trusted: list[str] = field(default_factory=trusted_packages)


class Worker:
    """A process with the model loaded."""

    def __init__(self, recipe: Recipe) -> None:
        trust(*recipe.trusted)
        hub = recipe.location.on_hub
        upscaler = Upscaler.load(locate_on_hub(hub) if hub else recipe.location, **recipe.upscaler)
        self.recipe = recipe
        self.steady = Steady(upscaler, recipe.outscale, recipe.degrees, recipe.size, recipe.identity)

    def do(self, jobs: Sequence[Job]) -> list[Outcome]:
        """Do some jobs, one after the other."""
        return list(run_jobs(jobs, self.steady.photo, self.recipe.settings, steady=self.steady))


def check_places(jobs: Sequence[Job], output: Path) -> None:
    """Raise a ValueError if a photo lies where results go: workers know of their own photos alone."""
    place = output.resolve()
    if inside := [job.source for job in jobs if job.source.resolve().is_relative_to(place)]:
        raise ValueError(f"{inside[0]} lies in {output}, where results go; with --cluster give -o another folder")


def run_on_ray(jobs: Sequence[Job], recipe: Recipe, workers: int | None = None) -> Iterator[Outcome]:
    """Do the jobs and say of each what became of it, as they are done; a failure does not stop the others.

    Takes the cluster at `RAY_ADDRESS`, or one of this machine's processes, which ends with it.

    Args:
        jobs: in any order.
        recipe: what is wanted.
        workers: how many; by default one for each GPU, or each CPU where there is none.

    Raises:
        ValueError: the extra is missing, or no cluster can be had.
    """
    if not jobs:
        return
    ray = _started()
    try:
        resources = ray.cluster_resources()
        gpus, cpus = int(resources.get("GPU", 0)), int(resources.get("CPU", 1))
        count = min(workers or gpus or cpus, len(jobs))
        needs = (
            {"num_gpus": min(1, gpus / count)} if gpus else {"num_cpus": max(1, cpus // count) if count < cpus else 1}
        )
        if not gpus and (workers or 0) > cpus:
            raise ValueError(f"--workers {workers} are more than the cluster has CPUs, {cpus}; leave some out")
        remote = ray.remote(**needs, max_restarts=-1, max_task_retries=_TRIES)(Worker)
        yield from _done(ray, [remote.remote(recipe) for _ in range(count)], jobs)
    finally:
        ray.shutdown()


def _started() -> Any:
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is told to anybody
    try:
        import ray
    except ImportError as error:
        raise ValueError("--cluster ray needs an extra: pip install 'realsr-mod[ray]'") from error
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR, include_dashboard=False)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ValueError(f"Ray cannot be reached or started: {str(error).splitlines()[0]}") from error
    return ray


def _done(ray: Any, actors: "Sequence[ActorHandle[Worker]]", jobs: Sequence[Job]) -> Iterator[Outcome]:
    """Give each worker a call and one to wait with, and another whenever one is done."""
    size = max(1, min(CHUNK, len(jobs) // (4 * len(actors))))
    chunks = iter([jobs[start : start + size] for start in range(0, len(jobs), size)])
    pending: dict[Any, tuple[ActorHandle[Worker], Sequence[Job]]] = {}
    for actor, chunk in zip([*actors, *actors], islice(chunks, 2 * len(actors)), strict=False):
        pending[actor.do.remote(chunk)] = (actor, chunk)
    while pending:
        ready = ray.wait(list(pending), num_returns=1)[0][0]
        actor, chunk = pending.pop(ready)
        try:
            yield from ray.get(ready)
            again = [next(chunks, None)]
        except ray.exceptions.RayError as error:
            again = [[job] for job in chunk] if len(chunk) > 1 else [next(chunks, None)]
            if len(chunk) == 1:
                reason = f"its workers died, {_TRIES + 1} times ({type(error).__name__}); it may need too much memory"
                yield Outcome(chunk[0], None, failure=reason)
        for one in again:
            if one:
                pending[actor.do.remote(one)] = (actor, one)
