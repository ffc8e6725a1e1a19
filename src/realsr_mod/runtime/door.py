"""The one door for what files describe: classes of the kind that is expected, and plain values as their arguments.

A model folder, a params file, a pipeline's YAML or a run folder may come from anyone. Hydra's `instantiate` would call
whatever such a file names. Here a description becomes an object only if every `_target_` in it is a class of this
package, or of one that a person trusts (`runtime/plugins.py`; by default none), and of an expected kind, and everything
else in it is a number, a text, a list or a mapping of these. Nothing that a file says is interpolated, imported from
elsewhere or called otherwise.
"""

import importlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from realsr_mod.runtime.plugins import how_to_trust, is_trusted

TARGET = "_target_"
_PACKAGE = "realsr_mod."
_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
_LONGEST_PATH = 200
_LONGEST = 10_000  # entries of a list or mapping, characters of a text
_MOST = 200_000  # values in all
_DEEPEST = 16


def build(config: object, kinds: tuple[type, ...], where: object) -> Any:
    """Make what a description says: a mapping with `_target_` and the constructor's arguments, nested ones included.

    Args:
        config: from a file.
        kinds: what the result, and every described argument inside it, must be an instance of.
        where: the file, for messages.

    Raises:
        ValueError: anything else than that; the message names the file, the value and the rule.
    """
    target, arguments = described(config, kinds, where)
    built = {key: _argument(value, kinds, f"{where}: {key}") for key, value in arguments.items()}
    try:
        return target(**built)
    except Exception as error:  # whatever values of the wrong kind and size lead a constructor to
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        if isinstance(error, ValueError) and reason.startswith(str(where)):
            raise  # of a part, which was named
        raise ValueError(f"{where}: {target.__name__} cannot be made of these arguments: {reason}") from error


def described(config: object, kinds: tuple[type, ...], where: object) -> tuple[type, dict[str, Any]]:
    """The class that a description names, and its arguments, checked but not built. Raises ValueError."""
    check_plain(config, where)
    if not isinstance(config, Mapping) or TARGET not in config:
        raise ValueError(f"{where}: expected a mapping with {TARGET}, the path of a class; got {_short(config)}")
    arguments = {key: value for key, value in config.items() if key != TARGET}
    if odd := [key for key in arguments if key.startswith("_")]:
        raise ValueError(f"{where}: {odd[0]} is no argument of a class; a file may give {TARGET} and arguments alone")
    return named_class(config[TARGET], kinds, where), arguments


def named_class(target: object, kinds: tuple[type, ...], where: object) -> type:
    """The class at a dotted path, if it is ours or a trusted package's, of one of the kinds, and defined there."""
    expected = " or ".join(kind.__name__ for kind in kinds)
    if not isinstance(target, str) or len(target) > _LONGEST_PATH or _PATH.fullmatch(target) is None:
        raise ValueError(f"{where}: names {_short(target)}; only classes of {_PACKAGE[:-1]} are made from files")
    package = target.partition(".")[0]
    if not target.startswith(_PACKAGE) and not is_trusted(target):
        rule = f"only classes of {_PACKAGE[:-1]} are made from files"
        raise ValueError(f"{where}: names {_short(target)}; {rule}{how_to_trust(package)}")
    module, _, name = target.rpartition(".")
    try:
        found: type = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"{where}: names {target}, which the {package} that is installed here lacks") from error
    at_home = isinstance(found, type) and f"{found.__module__}.{found.__qualname__}" == target
    if not at_home or not issubclass(found, kinds):
        raise ValueError(f"{where}: names {target}, which is no {expected}")
    return found


def check_plain(value: object, where: object) -> None:
    """Raise a ValueError unless a value consists of numbers, texts, lists and mappings, of sane size."""
    _check_plain(value, str(where), 0, iter(range(_MOST)))


def _check_plain(value: object, where: str, depth: int, left: Iterator[int]) -> None:
    if next(left, None) is None:
        raise ValueError(f"{where}: more than {_MOST} values in all")
    if depth > _DEEPEST:
        raise ValueError(f"{where}: nested more than {_DEEPEST} deep")
    if value is None or isinstance(value, bool):
        return
    if isinstance(value, int | float):
        if not abs(value) <= 1e18:  # written so that NaN fails it
            raise ValueError(f"{where}: {_short(value)} is not a finite number of sane size")
    elif isinstance(value, str):
        if len(value) > _LONGEST or "${" in value or not _is_unicode(value):
            raise ValueError(f"{where}: {_short(value)} is no plain text: too long, an interpolation, or broken")
    elif isinstance(value, Mapping):
        _check_length(value, where)
        for key, inner in value.items():
            if not isinstance(key, str) or len(key) > _LONGEST_PATH or not key.isprintable():
                raise ValueError(f"{where}: the key {_short(key)} is no short text")
            _check_plain(inner, f"{where}: {key}", depth + 1, left)
    elif isinstance(value, list | tuple):
        _check_length(value, where)
        for inner in value:
            _check_plain(inner, where, depth + 1, left)
    else:
        raise ValueError(f"{where}: a {type(value).__name__}; expected numbers, texts, lists and mappings")


def _is_unicode(text: str) -> bool:
    """Whether it can be written: half a pair of surrogates cannot."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _check_length(value: Any, where: object) -> None:
    if len(value) > _LONGEST:
        raise ValueError(f"{where}: {len(value)} entries, at most {_LONGEST} are read")


def _argument(value: object, kinds: tuple[type, ...], where: str) -> Any:
    """An argument as the constructor gets it: described objects are built, the rest stays."""
    if isinstance(value, Mapping):
        if TARGET in value:
            return build(value, kinds, where)
        return {key: _argument(inner, kinds, f"{where}: {key}") for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_argument(inner, kinds, where) for inner in value]
    return value


def _short(value: object) -> str:
    """A value for messages, whatever it is: the digits of a huge number are not even counted."""
    if isinstance(value, int) and abs(value) > 10**80:
        return "a number of over 80 digits"
    text = ascii(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
