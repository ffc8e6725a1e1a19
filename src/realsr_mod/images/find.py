"""Which files of a folder are images."""

import os
from collections.abc import Iterator
from pathlib import Path

from realsr_mod.images.formats import SUFFIXES


def find_images(root: Path | str) -> list[Path]:
    """All image files in `root` and the folders inside it, sorted by path; suffixes in any case.

    Links to folders are followed, each folder is searched once. Hidden files and folders are left out.

    Raises FileNotFoundError if there is no such folder or no image in it.
    """
    root = Path(root).expanduser()
    if not root.is_dir():
        kind = "is a file, not a folder" if root.exists() else "does not exist"
        raise FileNotFoundError(f"image folder {root} {kind}; give the path of a folder of photos (data.root=...)")
    found = sorted(path for path in visible_files(root) if path.suffix.lower() in SUFFIXES)
    if not found:
        raise FileNotFoundError(
            f"no images in {root} or the folders inside it; looked for files ending in {' '.join(sorted(SUFFIXES))}. "
            "Check the path, or convert the photos to one of these formats"
        )
    return found


def visible_files(root: Path) -> Iterator[Path]:
    """The files in a folder and those inside it, but for hidden ones; through links, each folder once."""
    seen = set()
    for folder, inside, files in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        inside[:] = [] if real in seen else sorted(name for name in inside if not name.startswith("."))
        if real not in seen:
            yield from (path for name in files if not name.startswith(".") and (path := Path(folder, name)).is_file())
        seen.add(real)
