"""Command-line arguments as Hydra reads them."""

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException


def readable(argument: str) -> str:
    """`KEY=VALUE` with VALUE in quotes where Hydra's grammar has no place for it: a path with brackets or umlauts."""
    key, _, value = argument.partition("=")
    if not is_override(argument) or value.startswith(("[", "{")):
        return argument
    try:
        OverridesParser.create().parse_override(argument)
    except HydraException:
        return f"{key}={in_quotes(value)}"
    return argument


def in_quotes(value: str) -> str:
    """A value that Hydra takes as it is, whatever characters it has."""
    return "'" + value.replace("'", "\\'") + "'"


def is_override(argument: str) -> bool:
    """Whether a command-line argument sets something (KEY=VALUE, ~KEY), or is a flag of Hydra's or its value."""
    return not argument.startswith("-") and ("=" in argument or argument.startswith("~"))
