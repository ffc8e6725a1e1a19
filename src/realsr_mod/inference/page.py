"""The web page: a photo and its sliders on the left, before and after with a draggable divider on the right."""

import logging
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from pathlib import Path
from typing import Any

import gradio as gr

from realsr_mod.images.formats import SUFFIXES
from realsr_mod.inference.studio import OpenedImage, Studio, example_images

logger = logging.getLogger(__name__)

SLIDERS = {
    "blur": "higher sharpens more",
    "noise": "higher smooths more",
}
FORGET_AFTER_S = 3600
THEME = gr.themes.Soft(
    primary_hue="indigo",
    neutral_hue="slate",
    radius_size="lg",
    font=["system-ui", "-apple-system", "Segoe UI", "Roboto", "sans-serif"],  # of the system: no fetch from elsewhere
    font_mono=["ui-monospace", "monospace"],
).set(
    block_title_background_fill="none",
    block_title_padding="0",
    block_title_text_color="*body_text_color",
    block_label_background_fill="*background_fill_primary",
    block_label_text_color="*body_text_color",
    block_border_width="1px",
    body_background_fill="*neutral_100",
)
CSS = """
.gradio-container { max-width: 1180px !important; width: 100% !important; margin: auto !important; }
.gradio-container main { width: 100%; }
#photo { border: 1.5px dashed var(--neutral-300); }
#headline h1 { font-size: 1.7rem; font-weight: 650; margin: 0.6rem 0 0; }
#headline p, #status p { color: var(--body-text-color-subdued); margin: 0.15rem 0 0.4rem; }
#examples .grid-container { grid-template-columns: repeat(6, 1fr); gap: 6px; padding: 8px; }
#examples .thumbnail-item { width: 100%; height: auto; aspect-ratio: 1; }
"""


def plainly(handler: Callable[..., Any]) -> Callable[..., Any]:
    """Show the user what is wrong in a sentence; what is not the user's doing goes to the server's log."""

    @wraps(handler)
    def guarded(*arguments: Any) -> Any:
        try:
            return handler(*arguments)
        except ValueError as error:
            raise gr.Error(str(error), print_exception=False) from None
        except MemoryError:
            raise gr.Error("This photo is too large for this computer; try a smaller one.") from None
        except Exception:
            logger.exception("the page could not do this")
            raise gr.Error("Something went wrong; the server's log says what.", print_exception=False) from None

    return guarded


class Handlers:
    """What the page's events do. Each returns new values for the components that it is wired to.

    Results lie in a temporary folder that is removed with these handlers or at the program's end; each result, once it
    is older than `FORGET_AFTER_S`, when another is made.
    """

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self._temporary = tempfile.TemporaryDirectory(prefix="realsr_mod_", ignore_cleanup_errors=True)
        self.folder = Path(self._temporary.name)
        self.examples = example_images(self.folder)

    def open_file(self, path: str, model: str) -> list[Any]:
        photo = self.studio.open(Path(path).read_bytes(), Path(path).name, model)
        return [photo, *self._sliders(photo, model)]

    def open_example(self, model: str, event: gr.SelectData) -> list[Any]:
        return self.open_file(str(self.examples[event.index]), model)

    def estimate_again(self, photo: OpenedImage | None, model: str) -> list[Any]:
        """After another model was chosen, or to undo what the sliders were moved to."""
        if photo is not None:
            photo = self.studio.reopened(photo, model)
        return [photo, *self._sliders(photo, model)]

    def _sliders(self, photo: OpenedImage | None, model: str) -> list[Any]:
        """The sliders that the model has, at what it estimates, and the button that brings them back there."""
        upscaler = self.studio.upscaler(model)
        degrees = photo.degrees(upscaler) if photo else {}
        sliders = [
            gr.Slider(value=round(degrees.get(name, 0), 2), visible=name in upscaler.sliders) for name in SLIDERS
        ]
        return [*sliders, gr.Button(visible=bool(upscaler.sliders))]

    def upscale(self, photo: OpenedImage | None, model: str, *values: float) -> list[Any]:
        if photo is None:
            return [gr.skip(), gr.skip(), gr.skip()]
        upscaler = self.studio.upscaler(model)
        degrees = {name: value for name, value in zip(SLIDERS, values, strict=True) if name in upscaler.sliders}
        started = time.perf_counter()
        path, before, after = self.studio.upscale(photo, model, degrees, self._new_folder())
        height, width = photo.image.pixels_HWC.shape[:2]
        said = [f"{width}×{height} → {width * upscaler.scale}×{height * upscaler.scale}"]
        said += [f"{name} {value:.2f}" for name, value in degrees.items()]
        said += [f"{time.perf_counter() - started:.1f} s", *photo.image.notes]
        return [(before, after), gr.DownloadButton(value=str(path), interactive=True), " · ".join(said)]

    def _new_folder(self) -> Path:
        """A folder for one result. Removes those that are to be forgotten; the page has its own copy of each result."""
        oldest = time.time() - FORGET_AFTER_S
        for folder in self.folder.iterdir():
            with suppress(FileNotFoundError):  # another visitor's event was first
                if folder.is_dir() and folder.stat().st_mtime < oldest:
                    shutil.rmtree(folder, ignore_errors=True)
        return Path(tempfile.mkdtemp(dir=self.folder))


def build_page(studio: Studio) -> gr.Blocks:
    """Lay the page out and wire it up; `studio` does the work."""
    handlers = Handlers(studio)
    has_sliders = studio.upscaler(studio.names[0]).sliders
    page = gr.Blocks(title="realsr_mod", analytics_enabled=False, delete_cache=(600, FORGET_AFTER_S))
    with page:
        photo = gr.State(None, time_to_live=FORGET_AFTER_S)
        gr.Markdown(
            "# Better photos\nDrop a small, blurry or noisy photo, or pick an example; get it larger and cleaner.",
            elem_id="headline",
        )
        with gr.Row():
            with gr.Column(scale=2, min_width=340):
                file = gr.File(
                    label="Your photo", show_label=False, file_types=list(SUFFIXES), height=130, elem_id="photo"
                )
                gallery = gr.Gallery(
                    [str(path) for path in handlers.examples],
                    label="Examples",
                    show_label=False,
                    columns=6,
                    height=76,
                    allow_preview=False,
                    interactive=False,
                    object_fit="cover",
                    buttons=[],
                    elem_id="examples",
                )
                model = gr.Dropdown(studio.names, value=studio.names[0], label="Model", elem_id="model")
                sliders = [
                    gr.Slider(
                        0,
                        1,
                        0,
                        step=0.01,
                        label=name.capitalize(),
                        info=info,
                        visible=name in has_sliders,
                        elem_id=name,
                        buttons=[],
                    )
                    for name, info in SLIDERS.items()
                ]
                reset = gr.Button("Back to the estimate", size="sm", visible=bool(has_sliders), elem_id="reset")
            with gr.Column(scale=5, min_width=420):
                view = gr.ImageSlider(
                    label="Before | after",
                    height=620,
                    max_height=620,
                    interactive=False,
                    buttons=["fullscreen"],
                    elem_id="view",
                )
                with gr.Row(equal_height=True):
                    status = gr.Markdown("Drag the divider to compare.", elem_id="status")
                    download = gr.DownloadButton(
                        "Download PNG", variant="primary", interactive=False, scale=0, min_width=190, elem_id="download"
                    )
        result, shown = [view, download, status], [photo, *sliders, reset]
        inputs = [photo, model, *sliders]
        for event in (
            file.upload(plainly(handlers.open_file), [file, model], shown),
            gallery.select(plainly(handlers.open_example), model, shown),
            model.change(plainly(handlers.estimate_again), [photo, model], shown),
            reset.click(plainly(handlers.estimate_again), [photo, model], shown),
        ):
            event.success(plainly(handlers.upscale), inputs, result, show_progress_on=[view])
        for slider in sliders:
            slider.release(plainly(handlers.upscale), inputs, result, show_progress_on=[view])
    page.queue(max_size=16, default_concurrency_limit=1)
    return page
