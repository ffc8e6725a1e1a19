"""Many pictures, one after the other: where each result goes, what is kept, what failed."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from realsr_mod.inference.compare import before_after
from realsr_mod.inference.image_io import FORMATS, SUFFIXES, Picture, read_picture
from realsr_mod.inference.image_save import fit_format, write_picture

OnTile = Callable[[int, int], None]
Enlarge = Callable[[Picture, OnTile], Picture]


@dataclass(frozen=True)
class Job:
    """One picture and the path of its result, to which the format's suffix is added."""

    source: Path
    stem: Path

    def result(self, file_format: str) -> Path:
        return self.stem.with_name(self.stem.name + FORMATS[file_format].suffix)

    @property
    def comparison(self) -> Path:
        return self.stem.with_name(self.stem.name + "_compare.png")


@dataclass(frozen=True)
class Settings:
    """`file_format`: a key of `FORMATS`, or `auto` for each picture's own."""

    file_format: str = "auto"
    compare: bool = False
    overwrite: bool = False
    max_pixels: int = 100_000_000


@dataclass(frozen=True)
class Outcome:
    """What became of a job: the result's path, and either what there is to say about it or why it failed."""

    job: Job
    path: Path | None
    kept: bool = False
    notes: tuple[str, ...] = ()
    failure: str = ""


def plan(photos: Sequence[Path], output: Path) -> list[Job]:
    """Find the pictures and give each a name of its own under `output`; folders keep their inner structure.

    Raises:
        FileNotFoundError: a folder without pictures. A missing file is a job that will fail, so that others are done.
        ValueError: `output` is a file.
    """
    if output.is_file():
        raise ValueError(f"{output} is a file; give -o a folder")
    found: dict[Path, Path] = {}  # source to its place under `output`, each source once
    for photo in photos:
        if photo.is_dir():
            found |= {path: path.relative_to(photo) for path in _pictures_in(photo, output)}
        else:
            found[photo] = Path(photo.name)
    taken = Counter(place.with_suffix("") for place in found.values())
    return [
        # a.jpg and a.png would both become a.png; then each keeps its whole name
        Job(source, output / (place.with_suffix("") if taken[place.with_suffix("")] == 1 else place))
        for source, place in found.items()
    ]


def _pictures_in(folder: Path, output: Path) -> list[Path]:
    pictures = [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
    ]
    if output.resolve() != folder.resolve():
        pictures = [path for path in pictures if not path.resolve().is_relative_to(output.resolve())]
    if not pictures:
        raise FileNotFoundError(f"{folder}: no pictures in this folder; looked for {', '.join(SUFFIXES)}")
    return pictures


def run_jobs(
    jobs: Sequence[Job], enlarge: Enlarge, settings: Settings, on_tile: Callable[[int, int, int], None]
) -> Iterator[Outcome]:
    """Do the jobs one by one and say after each what became of it; a failure does not stop the others.

    `on_tile` is called with the job's number, the tiles done and the tiles there are.
    """
    for number, job in enumerate(jobs):
        try:
            yield _run(job, enlarge, settings, lambda done, total, number=number: on_tile(number, done, total))
        except Exception as error:  # whatever is wrong with one picture, the others are done
            yield Outcome(job, None, failure=_without_name(str(error) or type(error).__name__, job.source))


def _run(job: Job, enlarge: Enlarge, settings: Settings, on_tile: OnTile) -> Outcome:
    likely_format = SUFFIXES.get(job.source.suffix.lower(), "png")
    likely = job.result(likely_format if settings.file_format == "auto" else settings.file_format)
    done = likely.exists() and (job.comparison.exists() or not settings.compare)
    if done and not settings.overwrite and job.source.exists() and not likely.samefile(job.source):
        return Outcome(job, likely, kept=True)
    picture = read_picture(job.source, settings.max_pixels)
    larger = enlarge(picture, on_tile)
    larger = fit_format(larger, picture.format if settings.file_format == "auto" else settings.file_format)
    path = job.result(larger.format)
    if path.exists() and path.samefile(job.source):
        raise ValueError("the result would replace the photo itself; give -o another folder")
    path.parent.mkdir(parents=True, exist_ok=True)
    write_picture(path, larger)
    if settings.compare:
        write_picture(job.comparison, before_after(picture, larger))
    return Outcome(job, path, notes=larger.notes)


def _without_name(message: str, source: Path) -> str:
    """Messages begin with the file's name, and so does every list that they end up in."""
    return message.removeprefix(f"{source}: ")
