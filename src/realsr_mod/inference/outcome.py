"""What is wanted of many images, and what became of each."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from realsr_mod.inference.plan import Job
from realsr_mod.inference.steady import Steady
from realsr_mod.inference.tiling import OnTile


@dataclass(frozen=True)
class Settings:
    """What is wanted.

    Args:
        file_format: a key of `FORMATS`, or `auto` for each image's own.
        compare: a comparison is written beside each result.
        overwrite: results that exist are made anew.
        max_pixels: of an image, or of one frame.
        all_frames: of animations every frame is done, not the first alone.
        codec: of videos, a key of `CODECS`, or `auto`.
        crf: how much of a video may be lost; None: the codec's own.
    """

    file_format: str = "auto"
    compare: bool = False
    overwrite: bool = False
    max_pixels: int = 100_000_000
    all_frames: bool = False
    codec: str = "auto"
    crf: int | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of a job: the result's path, and either what there is to say about it or why it failed."""

    job: Job
    path: Path | None
    kept: bool = False
    notes: tuple[str, ...] = ()
    failure: str = ""


@dataclass(frozen=True)
class Watch:
    """Who watches frames being made: told after each how many are done and how many there are, and lines for people."""

    on_frame: OnTile
    say: Callable[[str], object]


@dataclass(frozen=True)
class Moving:
    """A job of many frames that has been opened.

    Args:
        job: whose it is.
        path: of the result.
        make: writes it, given what enlarges frames and who watches; returns what is to be said.
    """

    job: Job
    path: Path
    make: Callable[[Steady, Watch], tuple[str, ...]]
