"""Measuring models beside bicubic, on folders of photos under the degradations of a protocol."""

import math
import os
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from rich.progress import track
from torch import Tensor

from realsr_mod.analysis.comparison import Difference, paired_differences
from realsr_mod.analysis.comparison_page import ComparisonPage
from realsr_mod.analysis.evaluation_shares import Measured, joined, write_share
from realsr_mod.analysis.evaluation_table import show_comparison, show_one
from realsr_mod.analysis.models import BICUBIC, Judged, Row, named_models
from realsr_mod.data.checks import list_some
from realsr_mod.data.protocols import Case
from realsr_mod.degradations.resize import resize
from realsr_mod.images.find import image_folder
from realsr_mod.metrics.named import NamedMeasure, named_measures
from realsr_mod.networks.base import SRNetwork
from realsr_mod.runtime.compose import instantiate
from realsr_mod.runtime.devices import best_precision, describe, pick_device, pick_dtype
from realsr_mod.runtime.files import write_json
from realsr_mod.runtime.shards import parse_shard, shard_of
from realsr_mod.weights.locate import locate
from realsr_mod.weights.release import load_restorer, read_config


def evaluate(cfg: DictConfig) -> float:
    """Measure every model of `cfg.model` on every folder of `cfg.data.root`, or put together what shares of it gave.

    Returns the first model's mean of the first metric over all cases (of a share: nan), for sweeps.
    """
    if cfg.page is True and (cfg.shard is not None or cfg.join is not None):
        raise ValueError("page=true shows images that one job has measured; leave it out with shard= and join=")
    if cfg.shard is not None:
        parse_shard(str(cfg.shard), "shard=")
        if cfg.join is not None:
            raise ValueError("shard= measures one share, join= puts all of them together; give one of the two")
    if cfg.join is not None:
        return report(joined(cfg.join), output_file(cfg), None)
    device = pick_device(cfg.device)
    precision = best_precision(device.type) if cfg.precision == "auto" else cfg.precision
    dtype = pick_dtype(precision, device)
    measures = named_measures(list(cfg.metrics), dict(cfg.metric_weights))
    if not measures:
        raise ValueError("metrics=[] measures nothing; give some, for example metrics=[psnr_y,niqe]")
    models = load_models(cfg, device)
    output = output_file(cfg)
    wants_page = len(models) > 1 and cfg.shard is None if cfg.page == "auto" else cfg.page
    page = ComparisonPage(output.parent, cfg.page_images) if wants_page else None
    around = circumstances(cfg, precision, device)
    measured = Measured(models, [identity(model) for model in models], measures, around)
    measure_all(cfg, measured, measures, device, dtype, page)
    if cfg.shard is None:
        return report(measured, output, page)
    write_share(measured, cfg.shard, output)
    print(f"share {cfg.shard}: {len(measured.places)} of {sum(measured.sets.values())} cases, written to {output}")
    return math.nan


def report(measured: Measured, output: Path, page: ComparisonPage | None) -> float:
    """Show the means and write them down, image by image as well. Returns the first model's of the first metric."""
    models, measures, skipped = measured.models, measured.measures, measured.skipped
    if not models[0].rows:
        raise ValueError(next(iter(skipped.values()), "there is nothing to measure in these folders"))
    around = measured.circumstances | ({"skipped": dict(sorted(skipped.items()))} if skipped else {})
    names = [measure.name for measure in measures]
    summaries = {model.name: summarize(model.rows, names) for model in models}
    contents = [
        {**which, **around, "summary": summaries[model.name], "images": model.rows}
        for model, which in zip(models, measured.identities, strict=True)
    ]
    differences = {model.name: paired_differences(model.rows, models[0].rows, names) for model in models[1:]}
    if len(models) > 1:
        show_comparison(models, measures, summaries, differences)
        write_json(output, {**around, "models": contents, "differences": as_rows(models[0].name, differences)})
    else:
        show_one(models[0], measures, summaries[models[0].name], around["scale"])
        write_json(output, contents[0])
    if skipped:
        print(f"{len(skipped)} images are left out of these figures:{list_some(skipped.values())}")
    print(f"written to {output}")
    if page is not None:
        print(f"side by side: {page.write(models, measures, summaries, differences)}")
    mean = next(row[names[0]] for row in summaries[models[0].name] if row["set"] == "all")
    return float(mean)


def load_models(cfg: DictConfig, device: torch.device) -> list[Judged]:
    """The models of `cfg.model`; `cfg.scale` becomes theirs. Raises ValueError where they differ in scale."""
    models = []
    for name, given in named_models(cfg.model).items():
        network = None if given == BICUBIC else load_restorer(given, device)
        models.append(Judged(name, given, network))
    scales = {model.name: model.network.scale for model in models if model.network is not None}
    if len(set(scales.values())) > 1:
        shown = ", ".join(f"{name} ×{scale}" for name, scale in scales.items())
        raise ValueError(f"models of one scale can be compared, these are of several: {shown}")
    if scales:
        cfg.scale = next(iter(scales.values()))
    return models


def measure_all(
    cfg: DictConfig,
    measured: Measured,
    measures: Sequence[NamedMeasure],
    device: torch.device,
    dtype: torch.dtype,
    page: ComparisonPage | None,
) -> None:
    """Fill in the rows of every model, case by case, and draw the page's images on the way.

    A bad image is left out, and the reason kept by its path.
    """
    models, skipped = measured.models, measured.skipped
    protocol = instantiate(cfg.protocol)
    roots = list(cfg.data.root) if OmegaConf.is_list(cfg.data.root) else [cfg.data.root]
    measured.sets = {name: protocol.count(root) for name, root in zip(set_names(roots), roots, strict=True)}
    total = sum(measured.sets.values())
    reading: dict[str, Any] = {"max_pixels": int(cfg.data.max_megapixels * 1e6), "on_bad": skipped.setdefault}
    if cfg.shard is not None:
        index, count = parse_shard(str(cfg.shard), "shard=")
        reading["wanted"] = lambda path: shard_of(Path(path), count) == index
    cases = all_cases(protocol, roots, reading)
    for number, (name, root, case) in enumerate(cases):
        shown = page is not None and page.shows(number, total)
        done = [len(model.rows) for model in models]
        try:
            images = measure(models, name, case, protocol.scale, measures, device, dtype)
        except ValueError as error:
            skipped.setdefault(f"{case.name} in {root}", f"{case.name} in {root}: {error}")
            for model, length in zip(models, done, strict=True):
                del model.rows[length:]
            continue
        measured.places.append(case.place)
        if page is not None and shown:
            page.add(name, case, images, {model.name: model.rows[-1] for model in models})


def all_cases(protocol: Any, roots: Sequence[str], reading: Mapping[str, Any]) -> Iterator[tuple[str, str, Case]]:
    """The cases of every folder under its name, with a bar for each folder; of how many, a share does not know."""
    for name, root in zip(set_names(roots), roots, strict=True):
        total = None if "wanted" in reading else protocol.count(root)
        for case in track(protocol.cases(root, **reading), description=name, total=total):
            yield name, root, case


def output_file(cfg: DictConfig) -> Path:
    """Where the figures go: `cfg.output`, a file or a folder, or Hydra's folder. Ready to be written."""
    output = Path(cfg.output or HydraConfig.get().runtime.output_dir).expanduser()
    if str(cfg.output).endswith("/"):
        output.mkdir(parents=True, exist_ok=True)
    name = f"evaluation_{cfg.shard}.json".replace("/", "_of_") if cfg.get("shard") else "evaluation.json"
    output = output / name if output.is_dir() else output
    output.parent.mkdir(parents=True, exist_ok=True)
    return output


def set_names(roots: Sequence[str]) -> list[str]:
    """What each folder is called in tables: its name, with as many parents as tell it from the others."""
    paths = [Path(os.path.abspath(image_folder(root))) for root in roots]  # links keep their names
    names = []
    for path in paths:
        tails = ["/".join(path.parts[-depth:]) for depth in range(1, len(path.parts) + 1)]
        others = [f"/{other}" for other in paths if other != path]
        unique = (tail for tail in tails if tail != "all" and not any(o.endswith(f"/{tail}") for o in others))
        names.append(next(unique, str(path)))
    return names


def identity(model: Judged) -> dict[str, Any]:
    """Which model was measured; one released here by the hash of its weights as well."""
    released = model.network is not None and locate(model.given).kind == "released"
    return {"model": model.given, "sha256": read_config(model.given).get("sha256") if released else None}


def circumstances(cfg: DictConfig, precision: str, device: torch.device) -> dict[str, Any]:
    """How it was measured, and where."""
    return {
        "protocol": HydraConfig.get().runtime.choices["protocol"],
        "scale": cfg.scale,
        "precision": precision,
        "device": str(device),
        "machine": describe(device),
    }


def measure(
    models: Sequence[Judged],
    set_name: str,
    case: Case,
    scale: int,
    measures: Sequence[NamedMeasure],
    device: torch.device,
    dtype: torch.dtype,
) -> dict[str, Tensor]:
    """Add a row to every model: its figures, bicubic's, its megapixels and seconds. Returns all images by name."""
    lr, hr = case.lr.to(device), None if case.hr is None else case.hr.to(device)
    bicubic = resize(lr, scale=scale)
    of_bicubic = figures(bicubic, hr, measures, scale)
    images = {"LR": lr, BICUBIC: bicubic} | ({} if hr is None else {"HR": hr})
    for model in models:
        started = time.perf_counter()
        sr = bicubic if model.network is None else super_resolve(model.network, lr, hr, dtype)
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds = time.perf_counter() - started
        model.rows.append(
            {"set": set_name, "condition": case.condition, "image": case.name}
            | (of_bicubic if model.network is None else figures(sr, hr, measures, scale))
            | {f"bicubic_{name}": value for name, value in of_bicubic.items()}
            | {"seconds": seconds, "megapixels": bicubic.shape[-2] * bicubic.shape[-1] / 1e6}
        )
        images[model.name] = sr
    return images


def figures(sr: Tensor, hr: Tensor | None, measures: Sequence[NamedMeasure], border: int) -> dict[str, float]:
    """Each metric of one image, without `border` px on each side. ValueError: one needs the truth, which is None."""
    needing = [measure.name for measure in measures if measure.needs_truth]
    if hr is None and needing:
        raise ValueError(f"{', '.join(needing)}: nobody knows the truth of these photos; take metrics=[niqe]")
    return {measure.name: measure(sr, sr if hr is None else hr, border).item() for measure in measures}


@torch.inference_mode()
def super_resolve(network: SRNetwork, lr: Tensor, hr: Tensor | None, dtype: torch.dtype) -> Tensor:
    """Run the network on one image; a teacher, which reads the truth as well, gets it."""
    with torch.autocast(lr.device.type, dtype=dtype, enabled=dtype != torch.float32):
        sr: Tensor = network(lr, hr)
        return sr.float()


def summarize(results: Sequence[Row], metrics: Sequence[str]) -> list[Row]:
    """Means per set and condition, per set, and over all: one row each."""
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for result in results:
        groups[result["set"], result["condition"]].append(result)
    for name in dict.fromkeys(result["set"] for result in results):
        groups[name, "mean"] = [result for result in results if result["set"] == name]
    groups["all", "mean"] = list(results)
    averaged = [*metrics, *(f"bicubic_{name}" for name in metrics), "seconds", "megapixels"]
    return [
        {"set": name, "condition": condition, "cases": len(group)}
        | {figure: sum(result[figure] for result in group) / len(group) for figure in averaged}
        for (name, condition), group in groups.items()
    ]


def as_rows(reference: str, differences: Mapping[str, Sequence[Difference]]) -> list[Row]:
    """Differences as they are written down: each with the model it is of, and the one it is from."""
    return [
        {"model": name, "from": reference, **difference.as_row()}
        for name, found in differences.items()
        for difference in found
    ]
