"""Other people's packages and configurations that this process may use: none, unless a person has said so.

A package is trusted if it is installed with an entry point in the group `realsr_mod.plugins`, or named by `--trust`, by
`trust()` or in the environment variable `REALSR_MOD_TRUST`. What files name may then be a class of it, and its folder
`conf`, if it has one, belongs to the Hydra tree. `--config-dir` (`REALSR_MOD_CONFIG_DIR`) adds a folder to that tree
and trusts nothing. Both are kept in the environment, so that processes that this one starts do the same.
"""

import os
import re
import sys
from collections.abc import Iterator, Sequence
from functools import cache
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

from realsr_mod.runtime.config import CONF_DIR

GROUP = "realsr_mod.plugins"  # of entry points: NAME = "PACKAGE"
TRUST, CONFIG_DIR = "REALSR_MOD_TRUST", "REALSR_MOD_CONFIG_DIR"
OPTIONS = {"--trust": TRUST, "--config-dir": CONFIG_DIR, "-cd": CONFIG_DIR}
_PACKAGE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


def trust(*packages: str) -> None:
    """Let files name classes of these packages, whose code then runs with your rights; add their `conf` folders.

    Raises:
        ValueError: a package that Python does not find, here or among those installed.
    """
    for package in packages:
        if not _PACKAGE.fullmatch(package):
            raise ValueError(f"{package!r} is no package; give its name, as in: import NAME")
        _look_here()
        if _place(package) is None:
            raise ValueError(f"there is no package '{package}' in {Path.cwd()} nor among those that are installed")
        _remember(TRUST, package)


def add_config_dir(folder: str | Path) -> None:
    """Add a folder of configurations, laid out as `conf/` is, behind those that are there.

    Raises:
        FileNotFoundError: there is no such folder.
    """
    path = Path(folder).expanduser().resolve()
    if not path.is_dir():
        raise FileNotFoundError(f"{folder}: no such folder; --config-dir takes one that is laid out as conf/ is")
    _look_here()
    _remember(CONFIG_DIR, str(path))


def take_options(arguments: Sequence[str]) -> list[str]:
    """Do what `--trust PACKAGE` and `--config-dir FOLDER` say in a command line; returns the rest of it."""
    rest, given = [], iter(arguments)
    for argument in given:
        option, equals, value = argument.partition("=")
        if option not in OPTIONS:
            rest.append(argument)
            continue
        if not equals:
            value = next(given, "")
        (trust if OPTIONS[option] == TRUST else add_config_dir)(value)
    return rest


def how_to_trust(package: str) -> str:
    """What a person may do about a class that is refused, to end a sentence; nothing, if Python itself brings it."""
    if package in sys.stdlib_module_names:
        return ""
    return (
        f". If you wrote the package {package}, or have read it, --trust {package} lets it be used, with all rights "
        f"that you have (in Python: realsr_mod.trust('{package}'))"
    )


def given_options() -> list[str]:
    """The options of a command line that would say what has been said to this process."""
    named = [option for package in _remembered(TRUST) for option in ("--trust", package)]
    return named + [option for folder in _remembered(CONFIG_DIR) for option in ("--config-dir", folder)]


def trusted_packages() -> list[str]:
    """The packages whose classes files may name, beside our own."""
    named = _remembered(TRUST)
    if named:
        _look_here()  # for a process that was started with the environment alone
    return list(dict.fromkeys([*installed_plugins(), *named]))


def is_trusted(target: str) -> bool:
    """Whether what stands at this path belongs to a trusted package."""
    return any(target.startswith(f"{package}.") for package in trusted_packages())


def conf_dirs() -> list[Path]:
    """The folders that make up the Hydra tree: ours first, so that no other replaces a file of it."""
    places = [_place(package) for package in trusted_packages()]
    own = [place / "conf" for place in places if place is not None and (place / "conf").is_dir()]
    return list(dict.fromkeys([CONF_DIR, *own, *map(Path, _remembered(CONFIG_DIR))]))


def conf_files(folder: str = "") -> Iterator[tuple[str, Path]]:
    """Every file of a folder of the Hydra tree, with its path inside that folder, without suffix; "" is the tree."""
    found: dict[str, Path] = {}
    for root in conf_dirs():
        for path in sorted((root / folder).rglob("*.yaml")):
            found.setdefault(path.relative_to(root / folder).with_suffix("").as_posix(), path)
    yield from found.items()


def conf_path(name: str) -> Path:
    """The file of the Hydra tree at this path, without suffix; where there is none, the one that would be ours."""
    places = [root / f"{name}.yaml" for root in conf_dirs()]
    return next((place for place in places if place.is_file()), places[0])


def is_group(name: str) -> bool:
    """Whether the Hydra tree has a folder of this name."""
    return any((root / name).is_dir() for root in conf_dirs())


@cache
def installed_plugins() -> tuple[str, ...]:
    """The packages that are installed as plugins."""
    return tuple(dict.fromkeys(point.value.partition(":")[0] for point in entry_points(group=GROUP)))


def _place(package: str) -> Path | None:
    """The folder of a package (of a module, the one that it lies in); None if Python does not find it."""
    try:
        spec = find_spec(package)
    except (ImportError, ValueError):  # of a parent that is not there, or that is no package
        return None
    if spec is None:
        return None
    found = next(iter(spec.submodule_search_locations or []), None)
    return Path(found) if found else Path(spec.origin or ".").parent


def _look_here() -> None:
    """Find packages in the current folder, as `python -m` does; behind all others, so that none is replaced."""
    here = os.getcwd()
    if here not in sys.path and "" not in sys.path:
        sys.path.append(here)


def _remembered(variable: str) -> list[str]:
    return [item for item in os.environ.get(variable, "").split(os.pathsep) if item]


def _remember(variable: str, item: str) -> None:
    os.environ[variable] = os.pathsep.join(dict.fromkeys([*_remembered(variable), item]))
