"""Writing a store of photos: each array under a name that only a whole one has, the index last."""

import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from realsr_mod.data.checks import image_sizes, stamp
from realsr_mod.data.store import ARRAYS, INDEX, PackedPhoto, array_spec, mark_process, tensorstore, write_index
from realsr_mod.images.find import find_images, image_folder
from realsr_mod.images.image import ImageReadError
from realsr_mod.images.rgb import read_rgb
from realsr_mod.runtime.files import read_json
from realsr_mod.runtime.shards import parse_shard, shard_of

_LOCK = ".lock"  # of a whole packing; a share has one of its own, which begins like that
_LOCK_WAIT_S = 5  # shares look at the lock of a whole packing for a moment, and may meet
_SPARE_BYTES = 50_000_000  # left free on the disk


@dataclass(frozen=True)
class Packing:
    """What there is to do, to make a store at `store` of the photos in a folder.

    Args:
        store: folder.
        sources: the photos' files, by what the store calls them, in the order of the index.
        done: photos whose arrays are whole.
        bad: files that are no photos, with the reason.
        shard: which share of the photos this is, such as (3, 16); None: all of them.
    """

    store: Path
    sources: dict[PackedPhoto, Path]
    done: set[PackedPhoto] = field(default_factory=set)
    bad: dict[Path, str] = field(default_factory=dict)
    shard: tuple[int, int] | None = None

    @property
    def todo(self) -> list[PackedPhoto]:
        return [photo for photo in self.sources if photo not in self.done]

    @property
    def needed_bytes(self) -> int:
        return sum(photo.stored_bytes for photo in self.todo)


def plan_packing(
    photos: Path, store: Path, max_pixels: int, say: Callable[[str], object], shard: str | None = None
) -> Packing:
    """Look at all photos, or those of a share, and at what there is of the store.

    Raises FileNotFoundError for a folder without photos, ValueError for a store that would lie among them, or where
    something else lies.
    """
    wanted = parse_shard(shard) if shard else None
    photos = image_folder(photos)
    if Path(os.path.realpath(store)).is_relative_to(os.path.realpath(photos)):
        raise ValueError(f"{store} lies in the folder of the photos, {photos}; give -o another place")
    if store.exists() and not store.is_dir():
        raise ValueError(f"{store} is a file; give -o a folder")
    others = {path.name for path in store.iterdir()} - {ARRAYS, INDEX} if store.exists() else set()
    if others := {name for name in others if not name.startswith(_LOCK)}:
        raise ValueError(f"{store} holds other things ({sorted(others)[0]}); give -o a new folder, or that of a store")
    found = find_images(photos, say)
    if wanted:
        found = [path for path in found if shard_of(path.relative_to(photos), wanted[1]) == wanted[0]]
    sources, bad = {}, {}
    for path, seen in image_sizes(found, max_pixels=max_pixels).items():
        name = path.relative_to(photos).as_posix()
        if isinstance(seen, str):
            bad[path] = seen
        elif not name.isprintable():
            bad[path] = "its name has characters that cannot be printed; rename it"
        else:
            sources[PackedPhoto(name, *seen)] = path
    done = {photo for photo, path in sources.items() if _is_whole(store / photo.array, photo, path)}
    return Packing(store, sources, done, bad, wanted)


@contextmanager
def locked(packing: Packing) -> Iterator[None]:
    """Hold the store against others: a whole packing against all, a share against a whole packing and its like.

    Raises ValueError if another program is writing.
    """
    whole, store = packing.store / _LOCK, packing.store
    mine, like_mine = whole, "none"
    if packing.shard is not None:
        index, count = packing.shard
        mine, like_mine = store / f"{_LOCK}-{index}-of-{count}", f"{_LOCK}-*-of-{count}"
    try:
        with FileLock(mine, timeout=0):  # first, so that of two that begin at once one sees the other
            if packing.shard is not None:
                FileLock(whole, timeout=_LOCK_WAIT_S).acquire().lock.release()
            for other in sorted(store.glob(f"{_LOCK}-*")):
                if not other.match(like_mine):
                    FileLock(other, timeout=0).acquire().lock.release()
            yield
    except Timeout as error:
        raise ValueError(
            f"{store} is being written by another program ({Path(error.lock_file).name} is held); wait for it, or give "
            "-o another"
        ) from error


def check_space(packing: Packing) -> None:
    """Raise OSError if the disk has too little room for what is to be done."""
    free = shutil.disk_usage(packing.store).free
    if packing.needed_bytes + _SPARE_BYTES > free:
        raise OSError(
            f"{packing.store}: the photos take {packing.needed_bytes / 1e9:.2f} GB there, and {free / 1e9:.2f} GB are "
            "free; make room, or give -o a folder on another disk"
        )


def pack(packing: Packing, max_pixels: int, threads: int) -> Iterator[tuple[PackedPhoto, str]]:
    """Write what is missing; after each photo it is told, with the reason if it failed. The index is written last.

    A share leaves the index to the whole packing, which finds the shares' arrays.

    Raises OSError if the disk is full, and ValueError if no photo is left: then there is no index.
    """
    mark_process()
    context = tensorstore().Context({"data_copy_concurrency": {"limit": threads}})
    failed: set[PackedPhoto] = set()
    with ThreadPoolExecutor(threads) as pool:
        running: dict[Future[None], PackedPhoto] = {
            pool.submit(_pack_one, packing.store, photo, packing.sources[photo], max_pixels, context): photo
            for photo in packing.todo
        }
        try:
            for future in as_completed(running):
                photo, reason = running[future], ""
                try:
                    future.result()
                except ImageReadError as error:
                    reason = error.reason
                    failed.add(photo)
                yield photo, reason
        finally:  # also when the program is told to stop: what is being written is finished, the rest is not begun
            pool.shutdown(cancel_futures=True)
    if packing.shard is not None:
        return
    good = [photo for photo in packing.sources if photo not in failed]
    if not good:
        raise ValueError("no photo could be read, so there is no store; give a folder of photos")
    write_index(packing.store, good)


def _pack_one(store: Path, photo: PackedPhoto, source: Path, max_pixels: int, context: Any) -> None:
    """Write one array beside its place, then move it there."""
    seen = stamp(source)
    pixels_HW3 = read_rgb(source, max_pixels)
    if pixels_HW3.shape[:2] != (photo.height, photo.width):
        raise ImageReadError(source, "it changed while it was packed; pack again")
    final = store / photo.array
    fresh = final.with_name(f".{final.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    spec = array_spec({"driver": "file", "path": str(fresh.absolute())}, photo)
    spec["metadata"]["attributes"] = {"name": photo.name, "source": seen}
    try:
        array = tensorstore().open(spec, create=True, context=context).result()
        array.write(pixels_HW3).result()
    except Exception as error:  # of many kinds; nearly all mean that the disk is full or gone
        shutil.rmtree(fresh, ignore_errors=True)
        raise OSError(f"{store}: {photo.name} cannot be written ({' '.join(str(error).split())[:160]})") from error
    shutil.rmtree(final, ignore_errors=True)
    os.replace(fresh, final)


def _is_whole(array: Path, photo: PackedPhoto, source: Path) -> bool:
    """Whether there is an array of this photo, made of the file as it is today."""
    try:
        said = read_json(array / "zarr.json")
        return bool(
            said["attributes"] == {"name": photo.name, "source": stamp(source)}
            and said["shape"] == [photo.height, photo.width, 3]
            and (array / "c/0/0/0").is_file()
        )
    except (OSError, ValueError, KeyError, TypeError):
        return False
