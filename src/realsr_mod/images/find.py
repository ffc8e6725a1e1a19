"""Which files of a folder are images, and what is left out."""

import logging
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from realsr_mod.images.formats import STARTS, SUFFIXES

logger = logging.getLogger(__name__)

_SUFFIXES_SHOWN = 8
_FOLDERS_SHOWN = 5


@dataclass
class Found:
    """What lies in a folder and those inside it, hidden files and folders aside.

    Args:
        images: the image files, sorted.
        others: how many other files there are, by suffix.
        unreadable: folders and files that cannot be looked into, with the reason.
    """

    images: list[Path] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    unreadable: dict[Path, str] = field(default_factory=dict)

    def left_out(self) -> list[str]:
        """What is not used of the folder, in lines for people; none where all is."""
        lines = []
        if self.others:
            kinds = sorted(self.others.items(), key=lambda item: (-item[1], item[0]))
            shown = [f"{count} {suffix or 'without a suffix'}" for suffix, count in kinds[:_SUFFIXES_SHOWN]]
            rest = sum(count for _, count in kinds[_SUFFIXES_SHOWN:])
            lines.append("left out: " + ", ".join(shown) + (f" and {rest} of other kinds" if rest else ""))
        for path, reason in list(self.unreadable.items())[:_FOLDERS_SHOWN]:
            lines.append(f"left out: {path} cannot be read ({reason})")
        if len(self.unreadable) > _FOLDERS_SHOWN:
            lines.append(f"left out: {len(self.unreadable) - _FOLDERS_SHOWN} more that cannot be read")
        return lines


def search(root: Path, besides: Path | None = None) -> Found:
    """Look through a folder and those inside it; links to folders are followed, each folder is searched once.

    Args:
        root: the folder.
        besides: a folder inside it that is passed over.
    """
    found = Found()
    seen = {os.path.realpath(besides)} - {os.path.realpath(root)} if besides is not None else set()

    def refused(error: OSError) -> None:
        found.unreadable[Path(error.filename or root)] = error.strerror or type(error).__name__

    for folder, inside, files in os.walk(root, followlinks=True, onerror=refused):
        real = os.path.realpath(folder)
        inside[:] = [] if real in seen else sorted(name for name in inside if not name.startswith("."))
        if real not in seen:
            for path in (Path(folder, name) for name in files if not name.startswith(".")):
                _sort_in(path, found, refused)
        seen.add(real)
    found.images.sort()
    return found


def _sort_in(path: Path, found: Found, refused: Callable[[OSError], None]) -> None:
    try:
        if not path.is_file():
            return
    except OSError as error:  # in a folder that can be listed, but not entered
        return refused(error)
    suffix = path.suffix.lower()
    if suffix in SUFFIXES or (not suffix and _begins_as_an_image(path)):
        found.images.append(path)
    else:
        found.others[suffix] += 1


def _begins_as_an_image(path: Path) -> bool:
    """Whether a file without a suffix is an image all the same, as those from some phones and downloads are."""
    try:
        with path.open("rb") as file:
            start = file.read(12)
    except OSError:
        return False
    if start.startswith(b"P"):
        return len(start) > 2 and start[2:3].isspace() and start.startswith(STARTS)
    return start.startswith(STARTS) or start[4:8] == b"ftyp"


def image_folder(root: object) -> Path:
    """The folder that somebody has named, `~` being their own; raises ValueError for what names none."""
    if not isinstance(root, str | Path) or not str(root):
        what = "several" if isinstance(root, list | tuple) else "none" if root is None else f"{root!r}"
        raise ValueError(f"expected the path of one folder of photos, got {what}; give it as data.root=path/to/photos")
    try:
        return Path(root).expanduser()
    except RuntimeError as error:
        user = str(root).split("/")[0]
        raise ValueError(f"there is no user of the name in {root}; a folder called {user} is ./{user}") from error


def find_images(root: Path | str, say: Callable[[str], object] = logger.warning) -> list[Path]:
    """All image files in `root` and the folders inside it, sorted by path; suffixes in any case.

    Links to folders are followed, each folder is searched once. Hidden files and folders are left out, and so, with a
    line to `say`, are other files and folders that cannot be read.

    Raises FileNotFoundError if there is no such folder or no image in it.
    """
    root = image_folder(root)
    if not root.is_dir():
        kind = "is a file, not a folder" if root.exists() else "does not exist"
        raise FileNotFoundError(f"image folder {root} {kind}; give the path of a folder of photos (data.root=...)")
    found = search(root)
    if not found.images:
        raise FileNotFoundError(
            f"no images in {root} or the folders inside it; looked for files ending in {' '.join(sorted(SUFFIXES))}. "
            f"Check the path, or convert the photos to one of these formats{_besides(found)}"
        )
    for line in found.left_out():
        say(f"{root}: {line}")
    return found.images


def _besides(found: Found) -> str:
    return "".join(f"; {line}" for line in found.left_out())
