"""What the web page does, without the page: choose a model, open a photo, estimate its degrees, upscale it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Unpack

import cv2
import numpy as np
from torch import Tensor

from realsr_mod.data.photos import embedded_photos
from realsr_mod.images.bounds import RAISE
from realsr_mod.images.fit import fit_format
from realsr_mod.images.image import ImageReadError, LoadedImage
from realsr_mod.images.read import decode_image
from realsr_mod.images.sandbox import decode_apart
from realsr_mod.images.write import write_image
from realsr_mod.inference.compare import same_size_previews
from realsr_mod.inference.tiling import unwatched
from realsr_mod.inference.upscaler import Upscaler, UpscalerSettings
from realsr_mod.weights.locate import Model, ModelLocation, locate

PREVIEW_SIDE_PX = 1600
EXAMPLE_SIDE_PX = 128
RAISED_BY_OTHERS = ", or ask whoever runs this page to raise the limit (--max-megapixels)"


@dataclass(frozen=True)
class OpenedImage:
    """An opened photo, and what each model that has seen it estimates of it: an embedding serves its own model only."""

    name: str
    image: LoadedImage
    embeddings: dict[str, Tensor] = field(default_factory=dict)  # by the model's name

    @property
    def nbytes(self) -> int:
        """Of memory, near enough."""
        return self.image.pixels_HWC.nbytes + len(self.image.icc or b"") + len(self.image.exif or b"")


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
        self._load = lru_cache(maxsize=2)(lambda name: Upscaler.load(self.models[name], **settings))

    @property
    def names(self) -> list[str]:
        return list(self.models)

    def upscaler(self, model: str) -> Upscaler:
        """The model of that name, kept loaded."""
        if model not in self.models:
            raise ValueError(f"there is no model {model!r}; choose one of the list")
        return self._load(model)

    def open(self, content: bytes, name: str) -> OpenedImage:
        """Decode a photo. Raises ValueError for what is no image or too large. Threads may do this side by side."""
        try:
            return OpenedImage(name, decode_apart(content, name, self.max_pixels))
        except ImageReadError as error:
            if not error.reason.endswith(RAISE):
                raise
            raise ImageReadError(name, error.reason.removesuffix(RAISE) + RAISED_BY_OTHERS) from None

    def embedding(self, photo: OpenedImage, model: str) -> Tensor:
        """What this model estimates of the photo, (D,); estimated once."""
        if model not in photo.embeddings:
            photo.embeddings[model] = self.upscaler(model).embed(photo.image)
        return photo.embeddings[model]

    def degrees(self, photo: OpenedImage, model: str) -> dict[str, float]:
        """The estimated degrees by name; empty for a model without sliders."""
        sliders = self.upscaler(model).sliders
        if not sliders:
            return {}
        return {name: float(value) for name, value in zip(sliders, self.embedding(photo, model), strict=False)}

    def upscale(
        self, photo: OpenedImage, model: str, degrees: dict[str, float], folder: Path
    ) -> tuple[Path, np.ndarray, np.ndarray]:
        """Upscale; writes a PNG of full depth into `folder`.

        Returns its path and two 8-bit RGB previews of one size: before (enlarged bicubically) and after.
        """
        upscaler = self.upscaler(model)
        embedding = self.embedding(photo, model)
        result = upscaler(
            photo.image,
            outscale=None,
            size=None,
            embedding=embedding,
            on_estimate=unwatched,
            on_tile=unwatched,
            **degrees,
        )
        folder.mkdir(exist_ok=True)  # it may have been taken for an old one while a large photo was upscaled
        path = folder / f"{Path(photo.name).stem}_x{upscaler.scale}.png"
        write_image(path, fit_format(result, "png"))
        return path, *same_size_previews(photo.image, result, PREVIEW_SIDE_PX)


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
