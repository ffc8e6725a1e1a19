"""What can be chosen and set, and what every key means: the comments of `conf/`, for `--help` and the reference pages.

Imports neither hydra nor torch, so it answers at once. A key's sentence is the comment behind it,

    hr_crop_px: 96  # side of a training patch in HR pixels, a multiple of the scale

or the comment lines right above it. It is written once, where the key is defined, and holds

- in every file that inherits the key through `defaults`;
- for a key that hands on the top-level key of its name (`scale: ${scale}`), which is explained in `train.yaml`;
- for the same argument of a second part of its kind in the same file (`blur2` after `blur1`);
- for all that stands in the braces of a mapping.

The comment lines at a file's top describe the file; a group is described behind its entry in the command's `defaults`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from realsr_mod.runtime.conf_files import ConfFile, Key, read
from realsr_mod.runtime.config import CONF_DIR
from realsr_mod.runtime.plugins import conf_files, conf_path
from realsr_mod.runtime.signatures import annotation

EXPERIMENT = "experiment"
NOT_SHOWN = ("hydra",)  # groups that nobody chooses from
OVERRIDING = (EXPERIMENT, "sweep")  # whose files define no keys of their own group


@dataclass(frozen=True)
class Group:
    """What `name=CHOICE` may choose on a command line: the files of a folder of `conf/`."""

    name: str
    folder: str
    default: str | None
    sentence: str

    @property
    def choices(self) -> tuple[str, ...]:
        return choices(self.folder)

    @property
    def default_choice(self) -> str:
        """How the default would be chosen: "data=embedded". The name alone where it hangs on another choice."""
        return self.name if "@" in self.name else f"{self.name}={self.default or 'null'}"

    @property
    def prefix(self) -> str:
        """Where the choices' keys stand: "data", "protocol.degradation"; nothing for those that set keys anywhere."""
        return "" if self.folder in OVERRIDING else self.name.rpartition("@")[2]


def choices(folder: str) -> tuple[str, ...]:
    """The files of a group's folder, as they are chosen; those that are only inherited from (`base…`) are left out."""
    return tuple(sorted(name for name, _ in conf_files(folder) if not f"{name}_".startswith("base_")))


def conf_file(name: str) -> ConfFile:
    """A file of `conf/`, or of a plugin's, by its path in it, without suffix: "data/folder"."""
    return read(conf_path(name))


def groups(command: str) -> dict[str, Group]:
    """What can be chosen for a command, in the order of its defaults, then what some of the choices bring along."""
    listed = [entry for entry in conf_file(command).defaults if entry.group and entry.group not in NOT_SHOWN]
    found = {entry.group: Group(entry.group, entry.group, entry.choice, entry.sentence) for entry in listed}
    for outer in [group for group in found.values() if group.name != EXPERIMENT]:
        for name in outer.choices:
            for inner in conf_file(f"{outer.folder}/{name}").defaults:
                if inner.group and not inner.is_override:
                    whole = f"{inner.group}@{outer.name}.{inner.package}"
                    found.setdefault(whole, Group(whole, inner.group, None, inner.sentence))
    return found


def top_level(command: str) -> dict[str, Key]:
    """The keys of a command's own file, but for those that are groups."""
    of_groups = groups(command)
    return {path: key for path, key in conf_file(command).keys.items() if path not in of_groups}


@cache
def keys(folder: str, choice: str) -> Mapping[str, Key]:
    """The keys of a choice, inherited ones included, each with the value it has there, its sentence and its type."""
    found, targets = _inherited(folder, choice)
    return {path: _explained(key, found, targets) for path, key in found.items()}


def target(folder: str, choice: str) -> str:
    """The class or function that a choice is made by; empty if it is none that is made as a whole."""
    return _inherited(folder, choice)[1].get("", "")


def _inherited(folder: str, choice: str) -> tuple[dict[str, Key], dict[str, str]]:
    """The keys and targets of a file and of those in its `defaults`, in the order in which Hydra merges them."""
    file = conf_file(f"{folder}/{choice}")
    found: dict[str, Key] = {}
    targets: dict[str, str] = {}
    own = False
    for entry in file.defaults:
        if entry.choice == "_self_":
            found, targets, own = merged(found, file.keys), targets | dict(file.targets), True
        elif entry.choice is not None and not entry.is_override:
            more, theirs = _inherited(entry.group or folder, entry.choice)
            found = merged(found, {key.path: key for key in (k.under(entry.package) for k in more.values())})
            targets |= {f"{entry.package}.{path}".strip("."): target for path, target in theirs.items()}
    return (found, targets) if own else (merged(found, file.keys), targets | dict(file.targets))


def merged(older: Mapping[str, Key], newer: Mapping[str, Key]) -> dict[str, Key]:
    """Keys with newer ones over them. What is said of a value that replaces another one is its reason."""
    both = {path: _over(older[path], key) if path in older else key for path, key in newer.items()}
    return {**older, **both}


def _over(older: Key, newer: Key) -> Key:
    if not older.sentence:
        return newer
    return replace(newer, sentence=older.sentence, reason=newer.sentence)


def _explained(key: Key, siblings: Mapping[str, Key], targets: Mapping[str, str]) -> Key:
    """A key with the type that its constructor says, and with another key's sentence where the rules above give it."""
    owner = targets.get(key.parent, "")
    if owner and not key.is_part:
        key = replace(key, type=annotation(owner, key.name) or key.type)
    if key.sentence:
        return key
    sisters = (k for k in siblings.values() if owner and k.name == key.name and targets.get(k.parent) == owner)
    sentence = next((sister.sentence for sister in sisters if sister.sentence), "")
    if not sentence and key.value == f"${{{key.name}}}":
        sentence = _top_level_sentences().get(key.name, "")
    return replace(key, sentence=sentence)


@cache
def _top_level_sentences() -> Mapping[str, str]:
    of_groups = {name: group.sentence for name, group in groups("train").items()}
    return of_groups | {path: key.sentence for path, key in top_level("train").items()}


def chosen_groups(experiment: str) -> dict[str, str | None]:
    """The groups in which an experiment, or one that it inherits from, makes a choice of its own."""
    chosen: dict[str, str | None] = {}
    for entry in conf_file(f"{EXPERIMENT}/{experiment}").defaults:
        if entry.group == EXPERIMENT:
            chosen |= chosen_groups(str(entry.choice))
        elif entry.is_override:
            chosen[entry.group] = entry.choice
    return chosen


@cache
def set_keys(experiment: str) -> Mapping[str, Key]:
    """The keys that an experiment sets, inherited ones included, with what they mean and, where it is said, why."""
    known = dict(top_level("train"))
    chosen = {group.name: group.default for group in groups("train").values() if group.name != EXPERIMENT}
    for group, choice in (chosen | chosen_groups(experiment)).items():
        if choice is not None:
            known |= {key.path: key for key in (k.under(group) for k in keys(group, choice).values())}
    return {path: _meant(key, known) for path, key in _settings(experiment).items()}


def _settings(experiment: str) -> dict[str, Key]:
    """The keys that an experiment sets, as the last file to set each has it: what is said there is of the value."""
    file = conf_file(f"{EXPERIMENT}/{experiment}")
    found: dict[str, Key] = {}
    for entry in file.defaults:
        if entry.group == EXPERIMENT:
            found |= _settings(str(entry.choice))
    return {**found, **file.keys}


def keys_of(group: Group, choice: str) -> dict[str, Key]:
    """The keys of a choice by the paths under which the command line sets them."""
    found = set_keys(choice) if group.name == EXPERIMENT else keys(group.folder, choice)
    return {key.path: key for key in (k.under(group.prefix) for k in found.values())}


def header(group: Group, choice: str) -> tuple[str, ...]:
    """What the file of a choice says of itself, paragraph by paragraph."""
    return conf_file(f"{group.folder}/{choice}").header


def all_keys(command: str) -> dict[str, Key]:
    """Every key that some choice of the command's groups has, as its default choice has it if that does."""
    found: dict[str, Key] = {}
    for group in groups(command).values():
        if group.folder not in OVERRIDING:
            for choice in sorted(group.choices, key=lambda name: name == group.default):
                found |= keys_of(group, choice)
    return found


@cache
def brought_keys(command: str) -> Mapping[str, Key]:
    """The top-level keys that some experiments of a command bring along: what they build on."""
    of_groups = groups(command)
    known = top_level(command)
    experiments = sorted(choices(EXPERIMENT), key=lambda name: "/" not in name) if EXPERIMENT in of_groups else []
    found = {path: key for name in experiments for path, key in conf_file(f"{EXPERIMENT}/{name}").keys.items()}
    return {path: key for path, key in found.items() if "." not in path and path not in {**known, **of_groups}}


def _meant(key: Key, known: Mapping[str, Key]) -> Key:
    if key.path in known:
        return replace(_over(known[key.path], key), type=known[key.path].type or key.type)
    around = next((path for path in _parents(key.path) if path in known and not known[path].is_part), None)
    return replace(key, sentence=f"see {around}") if around and not key.sentence else key


def _parents(path: str) -> Iterator[str]:
    while "." in path:
        path = path.rpartition(".")[0]
        yield path


def unexplained() -> list[tuple[Path, str]]:
    """File and key of all that has no sentence, and files without a header. What sweeps set is explained elsewhere."""
    missing: list[tuple[Path, str]] = []
    for path in sorted(CONF_DIR.rglob("*.yaml")):
        folder, _, choice = path.relative_to(CONF_DIR).with_suffix("").as_posix().partition("/")
        if folder == EXPERIMENT:
            found = set_keys(choice)
        elif choice:
            found = keys(folder, choice) if folder != "sweep" else {}
        else:
            found = top_level(folder)
            missing += [(path, group.name) for group in groups(folder).values() if not group.sentence]
        missing += [(path, key.path) for key in found.values() if not key.sentence]
        if not read(path).header:
            missing.append((path, "the comment at its top"))
    return missing
