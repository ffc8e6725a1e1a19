"""A video made larger and better, part by part, so that whoever is stopped goes on where that was.

Parts lie in a hidden folder beside the result, each whole or not there; so does what was found out about the video. The
folder goes when the result is there.

Legend: H, W a frame's size, C channels (3 RGB).
"""

import hashlib
import logging
import shutil
import time
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from realsr_mod.inference.outcome import Moving, Outcome, Settings, Watch
from realsr_mod.inference.plan import FileId, Job, check_name, refuse_source
from realsr_mod.inference.steady import Steady
from realsr_mod.inference.video_formats import CODECS, SUFFIXES, WRITTEN, check_crf, check_installed, choose_codec
from realsr_mod.runtime.files import atomic_write, read_json

if TYPE_CHECKING:  # PyAV is an extra
    from av.video.frame import VideoFrame

    from realsr_mod.inference.video.encode import Encoding
    from realsr_mod.inference.video.source import Frame, Source
    from realsr_mod.inference.video.survey import Survey

PART_SECONDS = 60  # of work, which is the most that is lost
SHORTEST_PART, LONGEST_PART = 24, 240  # frames
WIDEST = 4096  # px, that many players show
_PLAN = "plan.json"


def open_job(job: Job, photos: Collection[FileId], settings: Settings) -> Moving | Outcome:
    """What is to be done with a video, unless its result is there already. Raises a ValueError for what cannot be."""
    check_installed()
    suffix = job.file.suffix.lower() if job.file is not None else SUFFIXES[job.source.suffix.lower()]
    if suffix not in WRITTEN:
        raise ValueError(f"it is a video, and no {suffix} is written of it; choose one of {', '.join(WRITTEN)}")
    codec = choose_codec(settings.codec, suffix)
    check_crf(codec, settings.crf)
    path = job.file or job.with_suffix(suffix)
    check_name(path)
    refuse_source(path, job, photos)
    crf = CODECS[codec].crf if settings.crf is None else settings.crf
    video = _Video(job.source, path, codec, crf, settings.max_pixels)
    if path.exists() and not settings.overwrite:
        video.tidy()
        return Outcome(job, path, kept=True)
    if not job.source.is_file():
        raise FileNotFoundError("no such file")
    notes = ("without a comparison: it moves",) if settings.compare else ()
    return Moving(job, path, lambda steady, watch: (*video.make(steady, watch), *notes))


@dataclass(frozen=True)
class _Video:
    """One video that is to be made."""

    source: Path
    path: Path
    codec: str
    crf: int | None
    max_pixels: int

    @property
    def folder(self) -> Path:
        """Where its parts lie meanwhile."""
        return self.path.with_name(f".{hashlib.sha256(self.path.name.encode()).hexdigest()[:16]}.parts")

    def tidy(self) -> None:
        """Remove parts that a command left behind which was killed just when it was done."""
        if self.folder.is_dir():
            with suppress(Timeout), FileLock(self.folder / "lock", blocking=False):
                shutil.rmtree(self.folder, ignore_errors=True)

    def make(self, steady: Steady, watch: Watch) -> list[str]:
        """Make it; returns what is to be said about it."""
        import av

        from realsr_mod.inference.video.join import copyable
        from realsr_mod.inference.video.source import open_video

        logging.getLogger("libav").setLevel(logging.CRITICAL)  # what matters of its messages comes as errors
        with open_video(self.source, self.max_pixels) as source:
            copyable(source, self.path.suffix.lower())
            (width, height), least = _even_size(source, steady), CODECS[self.codec].least
            if min(width, height) < least:
                raise ValueError(f"{self.codec} has sides of at least {least} px, not {width}x{height}; --codec h264")
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.folder / "lock", blocking=False):
                notes = self._make(steady, watch)
            shutil.rmtree(self.folder)
        except av.error.FFmpegError as error:
            raise ValueError(f"{self.codec} cannot be written so ({error}); choose another --codec") from error
        except Timeout:
            raise ValueError("another command is at it; wait for that, or give -o another folder") from None
        finally:
            if self.folder.is_dir() and {found.name for found in self.folder.iterdir()} <= {"lock"}:
                shutil.rmtree(self.folder)
        return notes

    def _make(self, steady: Steady, watch: Watch) -> list[str]:
        from realsr_mod.inference.video.join import join
        from realsr_mod.inference.video.source import open_video

        plan = self._recalled(steady) or self._planned(steady, watch)
        parts = [self.folder / f"{number:06d}" for number in range(-(-plan.survey.count // plan.part_frames))]
        try:
            self._encode(parts, plan, steady, watch)
            with open_video(self.source, self.max_pixels) as source:
                left_out = join(self.path, parts, source, plan.survey.matrix, plan.survey.last)
                return [*_notes(plan.survey, source, steady), *left_out]
        except KeyboardInterrupt:
            done = min(sum(part.exists() for part in parts) * plan.part_frames, plan.survey.count)
            watch.say(f"{self.source.name}: {done} of {plan.survey.count} frames are kept for the same command")
            raise

    def _fingerprint(self, steady: Steady) -> dict[str, Any]:
        """What all parts must have in common."""
        import av

        status = self.source.stat()
        return {
            "source": [str(self.source.resolve()), status.st_size, status.st_mtime_ns],
            "model": steady.identity,
            "size": [steady.outscale, str(steady.size)],
            "degrees": dict(steady.degrees),
            "encoder": [self.codec, self.crf, av.__version__],
        }

    def _recalled(self, steady: Steady) -> "_Plan | None":
        """What was planned before, if it is for this very command; else what lies there is of no use."""
        from realsr_mod.inference.video.survey import Survey

        try:
            found = read_json(self.folder / _PLAN)
            if found.pop("fingerprint") == self._fingerprint(steady):
                return _Plan(Survey(**found.pop("survey")), **found)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            pass
        for path in self.folder.iterdir():
            if path.name != "lock":
                path.unlink()
        return None

    def _planned(self, steady: Steady, watch: Watch) -> "_Plan":
        from realsr_mod.inference.video.source import open_video
        from realsr_mod.inference.video.survey import look_through

        watch.say(f"{self.source.name}: looked through first, for damage and for where its shots begin")
        with open_video(self.source, self.max_pixels) as source:
            survey = look_through(source, steady)
        with open_video(self.source, self.max_pixels) as source:
            first = source.pixels(next(source.frames())).pixels_HWC
        for _ in range(2):  # the first time is longer
            begun = time.perf_counter()
            steady(first, survey.embedding(0))
            seconds = time.perf_counter() - begun
        part_frames = int(min(max(PART_SECONDS / seconds, SHORTEST_PART), LONGEST_PART))
        plan = _Plan(survey, seconds, part_frames)
        with atomic_write(self.folder / _PLAN, "w", sync=True) as file:
            file.write(plan.as_json(self._fingerprint(steady)))
        return plan

    def _encode(self, parts: list[Path], plan: "_Plan", steady: Steady, watch: Watch) -> None:
        """Restore and encode what is not done yet."""
        from realsr_mod.inference.video.encode import encode_part
        from realsr_mod.inference.video.source import open_video

        count, done = plan.survey.count, {number for number, part in enumerate(parts) if part.exists()}
        if len(done) == len(parts):
            return
        kept = sum(min(plan.part_frames, count - number * plan.part_frames) for number in done)
        with open_video(self.source, self.max_pixels) as source:
            watch.say(_expected(self.source.name, source, steady, count, kept, plan.seconds))
            encoding = self._encoding(source, plan.survey, steady)
            numbered = enumerate(source.frames())
            for number, group in groupby(numbered, key=lambda frame: frame[0] // plan.part_frames):
                if number in done:
                    for _ in group:
                        pass
                    continue
                encode_part(parts[number], _larger(source, group, plan.survey, steady, watch), encoding)

    def _encoding(self, source: "Source", survey: "Survey", steady: Steady) -> "Encoding":
        from realsr_mod.inference.video.encode import Encoding
        from realsr_mod.inference.video.source import Colors

        matrix, primaries, transfer, full = survey.colors
        return Encoding(
            CODECS[self.codec],
            self.crf,
            _even_size(source, steady),
            source.is_deep,
            Colors(matrix, primaries, transfer, bool(full)),
            source.time_base,
            source.rate,
            source.stream.sample_aspect_ratio,
        )


@dataclass(frozen=True)
class _Plan:
    """A video's survey, how long a frame takes, and how many frames make a part."""

    survey: "Survey"
    seconds: float
    part_frames: int

    def as_json(self, fingerprint: dict[str, Any]) -> str:
        import json

        return json.dumps({"fingerprint": fingerprint, **asdict(self)})


def _larger(
    source: "Source",
    numbered: Iterable[tuple[int, "VideoFrame"]],
    survey: "Survey",
    steady: Steady,
    watch: Watch,
) -> Iterator["Frame"]:
    """The frames of a part, restored."""
    width, height = _even_size(source, steady)
    for number, coded in numbered:
        frame = source.pixels(coded)
        larger = steady(frame.pixels_HWC, survey.embedding(number))
        yield frame._replace(pixels_HWC=larger[:height, :width].copy())
        watch.on_frame(number + 1, survey.count)


def _even_size(source: "Source", steady: Steady) -> tuple[int, int]:
    """Width and height of the result: even, as codecs want them."""
    width, height = source.size
    larger_height, larger_width = steady.result_size(height, width)
    return max(2, larger_width // 2 * 2), max(2, larger_height // 2 * 2)


def _expected(name: str, source: "Source", steady: Steady, count: int, kept: int, seconds: float) -> str:
    """What is ahead, for people."""
    (w, h), (width, height) = source.size, _even_size(source, steady)
    left = (count - kept) * seconds
    long = f"{left / 3600:.1f} hours" if left > 5400 else f"{left / 60:.0f} minutes" if left > 90 else f"{left:.0f} s"
    before = f", {kept} of them done" if kept else ""
    return f"{name}: {count} frames of {w}x{h} to {width}x{height}{before}, {1 / seconds:.2g} a second: about {long}"


def _notes(survey: "Survey", source: "Source", steady: Steady) -> Iterator[str]:
    if survey.interlaced:
        yield "its frames are interlaced, and were restored as they are; deinterlace it first"
    if survey.lights:
        yield "how bright a screen of HDR should be is left out; what its colors mean is kept"
    if source.has_alpha:
        yield "its transparency is left out"
    if survey.damaged:
        yield f"{survey.damaged} damaged packets were skipped"
    if max(_even_size(source, steady)) > WIDEST:
        yield f"many players show no more than {WIDEST} pixels across; --outscale makes it smaller"
