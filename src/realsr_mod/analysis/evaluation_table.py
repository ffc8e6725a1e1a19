"""What `evaluate` prints: one model beside bicubic, or several beside one another."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from realsr_mod.analysis.comparison import Difference
from realsr_mod.analysis.models import Judged
from realsr_mod.metrics.named import MetricName

Summary = Sequence[Mapping[str, Any]]


def _table(title: str, caption: str) -> Table:
    """A table that fits 80 columns with the usual two metrics."""
    return Table(title=title, caption=caption, box=box.SIMPLE, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)


def _shown_rows(summary: Summary) -> list[Mapping[str, Any]]:
    """Without the mean over all sets where there is one set."""
    sets = {row["set"] for row in summary} - {"all"}
    return [row for row in summary if row["set"] != "all" or len(sets) > 1]


def show_one(model: Judged, measures: Sequence[MetricName], summary: Summary, scale: int) -> None:
    """Print the means as one table, bicubic beside the model."""
    truth = " (a teacher: reads the truth as well)" if model.sees_hr else ""
    title = f"{model.given}: x{scale}, {model.parameters / 1e6:.2f} M parameters{truth}"
    table = _table(title, f"{_directions(measures)}; ms per image")
    for column in ("set", "condition"):
        table.add_column(column, no_wrap=True)
    for measure in measures:
        for column in (measure.title, "bicubic", *(["gain"] if measure.name == "psnr_y" else [])):
            table.add_column(column, justify="right", no_wrap=True)
    table.add_column("ms", justify="right", no_wrap=True)
    for row in _shown_rows(summary):
        cells = []
        for measure in measures:
            value, bicubic = row[measure.name], row[f"bicubic_{measure.name}"]
            gain = [f"{value - bicubic:+.2f}"] if measure.name == "psnr_y" else []
            cells += [measure.shown(value), measure.shown(bicubic), *gain]
        style = "bold" if row["condition"] == "mean" else None
        table.add_row(row["set"], row["condition"], *cells, f"{row['seconds'] * 1000:.0f}", style=style)
    Console().print(table)


def _directions(measures: Sequence[MetricName]) -> str:
    """Which way is better, for metrics that not everybody knows."""
    lower = [measure.title for measure in measures if not measure.higher_is_better]
    return "PSNR-Y and gain in dB" + (f"; {', '.join(lower)}: lower is better" if lower else "")


def show_comparison(
    models: Sequence[Judged],
    measures: Sequence[MetricName],
    summaries: Mapping[str, Summary],
    differences: Mapping[str, Sequence[Difference]],
) -> None:
    """Print the means of all models, set by set; under each its difference from the first, with its interval."""
    first = models[0].name
    table = _table("", f"{_directions(measures)}; ms per image\nin brackets: less {first}, 95 % by paired bootstrap")
    for column in ("set", "model"):
        table.add_column(column, no_wrap=True)
    for column in (*(measure.title for measure in measures), "ms"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in _shown_rows(summaries[first]):
        if row["condition"] != "mean":
            continue
        for model in models:
            own = next(r for r in summaries[model.name] if (r["set"], r["condition"]) == (row["set"], "mean"))
            found = {d.metric: d for d in differences.get(model.name, ()) if d.set == row["set"]}
            cells = [
                measure.shown(own[measure.name])
                + (f"\n{_interval(found[measure.name], measure)}" if measure.name in found else "")
                for measure in measures
            ]
            table.add_row(row["set"] if model.name == first else "", model.name, *cells, f"{own['seconds'] * 1000:.0f}")
        table.add_section()
    Console().print(table)


def _interval(difference: Difference, measure: MetricName) -> str:
    if difference.low is None or difference.high is None:
        return f"[{difference.mean:+.{measure.decimals}f}]".replace("[", r"\[")
    low, high = (f"{value:+.{measure.decimals}f}" for value in (difference.low, difference.high))
    return rf"\[{low}, {high}]"
