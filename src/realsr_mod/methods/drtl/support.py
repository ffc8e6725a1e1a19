"""A camera's few pairs as training and validation data: checked, if wanted registered, and divided.

Legend: H and W the high-resolution size, s the scale.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from rich.progress import track

from realsr_mod.data.alignment import AlignmentError, fit_colors, misalignment_px, register
from realsr_mod.data.checks import list_some
from realsr_mod.data.datamodule import SRDataModule
from realsr_mod.data.pairs import check_pair_sizes, find_pairs
from realsr_mod.data.patches import ImageFile, ImagePair, ImageStore
from realsr_mod.images.find import image_folder
from realsr_mod.images.rgb import read_rgb
from realsr_mod.metrics import MIN_SIDE_PX

log = logging.getLogger(__name__)

Pair = tuple[np.ndarray, np.ndarray]  # HR (H, W, 3) and LR (H/s, W/s, 3), uint8
TRAINING, HELD_OUT = "training part", "held-out part"


class SupportDataModule(SRDataModule):
    """Pairs of one camera, as few as one. Of every image one end is held out to tell when to stop.

    Held out is a part of each image rather than some whole images, so that all of them are learned from.

    Args:
        root: folder with HR/ and LR/, images of the same names, HR ones `scale` times as large.
        registration: warp every HR image onto its LR one by a global affine transform (see `data/alignment.py`);
            then sizes need not fit exactly.
        max_shift_px: pairs that are misaligned by more HR pixels are refused.
        match_colors: give HR the colours of LR by one affine fit over all pairs; else the network learns them.
        held_out: fraction of each image, cut from the end of its longer side.
        common: SRDataModule's arguments.
    """

    def __init__(
        self,
        root: str,
        registration: bool = False,
        max_shift_px: float = 3.0,
        match_colors: bool = False,
        held_out: float = 0.2,
        **common: Any,
    ) -> None:
        super().__init__(degradation=None, **common)
        if not 0 < held_out < 1:
            raise ValueError(f"data.held_out must be between 0 and 1, got {held_out}")
        self.root, self.registration, self.max_shift_px = image_folder(root), registration, max_shift_px
        self.match_colors, self.held_out = match_colors, held_out
        self._parts: dict[str, Pair] = {}  # by the names of the photos that stand for them

    def find_files(self) -> tuple[list[ImagePair], list[ImagePair]]:
        images = self._usable(find_pairs(self.root / "HR", self.root / "LR"))
        pairs = {
            image.name: (read_rgb(image.hr, self.max_pixels), read_rgb(image.lr, self.max_pixels)) for image in images
        }
        pairs = self._color_checked(self._aligned(pairs))
        train: list[ImagePair] = []
        val: list[ImagePair] = []
        for image in images:
            parts = divide(pairs[image.name], self.held_out, self.scale, image.name)
            for part, name, chosen in zip(parts, (TRAINING, HELD_OUT), (train, val), strict=True):
                chosen.append(ImagePair(f"{image.name}, {name}", image.hr, image.lr))
                self._parts[chosen[-1].name] = part
        return train, val

    def _usable(self, images: Sequence[ImagePair]) -> list[ImagePair]:
        """The pairs that can be read and, unless they will be registered, fit in size."""
        sizes = self.check([image.hr for image in images], self.min_side_px)
        sizes |= self.check([image.lr for image in images], max(1, self.min_side_px // self.scale))
        images = [image for image in images if image.hr in sizes and image.lr in sizes]
        if not self.registration:
            try:
                check_pair_sizes(images, sizes, self.scale)
            except ValueError as error:
                raise ValueError(f"{error}; or let HR be warped onto LR: data.registration=true") from error
        return images

    def _aligned(self, pairs: Mapping[str, Pair]) -> dict[str, Pair]:
        """Register the pairs if wanted; raise if any is misaligned then. Says how well they fit."""
        aligned, shifts, failures = {}, {}, []
        for name, pair in track(pairs.items(), "checking pairs", transient=True, disable=len(pairs) < 2):
            try:
                aligned[name] = register(*pair, self.scale) if self.registration else pair
                shifts[name] = misalignment_px(*aligned[name])
            except AlignmentError as error:
                failures.append(f"{name}: {error}")
        failures += [f"{name}: {s:.1f} px apart" for name, s in shifts.items() if s > self.max_shift_px]
        if failures:
            remedy = (
                "Leave these pairs out, or shoot them again"
                if self.registration
                else "Set data.registration=true to warp HR onto LR, leave them out, or raise data.max_shift_px"
            )
            raise ValueError(
                f"{len(failures)} of {len(pairs)} pairs do not show the same at the same place (more than "
                f"{self.max_shift_px:g} HR pixels apart):{list_some(failures)}\n{remedy}"
            )
        worst = max(shifts, key=lambda name: shifts[name])
        log.info("%d pairs, at most %.1f HR pixels apart (%s)", len(pairs), shifts[worst], worst)
        return aligned

    def _color_checked(self, pairs: dict[str, Pair]) -> dict[str, Pair]:
        """Say how far the colours of LR and HR differ; match them if wanted."""
        fit = fit_colors(list(pairs.values()))
        log.info(
            "colours: LR minus HR is %+.1f, %+.1f, %+.1f (red, green, blue; of 255) on average; a global colour fit "
            "brings the difference at LR size from %.1f to %.1f%s",
            *fit.mean_difference, fit.error_before, fit.error_after,
            ", done" if self.match_colors else " (data.match_colors=true does it)",
        )  # fmt: skip
        return {name: (fit.apply(hr), lr) for name, (hr, lr) in pairs.items()} if self.match_colors else pairs

    def _store(self, images: Sequence[ImageFile]) -> ImageStore:
        return PreparedStore(images, self.scale, self._parts)


class PreparedStore(ImageStore):
    """Serves images that are in memory already, by the photos' names."""

    def __init__(self, images: Sequence[ImageFile], scale: int, pairs: Mapping[str, Pair]) -> None:
        super().__init__(images, scale, cache_bytes=0, on_late_bad_image="error")
        self.pairs = pairs

    def _arrays(self, number: int) -> Pair:
        return self.pairs[self.images[number].name]


def divide(pair: Pair, fraction: float, scale: int, name: str) -> tuple[Pair, Pair]:
    """Cut a pair across its longer side: what is trained on, and the held-out `fraction` at the end.

    Raises ValueError if either part is too small to be measured.
    """
    hr, lr = pair
    axis = int(lr.shape[1] > lr.shape[0])
    side = lr.shape[axis]
    cut = side - round(fraction * side)
    smallest = min(cut, side - cut, lr.shape[1 - axis]) * scale
    if smallest < MIN_SIDE_PX + 2 * scale:
        raise ValueError(
            f"{name}: {hr.shape[0]}x{hr.shape[1]} pixels are too few to hold out {fraction:g} of them; both parts need "
            f"{MIN_SIDE_PX + 2 * scale} pixels. Use larger images"
        )
    (hr_train, hr_val), (lr_train, lr_val) = (np.split(a, [n], axis) for a, n in ((hr, cut * scale), (lr, cut)))
    return (hr_train, lr_train), (hr_val, lr_val)
