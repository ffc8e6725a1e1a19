"""Many images in a row: what is kept, what failed; the next is read and the last written meanwhile."""

import sys
from collections import deque
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

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
from realsr_mod.inference.steady import Steady, warned_once
from realsr_mod.inference.tiling import OnTile
from realsr_mod.inference.video.make import open_job as open_video_job
from realsr_mod.inference.video_formats import is_video

Enlarge = Callable[[LoadedImage, OnTile], LoadedImage]
OnPart = Callable[[int, int, int], None]


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
        steady: what makes frames larger, where all of an image's are wanted.
        on_frame: the same as `on_tile` for frames.
        say: is told in a line each what there is to say before a video is done.
        photos: the files that no result may replace; by default those that the jobs read.
    """
    photos = files_of(jobs) if photos is None else photos
    waiting: deque[tuple[Future[Outcome], int]] = deque()  # outcomes to come, and the bytes of each result
    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer:
        ahead = [reader.submit(_prepare, job, photos, settings) for job in jobs[:1]]
        try:
            for number, job in enumerate(jobs):
                opened = ahead.pop()
                ahead += [reader.submit(_prepare, job, photos, settings) for job in jobs[number + 1 : number + 2]]
                if isinstance(found := _opened(job, opened), Moving):
                    assert steady is not None, "given where frames are wanted"
                    waiting.append((_move(found, steady, Watch(partial(on_frame, number), say)), 0))
                else:
                    waiting.append(_go_on(found, photos, enlarge, partial(on_tile, number), writer))
                while waiting and (waiting[0][0].done() or sum(nbytes for _, nbytes in waiting) > WAITING_BYTES):
                    yield waiting.popleft()[0].result()
        except KeyboardInterrupt:
            yield from (outcome.result() for outcome, _ in waiting)  # what is enlarged is written, and said
            raise
        yield from (outcome.result() for outcome, _ in waiting)


def _opened(job: Job, opened: Future[Opened | Moving | Outcome]) -> Opened | Moving | Outcome:
    try:
        return opened.result()
    except Exception as error:
        return _failed(job, error)


def _go_on(
    found: Opened | Outcome,
    photos: Collection[FileId],
    enlarge: Enlarge,
    on_tile: OnTile,
    writer: ThreadPoolExecutor,
) -> tuple[Future[Outcome], int]:
    """Enlarge an image that has been read, and leave the writing to `writer`."""
    outcome: Future[Outcome] = Future()
    try:
        if isinstance(found, Opened):
            larger = enlarge(found.image, on_tile)
            return writer.submit(_finish_or_say, found, larger, photos), larger.pixels_HWC.nbytes
        outcome.set_result(found)
    except Exception as error:  # whatever is wrong with one image, the others are done
        outcome.set_result(_failed(found.job, error))
    return outcome, 0


def _move(moving: Moving, steady: Steady, watch: Watch) -> Future[Outcome]:
    """Make all frames larger, and write them as they come."""
    outcome: Future[Outcome] = Future()
    try:
        with warned_once():
            outcome.set_result(Outcome(moving.job, moving.path, notes=moving.make(steady, watch)))
    except Exception as error:
        outcome.set_result(_failed(moving.job, error))
    return outcome


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
