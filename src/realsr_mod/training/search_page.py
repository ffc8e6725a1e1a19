"""The page of a search: which values did best, which mattered, how the trials went. One file, no scripts."""

import html
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import matplotlib
import optuna
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState

from realsr_mod.metrics.named import MetricName
from realsr_mod.runtime.files import atomic_write

PAGE_NAME = "search.html"
_ENDS = {
    TrialState.COMPLETE: "",
    TrialState.PRUNED: "ended early",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "runs",
}
_BLUE, _GREY, _BLACK = "#1f5fbf", "#b9bec6", "#222222"
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 1080px; margin: 2em auto; padding: 0 1em }
h1 { font-size: 1.5em } h2 { font-size: 1.15em; margin-top: 2em }
table { border-collapse: collapse; font-variant-numeric: tabular-nums } .wide { overflow-x: auto }
td, th { padding: .25em .8em; border-bottom: 1px solid #ddd; text-align: right; white-space: nowrap }
tr.pruned, tr.fail, tr.running { color: #777 } svg { max-width: 100%; height: auto } code { background: #f3f4f6 }
"""


def write_page(folder: Path, study: optuna.Study, trials: Sequence[FrozenTrial], metric: MetricName) -> Path:
    """Write `search.html` into the folder of a sweep; returns its path.

    Args:
        folder: of the sweep.
        study: that was searched.
        trials: that count.
        metric: that the search went by.
    """
    matters = importance(study)
    ranked = sorted(trials, key=lambda trial: _place(trial, metric))
    counts = ", ".join(
        f"{number} {_ENDS[state] or 'complete'}"
        for state in _ENDS
        if (number := sum(trial.state == state for trial in trials))
    )
    best = next((trial for trial in ranked if trial.state == TrialState.COMPLETE), None)
    parts = [f"<h1>{html.escape(folder.resolve().name)}: {len(trials)} trials</h1>", f"<p>{counts}. "]
    if best is not None:
        values = " ".join(f"{key}={_short(value)}" for key, value in best.params.items())
        parts.append(f"Best: {metric.title} {metric.shown(best.value or 0)} by <code>{html.escape(values)}</code>")
        parts += ["</p><h2>How the trials went</h2>", _svg(_course(ranked, metric))]
        if any(len(trial.intermediate_values) > 1 for trial in trials):
            parts.append(_svg(_learning(trials, metric)))
        parts += ["<h2>Each value by itself</h2>", _svg(_slices(trials, metric))]
    parts.append("<h2>What mattered</h2>")
    parts.append(
        _svg(_bars(matters)) if matters else "<p>Too few complete trials, or all alike: nothing can be said.</p>"
    )
    parts += ["<h2>Ranking</h2><div class=wide>", _table(ranked, metric), "</div>"]
    text = f"<!doctype html><meta charset=utf-8><title>Search</title><style>{_STYLE}</style>{''.join(parts)}"
    with atomic_write(folder / PAGE_NAME, "w") as file:
        file.write(text)
    return folder / PAGE_NAME


def importance(study: optuna.Study) -> dict[str, float]:
    """The share that each key has in what makes trials good (fANOVA, Hutter et al. 2014), the largest first.

    Nothing where there are fewer than four complete trials, or all are alike.
    """
    values = {t.value for t in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))}
    if len(values) < 4:
        return {}
    found: dict[str, float] = optuna.importance.get_param_importances(
        study, evaluator=optuna.importance.FanovaImportanceEvaluator(seed=0)
    )
    return found


def _place(trial: FrozenTrial, metric: MetricName) -> tuple[int, int, float]:
    """Complete trials first, then those that were ended early, by how far they got; of each the best first."""
    last = trial.last_step or 0
    is_complete = trial.state == TrialState.COMPLETE
    figure = (trial.value if is_complete else trial.intermediate_values.get(last)) or 0
    figure = -figure if metric.higher_is_better else figure
    return (0, 0, figure) if is_complete else (1 if trial.state == TrialState.PRUNED else 2, -last, figure)


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _table(ranked: Sequence[FrozenTrial], metric: MetricName) -> str:
    keys = list(dict.fromkeys(key for trial in ranked for key in trial.params))
    head = "".join(f"<th>{html.escape(text)}</th>" for text in ("trial", metric.title, *keys, "steps", ""))
    rows = []
    for trial in ranked:
        last = trial.last_step
        figure = trial.value if trial.state == TrialState.COMPLETE else trial.intermediate_values.get(last or 0)
        cells = [str(trial.number), "–" if figure is None else f"{figure:.{metric.decimals + 1}f}"]
        cells += [_short(trial.params.get(key, "–")) for key in keys]
        cells += ["–" if last is None else str(last), _ENDS.get(trial.state, "")]
        note = html.escape(str(trial.user_attrs.get("error", "")))
        row = "".join(f"<td>{html.escape(cell)}</td>" for cell in cells)
        rows.append(f"<tr class='{trial.state.name.lower()}' title='{note}'>{row}</tr>")
    return f"<table><tr>{head}</tr>{''.join(rows)}</table>"


def _course(ranked: Sequence[FrozenTrial], metric: MetricName) -> Figure:
    """Each trial's figure in the order in which they were begun, and the best so far."""
    figure = Figure(figsize=(10, 3.2), layout="constrained")
    axes = figure.subplots()
    ordered = sorted(ranked, key=lambda trial: trial.number)
    _dots(axes, ordered, lambda trial: trial.number)
    complete = [trial for trial in ordered if trial.state == TrialState.COMPLETE]
    best, so_far = [], None
    for trial in complete:
        value = trial.value or 0
        better = max if metric.higher_is_better else min
        so_far = value if so_far is None else better(so_far, value)
        best.append(so_far)
    axes.step([trial.number for trial in complete], best, where="post", color=_BLACK, linewidth=1, label="best so far")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set(xlabel="trial", ylabel=metric.title)
    axes.legend(frameon=False, fontsize=8)
    return figure


def _dots(axes: Axes, trials: Sequence[FrozenTrial], place: Callable[[FrozenTrial], float]) -> None:
    """A dot per trial that was measured: complete ones blue, those ended early grey, at their last figure."""
    for state, color, label in ((TrialState.PRUNED, _GREY, "ended early"), (TrialState.COMPLETE, _BLUE, "complete")):
        shown = [t for t in trials if t.state == state and (t.value is not None or t.intermediate_values)]
        values = [
            (t.value or 0.0) if state == TrialState.COMPLETE else t.intermediate_values[t.last_step or 0] for t in shown
        ]
        if shown:
            axes.scatter([place(trial) for trial in shown], values, s=22, color=color, label=label, zorder=2)


def _learning(trials: Sequence[FrozenTrial], metric: MetricName) -> Figure:
    """What each trial reported, over the steps."""
    figure = Figure(figsize=(10, 3.2), layout="constrained")
    axes = figure.subplots()
    for trial in sorted(trials, key=lambda trial: trial.state == TrialState.COMPLETE):
        steps = sorted(trial.intermediate_values)
        color = _BLUE if trial.state == TrialState.COMPLETE else _GREY
        figures = [trial.intermediate_values[step] for step in steps]
        axes.plot(steps, figures, color=color, linewidth=1, marker=".", markersize=3)
    axes.set(xlabel="training step", ylabel=metric.title)
    return figure


def _slices(trials: Sequence[FrozenTrial], metric: MetricName) -> Figure:
    """One plot per key: its values against what came out."""
    found: Mapping[str, object] = {key: dist for trial in trials for key, dist in trial.distributions.items()}
    columns = min(3, len(found))
    rows = -(-len(found) // columns)
    figure = Figure(figsize=(3.4 * columns, 2.8 * rows), layout="constrained")
    for axes, (key, dist) in zip(figure.subplots(rows, columns, squeeze=False).flat, found.items(), strict=False):
        having = [trial for trial in trials if key in trial.params]
        if isinstance(dist, CategoricalDistribution):
            names = [str(choice) for choice in dist.choices]
            _dots(axes, having, lambda trial: names.index(str(trial.params[key])))  # noqa: B023 (called at once)
            axes.set_xticks(range(len(names)), names, rotation=30 if max(map(len, names)) > 8 else 0, fontsize=8)
        else:
            _dots(axes, having, lambda trial: trial.params[key])  # noqa: B023
            axes.set_xscale("log" if getattr(dist, "log", False) else "linear")
        axes.set(xlabel=key, ylabel=metric.title)
    for axes in figure.axes[len(found) :]:
        axes.set_axis_off()
    return figure


def _bars(matters: Mapping[str, float]) -> Figure:
    figure = Figure(figsize=(8, 0.6 + 0.4 * len(matters)), layout="constrained")
    axes = figure.subplots()
    names = list(matters)[::-1]
    axes.barh(names, [100 * matters[name] for name in names], color=_BLUE, height=0.6)
    for row, name in enumerate(names):
        axes.text(100 * matters[name] + 1, row, f"{matters[name]:.0%}", va="center", fontsize=8)
    axes.set(xlim=(0, 110), xlabel="share in what makes a trial good (%)")
    return figure


def _svg(figure: Figure) -> str:
    """A figure as a part of a page: its text stays text."""
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        figure.savefig(buffer, format="svg")
    text = buffer.getvalue()
    return text[text.index("<svg") :]
