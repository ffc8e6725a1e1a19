"""What a page keeps of its visitors, and for how long: opened photos in memory, uploads and results on the disk."""

import logging
import os
import re
import shutil
import tempfile
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from filelock import FileLock, Timeout

from realsr_mod.inference.studio import OpenedImage

logger = logging.getLogger(__name__)

PREFIX = "realsr_mod_page_"
PHOTO_MEMORY_OPTION = "--photo-memory-mb"
DISK_BYTES = 4 * 2**30  # of uploads and results together; beyond it the oldest go early


class PhotoStore:
    """Opened photos by the place of their upload. Those used least recently go once all take more than `max_bytes`.

    Threads may share it. What it dropped can be opened again from its upload.
    """

    def __init__(self, max_bytes: int) -> None:
        self.max_bytes = max_bytes
        self._photos: OrderedDict[Path, OpenedImage] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def nbytes(self) -> int:
        return sum(photo.nbytes for photo in self._photos.values())

    def put(self, place: Path, photo: OpenedImage) -> None:
        """Keep a photo. Raises ValueError for one that alone is more than may be kept."""
        if photo.nbytes > self.max_bytes:
            raise ValueError(
                f"{photo.name}: opened it takes {photo.nbytes / 1e6:.1f} MB, and {self.max_bytes / 1e6:g} MB are set "
                f"aside for photos; use a smaller one, or start the page with a larger {PHOTO_MEMORY_OPTION}"
            )
        with self._lock:
            self._photos[place] = photo
            self._photos.move_to_end(place)
            while self.nbytes > self.max_bytes:
                self._photos.popitem(last=False)

    def get(self, place: Path) -> OpenedImage | None:
        """The photo, which now is the one used last; None if it is not kept."""
        with self._lock:
            if place in self._photos:
                self._photos.move_to_end(place)
            return self._photos.get(place)

    def keep_only(self, wanted: Callable[[Path], bool]) -> None:
        """Drop the photos whose places are not wanted."""
        with self._lock:
            for place in [place for place in self._photos if not wanted(place)]:
                del self._photos[place]


class VisitorsFolder:
    """A temporary folder for what visitors bring and get, with a lock beside it while its page lives.

    It goes when the `with` block ends. A page that was killed leaves its folder; the next one removes it. In between,
    what nobody has used for `forget_after_s` is removed, and the oldest once there is more than `DISK_BYTES`.
    """

    def __init__(self, forget_after_s: float) -> None:
        self.forget_after_s = forget_after_s
        self._ended = threading.Event()

    def __enter__(self) -> "VisitorsFolder":
        remove_orphans()
        self.path = Path(tempfile.gettempdir()) / f"{PREFIX}{os.urandom(6).hex()}"
        self._lock = FileLock(_lock_path(self.path), timeout=0)
        self._lock.acquire()  # before the folder is there: one without a held lock is nobody's
        self.path.mkdir(mode=0o700)
        self.uploads, self.results, self.examples = (self.path / name for name in ("uploads", "results", "examples"))
        for folder in (self.uploads, self.results, self.examples):
            folder.mkdir()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        shutil.rmtree(self.path, ignore_errors=True)
        _lock_path(self.path).unlink(missing_ok=True)
        self._lock.release()

    def sweep_regularly(self, kept: frozenset[Path], then: Callable[[], None]) -> None:
        """From now on remove what is to be forgotten, but for the files in `kept`; call `then` after each time."""

        def sweep() -> None:
            while not self._ended.wait(min(30, self.forget_after_s / 4)):
                try:
                    self.sweep(kept)
                    then()
                except Exception:
                    if not self._ended.is_set():  # else the folder goes just now
                        logger.exception("old files could not be removed; this is tried again")

        threading.Thread(target=sweep, name="sweep", daemon=True).start()

    def sweep(self, kept: frozenset[Path] = frozenset(), disk_bytes: int = DISK_BYTES) -> None:
        """Remove what has not been used for long, and the oldest where there is too much."""
        oldest = time.time() - self.forget_after_s
        left = 0
        for used, size, path in sorted(_files(self.uploads, self.results), reverse=True):
            if path in kept:
                continue
            left += size
            if used < oldest or left > disk_bytes:
                with suppress(OSError):
                    path.unlink()
        for folder in (self.uploads, self.results):
            for inner in folder.iterdir():
                with suppress(OSError):  # it is not empty, a file, or just made
                    if inner.stat().st_mtime < oldest:
                        inner.rmdir()


def remove_orphans() -> None:
    """Remove the folders of pages that were killed: this user's, with a lock that no process holds."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        lock = _lock_path(folder)
        with suppress(OSError, Timeout):  # not ours, or its page lives
            if not re.fullmatch(PREFIX + "[0-9a-f]{12}", folder.name) or folder.is_symlink() or not _is_ours(folder):
                continue
            with FileLock(lock, timeout=0):
                shutil.rmtree(folder)
                lock.unlink(missing_ok=True)


def _lock_path(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.lock")


def _is_ours(folder: Path) -> bool:
    return not hasattr(os, "getuid") or folder.stat().st_uid == os.getuid()


def _files(*folders: Path) -> Iterator[tuple[float, int, Path]]:
    """When it was used last, size and path of each file."""
    for folder in folders:
        for path in folder.rglob("*"):
            with suppress(OSError):  # removed meanwhile
                status = path.lstat()
                if not path.is_dir():
                    yield status.st_mtime, status.st_size, path
