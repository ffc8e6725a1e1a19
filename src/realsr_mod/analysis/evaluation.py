"""Measuring a model beside bicubic, on folders of photos under the degradations of a protocol."""

import os
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from rich import box
from rich.console import Console
from rich.progress import track
from rich.table import Table
from torch import Tensor

from realsr_mod.data.protocols import Case
from realsr_mod.degradations.resize import resize
from realsr_mod.metrics import psnr_y, ssim_y
from realsr_mod.networks.base import SRNetwork
from realsr_mod.runtime.compose import instantiate
from realsr_mod.runtime.devices import best_precision, describe, pick_device, pick_dtype
from realsr_mod.runtime.files import write_json
from realsr_mod.weights.locate import locate
from realsr_mod.weights.release import load_restorer, read_config


def evaluate(cfg: DictConfig) -> float:
    """Measure `cfg.model` on every folder of `cfg.data.root`; returns the mean PSNR-Y in dB over all cases."""
    device = pick_device(cfg.device)
    precision = best_precision(device.type) if cfg.precision == "auto" else cfg.precision
    dtype = pick_dtype(precision, device)
    network = None if cfg.model == "bicubic" else load_restorer(cfg.model, device)
    if network is not None:
        cfg.scale = network.scale
    protocol = instantiate(cfg.protocol)
    output = output_file(cfg)
    roots = list(cfg.data.root) if OmegaConf.is_list(cfg.data.root) else [cfg.data.root]
    results = []
    max_pixels = int(cfg.data.max_megapixels * 1e6)
    for name, root in zip(set_names(roots), roots, strict=True):
        for case in track(protocol.cases(root, max_pixels), description=name, total=protocol.count(root)):
            try:
                figures = measure(network, case, device, dtype)
            except ValueError as error:
                raise ValueError(f"{case.name} in {root}: {error}") from error
            results.append({"set": name, "condition": case.condition, "image": case.name, **figures})
    summary = summarize(results)
    show(cfg, network, summary)
    write_json(output, {**circumstances(cfg, precision, device), "summary": summary, "images": results})
    print(f"written to {output}")
    return float(next(row["psnr_y"] for row in summary if row["set"] == "all"))


def output_file(cfg: DictConfig) -> Path:
    """Where the figures go: `cfg.output`, a file or a folder that is there, or Hydra's folder. Ready to be written."""
    output = Path(cfg.output or HydraConfig.get().runtime.output_dir).expanduser()
    output = output / "evaluation.json" if output.is_dir() else output
    output.parent.mkdir(parents=True, exist_ok=True)
    return output


def set_names(roots: Sequence[str]) -> list[str]:
    """What each folder is called in tables: its name, with as many parents as tell it from the others."""
    paths = [Path(os.path.abspath(Path(root).expanduser())) for root in roots]  # links keep their names
    names = []
    for path in paths:
        tails = ["/".join(path.parts[-depth:]) for depth in range(1, len(path.parts) + 1)]
        others = [f"/{other}" for other in paths if other != path]
        unique = (tail for tail in tails if tail != "all" and not any(o.endswith(f"/{tail}") for o in others))
        names.append(next(unique, str(path)))
    return names


def circumstances(cfg: DictConfig, precision: str, device: torch.device) -> dict[str, Any]:
    """What was measured, how and where; a model released here by the hash of its weights as well."""
    released = cfg.model != "bicubic" and locate(cfg.model).kind == "released"
    return {
        "model": str(cfg.model),
        "sha256": read_config(cfg.model).get("sha256") if released else None,
        "protocol": HydraConfig.get().runtime.choices["protocol"],
        "scale": cfg.scale,
        "precision": precision,
        "device": str(device),
        "machine": describe(device),
    }


def measure(network: SRNetwork | None, case: Case, device: torch.device, dtype: torch.dtype) -> dict[str, float]:
    """PSNR-Y and SSIM-Y of the network's image and of bicubic's, its megapixels and the network's seconds."""
    lr, hr = case.lr.to(device), case.hr.to(device)
    scale = hr.shape[-1] // lr.shape[-1]
    bicubic = resize(lr, scale=scale)
    started = time.perf_counter()
    sr = bicubic if network is None else super_resolve(network, lr, hr, dtype)
    if device.type == "cuda":
        torch.cuda.synchronize()
    seconds = time.perf_counter() - started
    of_bicubic = {"psnr_y": psnr_y(bicubic, hr, scale).item(), "ssim_y": ssim_y(bicubic, hr, scale).item()}
    of_network = of_bicubic
    if network is not None:
        of_network = {"psnr_y": psnr_y(sr, hr, scale).item(), "ssim_y": ssim_y(sr, hr, scale).item()}
    compared = {f"bicubic_{name}": value for name, value in of_bicubic.items()}
    return {**of_network, **compared, "seconds": seconds, "megapixels": hr.shape[-2] * hr.shape[-1] / 1e6}


@torch.inference_mode()
def super_resolve(network: SRNetwork, lr: Tensor, hr: Tensor, dtype: torch.dtype) -> Tensor:
    """Run the network on one image; a teacher, which reads the truth as well, gets it."""
    with torch.autocast(lr.device.type, dtype=dtype, enabled=dtype != torch.float32):
        sr: Tensor = network(lr, hr)
        return sr.float()


def summarize(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Means per set and condition, per set, and over all: one row each."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for result in results:
        groups[result["set"], result["condition"]].append(result)
    for name in dict.fromkeys(result["set"] for result in results):
        groups[name, "mean"] = [result for result in results if result["set"] == name]
    groups["all", "mean"] = results
    figures = ("psnr_y", "ssim_y", "bicubic_psnr_y", "bicubic_ssim_y", "seconds", "megapixels")
    return [
        {"set": name, "condition": condition, "cases": len(group)}
        | {figure: sum(result[figure] for result in group) / len(group) for figure in figures}
        for (name, condition), group in groups.items()
    ]


def show(cfg: DictConfig, network: SRNetwork | None, summary: list[dict[str, Any]]) -> None:
    """Print the means as one table, bicubic beside the model."""
    parameters = 0 if network is None else sum(p.numel() for p in network.parameters())
    truth = " (a teacher: reads the truth as well)" if network is not None and network.sees_hr else ""
    title = f"{cfg.model}: x{cfg.scale}, {parameters / 1e6:.2f} M parameters{truth}"
    caption = "PSNR-Y and gain in dB; ms per image"
    table = Table(
        title=title, caption=caption, box=box.SIMPLE, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False
    )  # must fit 80 columns
    for column in ("set", "condition"):
        table.add_column(column, no_wrap=True)
    for column in ("PSNR-Y", "bicubic", "gain", "SSIM-Y", "bicubic", "ms"):
        table.add_column(column, justify="right", no_wrap=True)
    sets = {row["set"] for row in summary} - {"all"}
    for row in summary:
        if row["set"] == "all" and len(sets) == 1:
            continue
        table.add_row(
            row["set"],
            row["condition"],
            f"{row['psnr_y']:.2f}",
            f"{row['bicubic_psnr_y']:.2f}",
            f"{row['psnr_y'] - row['bicubic_psnr_y']:+.2f}",
            f"{row['ssim_y']:.4f}",
            f"{row['bicubic_ssim_y']:.4f}",
            f"{row['seconds'] * 1000:.0f}",
            style="bold" if row["condition"] == "mean" else None,
        )
    Console().print(table)
