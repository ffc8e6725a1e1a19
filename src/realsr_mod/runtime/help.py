"""`--help` of the commands that Hydra composes: what can be chosen and set, in the words of `conf/`."""

from collections.abc import Iterable, Sequence

from rich.console import Console, RenderableType
from rich.console import Group as RenderGroup
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from realsr_mod.runtime import reference
from realsr_mod.runtime.conf_files import Key
from realsr_mod.runtime.errors import nearest, suggestion
from realsr_mod.runtime.reference import Group

FLAGS = ("--help", "-h")
NAME_WIDTH = 25  # of the longest name of an experiment
EXPERIMENTS = {"": "Experiments", "paper": "Experiments as published", "zoo": "Experiments that made the zoo"}


def topics(arguments: Sequence[str]) -> list[str] | None:
    """What `--help` is asked about, nothing in particular if the list is empty; None if nobody asks for help."""
    if not set(FLAGS) & set(arguments):
        return None
    return [argument for argument in arguments if not argument.startswith("-")]


def print_help(command: str, usage: str, about: Sequence[str] = ()) -> None:
    """Print what a command does and all that can be chosen and set, or what each of `about` means.

    Raises ValueError for what is neither a group, nor a choice in one, nor a key.
    """
    console = Console(highlight=False)
    if not about:
        console.print(usage.strip(), markup=False, soft_wrap=True)
        console.print(overview(command))
    for topic in about:
        console.print(explanation(command, topic))


def overview(command: str) -> RenderableType:
    """Keys, experiments and groups of a command with their choices, a line each."""
    groups = reference.groups(command)
    experiments = groups.pop(reference.EXPERIMENT, None)
    parts = [heading("Keys, with KEY=VALUE"), columns(map(row, reference.top_level(command).values()))]
    if experiments is not None:
        parts += [heading("Keys of some experiments"), columns(map(row, reference.brought_keys(command).values()))]
        parts += experiment_lists(experiments)
    parts.append(heading("Groups, with GROUP=CHOICE"))
    for group in groups.values():
        of_group = (Text(group.default_choice, style="bold"), group.sentence)
        parts.append(columns([of_group, *((f"  {name}", summary(group, name)) for name in group.choices)]))
    example = next(iter(groups.values()))
    more = [
        (f"--help {example.name}", "what the choices of a group are made of"),
        (f"--help {example.default_choice}", "every key of one choice"),
        (f"--help {next(iter(reference.keys_of(example, str(example.default))))}", "one key"),
        ("--trust PACKAGE", "use one's own package: its classes, and the files in its folder conf"),
        ("--config-dir FOLDER", "find files in a folder of one's own, too, laid out as conf/ is"),
        ("--hydra-help", "flags of Hydra, which composes the configuration"),
        ("python -m realsr_mod", "the other commands"),
    ]
    return RenderGroup(*parts, heading("More help"), columns(more))


def experiment_lists(group: Group) -> list[RenderableType]:
    """All experiments, folder by folder, each with its first sentence."""
    parts: list[RenderableType] = []
    for folder in dict.fromkeys(name.rpartition("/")[0] for name in sorted(group.choices, key=lambda n: n.count("/"))):
        found = (name for name in group.choices if name.rpartition("/")[0] == folder)
        parts.append(heading(f"{EXPERIMENTS.get(folder, folder)}, with experiment=NAME"))
        parts.append(columns((name, summary(group, name)) for name in found))
    return parts


def explanation(command: str, topic: str) -> RenderableType:
    """What GROUP, GROUP=CHOICE or KEY means. Raises ValueError where there is no such thing."""
    name, _, choice = topic.partition("=")
    groups = reference.groups(command)
    if name in groups:
        group = groups[name]
        if not choice:
            return RenderGroup(*(experiment_lists(group) if name == reference.EXPERIMENT else whole_group(group)))
        if choice not in group.choices:
            raise ValueError(f"there is no {topic}; {suggestion(choice, group.choices, f'choices of {name}')}")
        return RenderGroup(*one_choice(group, choice, {}))
    keys = {**reference.brought_keys(command), **reference.top_level(command)}
    known = reference.all_keys(command) | keys
    if name not in known:
        raise ValueError(
            f"there is no group or key '{name}'; {nearest(name, [*groups, *known])}"
            f"groups: {', '.join(groups)}; keys: {', '.join(keys)}"
        )
    return RenderGroup(*in_full([known[name]]))


def whole_group(group: Group) -> list[RenderableType]:
    """All choices of a group, the default first; what several of them take is explained once."""
    told: dict[str, Key] = {}
    parts: list[RenderableType] = [Text(f"{group.name}: {group.sentence}")]
    for name in sorted(group.choices, key=lambda name: name != group.default):
        parts += one_choice(group, name, told)
    return parts


def one_choice(group: Group, name: str, told: dict[str, Key]) -> list[RenderableType]:
    """A choice and its keys. Of those in `told` only values that differ are shown; the others are added to it."""
    parts: list[RenderableType] = [heading(f"{group.name}={name}")]
    parts += [Padding(Text(paragraph), (0, 0, 0, 2)) for paragraph in reference.header(group, name)]
    if group.name == reference.EXPERIMENT:
        chosen = " ".join(f"{key}={value}" for key, value in reference.chosen_groups(name).items())
        parts.append(Padding(Text(f"chooses {chosen}"), (1, 0, 0, 2)))
    keys = reference.keys_of(group, name)
    known = {path for path, key in keys.items() if path in told and told[path].sentence == key.sentence}
    differing = " ".join(shown(key) for key in keys.values() if key.path in known and key.value != told[key.path].value)
    if differing:
        parts.append(Padding(Text(differing), (1, 0, 0, 2)))
    new = {path: key for path, key in keys.items() if path not in known}
    if new:
        parts += [Text(), *in_full(new.values())]
    told |= new
    return parts


def in_full(keys: Iterable[Key]) -> list[RenderableType]:
    """Each key with type and value, and what it means below."""
    parts: list[RenderableType] = []
    for key in keys:
        kind = f": {key.type}" if key.type and not key.is_part else ""
        parts.append(Padding(Text.assemble((key.path, "bold"), f"{kind} = {key.value}"), (0, 0, 0, 2)))
        parts += [
            Padding(Text(told), (0, 0, 0, 6)) for told in (key.sentence, key.reason and f"here: {key.reason}") if told
        ]
    return parts


def columns(rows: Iterable[tuple[str | Text, str]]) -> RenderableType:
    """Names and what they are, in two columns; what does not fit goes on below, in its column."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(min_width=NAME_WIDTH, no_wrap=True)
    table.add_column(overflow="fold")
    for name, told in rows:
        table.add_row(name if isinstance(name, Text) else Text(name), Text(told))
    return Padding(table, (0, 0, 0, 2))


def row(key: Key) -> tuple[str, str]:
    return shown(key), key.sentence


def heading(text: str) -> Text:
    return Text(f"\n{text}", style="bold")


def shown(key: Key) -> str:
    return f"{key.path}={key.value}"


def summary(group: Group, name: str) -> str:
    return reference.conf_file(f"{group.folder}/{name}").summary
