"""The annotations of constructors, read from the source without importing it: what type a configuration key takes."""

import ast
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]


def annotation(target: str, argument: str) -> str:
    """What `argument` of the class or function `target` takes; empty if nobody says or it is not of this package."""
    module, _, name = target.rpartition(".")
    return readable(arguments(module, name).get(argument, ""))


def readable(text: str) -> str:
    """An annotation for people: `Literal['skip', 'error']` as `skip | error`, `Sequence[float]` as `list[float]`.

    Nothing for what no value can be, a `Callable`: those are parts.
    """
    if "Callable" in text:
        return ""
    text = re.sub(r"Literal\[([^\]]*)\]", lambda match: match[1].replace("'", "").replace(", ", " | "), text)
    text = re.sub(r"\bSequence\b", "list", text)
    return re.sub(r"\bMapping\b", "dict", text)


@cache
def arguments(module: str, name: str) -> Mapping[str, str]:
    """Annotations of a function's arguments, or of a constructor's with those that it passes on to its bases."""
    tree = parsed(module)
    if tree is None:
        return {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name == name:
            return _annotated(node, module)
        if isinstance(node, ast.ClassDef) and node.name == name:
            return _of_class(node, module)
    return {}


def _of_class(node: ast.ClassDef, module: str) -> dict[str, str]:
    own = next((n for n in node.body if isinstance(n, ast.FunctionDef) and n.name == "__init__"), None)
    found: dict[str, str] = {}
    if own is None or own.args.kwarg is not None:
        for base in node.bases:
            if isinstance(base, ast.Name):
                found |= arguments(*defined_in(module, base.id))
    return found if own is None else found | _annotated(own, module)


def _annotated(node: ast.FunctionDef, module: str) -> dict[str, str]:
    given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    return {arg.arg: _unfolded(arg.annotation, module) for arg in given if arg.annotation is not None}


def _unfolded(node: ast.expr, module: str) -> str:
    """An annotation as it is written, or what it stands for if it is a name of ours for something else."""
    if isinstance(node, ast.Name):
        where, name = defined_in(module, node.id)
        tree = parsed(where)
        for statement in tree.body if tree else []:
            if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == name:
                return ast.unparse(statement.value)
    return ast.unparse(node)


def defined_in(module: str, name: str) -> tuple[str, str]:
    """The module that a name in `module` comes from, and what it is called there."""
    tree = parsed(module)
    for statement in tree.body if tree else []:
        if isinstance(statement, ast.ImportFrom) and statement.module:
            for alias in statement.names:
                if (alias.asname or alias.name) == name:
                    return statement.module, alias.name
    return module, name


@cache
def parsed(module: str) -> ast.Module | None:
    """The syntax tree of a module of this package; None for any other."""
    package, *parts = module.split(".")
    path = PACKAGE.joinpath(*parts).with_suffix(".py")
    return ast.parse(path.read_text(encoding="utf-8")) if package == PACKAGE.name and path.is_file() else None
