"""What the web page does, without the page: choose a model, open a photo, estimate its degrees, preview, upscale."""

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Unpack

import cv2
import numpy as np

from realsr_mod.data.photos import embedded_photos
from realsr_mod.images.bounds import RAISE
from realsr_mod.images.fit import fit_format
from realsr_mod.images.formats import FORMATS
from realsr_mod.images.image import ImageReadError, LoadedImage
from realsr_mod.images.read import decode_image
from realsr_mod.images.sandbox import decode_apart
from realsr_mod.images.write import write_image
from realsr_mod.inference.blend import texture_pair, textured
from realsr_mod.inference.compare import same_size_previews
from realsr_mod.inference.large import (
    Region,
    estimate_of_some,
    region_around,
    region_side,
    restored_by_regions,
    restored_pixels,
    restored_region,
)
from realsr_mod.inference.tiling import OnTile, unwatched
from realsr_mod.inference.upscaler import Upscaler, UpscalerSettings
from realsr_mod.weights import catalog, realesrgan
from realsr_mod.weights.locate import Model, ModelLocation, locate

PREVIEW_SIDE_PX = 1600
AT_ONCE_PIXELS = 160_000  # photos of at most so many are done whole at every move of a slider, of others a region
RESULT_PIXELS = 100_000_000  # the most that a result may have
METHODS = {"mmrealsr": "MM-RealSR", "crlsr": "CRL-SR"}  # whose papers write them otherwise than in capitals
SIZES = (1, 2, 3, 4)  # how much larger results can be, where the model and the photo allow it
EXAMPLE_SIDE_PX = 128
RAISED_BY_OTHERS = ", or ask whoever runs this page to raise the limit (--max-megapixels)"


@dataclass(frozen=True)
class OpenedImage:
    """An opened photo, and what each model that has seen it estimates of it: an embedding serves its own model only."""

    name: str
    image: LoadedImage
    embeddings: dict[str, np.ndarray] = field(default_factory=dict)  # by the model's name and texture

    @property
    def nbytes(self) -> int:
        """Of memory, near enough."""
        return self.image.pixels_HWC.nbytes + len(self.image.icc or b"") + len(self.image.exif or b"")

    @property
    def is_small(self) -> bool:
        """Whether it is done whole at once; of a larger one a region is shown first."""
        height, width = self.image.pixels_HWC.shape[:2]
        return bool(height * width <= AT_ONCE_PIXELS)

    def region(self, x: float, y: float) -> Region:
        """What is shown of a large photo around a point; `x` and `y` from 0 to 1."""
        return region_around(self.image.pixels_HWC, x, y)


@dataclass(frozen=True)
class Wish:
    """How a photo is to be made.

    Args:
        model: its name on the page.
        degrees: that a person has set.
        texture: from a pair of networks, 0 to 1; None: the model's own.
        outscale: how much larger; None: what the model and the photo allow, see `Studio.outscales`.
    """

    model: str
    degrees: dict[str, float] = field(default_factory=dict)
    texture: float | None = None
    outscale: int | None = None


class Studio:
    """Models by the names that people see, and all that can be done with them.

    Args:
        models: whatever `locate` takes, the preferred one first.
        max_pixels: larger photos are refused.
        settings: for `Upscaler`.
    """

    def __init__(self, models: Sequence[Model], max_pixels: int, **settings: Unpack[UpscalerSettings]) -> None:
        if not models:
            raise ValueError("no model to show; train one (python -m realsr_mod.train) or give --model")
        self.models = _named([locate(model) for model in models])
        self.max_pixels = max_pixels
        self.seconds_per_pixel: dict[str, float] = {}  # that is restored, by model, as last measured
        self._load = lru_cache(maxsize=3)(
            lambda name, texture: Upscaler.load(self._location(name, texture), **settings)
        )

    @property
    def names(self) -> list[str]:
        return list(self.models)

    # --- models ---

    def _model(self, name: str) -> ModelLocation:
        if name not in self.models:
            raise ValueError(f"there is no model {name!r}; choose one of the list")
        return self.models[name]

    def _location(self, name: str, texture: float | None) -> ModelLocation:
        return self._model(name) if texture is None else textured(self._model(name), texture)

    def texture(self, model: str) -> float | None:
        """Where a model stands between fidelity (0) and texture (1); None if it is no half of a pair."""
        pair = texture_pair(self._model(model))
        return None if pair is None else float(pair[1] == self.models[model])

    def upscaler(self, model: str, texture: float | None = None) -> Upscaler:
        """The model of that name, kept loaded; with another texture than its own, if it is half of a pair."""
        own = self.texture(model)
        return self._load(model, None if texture is None or own is None or texture == own else round(texture, 2))

    def about(self, model: str) -> str:
        """What kind of model it is, in a line for people."""
        location = self._model(model)
        if location.in_zoo:
            entry = catalog.read_entry(location.path.name)
            method = METHODS.get(entry.method, entry.method.upper())
            return f"{method}, {entry.parameters / 1e6:.1f} M parameters. {entry.made_for}"
        if (published := realesrgan.published(location.path.stem)) is not None:
            return f"Real-ESRGAN's own, {published.parameters / 1e6:.1f} M parameters. {published.made_for}"
        return f"{self.upscaler(model).engine.network_name}, trained or brought by whoever runs this page"

    def expected_seconds(self, model: str, height: int = 1000, width: int = 1000) -> float | None:
        """How long a photo, or a megapixel, will take, as what was done last did; None before the first."""
        per_pixel, side = self.seconds_per_pixel.get(model), region_side(self.upscaler(model))
        return None if per_pixel is None else per_pixel * restored_pixels(height, width, side)

    def _measured(self, wish: Wish, height: int, width: int, seconds: float) -> None:
        pixels = restored_pixels(height, width, region_side(self.upscaler(wish.model, wish.texture)))
        self.seconds_per_pixel[wish.model] = seconds / pixels

    def outscales(self, model: str, photo: OpenedImage | None = None) -> list[int]:
        """How much larger results can be: up to the model's own scale, and to `RESULT_PIXELS`."""
        height, width = photo.image.pixels_HWC.shape[:2] if photo is not None else (1, 1)
        scale = self.upscaler(model).scale
        found = [size for size in SIZES if size <= scale and height * width * size**2 <= RESULT_PIXELS]
        return found or [1]

    # --- photos ---

    def open(self, content: bytes, name: str) -> OpenedImage:
        """Decode a photo. Raises ValueError for what is no image or too large. Threads may do this side by side."""
        try:
            return OpenedImage(name, decode_apart(content, name, self.max_pixels))
        except ImageReadError as error:
            if not error.reason.endswith(RAISE):
                raise
            raise ImageReadError(name, error.reason.removesuffix(RAISE) + RAISED_BY_OTHERS) from None

    def embedding(self, photo: OpenedImage, model: str, texture: float | None = None) -> np.ndarray:
        """What this model estimates of the photo, (D,); estimated once."""
        key = f"{model} {texture}"
        if key not in photo.embeddings:
            upscaler, image = self.upscaler(model, texture), photo.image
            photo.embeddings[key] = (
                upscaler.estimate(image) if photo.is_small else estimate_of_some(upscaler, image.pixels_HWC)
            )
        return photo.embeddings[key]

    def degrees(self, photo: OpenedImage, model: str) -> dict[str, float]:
        """The estimated degrees by name; empty for a model without sliders."""
        sliders = self.upscaler(model).sliders
        if not sliders:
            return {}
        return {name: float(value) for name, value in zip(sliders, self.embedding(photo, model), strict=False)}

    def preview(self, photo: OpenedImage, wish: Wish, region: Region) -> tuple[np.ndarray, np.ndarray]:
        """A region of a large photo, as the whole will be: two 8-bit RGB images of one size, before and after."""
        upscaler, outscale, embedding_D = self._under(photo, wish)
        pixels_HWC, started = photo.image.pixels_HWC, time.perf_counter()
        made = restored_region(upscaler, pixels_HWC, region, embedding_D, wish.degrees, outscale)
        self._measured(wish, region.height, region.width, time.perf_counter() - started)
        before = replace(photo.image, pixels_HWC=np.ascontiguousarray(pixels_HWC[region.inside]))
        return same_size_previews(before, replace(photo.image, pixels_HWC=made), PREVIEW_SIDE_PX)

    def upscale(
        self, photo: OpenedImage, wish: Wish, folder: Path, on_tile: OnTile = unwatched
    ) -> tuple[Path, np.ndarray, np.ndarray]:
        """Upscale a whole photo and write it into `folder`: a small one as PNG of full depth, else as it came.

        Returns its path and two 8-bit RGB previews of one size: before (enlarged bicubically) and after.
        """
        upscaler, outscale, embedding_D = self._under(photo, wish)
        image, started = photo.image, time.perf_counter()
        if photo.is_small:
            degrees: dict[str, Any] = dict(wish.degrees)
            result = upscaler(image, outscale=outscale, embedding=embedding_D, on_tile=on_tile, **degrees)
        else:
            made = restored_by_regions(upscaler, image.pixels_HWC, embedding_D, wish.degrees, outscale, on_tile)
            result = replace(image, pixels_HWC=made)
        height, width = image.pixels_HWC.shape[:2]
        self._measured(wish, height, width, time.perf_counter() - started)
        folder.mkdir(exist_ok=True)  # it may have been taken for an old one while a large photo was upscaled
        fitting = fit_format(result, "png" if photo.is_small else image.format)
        path = folder / f"{Path(photo.name).stem}_x{outscale}{FORMATS[fitting.format].suffix}"
        write_image(path, fitting)
        return path, *same_size_previews(image, result, PREVIEW_SIDE_PX)

    def _under(self, photo: OpenedImage, wish: Wish) -> tuple[Upscaler, int, np.ndarray]:
        """By what a photo is made, how much larger, and under which estimate of the whole, (D,)."""
        possible = self.outscales(wish.model, photo)
        outscale = possible[-1] if wish.outscale is None else min(wish.outscale, possible[-1])
        upscaler = self.upscaler(wish.model, wish.texture)
        return upscaler, outscale, self.embedding(photo, wish.model, wish.texture)


def _named(models: Sequence[ModelLocation]) -> dict[str, ModelLocation]:
    """Names without the folders they lie in: `kdsr_student · 2026-01-31 12:00`, `RealESRGAN_x4plus`, `kdsr-real-x4`."""
    named: dict[str, ModelLocation] = {}
    for model in models:
        path = model.path
        run = path.resolve().parent if path.name in ("model", "export") else path.resolve()
        name = run.stem if path.is_file() else path.name if model.in_zoo else f"{run.parent.name} · {run.name}"
        name = model.on_hub.name if model.on_hub else name
        name = re.sub(r"(\d{4}-\d\d-\d\d)_(\d\d)-(\d\d)-\d\d", r"\1 \2:\3", name)
        copies = sum(other == name or other.startswith(f"{name} (") for other in named)
        named[f"{name} ({copies + 1})" if copies else name] = model
    return named


def example_images(folder: Path) -> list[Path]:
    """Small versions of the embedded photos, by turns blurry and noisy, written into `folder`."""
    training, validation = embedded_photos()
    wanted = ("chelsea", "coffee", "astronaut", "china", "rocket", "flower")
    photos = sorted((p for p in validation + training if p.stem in wanted), key=lambda p: wanted.index(p.stem))
    written = []
    for number, photo in enumerate(photos):
        pixels = decode_image(photo.read_bytes(), photo.name).pixels_HWC.astype(np.float32)
        height, width = pixels.shape[:2]
        side = min(height, width)
        top, left = (height - side) // 4, (width - side) // 2  # faces and subjects sit above the middle
        noisy = number % 2 == 1
        square = cv2.GaussianBlur(pixels[top : top + side, left : left + side], (0, 0), side / (250 if noisy else 110))
        small = cv2.resize(square, (EXAMPLE_SIDE_PX, EXAMPLE_SIDE_PX), interpolation=cv2.INTER_AREA)
        noise = np.random.default_rng(number).normal(0, 4 if noisy else 1, small.shape)
        path = folder / f"{photo.stem}.png"
        write_image(path, LoadedImage((small + noise).clip(0, 255).round().astype(np.uint8)))
        written.append(path)
    return written
