"""What the page's events do, and what they may carry."""

import logging
import os
import tempfile
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import gradio as gr

from realsr_mod.images.formats import SUFFIXES
from realsr_mod.inference.studio import OpenedImage, Studio, example_images
from realsr_mod.inference.visitors import PHOTO_MEMORY_OPTION, PhotoStore, VisitorsFolder

logger = logging.getLogger(__name__)

SLIDERS = {
    "blur": "higher sharpens more",
    "noise": "higher smooths more",
}


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

    # --- opening: several side by side ---

    def open_file(self, path: str) -> str:
        self._open(Path(path))
        return str(path)

    def open_example(self, event: gr.SelectData) -> str:
        return self.open_file(str(self.examples[event.index]))

    def open_again(self, path: str | None) -> None:
        if path is not None:
            self._open(Path(path))

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

    def estimate(self, path: str | None, model: str) -> list[Any]:
        """The sliders that the model has, at what it estimates, and the button that brings them back there."""
        upscaler = self.studio.upscaler(model)
        degrees = {} if path is None else self.studio.degrees(self._photo(path), model)
        sliders = [
            gr.Slider(value=round(degrees.get(name, 0), 2), visible=name in upscaler.sliders) for name in SLIDERS
        ]
        return [*sliders, gr.Button(visible=bool(upscaler.sliders))]

    def upscale(self, path: str | None, model: str, *values: float) -> list[Any]:
        if path is None:
            return [gr.skip(), gr.skip(), "No photo is open; drop one, or pick an example."]
        photo = self._photo(path)
        upscaler = self.studio.upscaler(model)
        degrees = {name: value for name, value in zip(SLIDERS, values, strict=True) if name in upscaler.sliders}
        started = time.perf_counter()
        folder = Path(tempfile.mkdtemp(dir=self.folder.results))
        result, before, after = self.studio.upscale(photo, model, degrees, folder)
        height, width = photo.image.pixels_HWC.shape[:2]
        said = [f"{width}×{height} → {width * upscaler.scale}×{height * upscaler.scale}"]
        said += [f"{name} {value:.2f}" for name, value in degrees.items()]
        said += [f"{time.perf_counter() - started:.1f} s", *photo.image.notes]
        return [(before, after), gr.DownloadButton(value=str(result), interactive=True), " · ".join(said)]

    def _photo(self, path: str) -> OpenedImage:
        photo = self.store.get(Path(path))
        if photo is None:
            raise ValueError(
                f"{Path(path).name} had to make room for others ({PHOTO_MEMORY_OPTION} "
                f"{self.store.max_bytes / 1e6:g} is full); choose it once more"
            )
        return photo


def checked_event(page: gr.Blocks, handlers: Handlers, event: Any) -> dict[str, Any]:
    """An event with what its handler needs, and no more. Raises ValueError for one that this page does not send."""
    if not isinstance(event, dict):
        raise ValueError("an event is a JSON object")
    session, number, values = (event.get(key) for key in ("session_hash", "fn_index", "data"))
    if not isinstance(session, str) or not 0 < len(session) <= 64:
        raise ValueError("session_hash must be a text of 1 to 64 characters")
    if not isinstance(number, int) or isinstance(number, bool) or number not in page.fns:
        raise ValueError(f"fn_index must be one of the page's events, 0 to {max(page.fns)}")
    inputs = page.fns[number].inputs
    if not isinstance(values, list) or len(values) != len(inputs):
        raise ValueError(f"data must be a list of {len(inputs)}")
    checked = {"session_hash": session, "fn_index": number}
    checked["data"] = [_checked_value(block, value, handlers) for block, value in zip(inputs, values, strict=True)]
    trigger = event.get("trigger_id")
    if isinstance(trigger, int) and trigger in page.blocks:
        checked["trigger_id"] = trigger
    if any(name == "select" for _, name in page.fns[number].targets):
        chosen = event.get("event_data")
        index = chosen.get("index") if isinstance(chosen, dict) else None
        if not isinstance(index, int) or not 0 <= index < len(handlers.examples):
            raise ValueError(f"event_data must have an index, 0 to {len(handlers.examples) - 1}")
        checked["event_data"] = {"index": index, "value": None}
    return checked


def _checked_value(block: Any, value: Any, handlers: Handlers) -> Any:
    """A component's value as its page sends it."""
    if isinstance(block, gr.Slider):
        if isinstance(value, bool) or not isinstance(value, int | float) or not block.minimum <= value <= block.maximum:
            raise ValueError(f"{block.label} must be a number from {block.minimum} to {block.maximum}")
        return value
    if isinstance(block, gr.Dropdown):
        if value not in handlers.studio.names:
            raise ValueError("there is no such model; choose one of the list")
        return value
    if isinstance(block, gr.File):
        path = value.get("path") if isinstance(value, dict) else None
        if not isinstance(path, str) or not _is_upload(path, handlers.folder.uploads):
            raise ValueError("this file was not sent here, or is no longer kept; choose it once more")
        if Path(path).suffix.lower() not in SUFFIXES:
            raise ValueError(f"{Path(path).name} is not named as a photo is: {', '.join(SUFFIXES)}")
        return {"path": path, "meta": {"_type": "gradio.FileData"}}
    return None  # a session's own state, which it cannot send


def _is_upload(path: str, uploads: Path) -> bool:
    try:
        place = Path(path).resolve()
        return place.is_relative_to(uploads.resolve()) and place.is_file()
    except (OSError, ValueError):  # too long, or with a zero byte
        return False
