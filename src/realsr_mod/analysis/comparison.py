"""Whether a model is better than another: mean differences over the same images, and intervals by paired bootstrap."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.stats import bootstrap

RESAMPLES = 2000
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Difference:
    """The mean of one model's figures less another's over images, and the interval in which the true one lies.

    `low` and `high` are None where a single image leaves nothing to resample.
    """

    set: str
    metric: str
    images: int
    mean: float
    low: float | None
    high: float | None

    def as_row(self) -> dict[str, Any]:
        return asdict(self)


def paired_differences(
    ours: Sequence[Mapping[str, Any]], others: Sequence[Mapping[str, Any]], metrics: Sequence[str], seed: int = 0
) -> list[Difference]:
    """How `ours` differs from `others`, per set and over all sets, by metric.

    Rows are of `evaluate`: both lists the same cases in the same order. What is resampled are images, since the same
    image under several conditions is no new evidence. 2000 resamples, percentiles, 95 %.
    """
    assert [_case(row) for row in ours] == [_case(row) for row in others], "the same cases in the same order"
    sets = list(dict.fromkeys(row["set"] for row in ours))
    found = []
    for name in [*sets, *(["all"] if len(sets) > 1 else [])]:
        pairs = [(a, b) for a, b in zip(ours, others, strict=True) if name in ("all", a["set"])]
        for metric in metrics:
            found.append(_difference(name, metric, pairs, seed))
    return found


def _case(row: Mapping[str, Any]) -> tuple[str, str, str]:
    return row["set"], row["condition"], row["image"]


def _difference(
    name: str, metric: str, pairs: list[tuple[Mapping[str, Any], Mapping[str, Any]]], seed: int
) -> Difference:
    by_image: dict[tuple[str, str], list[float]] = defaultdict(list)
    for a, b in pairs:
        by_image[a["set"], a["image"]].append(a[metric] - b[metric])
    values = np.array([np.mean(differences) for differences in by_image.values()])
    mean = float(values.mean())
    if len(values) < 2:
        return Difference(name, metric, len(values), mean, None, None)
    result = bootstrap(
        (values,),
        np.mean,
        n_resamples=RESAMPLES,
        confidence_level=CONFIDENCE,
        method="percentile",
        rng=np.random.default_rng(seed),
    )
    interval = result.confidence_interval
    return Difference(name, metric, len(values), mean, float(interval.low), float(interval.high))
