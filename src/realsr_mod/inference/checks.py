"""What the page's events may carry: only what its own script sends gets through to what they do."""

from pathlib import Path
from typing import Any

import gradio as gr

from realsr_mod.images.formats import SUFFIXES
from realsr_mod.inference.events import OVERVIEW_SIDE_PX, Handlers
from realsr_mod.inference.studio import SIZES

MOST_FILES = 50  # that one visitor has chosen at a time


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
    for block, name in page.fns[number].targets:
        if name == "select" and block is not None:
            checked["event_data"] = _checked_selection(page.blocks[block], event.get("event_data"), checked, handlers)
    return checked


def _checked_selection(block: Any, chosen: Any, checked: dict[str, Any], handlers: Handlers) -> dict[str, Any]:
    """What was selected: one of so many, or a point of the overview."""
    index = chosen.get("index") if isinstance(chosen, dict) else None
    if isinstance(block, gr.Image):
        if not isinstance(index, list) or len(index) != 2 or not all(_is_number(at, OVERVIEW_SIDE_PX) for at in index):
            raise ValueError(f"event_data must have an index, two numbers from 0 to {OVERVIEW_SIDE_PX}")
        return {"index": index, "value": None}
    most = len(handlers.examples) if isinstance(block, gr.Gallery) else len(checked["data"][0])
    if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < most:
        raise ValueError(f"event_data must have an index, 0 to {most - 1}")
    return {"index": index, "value": None}


def _is_number(value: Any, most: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= most


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
    if isinstance(block, gr.Radio):
        sizes = [f"{size}×" for size in SIZES]
        if value not in sizes:
            raise ValueError(f"the size must be one of {', '.join(sizes)}")
        return value
    if isinstance(block, gr.File):
        if not isinstance(value, list) or not 0 < len(value) <= MOST_FILES:
            raise ValueError(f"files must be a list, of {MOST_FILES} at most; choose fewer")
        return [_checked_file(file, handlers) for file in value]
    return None  # a session's own state, which it cannot send


def _checked_file(file: Any, handlers: Handlers) -> dict[str, Any]:
    path = file.get("path") if isinstance(file, dict) else None
    if not isinstance(path, str) or not _is_upload(path, handlers.folder.uploads):
        raise ValueError("this file was not sent here, or is no longer kept; choose it once more")
    if Path(path).suffix.lower() not in SUFFIXES:
        raise ValueError(f"{Path(path).name} is not named as a photo is: {', '.join(SUFFIXES)}")
    return {"path": path, "meta": {"_type": "gradio.FileData"}}


def _is_upload(path: str, uploads: Path) -> bool:
    try:
        place = Path(path).resolve()
        return place.is_relative_to(uploads.resolve()) and place.is_file()
    except (OSError, ValueError):  # too long, or with a zero byte
        return False
