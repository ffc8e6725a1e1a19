"""What an engine is: a network that can restore and embed, in one or more precisions, without saying how.

Legend: D the embedding's length, H and W the image's size or a tile's, s the scale.
"""

import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from realsr_mod.inference.arrays import NUMPY, Array, Arrays
from realsr_mod.inference.memory import memory_budget
from realsr_mod.weights.graphs import Graphs

PRECISIONS = ("float32", "bfloat16", "float16")


@dataclass(frozen=True)
class KnownRange:
    """The embeddings that a network knows, D numbers each; see `EmbeddingRange`."""

    low_D: np.ndarray
    high_D: np.ndarray
    typical_D: np.ndarray

    @classmethod
    def of(cls, described: Mapping[str, Sequence[float]] | None) -> "KnownRange | None":
        """From `low`, `high` and `typical`; None from None."""
        if described is None:
            return None
        return cls(*(np.array(described[name], np.float32) for name in ("low", "high", "typical")))

    def inside(self, embedding_D: np.ndarray) -> np.ndarray:
        """The nearest embedding inside."""
        nearest: np.ndarray = embedding_D.clip(self.low_D, self.high_D)
        return nearest


class Engine(ABC):
    """A network that is ready to run.

    Attributes:
        name: as `engine=` has it.
        device: it runs on, as people call it.
        network_name: the network's class, for messages.
        precisions: that it can be asked for.
        quick: the precision in which it is fastest and as good for an 8-bit image.
        arrays: of the kind that `restore` returns.
        cores: so many threads may call at once, each under `one_core`.
        known: the embeddings that the network knows; None where that has not been measured.
    """

    name: ClassVar[str]
    device: str = "cpu"
    network_name: str
    scale: int
    embedding_dim: int
    embedding_names: tuple[str, ...]
    precisions: tuple[str, ...]
    quick: str
    arrays: Arrays = NUMPY
    cores: int = 1
    known: KnownRange | None = None

    @abstractmethod
    def restore(self, lr_13HW: np.ndarray, embedding_D: np.ndarray, precision: str) -> Array:
        """Super-resolve under a given embedding: (1, 3, sH, sW), which the caller may change until the next call."""

    @abstractmethod
    def embed(self, lr_13HW: np.ndarray, precision: str) -> np.ndarray:
        """Estimate the degradation: (D,)."""

    @property
    @abstractmethod
    def restore_bytes(self) -> float:
        """Memory that `restore` takes for each LR pixel."""

    @property
    @abstractmethod
    def embed_bytes(self) -> float:
        """Memory that `embed` takes for each LR pixel."""

    @contextmanager
    def one_core(self) -> Iterator[None]:
        """Have calls from this thread take one core, so that others can be made beside them."""
        yield

    def budget(self) -> float:
        """How many bytes the network's activations may take."""
        return memory_budget()

    def check_precision(self, precision: str) -> None:
        """Raise a ValueError unless it is `auto` or one that this engine has."""
        if precision != "auto" and precision not in PRECISIONS:
            raise ValueError(f"precision must be auto, {', '.join(PRECISIONS)}, got {precision!r}")
        if precision != "auto" and precision not in self.precisions:
            has = ", ".join(self.precisions)
            raise ValueError(
                f"engine={self.name} has no {precision} on this machine, only {has}; choose precision=auto or "
                "engine=torch"
            )


class GraphEngine(Engine):
    """An engine that runs exported graphs on the CPU."""

    def __init__(self, graphs: Graphs) -> None:
        self.graphs = graphs
        self.cores = usable_cores()
        self._of_thread = threading.local()
        info = graphs.info
        self.network_name, self.scale = info.network, info.scale
        self.embedding_dim, self.embedding_names = info.embedding_dim, info.embedding_names
        self.known = KnownRange.of(info.embedding_range)

    @contextmanager
    def one_core(self) -> Iterator[None]:
        self._of_thread.one_core = True
        try:
            yield
        finally:
            self._of_thread.one_core = False

    @property
    def on_one_core(self) -> bool:
        """Whether this thread is under `one_core`."""
        return getattr(self._of_thread, "one_core", False)

    @property
    def restore_bytes(self) -> float:
        return self.graphs.info.restore_bytes

    @property
    def embed_bytes(self) -> float:
        return self.graphs.info.embed_bytes


def wanted_threads() -> int:
    """How many threads `OMP_NUM_THREADS` allows, which torch heeds too; 0 for as many as there are cores."""
    value = os.environ.get("OMP_NUM_THREADS", "")
    return int(value) if value.isdigit() else 0


def usable_cores() -> int:
    """How many cores this process may take."""
    has = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(wanted_threads() or has, has)
