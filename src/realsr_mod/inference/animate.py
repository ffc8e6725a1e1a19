"""Animated GIF, WebP and PNG made larger: every frame, under one estimate of the degradation, frame by frame.

The pages of a TIFF are images that have nothing to do with one another, each under an estimate of its own.
"""

from collections.abc import Collection, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np

from realsr_mod.images.animation import Animation, Frame, read_animation
from realsr_mod.images.animation_write import SUFFIXES, why_no_animation, write_animation
from realsr_mod.images.fit import fit_format
from realsr_mod.images.image import LoadedImage
from realsr_mod.images.pages import Pages, read_pages, write_pages
from realsr_mod.inference.outcome import Moving, Outcome, Settings
from realsr_mod.inference.plan import ONLY_ANIMATED, FileId, Job, check_name, refuse_source
from realsr_mod.inference.steady import Steady, evenly
from realsr_mod.inference.tiling import OnTile


def open_animation(job: Job, photos: Collection[FileId], settings: Settings) -> Moving | Outcome | None:
    """Read a job's animation, unless its result is there already; None if its file is none.

    Raises a ValueError where the result cannot be an animation.
    """
    animation = read_animation(job.source, settings.max_pixels)
    named = job.file.suffix.lower() if job.file is not None else ""
    if animation is None:
        if named in ONLY_ANIMATED:
            raise ValueError(f"it has one frame, and no {named} is written of it; give -o another name")
        return None
    wanted = named.lstrip(".") or settings.file_format
    file_format = {"auto": animation.format, "apng": "png"}.get(wanted, wanted)
    if file_format not in SUFFIXES:
        raise ValueError(
            f"{file_format} holds no animation; choose webp or png, or leave out --frames all for the first frame"
        )
    path = job.file or job.with_suffix(SUFFIXES[file_format])
    check_name(path)
    refuse_source(path, job, photos)
    if path.exists() and not settings.overwrite:
        return Outcome(job, path, kept=True)
    notes = ("without a comparison: it moves",) if settings.compare else ()
    return Moving(
        job, path, lambda steady, watch: (*_enlarge(animation, file_format, path, steady, watch.on_frame), *notes)
    )


def open_pages(job: Job, photos: Collection[FileId], settings: Settings) -> Moving | Outcome | None:
    """Look at the pages of a job's TIFF, unless its result is there already; None if its file has no pages.

    Raises a ValueError where the result cannot have pages.
    """
    pages = read_pages(job.source, settings.max_pixels)
    if pages is None:
        return None
    wanted = job.format_of_result(settings.file_format)
    if wanted not in ("auto", "tiff"):
        raise ValueError(f"{wanted} holds no pages; choose tiff, or leave out --frames all for the first page")
    path = job.result("tiff")
    check_name(path)
    refuse_source(path, job, photos)
    if path.exists() and not settings.overwrite:
        return Outcome(job, path, kept=True)
    notes = ("without a comparison: it has pages",) if settings.compare else ()
    return Moving(job, path, lambda steady, watch: (*_enlarge_pages(pages, path, steady, watch.on_frame), *notes))


def _enlarge_pages(pages: Pages, path: Path, steady: Steady, on_frame: OnTile) -> tuple[str, ...]:
    notes: dict[str, None] = {}  # each once, in order

    def larger() -> Iterator[LoadedImage]:
        for number, image in enumerate(pages.images(), start=1):
            pixels = steady(image.pixels_HWC, steady.settle([image.pixels_HWC]))
            fitted = fit_format(replace(image, pixels_HWC=pixels), "tiff")
            notes.update(dict.fromkeys(fitted.notes))
            yield fitted
            on_frame(number, len(pages.places))

    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = steady.result_size(1000, 1000)
    write_pages(path, larger(), pages.pixels * height * width // 1_000_000)
    return tuple(notes)


def _enlarge(animation: Animation, file_format: str, path: Path, steady: Steady, on_frame: OnTile) -> tuple[str, ...]:
    looked_at = set(evenly(animation.count))
    embedding = steady.settle([f.pixels_HWC for number, f in enumerate(animation.frames()) if number in looked_at])

    def larger() -> Iterator[Frame]:
        for number, frame in enumerate(animation.frames(), start=1):
            yield Frame(steady(frame.pixels_HWC, embedding), frame.milliseconds)
            on_frame(number, animation.count)

    frames = larger()
    first = next(frames)
    height, width = first.pixels_HWC.shape[:2]
    if reason := why_no_animation(file_format, height, width):
        raise ValueError(f"{reason}; choose --format png, or a smaller --outscale")
    said = _fitted(animation.said, first.pixels_HWC, file_format)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_animation(path, chain([first], frames), animation.count, animation.plays, said)
    return said.notes


def _fitted(said: LoadedImage, pixels_HWC: np.ndarray, file_format: str) -> LoadedImage:
    """What is said of the image as the format can hold it."""
    if file_format != "gif":
        return fit_format(replace(said, pixels_HWC=pixels_HWC), file_format)
    notes = [*said.notes, "gif holds 256 colors a frame; --format webp or png holds all"]
    lost = {"color profile": said.icc, "EXIF": said.exif, "XMP": said.xmp, "comment": said.comment}
    notes += [f"gif: {name} dropped" for name, held in lost.items() if held]
    return LoadedImage(pixels_HWC, "gif", tuple(notes))
