"""What the page's events do."""

import logging
import os
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import cv2
import gradio as gr
import numpy as np

from realsr_mod.images.rgb import to_rgb
from realsr_mod.inference.studio import OpenedImage, Studio, Wish, example_images
from realsr_mod.inference.visitors import PHOTO_MEMORY_OPTION, PhotoStore, VisitorsFolder

logger = logging.getLogger(__name__)

SLIDERS = {
    "blur": "higher sharpens more",
    "noise": "higher smooths more",
}
OVERVIEW_SIDE_PX = 640
MARK_RGB = (99, 102, 241)  # the page's own color
MIDDLE = (0.5, 0.5)
_PROGRESS = gr.Progress()  # a default by which the framework knows that an event tells how far it is


def plainly(handler: Callable[..., Any]) -> Callable[..., Any]:
    """Show the user what is wrong in a sentence; what is not the user's doing goes to the server's log."""

    @wraps(handler)
    def guarded(*arguments: Any) -> Any:
        try:
            return handler(*arguments)
        except ValueError as error:
            raise gr.Error(str(error), print_exception=False) from None
        except MemoryError:
            message = "This photo is too large for this computer; try a smaller one."
            raise gr.Error(message, print_exception=False) from None
        except Exception:
            logger.exception("the page could not do this")
            raise gr.Error("Something went wrong; the server's log says what.", print_exception=False) from None

    return guarded


class Handlers:
    """What the page's events do. Each returns new values for the components that it is wired to.

    A session knows an opened photo by the place of its upload; the photo itself lies in the store, and is opened again
    when it has been dropped from there.
    """

    def __init__(self, studio: Studio, folder: VisitorsFolder, store: PhotoStore) -> None:
        self.studio = studio
        self.folder = folder
        self.store = store
        self.examples = example_images(folder.examples)

    # --- opening: several side by side; what is in view of a large photo is its middle at first ---

    def open_files(self, paths: list[str]) -> list[Any]:
        """Open the first of the files that were chosen; of several, all can be done."""
        return [*self.open_file(paths[0]), gr.Button(visible=len(paths) > 1)]

    def open_listed(self, event: gr.SelectData, paths: list[str]) -> list[Any]:
        """Open the one that somebody has clicked on."""
        return self.open_file(paths[int(event.index)])

    def open_example(self, event: gr.SelectData) -> list[Any]:
        return self.open_file(str(self.examples[event.index]))

    def open_file(self, path: str) -> list[Any]:
        self._open(Path(path))
        return [str(path), MIDDLE]

    def open_again(self, path: str | None) -> None:
        if path is not None:
            self._open(Path(path))

    def look_at(self, event: gr.SelectData, path: str | None) -> list[Any]:
        """Where somebody has clicked: x and y, from 0 to 1 of the photo, and the overview that shows it."""
        if path is None:
            return [gr.skip(), gr.skip()]
        self._open(Path(path))
        photo = self._photo(path)
        width, height = overview_size(photo)
        place = min(1.0, event.index[0] / width), min(1.0, event.index[1] / height)
        return [place, overview(photo, place)]

    def _open(self, place: Path) -> None:
        try:
            os.utime(place)  # in use: not to be forgotten yet
            if self.store.get(place) is None:
                self.store.put(place, self.studio.open(place.read_bytes(), place.name))
        except FileNotFoundError as error:
            raise ValueError(
                f"{place.name} is no longer kept: nobody has used it for {self.folder.forget_after_s / 60:g} minutes, "
                "or there was too much; choose it once more"
            ) from error

    # --- the network's work: one after the other ---

    def about(self, model: str) -> str:
        """The model's kind, and its time as far as that is known."""
        seconds = self.studio.expected_seconds(model)
        time_said = "" if seconds is None else f" · {in_words(seconds)} a megapixel"
        return f"{self.studio.about(model)}{time_said}"

    def estimate(self, path: str | None, place: tuple[float, float] | None, model: str) -> list[Any]:
        """What there is to choose once a photo is open: sizes, sliders at the model's estimate, its overview."""
        upscaler, texture = self.studio.upscaler(model), self.studio.texture(model)
        photo = None if path is None else self._photo(path)
        degrees = {} if photo is None else self.studio.degrees(photo, model)
        sizes = [f"{size}×" for size in self.studio.outscales(model, photo)]
        sliders = [
            gr.Slider(value=round(degrees.get(name, 0), 2), visible=photo is not None and name in upscaler.sliders)
            for name in SLIDERS
        ]
        large = photo is not None and not photo.is_small
        return [
            self.about(model),
            gr.Radio(choices=sizes, value=sizes[-1], visible=photo is not None),
            gr.Slider(value=texture or 0, visible=photo is not None and texture is not None),
            *sliders,
            gr.Button(visible=photo is not None and bool(upscaler.sliders)),
            gr.Image(value=overview(photo, place or MIDDLE) if photo and large else None, visible=large),
            gr.Column(visible=photo is not None),
        ]

    def upscale(
        self, path: str | None, place: tuple[float, float] | None, model: str, size: str, texture: float, *values: float
    ) -> list[Any]:
        """A small photo whole, of a large one the region in view."""
        if path is None:
            return [gr.skip(), gr.skip(), gr.skip(), "No photo is open; drop one, or pick an example.", gr.skip()]
        photo, wish, started = self._photo(path), self._wish(model, size, texture, values), time.perf_counter()
        if photo.is_small:
            result, before, after = self.studio.upscale(photo, wish, self._results())
            said = self._said(photo, wish, started)
            return [(before, after), ready(result), gr.Button(visible=False), said, self.about(model)]
        region = photo.region(*(place or MIDDLE))
        before, after = self.studio.preview(photo, wish, region)
        expected = self.studio.expected_seconds(wish.model, *photo.image.pixels_HWC.shape[:2])
        about = f" · about {in_words(expected)}" if expected is not None else ""
        said = f"A part, as the whole will be: {self._said(photo, wish, started)}"
        make = gr.Button(f"Make the whole photo{about}", visible=True)
        return [(before, after), gr.DownloadButton(visible=False), make, said, self.about(model)]

    def make_whole(
        self,
        path: str | None,
        model: str,
        size: str,
        texture: float,
        blur: float,
        noise: float,
        progress: gr.Progress = _PROGRESS,
    ) -> list[Any]:
        """The whole of a large photo, under a bar."""
        if path is None:
            raise ValueError("No photo is open; drop one, or pick an example.")
        photo, wish, started = self._photo(path), self._wish(model, size, texture, (blur, noise)), time.perf_counter()
        progress(0, desc=photo.name)
        result = self.studio.upscale(
            photo, wish, self._results(), lambda done, total: progress((done, total), desc=photo.name)
        )[0]
        return [ready(result), self._said(photo, wish, started)]

    def make_all(self, paths: list[str] | None, model: str, size: str, progress: gr.Progress = _PROGRESS) -> list[Any]:
        """All files that were chosen, each under its own estimate, into one ZIP file; what fails is named."""
        if not paths:
            raise ValueError("No photos are chosen; drop some.")
        folder, failed, done = self._results(), [], 0
        archive = folder / "photos.zip"
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as file:
            for number, path in enumerate(paths):
                name = Path(path).name

                def said(part: int, total: int, number: int = number, name: str = name) -> None:
                    progress((number + part / total) / len(paths), desc=f"{number + 1} of {len(paths)}: {name}")

                try:
                    said(0, 1)
                    self._open(Path(path))
                    result = self.studio.upscale(self._photo(path), Wish(model, outscale=factor(size)), folder, said)[0]
                except ValueError as error:
                    failed.append(str(error))
                    continue
                file.write(result, f"{number + 1:02d}_{result.name}")
                result.unlink()
                done += 1
        if not done:
            raise ValueError("; ".join(failed))
        return [ready(archive), " · ".join([f"{done} of {len(paths)} photos are in {archive.name}", *failed])]

    def _said(self, photo: OpenedImage, wish: Wish, started: float) -> str:
        """What was done, in a line."""
        height, width = photo.image.pixels_HWC.shape[:2]
        size = wish.outscale or 1
        said = [f"{width}×{height} → {width * size}×{height * size}"]
        said += [f"texture {wish.texture:.2f}"] if wish.texture is not None else []
        said += [f"{name} {value:.2f}" for name, value in wish.degrees.items()]
        return " · ".join([*said, in_words(time.perf_counter() - started), *photo.image.notes])

    def _wish(self, model: str, size: str, texture: float, values: Sequence[float]) -> Wish:
        sliders = self.studio.upscaler(model).sliders
        degrees = {name: value for name, value in zip(SLIDERS, values, strict=True) if name in sliders}
        has_texture = self.studio.texture(model) is not None
        return Wish(model, degrees, texture if has_texture else None, factor(size))

    def _results(self) -> Path:
        return Path(tempfile.mkdtemp(dir=self.folder.results))

    def _photo(self, path: str) -> OpenedImage:
        photo = self.store.get(Path(path))
        if photo is None:
            raise ValueError(
                f"{Path(path).name} had to make room for others ({PHOTO_MEMORY_OPTION} "
                f"{self.store.max_bytes / 1e6:g} is full); choose it once more"
            )
        return photo


def overview_size(photo: OpenedImage) -> tuple[int, int]:
    """(width, height)"""
    height, width = photo.image.pixels_HWC.shape[:2]
    shrink = min(1.0, OVERVIEW_SIDE_PX / max(height, width))
    return max(1, round(width * shrink)), max(1, round(height * shrink))


def overview(photo: OpenedImage, place: tuple[float, float]) -> np.ndarray:
    """A large photo, small, with a frame around what is in view: 8-bit RGB."""
    width, height = overview_size(photo)
    small = cv2.resize(photo.image.pixels_HWC, (width, height), interpolation=cv2.INTER_AREA)
    shown = np.ascontiguousarray(to_rgb(small if small.ndim == 3 else small[:, :, None]))
    region, shrink = photo.region(*place), width / photo.image.pixels_HWC.shape[1]
    (top, bottom), (left, right) = ((round(a.start * shrink), round(a.stop * shrink)) for a in region.inside)
    for color, thickness in (((255, 255, 255), 5), (MARK_RGB, 3)):
        cv2.rectangle(shown, (left, top), (right, bottom), color, thickness)
    return shown


def factor(size: str) -> int:
    """`2×` as a number."""
    return int(size.rstrip("×"))


def in_words(seconds: float) -> str:
    """A time for people."""
    return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def ready(result: Path) -> gr.DownloadButton:
    """The button that gives a result."""
    return gr.DownloadButton(f"Download {result.suffix[1:].upper()}", value=str(result), visible=True)
