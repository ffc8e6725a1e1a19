"""Many images in a row: what is kept, what failed; the next is read and the last written meanwhile.

Small images are enlarged side by side, see `side_by_side`.
"""

import sys
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from realsr_mod.images.animation_write import SUFFIXES as ANIMATED
from realsr_mod.images.decode import FIRST_ALONE
from realsr_mod.images.fit import fit_format
from realsr_mod.images.formats import SUFFIXES
from realsr_mod.images.image import LoadedImage
from realsr_mod.images.read import read_image
from realsr_mod.images.write import write_image
from realsr_mod.inference.animate import open_animation, open_pages
from realsr_mod.inference.compare import before_after
from realsr_mod.inference.outcome import Moving, Outcome, Settings, Watch
from realsr_mod.inference.plan import LONGEST_NAME, FileId, Job, check_name, file_id, files_of, fits, refuse_source
from realsr_mod.inference.side_by_side import SideBySide
from realsr_mod.inference.steady import Steady, warned_once
from realsr_mod.inference.tiling import OnTile, unwatched
from realsr_mod.inference.video.make import open_job as open_video_job
from realsr_mod.inference.video_formats import is_video

T = TypeVar("T")
Enlarge = Callable[[LoadedImage, OnTile], LoadedImage]
OnPart = Callable[[int, int, int], None]
Enlarged = tuple[Future[Outcome], int]  # an outcome to come, and the bytes of the result


def unseen(number: int, done: int, total: int) -> None:
    """Nobody watches the jobs."""


WAITING_BYTES = 100_000_000  # of results on their way to the disk


@dataclass(frozen=True)
class Opened:
    """A job whose image has been read and is to be enlarged, in the format that `settings` say."""

    job: Job
    image: LoadedImage
    settings: Settings
    notes: tuple[str, ...]


def run_jobs(
    jobs: Sequence[Job],
    enlarge: Enlarge,
    settings: Settings,
    on_tile: OnPart = unseen,
    steady: Steady | None = None,
    on_frame: OnPart = unseen,
    say: Callable[[str], object] = lambda line: None,
    photos: Collection[FileId] | None = None,
) -> Iterator[Outcome]:
    """Do the jobs and say of each, in order, what became of it; a failure does not stop the others.

    While one image is enlarged, the next is read and the ones before are written, each by a thread of its own. Results
    that are not written yet hold `WAITING_BYTES` at most, or are one.

    Args:
        jobs: in their order.
        enlarge: what makes an image larger.
        settings: what is wanted.
        on_tile: is called with the job's number, the tiles done and the tiles there are.
        steady: what makes frames larger, where all of an image's are wanted; with it `enlarge` may be called by several
            threads, of several small images at once.
        on_frame: the same as `on_tile` for frames.
        say: is told in a line each what there is to say before a video is done.
        photos: the files that no result may replace; by default those that the jobs read.
    """
    photos = files_of(jobs) if photos is None else photos
    waiting: deque[Future[Enlarged]] = deque()
    upscaler = steady.upscaler if steady is not None and len(jobs) > 1 else None
    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer, SideBySide(upscaler) as beside:
        enlarging = _Enlarging(enlarge, on_tile, steady, on_frame, say, photos, writer, beside)
        ahead = [reader.submit(_prepare, job, photos, settings) for job in jobs[:1]]
        try:
            for number, job in enumerate(jobs):
                opened = ahead.pop()
                ahead += [reader.submit(_prepare, job, photos, settings) for job in jobs[number + 1 : number + 2]]
                waiting.append(enlarging.begun(number, _opened(job, opened)))
                while waiting and (_is_written(waiting[0]) or _bytes_of(waiting) > WAITING_BYTES):
                    yield _outcome_of(waiting[0])
                    waiting.popleft()
            while waiting:
                yield _outcome_of(waiting[0])
                waiting.popleft()
        except KeyboardInterrupt:
            beside.cancel()
            yield from [_outcome_of(enlarged) for enlarged in waiting if not enlarged.cancelled()]  # they are written
            raise


@dataclass(frozen=True)
class _Enlarging:
    """What `run_jobs` was given, and the threads."""

    enlarge: Enlarge
    on_tile: OnPart
    steady: Steady | None
    on_frame: OnPart
    say: Callable[[str], object]
    photos: Collection[FileId]
    writer: ThreadPoolExecutor
    beside: SideBySide

    def begun(self, number: int, found: Opened | Moving | Outcome) -> Future[Enlarged]:
        """Enlarge what has been read: small images beside others, which goes on; all else at once."""
        if isinstance(found, Outcome):
            return _done((_done(found), 0))
        if isinstance(found, Opened):
            height, width = found.image.pixels_HWC.shape[:2]
            if self.beside.takes((height, width)):
                return self.beside.submit((height, width), partial(self._enlarged, found, unwatched))
            self.beside.finish()
            return _done(self._enlarged(found, partial(self.on_tile, number)))
        assert self.steady is not None, "given where frames are wanted"
        self.beside.finish()
        return _done((_move(found, self.steady, Watch(partial(self.on_frame, number), self.say)), 0))

    def _enlarged(self, found: Opened, on_tile: OnTile) -> Enlarged:
        """Enlarge an image that has been read, and leave the writing to `writer`."""
        try:
            larger = self.enlarge(found.image, on_tile)
            return self.writer.submit(_finish_or_say, found, larger, self.photos), larger.pixels_HWC.nbytes
        except Exception as error:  # whatever is wrong with one image, the others are done
            return _done(_failed(found.job, error)), 0


def _opened(job: Job, opened: Future[Opened | Moving | Outcome]) -> Opened | Moving | Outcome:
    try:
        return opened.result()
    except Exception as error:
        return _failed(job, error)


def _move(moving: Moving, steady: Steady, watch: Watch) -> Future[Outcome]:
    """Make all frames larger, and write them as they come."""
    try:
        with warned_once():
            return _done(Outcome(moving.job, moving.path, notes=moving.make(steady, watch)))
    except Exception as error:
        return _done(_failed(moving.job, error))


def _done(result: T) -> Future[T]:
    future: Future[T] = Future()
    future.set_result(result)
    return future


def _is_written(enlarged: Future[Enlarged]) -> bool:
    return enlarged.done() and enlarged.result()[0].done()


def _bytes_of(waiting: Iterable[Future[Enlarged]]) -> int:
    """Of the results that are not written."""
    return sum(enlarged.result()[1] for enlarged in waiting if enlarged.done())


def _outcome_of(enlarged: Future[Enlarged]) -> Outcome:
    return enlarged.result()[0].result()


def _failed(job: Job, error: Exception) -> Outcome:
    return Outcome(job, None, failure=_without_name(str(error) or type(error).__name__, job.source))


def _prepare(job: Job, photos: Collection[FileId], settings: Settings) -> Opened | Moving | Outcome:
    """Read a job's image, unless its result is there already."""
    if is_video(job.source):
        return open_video_job(job, photos, settings)
    if job.file is not None and is_video(job.file):
        raise ValueError(f"it is no video, and no {job.file.suffix} is written of it; give -o another name")
    if settings.all_frames:
        for opened in (open_pages, open_animation):
            if (moving := opened(job, photos, settings)) is not None:
                return moving
    settings = replace(settings, file_format=job.format_of_result(settings.file_format))
    likely_format = SUFFIXES.get(job.source.suffix.lower(), "png")
    likely = job.result(likely_format if settings.file_format == "auto" else settings.file_format)
    check_name(likely)
    settings, unnamed = _without_long_comparison(job, settings)
    complete = not settings.compare or job.comparison.exists()
    if complete and _stays(likely, settings) and job.source.exists() and file_id(likely) not in photos:
        return Outcome(job, likely, kept=True)  # nothing had to be read
    image = read_image(job.source, settings.max_pixels)
    file_format = image.format if settings.file_format == "auto" else settings.file_format
    path = job.result(file_format)  # not `likely` if the file's suffix is not that of its content
    check_name(path)
    for target in (path, job.comparison) if settings.compare else (path,):
        refuse_source(target, job, photos)
    if _stays(path, settings):
        return _keep(job, path, image, settings)
    if FIRST_ALONE in image.notes and image.format in (*ANIMATED, "tiff"):
        unnamed += ("--frames all takes every one of them",)
    return Opened(job, image, replace(settings, file_format=file_format), unnamed)


def _finish_or_say(opened: Opened, larger: LoadedImage, photos: Collection[FileId]) -> Outcome:
    try:
        return _finish(opened, larger, photos)
    except Exception as error:
        return _failed(opened.job, error)


def _finish(opened: Opened, larger: LoadedImage, photos: Collection[FileId]) -> Outcome:
    """Write an enlarged image, and its comparison where that is wanted."""
    job, image, settings = opened.job, opened.image, opened.settings
    larger = fit_format(larger, settings.file_format)
    path = job.result(larger.format)  # another one if the format holds no such size
    refuse_source(path, job, photos)
    if _stays(path, settings):
        return _keep(job, path, image, settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_image(path, larger)
    notes = larger.notes + opened.notes
    if settings.compare and _stays(job.comparison, settings):
        notes += (f"{job.comparison} exists and was kept; --overwrite makes it anew",)
    elif settings.compare:
        write_image(job.comparison, before_after(image, larger))
    return Outcome(job, path, notes=notes)


def _without_long_comparison(job: Job, settings: Settings) -> tuple[Settings, tuple[str, ...]]:
    """The settings, without a comparison whose name would be too long, and a note about it."""
    if not settings.compare or fits(job.comparison):
        return settings, ()
    note = f"without a comparison: its name would be longer than {LONGEST_NAME} bytes; shorten the photo's"
    return replace(settings, compare=False), (note,)


def _stays(path: Path, settings: Settings) -> bool:
    return path.exists() and not settings.overwrite


def _keep(job: Job, path: Path, image: LoadedImage, settings: Settings) -> Outcome:
    """Keep the result at `path`, and compare it with the image where that is wanted and missing."""
    if not settings.compare or job.comparison.exists():
        return Outcome(job, path, kept=True)
    try:
        result = read_image(path, max_pixels=sys.maxsize)  # our own, however large
    except (ValueError, OSError) as error:
        return Outcome(job, path, kept=True, notes=(f"without a comparison, for it cannot be read: {error}",))
    write_image(job.comparison, before_after(image, result))
    return Outcome(job, path, kept=True, notes=(f"{job.comparison} was missing and is written",))


def _without_name(message: str, source: Path) -> str:
    """Messages begin with the file's name, and so does every list that they end up in."""
    return message.removeprefix(f"{source}: ")
