"""A store of photos from which a part is read without the rest: one sharded Zarr array each, and an index of all.

    STORE/index.json                names, heights and widths
    STORE/arrays/ab/abcd…/zarr.json what an array says of itself, for other programs: nothing here believes it
    STORE/arrays/ab/abcd…/c/0/0/0   its one shard: squares of `CHUNK_PX` pixels, uint8 RGB, each with a checksum

A store may come from anyone: where an array lies follows from the hash of its photo's name, and what it holds from the
index, whose values are bounded.
"""

import hashlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from realsr_mod.images.bounds import MAX_PIXELS
from realsr_mod.runtime.files import atomic_write

CHUNK_PX = 128
INDEX = "index.json"
ARRAYS = "arrays"
NEEDS_EXTRA = "packed photos need an extra: pip install 'realsr-mod[packed]'"

_VERSION = 1
_MOST_INDEX_BYTES = 200_000_000  # some two million photos
_LONGEST_NAME = 4096
_REMOTE = {"s3": "s3", "gs": "gcs"}  # URL's scheme to tensorstore's driver
_used_in: set[int] = set()  # numbers of processes: a fork has another, and what it copied of this set is not its own
_URL = re.compile(r"([a-z0-9]+)://([^/]+)/?(.*)")


@dataclass(frozen=True)
class PackedPhoto:
    """One photo of a store; `name` is its path inside the folder that was packed."""

    name: str
    height: int
    width: int

    @property
    def array(self) -> str:
        """Where its array lies in the store."""
        key = hashlib.sha256(os.fsencode(self.name)).hexdigest()[:32]
        return f"{ARRAYS}/{key[:2]}/{key}"

    @property
    def stored_bytes(self) -> int:
        """What its array takes on the disk."""
        rows, columns = self.height_in_chunks, self.width_in_chunks
        return rows * columns * (CHUNK_PX**2 * 3 + 4 + 16) + 4096

    @property
    def height_in_chunks(self) -> int:
        return -(-self.height // CHUNK_PX)

    @property
    def width_in_chunks(self) -> int:
        return -(-self.width // CHUNK_PX)


@dataclass(frozen=True)
class Place:
    """Where a store is: a folder, or `s3://BUCKET/PATH`, `gs://BUCKET/PATH`.

    Args:
        root: folder or URL.
        endpoint: address of a server that speaks S3, if it is not Amazon's.

    Raises ValueError for a URL of another kind.
    """

    root: str
    endpoint: str | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.root, str) or not self.root:
            raise ValueError(
                f"expected a folder of packed photos or a URL, got {self.root!r}; give it as data.root=..."
            )
        scheme = self.root.partition("://")[0] if "://" in self.root else None
        if scheme is not None and (scheme not in _REMOTE or not _URL.fullmatch(self.root)):
            raise ValueError(f"{self.root}: packed photos are read from a folder, s3://BUCKET/PATH or gs://BUCKET/PATH")
        if self.endpoint is not None and scheme != "s3":
            raise ValueError(f"an endpoint ({self.endpoint}) goes with s3://BUCKET/PATH, not with {self.root}")

    @property
    def is_remote(self) -> bool:
        return "://" in self.root

    @property
    def folder(self) -> Path:
        """Of a store that is none on a server."""
        return Path(self.root).expanduser().absolute()

    def kvstore(self, inside: str) -> dict[str, Any]:
        """Tensorstore's word for what lies `inside` it."""
        if not self.is_remote:
            return {"driver": "file", "path": f"{self.folder}/{inside}"}
        found = _URL.fullmatch(self.root)
        assert found, "checked when it was made"
        scheme, bucket, path = found.groups()
        path = f"{path.rstrip('/')}/{inside}".lstrip("/")
        own: dict[str, Any] = {} if self.endpoint is None else {"endpoint": self.endpoint}
        if scheme == "s3" and "AWS_ACCESS_KEY_ID" in os.environ:
            own["aws_credentials"] = {"type": "environment"}  # else it complains of every other place where none are
        return {"driver": _REMOTE[scheme], "bucket": bucket, "path": path, **own}


def tensorstore() -> Any:
    """The library that reads and writes arrays. Raises ValueError where it is not installed."""
    try:
        import tensorstore
    except ImportError as error:
        raise ValueError(NEEDS_EXTRA) from error
    return tensorstore


def mark_process() -> None:
    """Note that this process uses tensorstore, which has threads from then on: a fork of it would be aborted."""
    _used_in.add(os.getpid())


def is_process_marked() -> bool:
    """Whether this process can have no forks that read."""
    return os.getpid() in _used_in


def array_spec(kvstore: dict[str, Any], photo: PackedPhoto) -> dict[str, Any]:
    """Tensorstore's word for a photo's array. What is absent is an error, not black; what is black is stored."""
    whole = [photo.height_in_chunks * CHUNK_PX, photo.width_in_chunks * CHUNK_PX, 3]
    codecs = [{"name": "bytes"}, {"name": "crc32c"}]
    index_codecs = [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "crc32c"}]
    sharding = {"chunk_shape": [CHUNK_PX, CHUNK_PX, 3], "codecs": codecs, "index_codecs": index_codecs}
    return {
        "driver": "zarr3",
        "kvstore": kvstore,
        "fill_missing_data_reads": False,
        "store_data_equal_to_fill_value": True,
        "metadata": {
            "shape": [photo.height, photo.width, 3],
            "data_type": "uint8",
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": whole}},
            "codecs": [{"name": "sharding_indexed", "configuration": sharding}],
        },
    }


def write_index(folder: Path, photos: list[PackedPhoto]) -> None:
    """Write what makes a folder of arrays a store, in one move."""
    rows = [[photo.name, photo.height, photo.width] for photo in photos]
    with atomic_write(folder / INDEX, "w", sync=True) as file:
        json.dump({"version": _VERSION, "chunk_px": CHUNK_PX, "photos": rows}, file)


def read_index(place: Place) -> list[PackedPhoto]:
    """The photos of a store. Raises FileNotFoundError if there is none, ValueError for an index that is none."""
    content = _remote_index(place) if place.is_remote else _local_index(place)
    if len(content) > _MOST_INDEX_BYTES:
        raise ValueError(f"{place.root}: its {INDEX} has {len(content) / 1e6:.0f} MB, at most 200 are read")
    try:
        index = json.loads(content)
        if index["version"] != _VERSION or index["chunk_px"] != CHUNK_PX:
            raise ValueError(f"version {index['version']!r}, chunks of {index['chunk_px']!r} pixels")
        photos = [_checked(*row) for row in index["photos"]]
        if len({photo.name for photo in photos}) != len(photos):
            raise ValueError("one name for several photos")
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        reason = " ".join(str(error).split())[:120]
        raise ValueError(
            f"{place.root}: its {INDEX} is none that this version can read ({reason}); pack the photos again"
        ) from error
    return photos


def _checked(name: object, height: object, width: object) -> PackedPhoto:
    if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_NAME or not name.isprintable():
        raise ValueError(f"a photo of the name {str(name)[:40]!r}")
    if type(height) is not int or type(width) is not int or min(height, width) < 1:
        raise ValueError(f"{name[:40]} of size {height!r} x {width!r}"[:100])
    if height * width > 100 * MAX_PIXELS:
        raise ValueError(f"{name[:40]} of {height}x{width} pixels")
    return PackedPhoto(name, height, width)


def _local_index(place: Place) -> bytes:
    path = place.folder / INDEX
    if not path.is_file():
        begun = "its packing was not finished; go on with it" if (place.folder / ARRAYS).is_dir() else "pack photos"
        raise FileNotFoundError(
            f"{path}: no such file, so {place.root} holds no packed photos; {begun}: "
            f"python -m realsr_mod.pack PHOTOS -o {place.root}"
        )
    if path.stat().st_size > _MOST_INDEX_BYTES:
        raise ValueError(f"{path}: {path.stat().st_size / 1e6:.0f} MB, at most 200 are read")
    return path.read_bytes()


def _remote_index(place: Place) -> bytes:
    mark_process()
    try:
        found = tensorstore().KvStore.open(place.kvstore("")).result().read(INDEX).result()
    except ValueError as error:
        if str(error) == NEEDS_EXTRA:
            raise
        raise ValueError(f"{place.root}: cannot be read ({first_words(error)})") from error
    except Exception as error:  # what a server says comes as errors of many kinds
        raise ValueError(f"{place.root}: cannot be read ({first_words(error)})") from error
    if found.state != "value":
        raise FileNotFoundError(f"{place.root}: no {INDEX} there; copy a store there that was packed on a disk")
    content: bytes = found.value
    return content


def first_words(error: BaseException) -> str:
    """What a library's error says, without where in its source and in which array it happened."""
    return re.split(r" \[|; ", " ".join(str(error).split()))[0][:160]
