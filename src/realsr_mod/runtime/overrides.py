"""Command-line arguments as Hydra reads them."""

import re
from collections.abc import Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from realsr_mod.runtime.plugins import is_group

# Keys whose values are text whatever they look like: names and folders of people's own.
_TEXT = re.compile(r"(?:.*[._])?(?:root|name|output)")
_NOT_TEXT = re.compile(r"[+-]?(?:\d[\d_]*)?\.?\d*(?:e[+-]?\d+)?|[+-]?(?:inf|nan)|true|false", re.IGNORECASE)


def readable(argument: str, is_sweep: bool = False) -> str:
    """`KEY=VALUE` with VALUE in quotes where Hydra would not take it as the text that it is.

    So are a path with brackets or umlauts, which its grammar has no place for, and a folder or name that looks like a
    number. In a sweep each of `KEY=A,B` is quoted by itself; elsewhere a comma belongs to the path.
    """
    key, _, value = argument.partition("=")
    if not is_override(argument) or not value or value.startswith(("[", "{", "'", '"')):
        return argument
    parts = value.split(",") if is_sweep else [value]
    is_text = _TEXT.fullmatch(key.lstrip("+")) is not None
    if is_text and not is_sweep and "," in value and not value.endswith(")"):
        return f"{key}={in_quotes(value)}"
    if is_text and any(_NOT_TEXT.fullmatch(part) for part in parts):
        return f"{key}={','.join(in_quotes(part) if _NOT_TEXT.fullmatch(part) else part for part in parts)}"
    try:
        OverridesParser.create().parse_override(argument)
    except HydraException:
        return f"{key}={','.join(part if _is_plain(part) else in_quotes(part) for part in parts)}"
    return argument


def _is_plain(value: str) -> bool:
    """Whether Hydra reads a value without quotes."""
    try:
        OverridesParser.create().parse_override(f"key={value}")
    except HydraException:
        return False
    return True


def in_quotes(value: str) -> str:
    """A value that Hydra takes as it is, whatever characters it has."""
    return "'" + value.replace("'", "\\'") + "'"


def without_null(argument: str) -> str:
    """`GROUP=null` as `~GROUP`, which is how Hydra is told that nothing is chosen for a group."""
    group, _, value = argument.partition("=")
    return f"~{group}" if value.lower() == "null" and is_group(group) else argument


def groups_taken_away(overrides: Sequence[str]) -> list[str]:
    """The groups for which these overrides choose nothing: `~GROUP`, `~GROUP=CHOICE`."""
    named = (item.removeprefix("~").partition("=")[0] for item in overrides if item.startswith("~"))
    return [group for group in named if is_group(group)]


def is_override(argument: str) -> bool:
    """Whether a command-line argument sets something (KEY=VALUE, ~KEY), or is a flag of Hydra's or its value."""
    return not argument.startswith("-") and ("=" in argument or argument.startswith("~"))


# Flags of Hydra's that a value follows, unless it is joined to them by `=`.
VALUED_FLAGS = frozenset(
    ("--cfg", "-c", "--config-dir", "-cd", "--config-name", "-cn", "--config-path", "-cp", "--experimental-rerun",
     "--info", "-i", "--package", "-p")
)  # fmt: skip


def flags_first(arguments: Sequence[str]) -> list[str]:
    """The same command line with Hydra's flags, and their values, before what sets something.

    Hydra's parser takes overrides in one piece alone: `a=1 -m seed=0,1` would be a usage message.
    """
    flags, rest, given = [], [], list(arguments)
    while given:
        argument = given.pop(0)
        if argument.startswith("-") and argument != "-":
            flags.append(argument)
            if argument in VALUED_FLAGS and given and not given[0].startswith("-") and not is_override(given[0]):
                flags.append(given.pop(0))
        else:
            rest.append(argument)
    return [*flags, *rest]
