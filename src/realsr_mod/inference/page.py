"""The web page: photos and sliders on the left, before and after on the right; on a phone the result stays on top."""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from realsr_mod.images.formats import SUFFIXES
from realsr_mod.inference.checks import checked_event
from realsr_mod.inference.door import Door, HostNames
from realsr_mod.inference.events import SLIDERS, Handlers, plainly
from realsr_mod.inference.folder_name import HiddenFolder
from realsr_mod.inference.places import Places, visitor_of

DECODERS = 8  # processes that open photos at once; the network works on one photo at a time
MAX_WAITING = 16
FULL = f"{MAX_WAITING} photos are waiting already, and no more may; try again in a minute."
MAX_PER_VISITOR = 4  # of the photos that wait or are worked on
TOO_MANY = f"{MAX_PER_VISITOR} of your photos are waiting or worked on already; let one of them be finished first."
SESSIONS = 1000  # that the page remembers which photo is open for
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
# In the browser alone: a result that is ready is taken once its button is shown, which a busy browser may delay.
TAKE = """() => {
    const take = (tries) => {
        const button = document.querySelector('#download');
        if (button && button.getClientRects().length) setTimeout(() => button.click(), 500);
        else if (tries) setTimeout(() => take(tries - 1), 200);
    };
    take(150);
}"""
# A number typed beside a slider counts once Enter is pressed; Gradio waits until the field is left.
ENTER = """() => document.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && event.target.type === 'number') event.target.blur();
})"""
CSS = """
.gradio-container { max-width: 1180px !important; width: 100% !important; margin: auto !important;
  overflow: clip !important; }  /* else nothing inside would stick */
.gradio-container main { width: 100%; padding: clamp(8px, 2vw, 32px) !important; }
#photo { border: 1.5px dashed var(--neutral-300); }
#headline h1 { font-size: 1.7rem; font-weight: 650; margin: 0.6rem 0 0; }
#headline p, #status p { color: var(--body-text-color-subdued); margin: 0.15rem 0 0.4rem; }
#examples .grid-container { grid-template-columns: repeat(6, minmax(0, 52px)); gap: 6px; padding: 8px; }
#examples .thumbnail-item { width: 100%; height: auto; aspect-ratio: 1; }
#status:has(.progress-level) { min-height: 84px; }
#status:has(.progress-level) .prose { visibility: hidden; }
#about p { color: var(--body-text-color-subdued); font-size: 0.85rem; margin: 0; }
#overview img { cursor: crosshair; }
#choices:only-child { max-width: 560px; }
@media (max-width: 860px) {
  #result { order: -1; position: sticky; top: 0; z-index: 5; padding-bottom: 6px;
    background: var(--body-background-fill); gap: 4px; }
  #taking { gap: 6px; }
  #taking button { padding: 8px 6px; font-size: 0.9rem; }
  #result, #choices { min-width: 100% !important; }
  #view, #view .slider-wrap, #view .wrap { height: 40vh !important; max-height: 40vh !important; min-height: 0; }
  #status p { font-size: 0.85rem; }
  #headline h1 { font-size: 1.3rem; }
}
"""


class Parts:
    """The page's components, laid out."""

    def __init__(self, handlers: Handlers) -> None:
        studio = handlers.studio
        gr.Markdown(
            "# Better photos\nDrop photos, small, blurry or noisy, or pick an example; get them larger and cleaner.",
            elem_id="headline",
        )
        with gr.Row():
            with gr.Column(scale=2, min_width=340, elem_id="choices"):
                self.files = gr.File(
                    label="Your photos",
                    show_label=False,
                    file_count="multiple",
                    file_types=list(SUFFIXES),
                    height=130,
                    elem_id="photo",
                )
                self.gallery = gr.Gallery(
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
                self.overview = gr.Image(
                    label="Click where to look",
                    visible=False,
                    interactive=False,
                    height=230,
                    buttons=[],
                    elem_id="overview",
                )
                self.model = gr.Dropdown(studio.names, value=studio.names[0], label="Model", elem_id="model")
                self.about = gr.Markdown(handlers.about(studio.names[0]), elem_id="about")
                self.size = gr.Radio(
                    [f"{size}×" for size in studio.outscales(studio.names[0])],
                    value=f"{studio.outscales(studio.names[0])[-1]}×",
                    label="Size of the result",
                    visible=False,
                    elem_id="size",
                )
                self.texture = slider("texture", "0 is true to the photo, 1 draws texture", 0.05)
                self.sliders = [slider(name, info, 0.01) for name, info in SLIDERS.items()]
                self.reset = gr.Button("Back to the estimate", size="sm", visible=False, elem_id="reset")
            with gr.Column(scale=5, min_width=420, visible=False, elem_id="result") as self.result:
                self.view = gr.ImageSlider(
                    label="Before | after",
                    height=620,
                    max_height=620,
                    interactive=False,
                    buttons=["fullscreen"],
                    elem_id="view",
                )
                self.status = gr.Markdown("Drag the divider; wheel or pinch to zoom.", elem_id="status")
                with gr.Row(elem_id="taking"):
                    primary: dict[str, Any] = {"variant": "primary", "min_width": 140, "visible": False}
                    self.download = gr.DownloadButton("Download", elem_id="download", **primary)
                    self.whole = gr.Button("Make the whole photo", elem_id="whole", **primary)
                    self.all = gr.Button("Make all photos", visible=False, min_width=140, elem_id="all")


def slider(name: str, info: str, step: float) -> gr.Slider:
    """One that is shown once there is a photo, and an estimate of it."""
    return gr.Slider(0, 1, 0, step=step, label=name.capitalize(), info=info, visible=False, elem_id=name, buttons=[])


def build_page(handlers: Handlers) -> gr.Blocks:
    """Lay the page out and wire it up."""
    page = gr.Blocks(title="realsr_mod", analytics_enabled=False)
    with page:
        lived = handlers.folder.forget_after_s
        photo, place = gr.State(None, time_to_live=lived), gr.State(None, time_to_live=lived)
        _wire(handlers, Parts(handlers), photo, place)
    page.queue(max_size=MAX_WAITING, default_concurrency_limit=1, api_open=False)
    return page


def _wire(handlers: Handlers, parts: Parts, photo: gr.State, place: gr.State) -> None:
    """What happens when. Where an event fails, the mark is on the file or on the view, not on the sliders."""
    opening: dict[str, Any] = {"concurrency_id": "open", "concurrency_limit": DECODERS, "api_visibility": "private"}
    working: dict[str, Any] = {"concurrency_id": "network", "concurrency_limit": 1, "api_visibility": "private"}
    whole: dict[str, Any] = {"concurrency_id": "whole", "concurrency_limit": 1, "api_visibility": "private"}
    opening["show_progress_on"], working["show_progress_on"] = [parts.files], [parts.view]
    opened, chosen = [photo, place], [parts.model, parts.size, parts.texture, *parts.sliders]
    estimated = [
        parts.about, parts.size, parts.texture, *parts.sliders, parts.reset, parts.overview, parts.result
    ]  # fmt: skip
    again, estimate = plainly(handlers.open_again), plainly(handlers.estimate)
    first = [
        parts.files.upload(plainly(handlers.open_files), parts.files, [*opened, parts.all], **opening),
        parts.gallery.select(plainly(handlers.open_example), None, opened, **opening),
        parts.files.select(plainly(handlers.open_listed), parts.files, opened, **opening),
        parts.model.change(again, photo, None, **opening),
        parts.reset.click(again, photo, None, **opening),
    ]
    ready = [event.success(estimate, [photo, place, parts.model], estimated, **working) for event in first]
    moved = [slider.release(again, photo, None, **opening) for slider in (*parts.sliders, parts.texture)]
    moved.append(parts.size.input(again, photo, None, **opening))
    moved.append(parts.overview.select(plainly(handlers.look_at), photo, [place, parts.overview], **opening))
    shown = [parts.view, parts.download, parts.whole, parts.status, parts.about]
    for event in (*ready, *moved):
        event.success(plainly(handlers.upscale), [photo, place, *chosen], shown, **working)
    made = [parts.download, parts.status]
    for button, handler, given in (
        (parts.whole, handlers.make_whole, [photo, *chosen]),
        (parts.all, handlers.make_all, [parts.files, parts.model, parts.size]),
    ):
        event = button.click(plainly(handler), given, made, show_progress_on=[parts.status], **whole)
        event.success(None, None, None, js=TAKE)


def serve(page: gr.Blocks, handlers: Handlers, names: HostNames, host: str, port: int, max_upload_mb: int) -> None:
    """Start to answer at `host:port`, in threads of its own. Raises OSError where that cannot be."""
    door = Middleware(
        Door,
        names=names,
        upload_bytes=max_upload_mb * 10**6,
        check_event=partial(checked_event, page, handlers),
        places=Places(partial(visitors_under_way, page), MAX_PER_VISITOR, FULL, TOO_MANY),
        folder=HiddenFolder(handlers.folder.path),
    )
    page.launch(
        js=ENTER,
        server_name=host,
        server_port=port,
        max_file_size=max_upload_mb * 10**6,
        app_kwargs={"middleware": [door]},
        state_session_capacity=SESSIONS,
        show_error=False,
        share=False,
        mcp_server=False,
        ssr_mode=False,
        run_history=False,
        enable_monitoring=False,
        quiet=True,
        prevent_thread_lock=True,
        footer_links=[],
        theme=THEME,
        css=CSS,
    )
    own = frozenset(path for path in handlers.folder.uploads.rglob("*") if path.is_file())  # copies of the examples
    handlers.folder.sweep_regularly(own, then=partial(forget, page, handlers))


def visitors_under_way(page: gr.Blocks) -> Iterator[str]:
    """Whose events wait in the page's queue or are worked on, each as often as they have some."""
    queue = page._queue
    waiting = [event for events in queue.event_queue_per_concurrency_id.values() for event in events.queue]
    working = [event for events in queue.active_jobs if events for event in events]
    for event in (*waiting, *working):
        yield visitor_of(event.request.scope)


def forget(page: gr.Blocks, handlers: Handlers) -> None:
    """Forget in memory what has gone from the disk."""
    handlers.store.keep_only(Path.exists)
    for paths in page.temp_file_sets:
        paths.difference_update([path for path in list(paths) if not os.path.exists(path)])
