"""Frames that belong together enlarged alike, so that nothing flickers between them.

A network sees one frame at a time. What could differ from one to the next without a reason in the picture is the
estimate of the degradation, and the choice of a typical one where an estimate leads astray (`Upscaler.settle`): both
are made once for all frames that belong together.

Legend: H, W a frame's size, C channels, D the embedding's length.
"""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from realsr_mod.images.image import LoadedImage
from realsr_mod.inference import estimate, size, upscaler
from realsr_mod.inference.size import Size, result_size
from realsr_mod.inference.tiling import OnTile, unwatched
from realsr_mod.inference.upscaler import Degrees, Upscaler

MOST_LOOKED_AT = 5  # frames, whose estimates' median is taken


@dataclass(frozen=True)
class Steady:
    """An upscaler with what is wanted of every result: for photos, each by itself, and for frames that belong together.

    Args:
        upscaler: what enlarges them.
        outscale: how much; the network's own scale if None.
        degrees: set by a person, see `Upscaler`.
        size: in place of `outscale`, see `Upscaler`.
        identity: of the model and of what runs it; frames of two identities do not belong together.
    """

    upscaler: Upscaler
    outscale: float | None = None
    degrees: Degrees = field(default_factory=dict)
    size: Size | None = None
    identity: str = ""

    def photo(self, image: LoadedImage, on_tile: OnTile = unwatched, on_estimate: OnTile = unwatched) -> LoadedImage:
        """A photo enlarged, under an estimate of its own; who watches is told as by `Upscaler`."""
        wanted: dict[str, Any] = {"outscale": self.outscale, "size": self.size, **self.degrees}
        return self.upscaler(image, on_estimate=on_estimate, on_tile=on_tile, **wanted)

    def result_size(self, height: int, width: int) -> tuple[int, int]:
        """(height, width) of what a frame becomes."""
        return result_size(height, width, self.upscaler.scale, self.outscale, self.size)

    def settle(self, frames_HWC: Sequence[np.ndarray]) -> np.ndarray:
        """One embedding, (D,), for all frames that these are some of: the median of theirs."""
        found: np.ndarray = np.median([self.upscaler.estimate(frame) for frame in frames_HWC], axis=0)
        middle = frames_HWC[len(frames_HWC) // 2]
        return self.upscaler.settle(middle, found.astype(np.float32), self.degrees)

    def __call__(self, frame_HWC: np.ndarray, embedding_D: np.ndarray) -> np.ndarray:
        """A frame enlarged under an embedding that was settled."""
        return self.upscaler.frame(frame_HWC, embedding_D, self.degrees, self.outscale, self.size)


def evenly(count: int, most: int = MOST_LOOKED_AT) -> list[int]:
    """The numbers of the frames that are looked at, of so many."""
    return sorted({round((number + 0.5) * count / min(most, count) - 0.5) for number in range(min(most, count))})


@contextmanager
def warned_once() -> Iterator[None]:
    """Have the upscaler say the same thing once, and not of every frame."""
    said: set[str] = set()

    def is_new(record: logging.LogRecord) -> bool:
        message, before = record.getMessage(), len(said)
        said.add(message)
        return len(said) > before

    loggers = [module.logger for module in (estimate, size, upscaler)]
    for logger in loggers:
        logger.addFilter(is_new)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeFilter(is_new)
