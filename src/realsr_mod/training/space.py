"""The space that a search looks through, as Hydra's overrides write it."""

from collections.abc import Iterable, Mapping

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

EXAMPLE = "'method.optimizer.lr=tag(log,interval(1e-4,1e-2))' network.channels=choice(32,48,64)"


def split(overrides: Iterable[str]) -> tuple[list[str], dict[str, BaseDistribution]]:
    """What all trials have in common, as overrides, and the space of what differs, by key; later ones replace earlier.

    Raises:
        ValueError: nothing differs, or an interval is none.
    """
    fixed: dict[str, str] = {}
    space: dict[str, BaseDistribution] = {}
    for override in OverridesParser.create().parse_overrides(list(overrides)):
        key = override.get_key_element()
        fixed.pop(key, None)
        space.pop(key, None)
        if override.is_sweep_override():
            space[key] = distribution(override)
        else:
            fixed[key] = str(override.input_line)
    if not space:
        raise ValueError(f"sweep=optuna has nothing to search; give a space, such as {EXAMPLE}")
    return list(fixed.values()), space


def distribution(override: Override) -> BaseDistribution:
    """One key's values: `interval(a,b)`, `tag(log,interval(a,b))`, `range(a,b,step)`, `choice(…)` or `a,b,c`.

    A range stops before its end, as Hydra's does. Whole numbers: `int(interval(a,b))`.
    """
    value = override.value()
    if isinstance(value, IntervalSweep):
        low, high, is_log = value.start, value.end, "log" in value.tags
        if low is None or high is None or not low < high or (is_log and low <= 0):
            rule = "two bounds, the lower one first" + (", above 0 for a logarithm" if is_log else "")
            raise ValueError(f"{override.input_line}: an interval has {rule}")
        if isinstance(low, int) and isinstance(high, int):
            return IntDistribution(low, high, log=is_log)
        return FloatDistribution(low, high, log=is_log)
    if isinstance(value, RangeSweep):
        numbers = [float(text) for text in override.sweep_string_iterator()]
        if not numbers:
            raise ValueError(f"{override.input_line}: a range of no numbers; its end comes after its last number")
        low, high = min(numbers), max(numbers)
        step = abs(numbers[1] - numbers[0]) if len(numbers) > 1 else 1.0
        if all(isinstance(number, int) for number in (value.start, value.stop, value.step)):
            return IntDistribution(int(low), int(high), step=int(step))
        return FloatDistribution(low, high, step=step)
    return CategoricalDistribution(tuple(str(text) for text in override.sweep_string_iterator()))


def as_overrides(params: Mapping[str, object]) -> list[str]:
    """The overrides that give these values; numbers lose no digit: what was proposed is trained."""
    return [f"{key}={value}" for key, value in params.items()]
