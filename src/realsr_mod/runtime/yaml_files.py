"""YAML that may come from anyone, looked at before it is read: a few lines of aliases can stand for gigabytes."""

from collections.abc import Callable
from pathlib import Path

import yaml

_MOST_VALUES = 10_000
_DEEPEST = 16


def check_yaml(
    path: Path, most_bytes: int, check_text: Callable[[str], object] = lambda text: None
) -> yaml.Node | None:
    """Parse a YAML file without making anything of it.

    Args:
        path: of the file.
        most_bytes: larger files are refused.
        check_text: is called with every text in it, keys included, and may raise.

    Returns:
        The root of what was parsed; None for an empty file.

    Raises:
        ValueError: too large, no YAML, or too much once its aliases are written out; the message names the file.
    """
    if path.stat().st_size > most_bytes:
        raise ValueError(f"{path}: {path.stat().st_size / 1e3:.0f} kB; at most {most_bytes / 1e3:g} kB are read")
    try:
        root = yaml.compose(path.read_text("utf-8"), Loader=yaml.SafeLoader)
    except (ValueError, yaml.YAMLError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ValueError(f"{path}: not a configuration that can be read: {reason}") from error
    if root is not None and _expanded(root, {}, path, check_text) > _MOST_VALUES:
        raise ValueError(f"{path}: more than {_MOST_VALUES} values, its aliases written out")
    return root


def _expanded(
    node: yaml.Node, known: dict[int, int], path: Path, check_text: Callable[[str], object], depth: int = 0
) -> int:
    """How many values a node stands for, aliases written out."""
    if id(node) in known:
        return known[id(node)]
    if depth > _DEEPEST:
        raise ValueError(f"{path}: nested more than {_DEEPEST} deep")
    if isinstance(node, yaml.ScalarNode):
        check_text(node.value)
        return 1
    known[id(node)] = _MOST_VALUES + 1  # of a node inside itself
    pairs = node.value if isinstance(node, yaml.SequenceNode) else [part for pair in node.value for part in pair]
    known[id(node)] = 1 + sum(_expanded(part, known, path, check_text, depth + 1) for part in pairs)
    return known[id(node)]
