"""The web page: a photo and its sliders on the left, before and after with a draggable divider on the right."""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from realsr_mod.images.formats import SUFFIXES
from realsr_mod.inference.door import Door, HostNames
from realsr_mod.inference.events import SLIDERS, Handlers, checked_event, plainly
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
CSS = """
.gradio-container { max-width: 1180px !important; width: 100% !important; margin: auto !important; }
.gradio-container main { width: 100%; }
#photo { border: 1.5px dashed var(--neutral-300); }
#headline h1 { font-size: 1.7rem; font-weight: 650; margin: 0.6rem 0 0; }
#headline p, #status p { color: var(--body-text-color-subdued); margin: 0.15rem 0 0.4rem; }
#examples .grid-container { grid-template-columns: repeat(6, 1fr); gap: 6px; padding: 8px; }
#examples .thumbnail-item { width: 100%; height: auto; aspect-ratio: 1; }
"""


def build_page(handlers: Handlers) -> gr.Blocks:
    """Lay the page out and wire it up."""
    studio, forget_after_s = handlers.studio, handlers.folder.forget_after_s
    has_sliders = studio.upscaler(studio.names[0]).sliders
    page = gr.Blocks(title="realsr_mod", analytics_enabled=False)
    with page:
        photo = gr.State(None, time_to_live=forget_after_s)
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
        result, estimated = [view, download, status], [*sliders, reset]
        opening: dict[str, Any] = {"concurrency_id": "open", "concurrency_limit": DECODERS, "api_visibility": "private"}
        working: dict[str, Any] = {"concurrency_id": "network", "concurrency_limit": 1, "api_visibility": "private"}
        opened = file.upload(plainly(handlers.open_file), file, photo, **opening)
        picked = gallery.select(plainly(handlers.open_example), None, photo, **opening)
        changed = model.change(plainly(handlers.open_again), photo, None, **opening)
        undone = reset.click(plainly(handlers.open_again), photo, None, **opening)
        moved = [slider.release(plainly(handlers.open_again), photo, None, **opening) for slider in sliders]
        estimate, upscale = plainly(handlers.estimate), plainly(handlers.upscale)
        ready = [
            event.success(estimate, [photo, model], estimated, **working) for event in (opened, picked, changed, undone)
        ]
        for event in (*ready, *moved):
            event.success(upscale, [photo, model, *sliders], result, show_progress_on=[view], **working)
    page.queue(max_size=MAX_WAITING, default_concurrency_limit=1, api_open=False)
    return page


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
