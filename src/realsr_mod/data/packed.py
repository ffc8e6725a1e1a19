"""Training from packed photos: only the part that a patch needs is read, many of them side by side."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from realsr_mod.data.checks import OnBadImage, check_sizes
from realsr_mod.data.datamodule import FolderDataModule
from realsr_mod.data.patches import Choose, ImageFile, ImageStore, Patch
from realsr_mod.data.store import (
    PackedPhoto,
    Place,
    array_spec,
    first_words,
    is_process_marked,
    mark_process,
    read_index,
    tensorstore,
)
from realsr_mod.degradations.base import Degradation
from realsr_mod.images.image import ImageReadError

_OPEN_ARRAYS = 4096  # kept per process; opening one takes about as long as reading a tenth of a patch
_READS_AT_ONCE = {False: 16, True: 64}  # whether it is on a server, where most of the time is waiting


@dataclass(frozen=True)
class PackedImage(ImageFile):
    """An image of a store; `hr` is what messages call it, no file."""

    photo: PackedPhoto | None = None
    place: Place | None = None


class PackedStore(ImageStore):
    """Reads parts of packed photos, a batch's at once. Pieces that were read stay in memory, up to `cache_bytes`."""

    images: list[PackedImage]  # type: ignore[assignment]  # of this kind alone

    def __init__(
        self, images: Sequence[ImageFile], scale: int, cache_bytes: int, on_late_bad_image: OnBadImage
    ) -> None:
        super().__init__(images, scale, 0, on_late_bad_image)
        self.cache_bytes = cache_bytes
        self._process = 0

    def __getstate__(self) -> dict[str, Any]:  # open arrays belong to one process
        return {**self.__dict__, "_process": 0, "_context": None, "_opened": None}

    def cut_many(self, wanted: Sequence[tuple[int, Choose]]) -> list[Patch]:
        """Ask for all parts before the first is waited for."""
        begun = [self._begin(index, choose) for index, choose in wanted]
        return [self._end(*one, future) for one, future in zip(wanted, begun, strict=True)]

    def _end(self, index: int, choose: Choose, future: Any) -> Patch:
        try:
            return Patch(self._pixels(index, future), None, self.images[index].name, {})
        except ImageReadError:
            return self.cut(index, choose)  # says what is wrong, and takes the next

    def _part(self, number: int, choose: Choose) -> tuple[np.ndarray, np.ndarray | None]:
        return self._pixels(number, self._begin(number, choose)), None

    def _begin(self, number: int, choose: Choose) -> Any:
        photo = self.images[number].photo
        assert photo, "a store's images have one each"
        rows, columns = choose(photo.height, photo.width)
        return self._array(number)[rows, columns].read()

    def _pixels(self, number: int, future: Any) -> np.ndarray:
        image = self.images[number]
        try:
            pixels: np.ndarray = future.result()
        except Exception as error:  # of many kinds, as files are damaged in many ways and servers answer in many
            assert image.photo
            assert image.place
            damaged = f"{image.place.root.rstrip('/')}/{image.photo.array}"
            raise ImageReadError(
                image.hr, f"cannot be read from the store ({first_words(error)}); delete {damaged} and pack again"
            ) from error
        return pixels

    def _array(self, number: int) -> Any:
        if self._process != os.getpid():
            self._start()
        return self._opened(number)

    def _start(self) -> None:
        """Begin in this process, with threads and memory of its own."""
        remote = any(image.place is not None and image.place.is_remote for image in self.images[:1])
        reads = {"limit": _READS_AT_ONCE[remote]}
        self._context = tensorstore().Context(
            {
                "cache_pool": {"total_bytes_limit": self.cache_bytes},
                "data_copy_concurrency": {"limit": 1},  # patches are small, and there are workers
                **({"s3_request_concurrency": reads} if remote else {"file_io_concurrency": reads}),
            }
        )
        self._opened = lru_cache(_OPEN_ARRAYS)(self._open)
        self._process = os.getpid()
        mark_process()

    def _open(self, number: int) -> Any:
        image = self.images[number]
        assert image.photo
        assert image.place
        spec = array_spec(image.place.kvstore(image.photo.array), image.photo)
        opened = tensorstore().open(
            spec,
            open=True,
            assume_metadata=True,  # the index says what it is, and the file need not be read
            context=self._context,
            recheck_cached_data="open",
            recheck_cached_metadata="open",
        )
        return opened.result()


class PackedDataModule(FolderDataModule):
    """Photos packed by `python -m realsr_mod.pack`: patches equal to those of the folder that they were packed from.

    Args:
        root: the store, a folder or `s3://BUCKET/PATH`, `gs://BUCKET/PATH`.
        endpoint: address of a server that speaks S3, if it is not Amazon's.
        folder: FolderDataModule's other arguments; `val_root` is a store, too.
    """

    def __init__(self, root: str, degradation: Degradation, endpoint: str | None = None, **folder: Any) -> None:
        super().__init__(root, degradation, **folder)
        self.endpoint = endpoint

    def _files_in(self, root: str) -> Sequence[PackedImage]:
        tensorstore()  # says at once if it is not there
        place = Place(root, self.endpoint)
        images = [PackedImage(photo.name, Path(root, photo.name), None, photo, place) for photo in read_index(place)]
        sizes = {image.hr: (image.photo.height, image.photo.width) for image in images if image.photo}
        checked = check_sizes(sizes, self.min_side_px, self.on_bad_image, self.max_pixels)
        self.skipped_images |= {str(path): reason for path, reason in checked.bad.items()}
        return [image for image in images if image.hr in checked.sizes]

    def _store(self, images: Sequence[ImageFile]) -> ImageStore:
        cache_bytes = int(self.cache_gib * 2**30) // max(1, self.num_workers)
        return PackedStore(images, self.scale, cache_bytes, self.on_late_bad_image)

    def _loader_options(self) -> dict[str, Any]:
        fresh = self.num_workers > 0 and is_process_marked()
        return super()._loader_options() | ({"multiprocessing_context": "spawn"} if fresh else {})
