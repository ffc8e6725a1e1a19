"""Still images of features, by matplotlib, for files and notebooks.

Legend: N images, K conditions.
"""

import colorsys
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from realsr_mod.analysis.grid import CLEAN, Condition
from realsr_mod.analysis.study import Study

HUES = {"blur": 0.58, "noise": 0.03, "jpeg": 0.36, "mixed": 0.80}
CLEAN_COLOR = "#222222"


def condition_colors(conditions: Sequence[Condition]) -> list[str]:
    """One hue per kind, darker with every further level, black for clean: hex codes in the order of the conditions."""
    kinds = [condition.kind for condition in conditions]
    colors, seen = [], dict.fromkeys(kinds, 0)
    for kind in kinds:
        if kind == CLEAN:
            colors.append(CLEAN_COLOR)
            continue
        strength = (seen[kind] + 1) / kinds.count(kind)
        seen[kind] += 1
        hue = HUES.get(kind, HUES["mixed"])
        rgb = colorsys.hls_to_rgb(hue, 0.86 - 0.54 * strength, 0.45 + 0.35 * strength)
        colors.append("#" + "".join(f"{round(255 * value):02x}" for value in rgb))
    return colors


def content_colors(count: int) -> list[str]:
    """One colour per content; neighbours in the list differ in hue by the golden ratio."""
    colors = []
    for i in range(count):
        rgb = colorsys.hls_to_rgb((0.618034 * i) % 1, 0.42 + 0.16 * (i % 3 - 1), 0.65)
        colors.append("#" + "".join(f"{round(255 * value):02x}" for value in rgb))
    return colors


def scatter(axes: Axes, study: Study, by: str = "degradation", legend: bool = True) -> None:
    """Draw one dot per image, coloured by "degradation" or by "content"."""
    images = study.images
    if by == "degradation":
        for index, color in enumerate(condition_colors(images.conditions)):
            chosen = study.plane_N2[images.condition_N == index]
            axes.scatter(
                chosen[:, 0], chosen[:, 1], s=9, color=color, label=images.condition_names[index], linewidths=0
            )
        if legend:
            axes.legend(markerscale=1.8, fontsize=7, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    else:
        colors = np.array(content_colors(len(images.contents)))[images.content_N]
        axes.scatter(study.plane_N2[:, 0], study.plane_N2[:, 1], s=9, c=list(colors), linewidths=0)
    axes.set(xlabel=study.axes[0], ylabel=study.axes[1], title=f"by {by}")
    axes.set(xticks=[], yticks=[]) if study.features_ND.shape[1] > 2 else None


def confusion(axes: Axes, study: Study) -> None:
    """Draw how often the linear probe takes a condition (row) for another (column), in per cent of the row."""
    counts_KK = study.linear.confusion_KK
    share_KK = counts_KK / counts_KK.sum(1, keepdims=True)
    axes.imshow(share_KK, cmap="Blues", vmin=0, vmax=1)
    for (row, column), value in np.ndenumerate(share_KK):
        if value >= 0.005:
            color = "white" if value > 0.5 else "black"
            axes.text(column, row, f"{100 * value:.0f}", ha="center", va="center", fontsize=7, color=color)
    names, ticks = study.images.condition_names, range(len(counts_KK))
    axes.set_xticks(ticks, names, rotation=45, ha="right", fontsize=7)
    axes.set_yticks(ticks, names, fontsize=7)
    axes.set(title=f"probe: {100 * study.linear.accuracy:.0f} % right (chance {100 * study.linear.chance:.3g} %)")


def study_figure(study: Study) -> Figure:
    """A page about one network at one tap: by degradation, by content, and the probe's confusion matrix."""
    figure = Figure(figsize=(13, 4.2), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    scatter(left, study)
    scatter(middle, study, by="content")
    confusion(right, study)
    figure.suptitle(f"{study.model}, {study.tap}" + ("  (sees the truth)" if study.sees_hr else ""))
    return figure
