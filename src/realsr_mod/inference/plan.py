"""Which images there are, and where the result of each goes, so that none takes another's place."""

import os
import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from realsr_mod.images.find import search
from realsr_mod.images.formats import FORMATS, NOT_WRITTEN, SUFFIXES
from realsr_mod.inference.video_formats import WRITTEN, is_video

Say = Callable[[str], object]
FileId = tuple[int, int]  # device and inode: the same file under whatever name

_URL = re.compile(r"[a-z][a-z0-9+.-]+:/", re.IGNORECASE)  # of whose two slashes a path keeps one
ONLY_ANIMATED = (".gif", ".apng")  # results of these names hold several frames
LONGEST_NAME = 255  # bytes, of a file on all common systems


@dataclass(frozen=True)
class Job:
    """One image and the path of its result, to which the format's suffix is added.

    `name` is its path inside the folder that was given, with its suffix: the same whatever other images there are.
    `file` is the very file that was asked for, if its name was given.
    """

    source: Path
    stem: Path
    name: Path
    file: Path | None = None

    def format_of_result(self, wanted: str) -> str:
        """`wanted`, or where that is `auto` the format that the named file's suffix says, if there is one."""
        return SUFFIXES[self.file.suffix.lower()] if self.file is not None and wanted == "auto" else wanted

    def result(self, file_format: str) -> Path:
        if self.file is not None and SUFFIXES[self.file.suffix.lower()] == file_format:
            return self.file
        return self.with_suffix(FORMATS[file_format].suffix)

    def with_suffix(self, suffix: str) -> Path:
        return self.stem.with_name(self.stem.name + suffix)

    @property
    def comparison(self) -> Path:
        return self.with_suffix("_compare" + FORMATS["png"].suffix)


def plan(
    photos: Sequence[Path],
    output: Path,
    compare: bool = False,
    say: Say = lambda line: None,
    suffix: str = "",
    formats: Collection[str] = tuple(FORMATS),
    animated: bool = False,
) -> list[Job]:
    """Find the images and give each a name of its own under `output`; folders keep their inner structure.

    Where `output` is named as an image or a video is, it is the result of the one there is. Videos are done where they
    are named; those in folders are left out, which is said.

    An image that is given twice is done once. Images of one name in several folders go to folders of those names.

    Args:
        compare: whether each result gets a comparison beside it, whose name must be free too.
        say: is told in a line each what a folder holds that is left out.
        suffix: is added to every result's name after `_`.
        formats: in which results are written.
        animated: results may have several frames.

    Raises:
        FileNotFoundError: a folder without images. A missing file is a job that will fail, so that others are done.
        ValueError: `output` is a file, a photo is a URL, or two images would have one result.
    """
    for photo in photos:
        if _URL.match(str(photo)) and not photo.exists():
            raise ValueError(f"{photo} is a URL, and nothing is downloaded here; save the photo, and give its path")
    if (output.suffix.lower() in SUFFIXES or is_video(output)) and not output.is_dir():
        return [_one_file(photos, output, formats, animated)]
    if output.is_file():
        raise ValueError(f"{output} is a file; give -o a folder")
    found: dict[Path, tuple[Path, Path, str]] = {}  # real place of a file to source, name, and its folder's name
    for photo in photos:
        if photo.is_dir():
            folder, images = photo, {path: path.relative_to(photo) for path in _images_in(photo, output, say)}
        else:
            folder, images = photo.parent, {photo: Path(photo.name)}
        folder_name = os.path.basename(os.path.abspath(folder))  # also of `.` and `..`
        for source, name in images.items():
            # a link to an image is one of its own, an image seen through a link to its folder is not
            found.setdefault(Path(os.path.realpath(source.parent), source.name), (source, name, folder_name))
    # a.jpg and a.png would both become a.png: each keeps its whole name. Where that is not enough, its folder's too.
    ending = f"_{suffix}" if suffix else ""
    choices = [
        tuple(
            stem.with_name(stem.name + ending)
            for stem in (name.with_suffix(""), name, folder_name / name.with_suffix(""), folder_name / name)
        )
        for _, name, folder_name in found.values()
    ]
    sources = [source for source, _, _ in found.values()]
    stems = _unlike(sources, choices, compare)
    return [Job(source, output / stem, name) for stem, (source, name, _) in zip(stems, found.values(), strict=True)]


def check_any(jobs: Sequence[Job]) -> None:
    """Raise a FileNotFoundError if there is not one of the files, at once: a model would be loaded for nothing."""
    if jobs and not any(job.source.exists() for job in jobs):
        names = ", ".join(str(job.source) for job in jobs[:3]) + (" …" if len(jobs) > 3 else "")
        raise FileNotFoundError(f"{names}: no such file{'s' if len(jobs) > 1 else ''}; give the path of a photo")


def _one_file(photos: Sequence[Path], output: Path, formats: Collection[str], animated: bool) -> Job:
    """The job whose result is a file of a name that was given."""
    suffix = output.suffix.lower()
    if is_video(output):
        if suffix not in WRITTEN:
            raise ValueError(f"{output}: no {suffix} is written here; choose one of {', '.join(WRITTEN)}")
    elif SUFFIXES[suffix] not in formats or (suffix in NOT_WRITTEN and not (animated and suffix in ONLY_ANIMATED)):
        names = ", ".join(FORMATS[name].suffix for name in formats)
        raise ValueError(f"{output}: no {suffix} is written here; choose one of {names}, or give -o a folder")
    if len(photos) != 1 or photos[0].is_dir():
        many = "a folder" if len(photos) == 1 else f"{len(photos)} photos"
        raise ValueError(f"{output} is named as one photo is, and there is {many}; give -o a folder")
    return Job(photos[0], output.with_suffix(""), Path(photos[0].name), output)


def _unlike(sources: Sequence[Path], choices: Sequence[Sequence[Path]], compare: bool) -> list[Path]:
    """The first of each image's choices that is no other's; those who want the same all go on to their next ones."""
    chosen = [0] * len(choices)
    while True:
        stems = [options[number] for options, number in zip(choices, chosen, strict=True)]
        claims = [(stem, _comparison(stem)) if compare else (stem,) for stem in stems]
        taken = Counter(claim for mine in claims for claim in mine)
        clashing = [index for index, mine in enumerate(claims) if any(taken[claim] > 1 for claim in mine)]
        if not clashing:
            return stems
        movable = [index for index in clashing if chosen[index] + 1 < len(choices[index])]
        if not movable:
            first = clashing[0]
            second = next(index for index in clashing[1:] if not set(claims[first]).isdisjoint(claims[index]))
            raise ValueError(
                f"{sources[first]} and {sources[second]} would have the same result, {stems[second]}; run them into "
                "different output folders"
            )
        for index in movable:
            chosen[index] += 1


def _comparison(stem: Path) -> Path:
    return stem.with_name(stem.name + "_compare")


def _images_in(folder: Path, output: Path, say: Say) -> list[Path]:
    found = search(folder, besides=output)  # which may hold results of earlier runs
    lines = found.left_out()
    if not found.images:
        besides = "".join(f"; {line}" for line in lines)
        raise FileNotFoundError(f"{folder}: no photos in this folder; looked for {', '.join(SUFFIXES)}{besides}")
    for line in lines:
        say(f"{folder}: {line}")
    if any(is_video(Path("x" + suffix)) for suffix in found.others):
        say(f"{folder}: videos are done when they are named: {folder}/NAME.mp4")
    return found.images


def check_name(path: Path) -> None:
    """Raise a ValueError for a name longer than file systems allow."""
    if not fits(path):
        length = len(os.fsencode(path.name))
        raise ValueError(
            f"the name of its result would have {length} bytes, at most {LONGEST_NAME} fit; shorten the photo's"
        )


def fits(path: Path) -> bool:
    return len(os.fsencode(path.name)) <= LONGEST_NAME


def files_of(jobs: Sequence[Job]) -> frozenset[FileId]:
    """The files that the jobs read, which no result may replace."""
    return frozenset(found for job in jobs if (found := file_id(job.source)))


def file_id(path: Path) -> FileId | None:
    """What file lies at `path`, links followed; None if there is none."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def refuse_source(path: Path, job: Job, photos: Collection[FileId]) -> None:
    """Raise a ValueError if the job's result at `path` would replace its own photo or another of `photos`."""
    found = file_id(path)
    if found is None or found not in photos:
        return
    if found == file_id(job.source):
        raise ValueError("the result would replace the photo itself; give -o another folder")
    raise ValueError(f"the result would replace {path}, another of the photos; give -o another folder")
