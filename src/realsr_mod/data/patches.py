"""Photos to arrays of equal size: training patches and whole validation photos, in 8 bits.

Legend: B batch, H and W the high-resolution size, C = 3 colours, s the scale.
"""

import os
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # else importing it asks the network for a newer version

import albumentations as A
import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from realsr_mod.data.checks import OnBadImage
from realsr_mod.data.patterns import PatternMixer
from realsr_mod.data.sampler import Slot
from realsr_mod.images.bounds import MAX_PIXELS
from realsr_mod.images.image import ImageReadError
from realsr_mod.images.rgb import read_rgb
from realsr_mod.runtime.rng import derive_seed

_CROP = 102  # keeps these seeds apart from those drawn for other purposes

Window = tuple[slice, slice]  # rows and columns of a photo in HR pixels, multiples of the scale where there is an LR
Choose = Callable[[int, int], Window]  # given height and width


@dataclass(frozen=True)
class ImageFile:
    """An image on disk; `lr` is its real low-resolution version, if there is one."""

    name: str
    hr: Path
    lr: Path | None = None


@dataclass(frozen=True)
class ImagePair(ImageFile):
    """An image on disk at both resolutions."""

    lr: Path


class RawBatch(NamedTuple):
    """What travels to the device. Training batches have a step, validation batches (of one row) an item number."""

    hr: Tensor  # (B, H, W, 3) uint8
    lr: Tensor | None  # (B, H/s, W/s, 3) uint8, real pairs only
    names: list[str]
    step: int | None
    item: int | None
    broken: dict[str, str]  # photos that could not be read and were replaced: reason by path


class Patch(NamedTuple):
    """One row of a batch, before it is joined with the others."""

    hr: np.ndarray
    lr: np.ndarray | None
    name: str
    broken: dict[str, str]


class ImageStore:
    """Reads photos and keeps as many of them decoded in memory as `cache_bytes` allows, first come first kept.

    A photo that cannot be read any more is replaced by the next one in the list that can, or with
    `on_late_bad_image="error"` is an ImageReadError.
    """

    def __init__(
        self,
        images: Sequence[ImageFile],
        scale: int,
        cache_bytes: int,
        on_late_bad_image: OnBadImage,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        self.images, self.scale = list(images), scale
        self.on_late_bad_image, self.max_pixels = on_late_bad_image, max_pixels
        self._free_bytes = cache_bytes
        self._kept: dict[int, tuple[np.ndarray, np.ndarray | None]] = {}

    def __len__(self) -> int:
        return len(self.images)

    def read(self, index: int) -> Patch:
        """The whole photo number `index`, or of the next readable one."""
        return self.cut(index, lambda height, width: (slice(height), slice(width)))

    def cut(self, index: int, choose: Choose) -> Patch:
        """The part that `choose` wants of photo number `index`, or of the next readable one."""
        broken: dict[str, str] = {}
        for candidate in range(index, index + len(self)):
            number = candidate % len(self)
            try:
                hr, lr = self._part(number, choose)
            except ImageReadError as error:
                if self.on_late_bad_image == "error":
                    raise
                broken[str(error.path)] = error.reason
            else:
                return Patch(hr, lr, self.images[number].name, broken)
        path, reason = next(iter(broken.items()))
        raise ImageReadError(path, f"{reason}; nor can any other photo be read")

    def cut_many(self, wanted: Sequence[tuple[int, Choose]]) -> list[Patch]:
        """`cut`, several times."""
        return [self.cut(index, choose) for index, choose in wanted]

    def _part(self, number: int, choose: Choose) -> tuple[np.ndarray, np.ndarray | None]:
        hr, lr = self._arrays(number)
        rows, columns = choose(*hr.shape[:2])
        small = tuple(slice((side.start or 0) // self.scale, side.stop // self.scale) for side in (rows, columns))
        return hr[rows, columns], None if lr is None else lr[small]

    def _arrays(self, number: int) -> tuple[np.ndarray, np.ndarray | None]:
        if number in self._kept:
            return self._kept[number]
        image = self.images[number]
        hr = read_rgb(image.hr, self.max_pixels)
        lr = None if image.lr is None else read_rgb(image.lr, self.max_pixels)
        if (
            image.lr is not None
            and lr is not None
            and hr.shape[:2] != (lr.shape[0] * self.scale, lr.shape[1] * self.scale)
        ):
            raise ImageReadError(image.lr, f"its size no longer fits that of {image.hr}")
        size = hr.nbytes + (0 if lr is None else lr.nbytes)
        if size <= self._free_bytes:
            self._free_bytes -= size
            self._kept[number] = (hr, lr)
        return hr, lr


class RandomSquare:
    """Chooses the square of a training patch, then finishes what was cut there: a function of `seed` and the photo.

    The corner lies on a grid of `grid` pixels: the scale for pairs, 1 for photos alone. A photo smaller than the
    square is continued by its mirror image; the mirror stands on the border line between pixels, which is the same
    line at both resolutions.
    """

    def __init__(self, size: int, grid: int, seed: int) -> None:
        self.size, self.grid, self.seed = size, grid, seed

    def choose(self, height: int, width: int) -> Window:
        """Draw the corner, in HR pixels; the first of what the seed decides, however often it is called."""
        self.random = np.random.default_rng(self.seed)
        top, left = (self.grid * int(self.random.integers(self._room(side) + 1)) for side in (height, width))
        return slice(top, min(top + self.size, height)), slice(left, min(left + self.size, width))

    def _room(self, side: int) -> int:
        return max(0, side - self.size) // self.grid

    def finish(self, patch: Patch, turn: A.Compose, scale: int) -> Patch:
        """Continue what is too small, flip and turn it."""
        # One generator for corner and turn: with set_random_seed each would draw the same numbers.
        turn.set_random_state(self.random, random.Random(self.seed))
        images = {"image": filled(patch.hr, self.size)}
        if patch.lr is not None:
            images["lr"] = filled(patch.lr, self.size // scale)
        done = turn(**images)
        return patch._replace(hr=done["image"], lr=done.get("lr"))


def filled(cut_HWC: np.ndarray, size: int) -> np.ndarray:
    """Continue what is smaller than a square of `size` pixels by its mirror image, below and on the right."""
    below, right = size - cut_HWC.shape[0], size - cut_HWC.shape[1]
    return cv2.copyMakeBorder(cut_HWC, 0, below, 0, right, cv2.BORDER_REFLECT) if below or right else cut_HWC


class TrainPatches(Dataset[tuple[Slot, Patch]]):
    """Random patches, flipped and turned, addressed by Slot: the patch is a function of (seed, step, row, photo)."""

    def __init__(self, store: ImageStore, hr_crop_px: int, seed: int, patterns: PatternMixer | None = None) -> None:
        self.store, self.hr_crop_px, self.seed = store, hr_crop_px, seed
        self.patterns = patterns or PatternMixer(0, seed)
        self.grid = 1 if store.images[0].lr is None else store.scale
        self.turn = A.Compose(
            [A.D4()],  # the eight ways of flipping and turning a square
            additional_targets={"lr": "image"},
            is_check_shapes=False,
        )

    def __getitem__(self, slot: Slot) -> tuple[Slot, Patch]:
        return self.__getitems__([slot])[0]

    def __getitems__(self, slots: Sequence[Slot]) -> list[tuple[Slot, Patch]]:
        """All rows of a batch, which a store may read side by side. PyTorch's loader asks for it by this name."""
        squares = [
            RandomSquare(self.hr_crop_px, self.grid, derive_seed(self.seed, _CROP, slot.step, slot.row))
            for slot in slots
        ]
        patches = self.store.cut_many([(s.image, square.choose) for s, square in zip(slots, squares, strict=True)])
        return [
            (slot, self._with_pattern(square.finish(patch, self.turn, self.store.scale), slot))
            for slot, square, patch in zip(slots, squares, patches, strict=True)
        ]

    def _with_pattern(self, patch: Patch, slot: Slot) -> Patch:
        return patch if patch.lr is not None else patch._replace(hr=self.patterns(patch.hr, slot.step, slot.row))


class WholeImages(Dataset[tuple[int, Patch]]):
    """Photos cut to a multiple of the scale and, from the centre, to at most `crop_px`; each is there `draws` times."""

    def __init__(self, store: ImageStore, draws: int, crop_px: int | None) -> None:
        self.store, self.draws, self.crop_px = store, draws, crop_px

    def __len__(self) -> int:
        return len(self.store) * self.draws

    def __getitem__(self, item: int) -> tuple[int, Patch]:
        return item, self.store.cut(item // self.draws, self._center)

    def _center(self, height: int, width: int) -> Window:
        rows, columns = (self._side(side) for side in (height, width))
        return rows, columns

    def _side(self, side: int) -> slice:
        """The part of a side that is kept."""
        scale = self.store.scale
        whole = side // scale
        kept = whole if self.crop_px is None else min(whole, max(1, self.crop_px // scale))
        start = (whole - kept) // 2
        return slice(start * scale, (start + kept) * scale)


def collate_training(rows: Sequence[tuple[Slot, Patch]]) -> RawBatch:
    """Join patches into a batch."""
    return _join([patch for _, patch in rows], step=rows[0][0].step, item=None)


def collate_validation(rows: Sequence[tuple[int, Patch]]) -> RawBatch:
    """Make a batch of one whole photo; several would differ in size."""
    ((item, image),) = rows
    return _join([image], step=None, item=item)


def _join(patches: Sequence[Patch], step: int | None, item: int | None) -> RawBatch:
    hr = torch.from_numpy(np.stack([patch.hr for patch in patches]))
    small = [patch.lr for patch in patches if patch.lr is not None]  # all have one, or none
    lr = torch.from_numpy(np.stack(small)) if small else None
    broken = {path: reason for patch in patches for path, reason in patch.broken.items()}
    return RawBatch(hr, lr, [patch.name for patch in patches], step, item, broken)
