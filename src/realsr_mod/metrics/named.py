"""Metrics by the names that `metrics=[…]` takes."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from realsr_mod.images.luma import psnr_y, ssim_y
from realsr_mod.losses.efficientnet import EfficientNetDistance
from realsr_mod.metrics.brisque import Brisque
from realsr_mod.metrics.deep import DISTS, LPIPS, network_weights
from realsr_mod.metrics.niqe import niqe
from realsr_mod.metrics.per_image import Measure
from realsr_mod.runtime.errors import suggestion


@dataclass(frozen=True)
class MetricName:
    """What is known about a metric.

    Args:
        name: in `metrics=[…]`, in files and in logs.
        title: in tables.
        decimals: that are shown.
        higher_is_better: or lower.
        needs_truth: whether it compares with the true image, or judges the result alone.
    """

    name: str
    title: str
    decimals: int
    higher_is_better: bool
    needs_truth: bool

    def shown(self, value: float) -> str:
        return f"{value:.{self.decimals}f}"


@dataclass(frozen=True)
class NamedMeasure(MetricName):
    """A metric ready to use: SR and HR (B, 3, H, W) in [0, 1] and a border in px, to a figure per image (B,)."""

    measure: Measure

    def __call__(self, sr_B3HW: Tensor, hr_B3HW: Tensor, border: int) -> Tensor:
        return self.measure(sr_B3HW.clamp(0, 1), hr_B3HW, border)


def _of_result_alone(measure: Callable[[Tensor, int], Tensor]) -> Measure:
    """A measure that needs no truth, called as those are that do."""
    return lambda sr_B3HW, hr_B3HW, border: measure(sr_B3HW, border)


def _without_border(measure: Callable[[Tensor, Tensor], Tensor]) -> Measure:
    """A measure of deep features, which papers report of whole images: no border is cut, nothing is rounded."""
    return lambda sr_B3HW, hr_B3HW, border: measure(sr_B3HW.float(), hr_B3HW.float())


METRICS = {
    metric.name: metric
    for metric in (
        MetricName("psnr_y", "PSNR-Y", 2, True, True),
        MetricName("ssim_y", "SSIM-Y", 4, True, True),
        MetricName("niqe", "NIQE", 2, False, False),
        MetricName("brisque", "BRISQUE", 1, False, False),
        MetricName("lpips", "LPIPS", 4, False, True),
        MetricName("dists", "DISTS", 4, False, True),
        MetricName("efficientnet", "EffNet", 4, False, True),
    )
}
# When asked for, and not before; each gets the file that `metric_weights` gives for it, if any.
_LOADED: dict[str, Callable[[str | None], Measure]] = {
    "psnr_y": lambda file: psnr_y,
    "ssim_y": lambda file: ssim_y,
    "niqe": lambda file: _of_result_alone(niqe),
    "brisque": lambda file: _of_result_alone(Brisque()),
    "lpips": lambda file: _without_border(LPIPS(network_weights("lpips", file))),
    "dists": lambda file: _without_border(DISTS(network_weights("dists", file))),
    "efficientnet": lambda file: _without_border(torch.no_grad()(EfficientNetDistance(file).per_image)),
}


def metric_named(name: str) -> MetricName:
    """What is known about the metric of that name. Raises ValueError, with the known ones, if there is none."""
    if name not in METRICS:
        raise ValueError(f"{name}: no metric; {suggestion(name, list(METRICS), 'there are')}")
    return METRICS[name]


def named_measures(names: Sequence[str], weights: Mapping[str, str | None] | None = None) -> tuple[NamedMeasure, ...]:
    """The metrics of these names, in order.

    Args:
        names: of `metrics=[…]`.
        weights: by name, the file of those that stand on a network: lpips, dists, efficientnet.

    Raises ValueError for an unknown name, twice the same, or a package or weights that are missing.
    """
    given = weights or {}
    if len(set(names)) < len(names):
        raise ValueError(f"metrics are a list of different names, got {', '.join(names)}")
    known = [metric_named(name) for name in names]
    try:
        loaded = [_LOADED[one.name](given.get(one.name)) for one in known]
    except (ImportError, FileNotFoundError) as error:
        raise ValueError(error) from error
    return tuple(
        NamedMeasure(one.name, one.title, one.decimals, one.higher_is_better, one.needs_truth, measure)
        for one, measure in zip(known, loaded, strict=True)
    )
