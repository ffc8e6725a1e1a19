"""Degradations to measure under, the same in every run: fixed ones, ones drawn from a seed, and real pairs.

Legend: images are (1, 3, H, W), RGB in [0, 1].
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from realsr_mod.data.pairs import find_pairs
from realsr_mod.degradations.base import Degradation, shape_of
from realsr_mod.degradations.classic import Bicubic, ClassicDegradation
from realsr_mod.images.bounds import MAX_PIXELS
from realsr_mod.images.find import find_images, image_folder
from realsr_mod.images.tensors import to_tensor
from realsr_mod.runtime.rng import image_generator


@dataclass
class Case:
    """One image to restore: its name, under which condition, its truth, if known, and its place in its folder."""

    condition: str
    name: str
    lr: Tensor
    hr: Tensor | None
    place: int = 0


Wanted = Callable[[str], bool]  # is told an image's path inside its folder and says whether to look at it at all
OnBad = Callable[[str, str], object]  # is told an image's path and why it is left out


def raise_it(path: str, reason: str) -> None:
    """What is done about a bad image unless the caller wants otherwise."""
    raise ValueError(reason)


def every_image(path: str) -> bool:
    """What is wanted unless the caller wants less."""
    return True


def _wanted_images(root: str | Path, wanted: Wanted) -> Iterator[tuple[int, Path, str]]:
    """The wanted images of a folder: the place of each among all of them, the file, and its path inside the folder."""
    for place, path in enumerate(find_images(root)):
        if wanted(inside := path.relative_to(image_folder(root)).as_posix()):
            yield place, path, inside


def _read(path: Path, multiple: int, max_pixels: int, on_bad: OnBad) -> Tensor | None:
    """An image, or None for one that cannot be read or is too small, which `on_bad` is told."""
    try:
        return to_tensor(path, multiple, max_pixels)
    except (ValueError, OSError) as error:
        on_bad(str(path), str(error))
        return None


@dataclass
class Blur:
    """A fixed blur. `sigma_px`: one width, or two along and across `theta_deg`; None: no blur."""

    sigma_px: float | tuple[float, float] | None = None
    theta_deg: float = 0.0

    def __str__(self) -> str:
        if self.sigma_px is None:
            return "no blur"
        if isinstance(self.sigma_px, float | int):
            return f"σ {self.sigma_px:.2f}".removesuffix("0")
        return f"σ {self.sigma_px[0]:.1f}×{self.sigma_px[1]:.1f} at {self.theta_deg:.0f}°"


class FixedClassic:
    """Every image under every combination of the blurs and noise levels, bicubic downscaling and 8 bits.

    Nothing is random but the noise pattern, which hangs on the image's place in its set.

    Args:
        scale: HR size over LR size; images are cropped to a multiple of it (bottom and right).
        blurs: each `{sigma_px: 1.8}` or `{sigma_px: [4.0, 1.0], theta_deg: 45}` or `{}`.
        noise_sigmas_255: noise levels in 1/255 units.
        kernel_size: side of the blur kernel in pixels.
    """

    def __init__(
        self,
        scale: int,
        blurs: Sequence[Mapping[str, Any]],
        noise_sigmas_255: Sequence[float] = (0.0,),
        kernel_size: int = 21,
    ) -> None:
        self.scale = scale
        self.kernel_size = kernel_size
        self.conditions = [(Blur(**blur), noise) for blur in blurs for noise in noise_sigmas_255]

    def cases(
        self, root: str | Path, max_pixels: int = MAX_PIXELS, on_bad: OnBad = raise_it, wanted: Wanted = every_image
    ) -> Iterator[Case]:
        """The cases of the wanted images under the folder `root`, image by image."""
        for place, path, _ in _wanted_images(root, wanted):
            hr = _read(path, self.scale, max_pixels, on_bad)
            if hr is None:
                continue
            for blur, noise in self.conditions:
                name = str(blur) + (f", noise {noise:g}" if noise else "")
                yield Case(name, path.name, self.degrade(hr, blur, noise, place), hr, place)

    def count(self, root: str | Path) -> int:
        """How many cases there are."""
        return len(find_images(root)) * len(self.conditions)

    def degrade(self, hr: Tensor, blur: Blur, noise_sigma_255: float, noise_seed: int) -> Tensor:
        """The LR image of `hr` under one condition."""
        if blur.sigma_px is None and not noise_sigma_255:
            return Bicubic(self.scale)(hr, {})
        sigma_x, sigma_y = blur.sigma_px if isinstance(blur.sigma_px, Sequence) else [blur.sigma_px or 1e-2] * 2
        noise_range = (noise_sigma_255, noise_sigma_255)
        isotropic = sigma_x == sigma_y
        degradation = ClassicDegradation(
            self.scale, self.kernel_size, anisotropic=not isotropic, noise_sigma_range_255=noise_range
        )
        params = {
            "blur": {
                "sigma_x": torch.tensor([float(sigma_x)]),
                "sigma_y": torch.tensor([float(sigma_y)]),
                "theta": torch.tensor([math.radians(blur.theta_deg)]),
            },
            "noise": {"sigma": torch.tensor([noise_sigma_255 / 255]), "seed": torch.tensor([noise_seed])},
        }
        return degradation(hr, params)


class Gaussian8(FixedClassic):
    """The eight isotropic widths that blind super-resolution is measured on, without noise.

    At ×4 1.8, 2.0 … 3.2 px, at ×3 1.35, 1.5 … 2.4 px, at ×2 0.9, 1.0 … 1.6 px: in proportion to the scale.

    Args:
        scale: HR size over LR size, 2, 3 or 4.
        kernel_size: side of the blur kernel in pixels.
    """

    def __init__(self, scale: int, kernel_size: int = 21) -> None:
        if scale not in (2, 3, 4):
            raise ValueError(f"gaussian8 is defined for scale 2, 3 and 4, got {scale}; take protocol=iso")
        widths = [round(scale * (9 + step) / 20, 2) for step in range(8)]
        super().__init__(scale, [{"sigma_px": width} for width in widths], kernel_size=kernel_size)


class Seeded:
    """Every image under degradations drawn from a seed and its name: its own ones, and the same in every run.

    `python -m realsr_mod.degrade ROOT --degradation … --seed …` writes the very LR images. The truth is what networks
    are trained towards under this degradation: where it sharpens the photo before it degrades it, the sharpened photo.

    Args:
        scale: HR size over LR size; images are cropped to a multiple of it (bottom and right).
        degradation: what the params are drawn of.
        seeds: one draw per image for each of them.
    """

    def __init__(self, scale: int, degradation: Degradation, seeds: Sequence[int] = (0,)) -> None:
        self.scale, self.degradation, self.seeds = scale, degradation, list(seeds)

    def cases(
        self, root: str | Path, max_pixels: int = MAX_PIXELS, on_bad: OnBad = raise_it, wanted: Wanted = every_image
    ) -> Iterator[Case]:
        """The cases of the wanted images under the folder `root`, image by image."""
        for place, path, name in _wanted_images(root, wanted):
            image = _read(path, self.scale, max_pixels, on_bad)
            if image is None:
                continue
            hr = self.degradation.target(image)
            for seed in self.seeds:
                params = self.degradation.sample(shape_of(image), image_generator(seed, name))
                yield Case(f"seed {seed}", name, self.degradation(image, params), hr, place)

    def count(self, root: str | Path) -> int:
        """How many cases there are."""
        return len(find_images(root)) * len(self.seeds)


class Photos:
    """Photos as they are, whose truth nobody knows; what is restored of them can be judged by itself alone."""

    def __init__(self, scale: int) -> None:
        self.scale = scale

    def cases(
        self, root: str | Path, max_pixels: int = MAX_PIXELS, on_bad: OnBad = raise_it, wanted: Wanted = every_image
    ) -> Iterator[Case]:
        """The wanted photos under the folder `root`."""
        for place, path, name in _wanted_images(root, wanted):
            image = _read(path, 1, max_pixels, on_bad)
            if image is not None:
                yield Case("as they are", name, image, None, place)

    def count(self, root: str | Path) -> int:
        """How many photos there are."""
        return len(find_images(root))


class Paired:
    """Real pairs: the folder holds `HR` and `LR` with images of the same names."""

    def __init__(self, scale: int) -> None:
        self.scale = scale

    def cases(
        self, root: str | Path, max_pixels: int = MAX_PIXELS, on_bad: OnBad = raise_it, wanted: Wanted = every_image
    ) -> Iterator[Case]:
        """The wanted pairs under `root`, sorted by name."""
        for place, pair in enumerate(find_pairs(image_folder(root) / "HR", image_folder(root) / "LR")):
            if not wanted(pair.name):
                continue
            lr, hr = _read(pair.lr, 1, max_pixels, on_bad), _read(pair.hr, 1, max_pixels, on_bad)
            if lr is None or hr is None:
                continue
            expected = tuple(side * self.scale for side in lr.shape[-2:])
            if tuple(hr.shape[-2:]) != expected:
                on_bad(
                    str(pair.hr),
                    f"{pair.hr}: HR is {hr.shape[-2]}x{hr.shape[-1]}; at scale={self.scale} it must be "
                    f"{expected[0]}x{expected[1]}. Check the model's scale, or that both folders hold the same images",
                )
                continue
            yield Case("pairs", pair.name, lr, hr, place)

    def count(self, root: str | Path) -> int:
        """How many pairs there are."""
        return len(find_images(image_folder(root) / "HR"))


class RealPairs(Paired):
    """A published set of real pairs as the field measures them: crops of 128 px, four times as many px of truth.

    The folder holds `HR` and `LR`, or `test_HR` and `test_LR`; names may tell the two apart by an ending (`_HR` and
    `_LR4`, `_x4` and `_x1`).

    Args:
        scale: HR size over LR size, 4.
        lr_side_px: of the LR images.
        published_count: how many pairs the set has; fewer are measured too, and the condition says so.
    """

    def __init__(self, scale: int, lr_side_px: int, published_count: int) -> None:
        super().__init__(scale)
        if scale != 4:
            raise ValueError(f"this set is ×4, the model is ×{scale}; take a model of ×4, or protocol=paired")
        self.lr_side_px, self.published_count = lr_side_px, published_count

    def cases(
        self, root: str | Path, max_pixels: int = MAX_PIXELS, on_bad: OnBad = raise_it, wanted: Wanted = every_image
    ) -> Iterator[Case]:
        """The wanted pairs under `root`, sorted by name. Raises ValueError for images that are no such crops."""
        pairs = find_pairs(*self._folders(root), ending=_ENDING)
        whole = len(pairs) == self.published_count
        condition = "real pairs" if whole else f"{len(pairs)} of {self.published_count}"
        for place, pair in enumerate(pairs):
            if not wanted(pair.name):
                continue
            lr, hr = _read(pair.lr, 1, max_pixels, on_bad), _read(pair.hr, 1, max_pixels, on_bad)
            if lr is None or hr is None:
                continue
            side = self.lr_side_px
            if tuple(lr.shape[-2:]) != (side, side) or tuple(hr.shape[-2:]) != (4 * side, 4 * side):
                on_bad(
                    str(pair.hr),
                    f"{pair.name}: LR is {lr.shape[-2]}x{lr.shape[-1]} and HR {hr.shape[-2]}x{hr.shape[-1]}; the set's "
                    f"crops are {side}x{side} and {4 * side}x{4 * side}. For whole photos take protocol=paired",
                )
                continue
            yield Case(condition, pair.name, lr, hr, place)

    def count(self, root: str | Path) -> int:
        """How many pairs there are."""
        return len(find_images(self._folders(root)[0]))

    def _folders(self, root: str | Path) -> tuple[Path, Path]:
        root = image_folder(root)
        hr, lr = root / "test_HR", root / "test_LR"
        return (hr, lr) if hr.is_dir() else (root / "HR", root / "LR")


_ENDING = re.compile(r"_(HR|LR\d?|x\d)$")  # of the names of RealSR's and DRealSR's files
