"""Suites: the sets and conditions that papers tabulate, measured here and set beside the figures that they print."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from rich import box
from rich.console import Console
from rich.table import Table

from realsr_mod.analysis.evaluation import (
    circumstances,
    identity,
    load_models,
    measure_all,
    output_file,
    set_names,
    summarize,
)
from realsr_mod.analysis.evaluation_shares import Measured
from realsr_mod.analysis.models import BICUBIC, Judged, Row
from realsr_mod.analysis.tables import PlainTable
from realsr_mod.data.checks import list_some
from realsr_mod.images.find import search
from realsr_mod.metrics.named import NamedMeasure, metric_named, named_measures
from realsr_mod.runtime.compose import compose
from realsr_mod.runtime.devices import best_precision, pick_device, pick_dtype
from realsr_mod.runtime.files import atomic_write, write_json

TRUTH_FOLDERS = ("HR", "test_HR", "GTmod12", "original", "GT")  # of a set that has others beside it
_HERE = "measured here"


@dataclass(frozen=True)
class SetOnDisk:
    """A set of a suite, and what there is of it.

    Args:
        name: in tables.
        published: how many images, or pairs, it has.
        origin: where it comes from.
        folder: that it lies in; None: there is none.
        truth: that or the folder in it with the high-resolution images.
        found: images there.
    """

    name: str
    published: int
    origin: str
    folder: Path | None = None
    truth: Path | None = None
    found: int = 0

    @property
    def note(self) -> str:
        """What must be said beside a figure; nothing where the set is whole."""
        return "" if self.found == self.published else f" ({self.found} of {self.published})"


def sets_on_disk(sets: Mapping[str, Any], roots: Sequence[str | Path]) -> dict[str, SetOnDisk]:
    """Look for every set in the folders `roots`, by its name or one that it is known by, however it is written.

    Args:
        sets: by name, each with `images`, how many; `origin`; and `folders`, names that it is known by.
        roots: folders that hold the sets' folders.

    Raises FileNotFoundError, saying where they come from, if none of them is there.
    """
    folders: dict[str, Path] = {}
    for root in map(Path, roots):
        for path in sorted(root.expanduser().iterdir()) if root.expanduser().is_dir() else ():
            if path.is_dir():
                folders.setdefault(_plain(path.name), path)
    found = {}
    for name, about in sets.items():
        known = [_plain(one) for one in (name, *about["folders"])]
        folder = next((folders[one] for one in known if one in folders), None)
        truth = None if folder is None else next((folder / t for t in TRUTH_FOLDERS if (folder / t).is_dir()), folder)
        count = 0 if truth is None else len(search(truth).images)
        found[name] = SetOnDisk(name, about["images"], about["origin"], folder if count else None, truth, count)
    if not any(one.found for one in found.values()):
        listed = list_some(f"{one.name}: {one.origin}" for one in found.values())
        where = ", ".join(map(str, roots))
        raise FileNotFoundError(f"data.root={where} holds none of the suite's sets, which come from{listed}")
    return found


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def show_sets(sets: Mapping[str, SetOnDisk]) -> None:
    """Print what is there, and where the rest comes from."""
    table = Table(box=box.SIMPLE, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for column in ("set", "images", "of", "in, or from"):
        table.add_column(column, justify="right" if column in ("images", "of") else "left", overflow="fold")
    for one in sets.values():
        table.add_row(one.name, str(one.found or "–"), str(one.published), str(one.folder or one.origin))
    Console().print(table, highlight=False)


def evaluate_suite(cfg: DictConfig) -> float:
    """Measure every model of `cfg.model` on what `cfg.data.root` has of `cfg.suite`, and print tables as papers do.

    Returns the first model's mean of the first metric over the first part that was measured.
    """
    if cfg.shard is not None or cfg.join is not None or cfg.page is True:
        raise ValueError("a suite is measured by one job, and has no page; shard=, join= and page= go with a protocol")
    device = pick_device(cfg.device)
    precision = best_precision(device.type) if cfg.precision == "auto" else cfg.precision
    dtype = pick_dtype(precision, device)
    suite: Any = OmegaConf.to_container(cfg.suite, resolve=True)
    roots = list(cfg.data.root) if OmegaConf.is_list(cfg.data.root) else [cfg.data.root]
    sets = sets_on_disk(suite["sets"], roots)
    show_sets(sets)
    models = load_models(cfg, device)
    output = output_file(cfg)
    parts: list[dict[str, Any]] = []
    tables: list[PlainTable] = []
    skipped: dict[str, str] = {}
    for part in suite["parts"]:
        published = [one for one in suite["published"] if one["part"] == part["title"] and one["scale"] == cfg.scale]
        judged, measures, left_out = measure_part(cfg, part, sets, models, device, dtype)
        skipped |= left_out
        summaries = {model.name: summarize(model.rows, [m.name for m in measures]) for model in judged if model.rows}
        tables.append(part_table(part, cfg.scale, sets, published, judged, measures, summaries))
        contents = [{**identity(m), "summary": summaries[m.name], "images": m.rows} for m in judged if m.rows]
        parts.append({**part, "models": contents, "published": published})
    if not any(part["models"] for part in parts):
        raise ValueError(next(iter(skipped.values())))
    write(
        cfg,
        output,
        [table for table in tables if table.rows],
        {"sets": _as_rows(sets), "parts": parts, "skipped": skipped},
        precision,
        device,
    )
    first = next(part for part in parts if part["models"])
    mean = next(row for row in first["models"][0]["summary"] if row["set"] == "all")
    return float(mean[first["metrics"][0]])


def measure_part(
    cfg: DictConfig,
    part: Mapping[str, Any],
    sets: Mapping[str, SetOnDisk],
    models: Sequence[Judged],
    device: torch.device,
    dtype: torch.dtype,
) -> tuple[list[Judged], tuple[NamedMeasure, ...], dict[str, str]]:
    """The models with the rows of one part, none if no set of it is there; what was measured, and what was left out."""
    names = list(dict.fromkeys([*part["metrics"], *cfg.metrics]))
    names = [name for name in names if part["truth"] or not metric_named(name).needs_truth]
    measures = named_measures(names, dict(cfg.metric_weights))
    judged = [replace(model, rows=[]) for model in models]
    there = [sets[name] for name in part["sets"] if sets[name].found]
    if not there:
        return judged, measures, {}
    own = compose("evaluate", [f"protocol={part['protocol']}", f"scale={cfg.scale}", "data.root=null"])
    pairs = part["pairs"]
    own.data = {
        "root": [str(one.folder if pairs else one.truth) for one in there],
        "max_megapixels": cfg.data.max_megapixels,
    }
    print(f"\n{part['title']}")
    measured = Measured(judged, [], measures, {})
    measure_all(own, measured, measures, device, dtype, None)
    called = dict(zip(set_names(own.data.root), [one.name for one in there], strict=True))
    for row in (row for model in judged for row in model.rows):
        row["set"] = called[row["set"]]
    return judged, measures, measured.skipped


def part_table(
    part: Mapping[str, Any],
    scale: int,
    sets: Mapping[str, SetOnDisk],
    published: Sequence[Mapping[str, Any]],
    judged: Sequence[Judged],
    measures: Sequence[NamedMeasure],
    summaries: Mapping[str, Sequence[Row]],
) -> PlainTable:
    """One table of a paper's kind: a row for each method, a column for each set, a figure of each metric in a cell."""

    def cell(figures: Sequence[float | None], note: str = "") -> str:
        shown = ["–" if f is None else m.shown(f) for f, m in zip(figures, measures, strict=True)]
        return "–" if set(shown) == {"–"} else " / ".join(shown) + note

    def measured(rows: Sequence[Row], prefix: str = "") -> list[str]:
        means = {row["set"]: row for row in rows if row["condition"] == "mean"}
        return [
            cell([means[name][f"{prefix}{m.name}"] for m in measures], sets[name].note) if name in means else "–"
            for name in part["sets"]
        ]

    rows = []
    for one in published:
        padded = {name: [*given, *[None] * len(measures)][: len(measures)] for name, given in one["figures"].items()}
        cells = [cell(padded[name]) if name in padded else "–" for name in part["sets"]]
        rows.append([one["method"], *cells, one["source"]])
    if summaries and all(model.network is not None for model in judged):
        rows.append([BICUBIC, *measured(next(iter(summaries.values())), "bicubic_"), _HERE])
    for model in judged:
        if model.name in summaries:
            size = "" if model.network is None else f", {model.parameters / 1e6:.2f} M parameters"
            rows.append([f"{model.name}{size}", *measured(summaries[model.name]), _HERE])
    titles = " / ".join(m.title + (" (dB)" if m.name == "psnr_y" else "") for m in measures)
    return PlainTable(f"{part['title']}, ×{scale}: {titles}", ["method", *part["sets"], "source"], rows)


def write(
    cfg: DictConfig,
    output: Path,
    tables: Sequence[PlainTable],
    contents: Mapping[str, Any],
    precision: str,
    device: torch.device,
) -> None:
    """Print the tables as Markdown, write them as such and as LaTeX, and all figures as JSON."""
    markdown = "\n\n".join(table.as_markdown() for table in tables)
    print(f"\n{markdown}\n")
    for suffix, text in ((".md", markdown), (".tex", "\n\n".join(table.as_latex() for table in tables))):
        with atomic_write(output.with_suffix(suffix), "w") as file:
            file.write(f"{text}\n")
    write_json(output, {**circumstances(cfg, precision, device), "protocol": None, "suite": cfg.suite.name, **contents})
    skipped = contents["skipped"]
    if skipped:
        print(f"{len(skipped)} images are left out of these figures:{list_some(skipped.values())}")
    print(f"written to {output.with_suffix('.md')}, {output.with_suffix('.tex').name} and {output.name}")


def _as_rows(sets: Mapping[str, SetOnDisk]) -> list[Row]:
    return [
        {"set": one.name, "images": one.found, "published": one.published, "origin": one.origin}
        for one in sets.values()
    ]
