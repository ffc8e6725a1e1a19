"""Look at every image file once before training starts, so that a bad one is named now and not after three days."""

import hashlib
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import repeat
from pathlib import Path
from typing import Literal

from platformdirs import user_cache_path
from pytorch_lightning.utilities import rank_zero_only, rank_zero_warn
from rich.progress import Progress

from realsr_mod.images.bounds import MAX_PIXELS
from realsr_mod.images.image import ImageReadError
from realsr_mod.images.read import image_size
from realsr_mod.images.sandbox import read_apart
from realsr_mod.runtime.files import atomic_write

OnBadImage = Literal["skip", "error"]
Size = tuple[int, int]  # height and width

_PROGRESS_AFTER_S = 1.0
_THREADS = 8  # headers are mostly waiting for the disk
_NAMED_IN_MESSAGE = 5
_REMEMBERED = 64  # folders, those used last


@dataclass
class CheckedImages:
    """The files that can be used, with their (height, width), and those that cannot, with the reason."""

    sizes: dict[Path, Size] = field(default_factory=dict)
    bad: dict[Path, str] = field(default_factory=dict)


def check_images(
    paths: Sequence[Path],
    min_side_px: int,
    on_bad_image: OnBadImage = "skip",
    cache_dir: Path | None = None,
    max_pixels: int = MAX_PIXELS,
) -> CheckedImages:
    """Read the header of every file, unless it was read before and has not changed since.

    What was read is remembered in `cache_dir`, by default the user's cache folder, of the 64 folders used last. A file
    that cannot be read, or whose shorter side is under `min_side_px`, or that has more than `max_pixels`, is bad: left
    out with a warning that names it, or with `on_bad_image="error"` a ValueError. Raises ValueError if no good file is
    left.
    """
    return check_sizes(image_sizes(paths, cache_dir, max_pixels), min_side_px, on_bad_image, max_pixels)


def check_sizes(
    sizes: Mapping[Path, Size | str], min_side_px: int, on_bad_image: OnBadImage = "skip", max_pixels: int = MAX_PIXELS
) -> CheckedImages:
    """`check_images` where sizes are known, or why a file has none."""
    if on_bad_image not in ("skip", "error"):
        raise ValueError(f"on_bad_image must be 'skip' or 'error', got {on_bad_image!r}")
    checked = CheckedImages()
    for path, seen in sizes.items():
        if isinstance(seen, str):
            checked.bad[path] = seen
        elif min(seen) < min_side_px:
            checked.bad[path] = f"too small: {seen[0]}x{seen[1]}, the shorter side must have {min_side_px} pixels"
        elif seen[0] * seen[1] > max_pixels:
            limit = f"{max_pixels / 1e6:g} megapixels (data.max_megapixels)"
            checked.bad[path] = f"too large: {seen[0]}x{seen[1]}, the limit is {limit}"
        else:
            checked.sizes[path] = seen
    if checked.bad:
        _report(checked, on_bad_image)
    return checked


def image_sizes(
    paths: Sequence[Path], cache_dir: Path | None = None, max_pixels: int = MAX_PIXELS
) -> dict[Path, Size | str]:
    """The (height, width) of every file, or why it cannot be read; remembered as `check_images` says."""
    return dict(zip(paths, _headers(paths, cache_dir or default_cache_dir(), max_pixels), strict=True))


def list_some(lines: Iterable[str]) -> str:
    """The first few lines and how many more there are, one to a row, for a message."""
    lines = list(lines)
    more = [f"... and {len(lines) - _NAMED_IN_MESSAGE} more"] if len(lines) > _NAMED_IN_MESSAGE else []
    return "".join(f"\n  {line}" for line in [*lines[:_NAMED_IN_MESSAGE], *more])


def default_cache_dir() -> Path:
    """The user's cache folder for this library, on Linux `$XDG_CACHE_HOME/realsr_mod` or `~/.cache/realsr_mod`."""
    return user_cache_path("realsr_mod", appauthor=False)


def _report(checked: CheckedImages, on_bad_image: OnBadImage) -> None:
    bad = list_some(f"{path}: {reason}" for path, reason in checked.bad.items())
    count = f"{len(checked.bad)} of {len(checked.bad) + len(checked.sizes)} images cannot be used"
    if not checked.sizes:
        raise ValueError(f"{count}:{bad}\nRepair or replace them, or choose another folder (data.root=...)")
    if on_bad_image == "error":
        raise ValueError(f"{count}:{bad}\nRepair or remove them, or leave them out with data.on_bad_image=skip")
    rank_zero_warn(f"{count} and are left out:{bad}")


def _headers(paths: Sequence[Path], cache_dir: Path, max_pixels: int) -> Iterator[Size | str]:
    """The size of each file, or why it cannot be read; asks the cache first.

    Only sizes are remembered: what made a file unreadable, rights for instance, may be repaired without changing it.
    """
    paths = [path.absolute() for path in paths]
    cache_file = cache_dir / f"image-sizes-{_folder_key(paths)}.json"
    cache = _load(cache_file)
    stamps = {path: stamp(path) for path in paths}
    known: dict[Path, Size | str] = {}
    for path in paths:
        match cache.get(str(path)):
            case [*before, int(height), int(width)] if before == stamps[path]:
                known[path] = height, width
    unknown = [path for path in paths if path not in known]
    headers = known | dict(zip(unknown, _read_headers(unknown, max_pixels), strict=True))
    if unknown:
        _save(cache_file, {str(p): [*stamps[p], *header] for p, header in headers.items() if isinstance(header, tuple)})
        _forget(cache_dir)
    else:
        with suppress(OSError):
            os.utime(cache_file)  # it has been used just now
    return (headers[path] for path in paths)


def _read_headers(paths: Sequence[Path], max_pixels: int) -> Iterator[Size | str]:
    """Read headers in parallel; a progress bar appears if it takes long."""
    started = time.monotonic()
    progress = Progress(transient=True, disable=not rank_zero_only(lambda: True, default=False)())
    task = progress.add_task("checking images", total=len(paths))
    try:
        with ThreadPoolExecutor(_THREADS) as pool:
            for header in pool.map(_read_header, paths, repeat(max_pixels)):
                progress.advance(task)
                if time.monotonic() - started > _PROGRESS_AFTER_S:
                    progress.start()  # does nothing the second time
                yield header
    finally:
        if progress.live.is_started:
            progress.stop()


def _read_header(path: Path, max_pixels: int) -> Size | str:
    try:  # the few that must be decoded are so where they can do no harm
        return image_size(path, decode=lambda path, _: read_apart(path, max_pixels))
    except ImageReadError as error:
        return error.reason


def stamp(path: Path) -> list[int]:
    """What changes when a file does: time of the last write and length. Zeros for a file that is not there."""
    try:
        stat = path.stat()
    except OSError:
        return [0, 0]
    return [stat.st_mtime_ns, stat.st_size]


def _folder_key(paths: Sequence[Path]) -> str:
    folder = os.path.commonpath([path.parent for path in paths]) if paths else ""
    return hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]


def _load(cache_file: Path) -> dict[str, list[int]]:
    try:
        cache = json.loads(cache_file.read_text("utf-8"))
    except (OSError, ValueError):
        return {}  # none yet, or damaged: the files are read again
    return cache if isinstance(cache, dict) else {}


def _save(cache_file: Path, cache: dict[str, list[int]]) -> None:
    """Replace the cache in one move, so that processes started together never read half a file."""
    try:
        cache_file.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(cache_file, "w") as file:
            json.dump(cache, file)
    except OSError:
        pass  # a home folder that cannot be written costs time at the next start, nothing else


def _forget(cache_dir: Path) -> None:
    """Remove what was remembered of all folders but those used last.

    Another process may do the same, or be about to read such a file: then its photos are looked at once more.
    """
    with suppress(OSError):
        remembered = sorted(cache_dir.glob("image-sizes-*.json"), key=stamp, reverse=True)
        for cache_file in remembered[_REMEMBERED:]:
            cache_file.unlink(missing_ok=True)
