"""The reference pages: of the configuration from the comments of `conf/`, of the code from its docstrings."""

import ast
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import realsr_mod
from realsr_mod.runtime import reference
from realsr_mod.runtime.conf_files import Key

PACKAGE = Path(realsr_mod.__file__).parent
COMMANDS = ("train", "evaluate", "explore")
EXPERIMENTS = "configuration/experiments.md"
NEEDS = "prerequisites."
TITLES = {"": "Minutes on a CPU", "paper": "As published", "zoo": "What made the zoo"}
ROOMS = {  # packages in the order in which a reader meets them
    "inference": "Using a network",
    "weights": "Loading and writing networks",
    "networks": "What networks are, and shared parts",
    "degradations": "Degradations",
    "images": "Image files",
    "data": "Photos to batches",
    "losses": "Losses",
    "methods": "What methods share",
    "training": "A training run",
    "analysis": "Looking inside networks",
    "runtime": "Configuration, devices, randomness",
}


@cache
def configuration() -> dict[str, str]:
    """A page per command, one of all experiments, and a page per group, in this order."""
    pages = {f"configuration/{command}.md": "\n".join(command_page(command)) for command in COMMANDS}
    pages[EXPERIMENTS] = "\n".join(experiments_page())
    for command in COMMANDS:
        for group in reference.groups(command).values():
            if group.folder not in ("experiment", "sweep"):
                pages.setdefault(f"configuration/{group.folder}.md", "\n".join(group_page(group)))
    return pages


def command_page(command: str) -> Iterator[str]:
    """What a command does, its keys, and what can be chosen."""
    source = (PACKAGE / f"{command}.py").read_text(encoding="utf-8")
    yield f"# {command}\n\n{ast.get_docstring(ast.parse(source))}\n"
    yield from ["## Keys\n", *table("key", reference.top_level(command).values())]
    brought = reference.brought_keys(command)
    if brought:
        yield from ["\nSome experiments bring keys along:\n", *table("key", brought.values())]
    yield "\n## Groups\n\n| GROUP=CHOICE | what it is |\n|---|---|"
    for group in reference.groups(command).values():
        page = "experiments.md" if group.name == reference.EXPERIMENT else f"{group.folder}.md"
        link = f"`{group.default_choice}`" if group.folder == "sweep" else f"[`{group.default_choice}`]({page})"
        names = "" if group.name == reference.EXPERIMENT else ": " + ", ".join(f"`{name}`" for name in group.choices)
        yield f"| {link} | {prose(group.sentence)}{names} |"


def group_page(group: reference.Group) -> Iterator[str]:
    """A group and all keys of its choices."""
    yield f"# {group.folder}\n\n`{group.name}=CHOICE`: {prose(group.sentence)}.\n"
    yield "| choice | what it is |\n|---|---|"
    for name in group.choices:
        yield f"| [`{name}`](#{name}) | {prose(reference.conf_file(f'{group.folder}/{name}').summary)} |"
    for name in group.choices:
        file = reference.conf_file(f"{group.folder}/{name}")
        yield f"\n## {name}\n\n" + "\n\n".join(map(paragraph, file.header)) + "\n"
        target = reference.target(group.folder, name)
        if target:
            yield f"Made by {code_link(target)}.\n"
        yield from table("key", reference.keys_of(group, name).values())


def experiments_page() -> Iterator[str]:
    """What every experiment is for, what it chooses, and what it sets."""
    yield "# Experiments\n\n`experiment=NAME`: a whole training. An experiment chooses in some groups and sets some"
    yield "keys; all others are as in [train](train.md). What stands on the command line comes on top.\n"
    group = reference.groups("train")[reference.EXPERIMENT]
    for folder, title in TITLES.items():
        yield f"\n## {title}\n"
        for name in (name for name in group.choices if name.rpartition("/")[0] == folder):
            yield (
                f'\n<a id="{anchor(name)}"></a>\n\n### {name}\n\n'
                + "\n\n".join(map(paragraph, reference.header(group, name)))
                + "\n"
            )
            chosen = reference.chosen_groups(name).items()
            links = (f"[`{key}={value}`]({key}.md{f'#{value}' if value else ''})" for key, value in chosen)
            yield f"Chooses {', '.join(links)}.\n"
            keys = reference.set_keys(name)
            built_on = {
                key.parent: key.value
                for key in keys.values()
                if key.path.startswith(NEEDS) and key.name == "experiment"
            }
            if built_on:
                needs = (
                    f"[`{value}`](#{anchor(value)}) (`{path.removeprefix(NEEDS)}`)" for path, value in built_on.items()
                )
                yield f"Builds on a run of {', '.join(needs)}.\n"
            yield from table("sets", [key for key in keys.values() if not key.path.startswith(NEEDS)])


def anchor(experiment: str) -> str:
    return experiment.replace("/", "-")


def table(title: str, keys: Iterable[Key]) -> Iterator[str]:
    """Keys with type and value in one column, what they mean in the other."""
    yield f"| {title} | what it is |\n|---|---|"
    for key in keys:
        kind = "" if key.is_part or not key.type else f"{code(key.type)} = "
        value = code_link(key.value) if key.is_part else code(key.value)
        reason = f"<br>*Here: {prose(key.reason)}*" if key.reason else ""
        yield f"| **{code(key.path)}**<br>{kind}{value} | {prose(key.sentence)}{reason} |"


def paragraph(text: str) -> str:
    """A paragraph of a file's header; a command is code."""
    return f"```\n{text}\n```" if text.startswith("python -m") else prose(text)


def prose(text: str) -> str:
    """Text of a comment as Markdown: what stands in backticks is code, nothing else means anything."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(part if part.startswith("`") else re.sub(r"([\\*_{}\[\]<>|#])", r"\\\1", part) for part in parts)


def code(text: str) -> str:
    return f"`{text}`"


def code_link(target: str) -> str:
    """The name of a class or function, with a link to its documentation if it is one of ours."""
    name = target.rpartition(".")[2]
    return f"[`{name}`][{target}]" if target.startswith(f"{realsr_mod.__name__}.") else f"`{target}`"


@cache
def api() -> dict[str, str]:
    """A page for the public names, then one per package with all its modules and what else is in them."""
    pages = {"api/index.md": "\n".join(public_page())}
    for room, title in ROOMS.items():
        inside = sorted(path.parent for path in (PACKAGE / room).glob("*/__init__.py"))
        for folder in [PACKAGE / room, *inside]:
            name = ".".join(folder.relative_to(PACKAGE).parts)
            modules = (f"{realsr_mod.__name__}.{name}.{path.stem}" for path in sorted(folder.glob("[!_]*.py")))
            parts = map(module_reference, modules)
            pages[f"api/{name}.md"] = "\n".join([f"# {title if folder.name == room else name}\n", *parts])
    return pages


@cache
def public_names() -> dict[str, str]:
    """The names that come with `import realsr_mod` and the modules that define them, room by room."""
    names = {name: getattr(realsr_mod, name).__module__ for name in realsr_mod.__all__}
    return dict(sorted(names.items(), key=lambda item: list(ROOMS).index(item[1].split(".")[1])))


def public_page() -> Iterator[str]:
    yield "# Public names\n\nWhat `import realsr_mod` brings. Images are float RGB in \\[0, 1\\], (batch, 3, height,"
    yield "width); letters at the end of a name say the shape, and each module says which letter is what.\n"
    yield from (f"::: {module}.{name}\n" for name, module in public_names().items())


def module_reference(module: str) -> str:
    """Everything in a module but the public names, which have a page of their own."""
    names = [name for name, where in public_names().items() if where == module]
    filters = ["!^_", *(f"!^{name}$" for name in names)]
    links = ", ".join(f"[`{name}`][{module}.{name}]" for name in names)
    told = f"\nAlso here: {links}.\n" if names else ""
    return f"::: {module}\n    options:\n      show_root_full_path: true\n      filters: {filters}\n{told}"
