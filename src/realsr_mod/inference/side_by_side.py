"""Small images restored side by side, each on a core of its own.

A network's threads wait for one another after each layer, which small images are done with soon; images need not wait
for each other. One call of several images of equal size gains less (see `benchmarks/small_images.py`).
"""

import math
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from types import TracebackType
from typing import Any, Self, TypeVar

from realsr_mod.inference.tiling import Tiling
from realsr_mod.inference.upscaler import Upscaler

T = TypeVar("T")
Size = tuple[int, int]  # an image's height and width
LEAST_BESIDE = 2  # an image that leaves no room for another is done by all cores


class SideBySide:
    """Threads, one for each core that the upscaler's engine can give to one image; without an upscaler it takes none.

    The images at work hold no more memory than the engine may take for a large one.
    """

    def __init__(self, upscaler: Upscaler | None) -> None:
        self._given, self._cores = upscaler, upscaler.engine.cores if upscaler else 1
        self._pool = ThreadPoolExecutor(self._cores)
        self._running: dict[Future[Any], float] = {}  # and the memory that each takes

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def takes(self, size_HW: Size) -> bool:
        """Whether such an image is small enough to have others beside it."""
        return self._cores > 1 and LEAST_BESIDE * self._needed(size_HW) <= self._room()

    def submit(self, size_HW: Size, work: Callable[[], T]) -> Future[T]:
        """Do the work of one image of this size when there is room for it; waits while there is none."""
        needed = self._needed(size_HW)
        while self._running and (
            len(self._running) > self._cores or sum(self._running.values()) + needed > self._room()
        ):
            self._forget(wait(self._running, return_when=FIRST_COMPLETED).done)
        future = self._pool.submit(self._on_one_core, work)
        self._running[future] = needed
        return future

    def finish(self) -> None:
        """Wait for those at work."""
        self._forget(wait(self._running).done)

    def cancel(self) -> None:
        """Do none that has not begun."""
        for future in self._running:
            future.cancel()

    @property
    def _upscaler(self) -> Upscaler:
        assert self._given is not None, "without one nothing is taken"
        return self._given

    def _on_one_core(self, work: Callable[[], T]) -> T:
        with self._upscaler.engine.one_core():
            return work()

    def _room(self) -> float:
        return self._upscaler.engine.budget()

    def _needed(self, size_HW: Size) -> float:
        """Memory that the network takes for an image in one tile; infinity where it needs more than one."""
        height, width = size_HW
        engine, tiling = self._upscaler.engine, Tiling(self._upscaler.tile, self._upscaler.overlap)
        if tiling.count(height, width) > 1:
            return math.inf
        pixels = (height + 2 * tiling.context) * (width + 2 * tiling.context)
        return max(pixels * engine.restore_bytes, height * width * engine.embed_bytes)

    def _forget(self, done: set[Future[Any]]) -> None:
        for future in done:
            del self._running[future]
