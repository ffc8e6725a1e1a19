"""What networks know about degradation, as a page, images and tables: the work of `python -m realsr_mod.explore`."""

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from realsr_mod.analysis.contents import load_contents
from realsr_mod.analysis.embeddings import collect
from realsr_mod.analysis.grid import DegradedImages
from realsr_mod.analysis.models import named_models
from realsr_mod.analysis.study import Study, study
from realsr_mod.analysis.taps import default_taps, tap_paths
from realsr_mod.data.checks import list_some
from realsr_mod.networks.base import EMBEDDING, Estimator
from realsr_mod.runtime.compose import instantiate
from realsr_mod.runtime.devices import pick_device
from realsr_mod.runtime.files import write_json
from realsr_mod.weights.release import load_model

NEEDS_EXTRA = "the explorer needs an extra: pip install 'realsr-mod[explore]'"


def explore(cfg: DictConfig) -> Path:
    """Study every model of `cfg.model`; writes report.html, PNGs, CSVs and figures.json; returns the report."""
    try:
        from realsr_mod.analysis.plots import study_figure
        from realsr_mod.analysis.report import write_report
    except ModuleNotFoundError as error:
        if error.name not in ("bokeh", "jinja2", "markupsafe"):
            raise
        raise ValueError(NEEDS_EXTRA) from error
    folder = Path(cfg.output or HydraConfig.get().runtime.output_dir)
    studies = study_models(cfg)
    folder.mkdir(parents=True, exist_ok=True)
    for one in studies:
        stem = re.sub(r"[^\w.-]+", "_", f"{one.model}_{one.tap}")
        study_figure(one).savefig(folder / f"{stem}.png", dpi=110)
        write_csv(folder / f"{stem}.csv", one)
    settings = {
        "photos": Path(cfg.data.root).name if cfg.data.root else "embedded",
        "contents": len(studies[0].images.contents),
        **({"photos left out": len(skipped)} if (skipped := studies[0].images.contents.skipped) else {}),
        "crop": f"{cfg.data.crop_px} px",
        "feature maps": cfg.pool,
        "seed": cfg.seed,
    }
    report = write_report(folder / "report.html", studies, "What networks know about degradation", settings)
    write_json(folder / "figures.json", {"settings": settings, "studies": [one.figures() for one in studies]})
    show(studies)
    print(f"open {report}")
    return report


def study_models(cfg: DictConfig) -> list[Study]:
    """Every model of `cfg.model` at every tap that it is looked at, in order."""
    device = pick_device(cfg.device)
    networks = {name: load_model(path, device) for name, path in named_models(cfg.model).items()}
    taps = {name: chosen_taps(network, cfg.taps) for name, network in networks.items()}
    contents = load_contents(cfg.data.root, cfg.data.crop_px, cfg.data.count, int(cfg.data.max_megapixels * 1e6))
    if contents.skipped:
        print(f"{len(contents.skipped)} photos are left out:{list_some(contents.skipped.values())}")
    grid = instantiate(cfg.conditions)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    images: dict[int, DegradedImages] = {}
    studies = []
    with Progress(*columns, console=Console(stderr=True)) as progress:
        for name, network in networks.items():
            if network.scale not in images:
                images[network.scale] = DegradedImages.make(contents, grid, network.scale, cfg.seed)
            seen = images[network.scale]
            task = progress.add_task(f"{name}: looking", total=len(seen) + len(taps[name]))
            advance = lambda count, task=task: progress.advance(task, count)
            features = collect(network, seen, taps[name], cfg.pool, cfg.batch_size, advance)
            for tap, rows in features.items():
                progress.update(task, description=f"{name}: {tap}")
                names = network.embedding_names if tap == EMBEDDING else ()
                studies.append(study(name, tap, rows, seen, cfg.projection, cfg.seed, names, network.sees_hr))
                progress.advance(task)
            progress.update(task, description=name)
    return studies


def chosen_taps(network: Estimator, taps: Any) -> tuple[str, ...]:
    """Where to look: what `cfg.taps` names, or what the network suggests; raises ValueError for unknown ones."""
    if taps == "all":
        embedding = (EMBEDDING,) if network.embedding_dim else ()
        taps = (*embedding, *network.taps) or default_taps(network)
    elif taps is None:
        taps = default_taps(network)
    names = tuple(taps) if OmegaConf.is_list(taps) or isinstance(taps, tuple) else (str(taps),)
    tap_paths(network, names)
    if EMBEDDING in names and not network.embedding_dim:
        raise ValueError(f"{type(network).__name__} has no embedding; try taps={default_taps(network)[0]}")
    return names


def write_csv(path: Path, one: Study) -> None:
    """Write the features of all images; what a row lacks (the blur of a noisy image) stays empty."""
    rows = list(one.rows())
    columns = dict.fromkeys(key for row in sorted(rows, key=len, reverse=True) for key in row)
    first = ("content", "photo", "condition", "blur", "noise", "jpeg")
    ordered = [name for name in first if name in columns] + [name for name in columns if name not in first]
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, ordered)
        writer.writeheader()
        writer.writerows(rows)


def show(studies: Sequence[Study]) -> None:
    """Print the figures as one table."""
    caption = "CHI: variance between over within groups, by degradation and by content; probes: unseen photos"
    table = Table(caption=caption, box=box.SIMPLE, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    for column in ("model", "tap"):
        table.add_column(column)
    for column in ("CHI degr.", "CHI content", "linear", "neighbours", "chance"):
        table.add_column(column, justify="right", no_wrap=True)
    for one in studies:
        both = one.by_coordinates
        shares = (f"{100 * share:.3g} %" for share in (one.linear.accuracy, one.knn.accuracy, one.linear.chance))
        table.add_row(one.model, one.tap, f"{both.chi_degradation:.1f}", f"{both.chi_content:.1f}", *shares)
    Console().print(table)
