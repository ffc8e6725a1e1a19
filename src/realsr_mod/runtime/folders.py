"""Folders for results: each is one process's own, from before anything is written into it until that process ends."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

_held: dict[Path, FileLock] = {}  # by this process


def new_folder(*parts: str) -> str:
    """Make the folder PARTS/DATE_TIME for this process alone, and hold it; two commands of one second get two.

    Hydra asks for it (`conf/hydra/default.yaml`) before it writes anything there.
    """
    parent = Path(*parts)
    parent.mkdir(parents=True, exist_ok=True)
    name, number = time.strftime("%Y-%m-%d_%H-%M-%S"), 1
    while True:
        folder = parent / (name if number == 1 else f"{name}_{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
            continue
        hold(folder)
        return str(folder)


@contextmanager
def made_for_results(folder: Path) -> Iterator[Path]:
    """Make a folder for what is written inside the context; if that fails, one that is new and empty goes again."""
    is_new = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield folder
    except BaseException:
        if is_new:
            with suppress(OSError):  # something has been written
                folder.rmdir()
        raise


def hold(folder: Path) -> None:
    """Make a folder this process's own until it ends or lets go. Raises ValueError if another process has it."""
    place = folder.resolve()
    if place in _held:
        return
    lock = FileLock(place / ".lock", timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise ValueError(f"{folder} is being worked in by another process; wait for it, or start a new run") from None
    _held[place] = lock


def let_go(folder: Path) -> None:
    """Leave a folder to others again."""
    lock = _held.pop(folder.resolve(), None)
    if lock is not None:
        lock.release()


def is_taken(folder: Path) -> bool:
    """Whether another process holds this folder now."""
    if folder.resolve() in _held:
        return False
    try:
        with FileLock(folder / ".lock", timeout=0):
            return False
    except Timeout:
        return True
