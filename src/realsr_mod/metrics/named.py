"""Metrics by the names that `metrics=[…]` takes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from torch import Tensor

from realsr_mod.images.luma import psnr_y, ssim_y
from realsr_mod.metrics.brisque import Brisque
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
    """

    name: str
    title: str
    decimals: int
    higher_is_better: bool

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


METRICS = {
    metric.name: metric
    for metric in (
        MetricName("psnr_y", "PSNR-Y", 2, True),
        MetricName("ssim_y", "SSIM-Y", 4, True),
        MetricName("niqe", "NIQE", 2, False),
        MetricName("brisque", "BRISQUE", 1, False),
    )
}
_LOADED: dict[str, Callable[[], Measure]] = {  # when asked for, and not before
    "psnr_y": lambda: psnr_y,
    "ssim_y": lambda: ssim_y,
    "niqe": lambda: _of_result_alone(niqe),
    "brisque": lambda: _of_result_alone(Brisque()),
}


def metric_named(name: str) -> MetricName:
    """What is known about the metric of that name. Raises ValueError, with the known ones, if there is none."""
    if name not in METRICS:
        raise ValueError(f"{name}: no metric; {suggestion(name, list(METRICS), 'there are')}")
    return METRICS[name]


def named_measures(names: Sequence[str]) -> tuple[NamedMeasure, ...]:
    """The metrics of these names, in order.

    Raises ValueError for an unknown name, twice the same, or a package or weights that are missing.
    """
    if len(set(names)) < len(names):
        raise ValueError(f"metrics are a list of different names, got {', '.join(names)}")
    known = [metric_named(name) for name in names]
    try:
        return tuple(
            NamedMeasure(one.name, one.title, one.decimals, one.higher_is_better, _LOADED[one.name]()) for one in known
        )
    except ImportError as error:
        raise ValueError(error) from error
