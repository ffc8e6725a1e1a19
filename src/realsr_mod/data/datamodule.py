"""Photos to batches: which photos there are, in which order they come, and what is made of them."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities import rank_zero_only, rank_zero_warn
from torch.utils.data import DataLoader

from realsr_mod.data.batch import SRBatch
from realsr_mod.data.checks import OnBadImage, Size, check_images
from realsr_mod.data.pairs import check_pair_sizes, find_pairs
from realsr_mod.data.patches import (
    ImageFile,
    ImagePair,
    ImageStore,
    RawBatch,
    TrainPatches,
    WholeImages,
    collate_training,
    collate_validation,
)
from realsr_mod.data.patterns import PatternMixer
from realsr_mod.data.photos import embedded_photos
from realsr_mod.data.sampler import StepBatchSampler, StepLoader
from realsr_mod.data.split import split_by_name, without
from realsr_mod.data.transfer import degraded, repeated, to_device
from realsr_mod.degradations.base import Degradation
from realsr_mod.images.bounds import MAX_PIXELS
from realsr_mod.images.find import find_images, image_folder
from realsr_mod.images.luma import MIN_SIDE_PX
from realsr_mod.runtime.processes import leave_signals_to_parent

log = logging.getLogger(__name__)


class SRDataModule(pl.LightningDataModule, ABC):
    """Training patches and whole validation photos, as `SRBatch`. Subclasses say where the photos are.

    The trainer must be made with `use_distributed_sampler=False`: the order and the ranks' shares are decided here.

    Args:
        scale: how many times larger the ground truth is.
        degradation: makes the low-resolution images; None if they are real ones from disk.
        hr_crop_px: side of a training patch in the ground truth, a multiple of the scale.
        batch_size: patches per step and device.
        seed: decides order, crops and degradations of the training.
        num_workers: processes that read photos; the batches do not depend on it.
        val_draws: with how many different degradations every validation photo is degraded, the same ones each time.
        val_crop_px: validate on the centre of larger photos, at most so many pixels wide and high; None for all of it.
        min_side_px: photos with a shorter side are bad.
        on_bad_image: bad photos at the start of the training: "skip" (named and counted) or "error".
        on_late_bad_image: photos that break while the training runs: "skip" (replaced by the next) or "error".
        max_megapixels: larger images are bad: they may be made to fill the memory.
        cache_gib: memory for decoded training photos, over all workers, and as much again for validation photos.
        pattern_share: of the training patches that fine patterns are drawn into; see `PatternMixer`.
    """

    def __init__(
        self,
        scale: int,
        degradation: Degradation | None = None,
        hr_crop_px: int = 96,
        batch_size: int = 16,
        seed: int = 0,
        num_workers: int = 0,
        val_draws: int = 1,
        val_crop_px: int | None = None,
        min_side_px: int = 32,
        on_bad_image: OnBadImage = "skip",
        on_late_bad_image: OnBadImage = "skip",
        max_megapixels: float = MAX_PIXELS / 1e6,
        cache_gib: float = 1.0,
        pattern_share: float = 0.0,
    ) -> None:
        super().__init__()
        if hr_crop_px < scale or hr_crop_px % scale:
            raise ValueError(
                f"data.hr_crop_px must be a multiple of scale={scale}, got {hr_crop_px}; "
                f"take {max(1, hr_crop_px // scale) * scale}"
            )
        if degradation is not None and degradation.scale != scale:
            raise ValueError(
                f"the degradation has scale {degradation.scale}, the data have scale {scale}; set one scale"
            )
        if on_late_bad_image not in ("skip", "error"):
            raise ValueError(f"data.on_late_bad_image must be 'skip' or 'error', got {on_late_bad_image!r}")
        smallest = MIN_SIDE_PX + 2 * scale
        if val_crop_px is not None and val_crop_px < smallest:
            raise ValueError(f"data.val_crop_px must be at least {smallest} to be measured, got {val_crop_px}")
        if val_draws < 1:
            raise ValueError(f"data.val_draws must be at least 1, got {val_draws}")
        self.scale, self.degradation, self.seed = scale, degradation, seed
        self.hr_crop_px, self.batch_size, self.num_workers = hr_crop_px, batch_size, num_workers
        self.val_draws, self.val_crop_px = val_draws, val_crop_px
        self.min_side_px, self.cache_gib = min_side_px, cache_gib
        self.on_bad_image, self.on_late_bad_image = on_bad_image, on_late_bad_image
        self.max_pixels = int(max_megapixels * 1e6)
        self.patterns = PatternMixer(pattern_share, seed)
        self.train_files: Sequence[ImageFile] = []
        self.val_files: Sequence[ImageFile] = []
        self.skipped_images: dict[str, str] = {}  # reason by path, of all that were left out or replaced

    @abstractmethod
    def find_files(self) -> tuple[Sequence[ImageFile], Sequence[ImageFile]]:
        """The photos to train on and those to validate on, checked. Sets nothing."""

    def setup(self, stage: str | None = None) -> None:
        """Find and check the photos, once."""
        if self.train_files:
            return
        train, val = self.find_files()
        if not train or not val:
            raise ValueError(f"{len(train)} photos to train on and {len(val)} to validate on; both need at least one")
        self.train_files, self.val_files = train, val
        counts = len(self.train_files), len(self.val_files), len(self.skipped_images)
        rank_zero_only(log.info)("%d photos to train on, %d to validate on, %d left out", *counts)

    def check(self, paths: Sequence[Path], min_side_px: int) -> dict[Path, Size]:
        """Look at every file once: the sizes of the good ones. Bad ones go to `skipped_images`, or raise."""
        checked = check_images(paths, min_side_px, self.on_bad_image, max_pixels=self.max_pixels)
        self.skipped_images |= {str(path): reason for path, reason in checked.bad.items()}
        return checked.sizes

    def train_dataloader(self) -> StepLoader:
        """All steps of the training, or those that are left after the one that a checkpoint was written at."""
        self.setup()
        sampler = StepBatchSampler(
            len(self.train_files), self.batch_size, self._num_steps(), self.seed, self._rank, self._world_size
        )
        dataset = self._train_patches()
        return StepLoader(
            dataset,
            batch_sampler=sampler,
            collate_fn=collate_training,
            steps_done=self._steps_done,
            **self._loader_options(),
        )

    def first_batches(self, count: int) -> Iterator[RawBatch]:
        """The first `count` batches of a training as one process reads them, on the CPU and not degraded."""
        self.setup()
        slots = StepBatchSampler(len(self.train_files), self.batch_size, count, self.seed)
        dataset = self._train_patches()
        return (collate_training([dataset[slot] for slot in step]) for step in slots)

    def val_dataloader(self) -> DataLoader[Any]:
        """Whole photos one by one; each rank has its share, and none is repeated to make the shares equal."""
        self.setup()
        dataset = WholeImages(self._store(self.val_files), self.val_draws, self.val_crop_px)
        if len(dataset) < self._world_size:
            raise ValueError(
                f"{len(dataset)} validation images for {self._world_size} processes, each needs one: hold out more "
                "(data.val_count, data.val_root), or raise data.val_draws"
            )
        share = range(self._rank, len(dataset), self._world_size)
        return DataLoader(dataset, batch_size=1, sampler=share, collate_fn=collate_validation, **self._loader_options())

    @property
    def can_repeat_degradations(self) -> bool:
        """Whether photos can be degraded again in the same way: they are no real pairs, and there are two of them."""
        return self.degradation is not None and not self.degradation.versions and len(self.val_files) > 1

    def repeated_degradations(
        self, files: Sequence[ImageFile], device: torch.device | str = "cpu", draws: int = 8, side_px: int = 192
    ) -> Iterator[SRBatch]:
        """Each photo as a batch of it under the same `draws` degradations; of real pairs, the one that there is.

        All are cut to one square from the centre, of `side_px` HR pixels or what the smallest photo allows.
        """
        whole = WholeImages(self._store(files), draws=1, crop_px=side_px)
        side = min(min(whole[index][1].hr.shape[:2]) for index in range(len(whole)))
        squares = WholeImages(whole.store, draws=1, crop_px=side)
        raw = (collate_validation([squares[index]]) for index in range(len(squares)))
        yield from repeated(raw, self.degradation, draws, side, device)

    def batches(
        self, steps: int, device: torch.device | str = "cpu", start_step: int = 0, rank: int = 0, world_size: int = 1
    ) -> Iterator[SRBatch]:
        """Training batches for a loop of one's own, without a trainer: those that Lightning's training would see.

        Args:
            steps: the batches of the whole training are numbered 0 to `steps - 1`.
            device: where they are wanted; they are degraded there.
            start_step: the first one that is made: where a loop goes on that was interrupted.
            rank, world_size: of how many processes this is which one; each gets a share of its own.
        """
        self.setup()
        sampler = StepBatchSampler(
            len(self.train_files), self.batch_size, steps, self.seed, rank, world_size, start_step
        )
        dataset = self._train_patches()
        options = self._loader_options() | {"batch_sampler": sampler, "collate_fn": collate_training}
        for raw in DataLoader(dataset, **options):
            yield self._degraded(to_device(raw, device), rank)

    def on_after_batch_transfer(self, batch: RawBatch, dataloader_idx: int = 0) -> SRBatch:
        """Make float images of a batch and, unless it holds real pairs, degrade them, all on the batch's device."""
        return self._degraded(batch, self._rank)

    def _degraded(self, batch: RawBatch, rank: int) -> SRBatch:
        self._report_broken(batch.broken)
        return degraded(batch, self.degradation, self.seed, rank)

    def _report_broken(self, broken: dict[str, str]) -> None:
        news = {path: reason for path, reason in broken.items() if path not in self.skipped_images}
        self.skipped_images |= news
        for path, reason in news.items():
            log.warning("%s: %s; the next photo takes its place", path, reason)

    def _train_patches(self) -> TrainPatches:
        return TrainPatches(self._store(self.train_files), self.hr_crop_px, self.seed, self.patterns)

    def _store(self, images: Sequence[ImageFile]) -> ImageStore:
        cache_bytes = int(self.cache_gib * 2**30) // max(1, self.num_workers)
        return ImageStore(images, self.scale, cache_bytes, self.on_late_bad_image, self.max_pixels)

    def _loader_options(self) -> dict[str, Any]:
        return {
            "num_workers": self.num_workers,
            "persistent_workers": self.num_workers > 0,
            "pin_memory": torch.cuda.is_available(),
            "worker_init_fn": leave_signals_to_parent if self.num_workers else None,
            "generator": torch.Generator(),  # a loader draws a number for its workers: not from the global state
        }

    @property
    def _rank(self) -> int:
        return self.trainer.global_rank if self.trainer else 0

    @property
    def _world_size(self) -> int:
        return self.trainer.world_size if self.trainer else 1

    def _num_steps(self) -> int:
        """Batches of the whole training, which is one epoch."""
        if self.trainer is None or self.trainer.max_steps < 1:
            raise ValueError("the number of training steps is not known; set trainer.max_steps")
        return self.trainer.max_steps * self.trainer.accumulate_grad_batches

    def _steps_done(self) -> int:
        """Lightning's own count of batches trained on; it goes through its checkpoints."""
        assert self.trainer is not None, "a checkpoint is written in a training"
        total = self.trainer.fit_loop.epoch_loop.batch_progress.total
        done: int = total.processed  # type: ignore[attr-defined]  # declared as a kind that counts less
        return done


class EmbeddedDataModule(SRDataModule):
    """The photos that come with scikit-image and scikit-learn, with their fixed split (`images.py`)."""

    def __init__(self, degradation: Degradation, **common: Any) -> None:
        super().__init__(degradation=degradation, **common)

    def find_files(self) -> tuple[Sequence[ImageFile], Sequence[ImageFile]]:
        train, val = ([ImageFile(path.stem, path) for path in paths] for paths in embedded_photos())
        good = self.check([image.hr for image in train + val], self.min_side_px)
        return [image for image in train if image.hr in good], [image for image in val if image.hr in good]


class FolderDataModule(SRDataModule):
    """Photos of one's own.

    Args:
        root: folder of photos, searched with all folders inside it.
        val_root: folder of validation photos; None takes `val_count` photos out of `root`.
        val_count: how many; which ones depends on the names alone, so adding photos hardly changes the choice.
        common: SRDataModule's arguments.
    """

    def __init__(
        self, root: str, degradation: Degradation, val_root: str | None = None, val_count: int = 8, **common: Any
    ) -> None:
        super().__init__(degradation=degradation, **common)
        self.root, self.val_root, self.val_count = root, val_root, val_count

    def find_files(self) -> tuple[Sequence[ImageFile], Sequence[ImageFile]]:
        images = self._files_in(self.root)
        if self.val_root is not None:
            held_out = self._files_in(self.val_root)
            return without(images, held_out), held_out
        return split_by_name(images, self.val_count)

    def _files_in(self, root: str) -> Sequence[ImageFile]:
        folder = image_folder(root)
        good = self.check(find_images(folder, rank_zero_warn), self.min_side_px)
        return [ImageFile(path.relative_to(folder).as_posix(), path) for path in good]


class PairedDataModule(SRDataModule):
    """Real pairs: two folders that hold the same images, under the same names, at both resolutions.

    Args:
        hr_root: folder of high-resolution images.
        lr_root: folder of low-resolution ones, exactly `scale` times smaller.
        val_hr_root, val_lr_root: the same for validation; None takes `val_count` pairs out of the training folders.
        val_count: how many.
        common: SRDataModule's arguments.
    """

    def __init__(
        self,
        hr_root: str,
        lr_root: str,
        val_hr_root: str | None = None,
        val_lr_root: str | None = None,
        val_count: int = 4,
        **common: Any,
    ) -> None:
        super().__init__(degradation=None, **common)
        if (val_hr_root is None) != (val_lr_root is None):
            raise ValueError("give both data.val_hr_root and data.val_lr_root, or neither")
        self.hr_root, self.lr_root = hr_root, lr_root
        self.val_hr_root, self.val_lr_root, self.val_count = val_hr_root, val_lr_root, val_count

    def find_files(self) -> tuple[Sequence[ImageFile], Sequence[ImageFile]]:
        images = self._pairs_in(self.hr_root, self.lr_root)
        if self.val_hr_root is not None and self.val_lr_root is not None:
            held_out = self._pairs_in(self.val_hr_root, self.val_lr_root)
            return without(images, held_out), held_out
        return split_by_name(images, self.val_count)

    def _pairs_in(self, hr_root: str, lr_root: str) -> list[ImagePair]:
        images = find_pairs(hr_root, lr_root)
        sizes = self.check([image.hr for image in images], self.min_side_px)
        sizes |= self.check([image.lr for image in images], max(1, self.min_side_px // self.scale))
        images = [image for image in images if image.hr in sizes and image.lr in sizes]
        check_pair_sizes(images, sizes, self.scale)
        return images
