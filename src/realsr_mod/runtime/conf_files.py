"""The files of `conf/` with their comments: what Hydra composes, and what it says to people."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import yaml

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # six times as fast, where it is there
HYDRAS_OWN = ("_target_", "_partial_", "defaults")


@dataclass(frozen=True)
class Key:
    """A key of a file, or of a file and those that it inherits from.

    Args:
        path: with dots, from the file's or the group's top: "blur1.sigma_range_px".
        value: as it is written; of a part (a mapping with `_target_`) the class or function that makes it.
        sentence: what it means; empty if nobody says.
        reason: why it has this value here, where it is given another one than where it is explained; mostly empty.
        type: what it takes; empty if that is not known.
        is_part: whether it is a part, whose arguments have keys of their own.
    """

    path: str
    value: str
    sentence: str = ""
    reason: str = ""
    type: str = ""
    is_part: bool = False

    @property
    def name(self) -> str:
        return self.path.rpartition(".")[2]

    @property
    def parent(self) -> str:
        return self.path.rpartition(".")[0]

    def under(self, prefix: str) -> "Key":
        """The same key, seen from further up."""
        return replace(self, path=f"{prefix}.{self.path}") if prefix else self


@dataclass(frozen=True)
class Default:
    """An entry of a `defaults` list: `group@package: choice`; `choice` alone is a file of the same group."""

    group: str
    package: str
    choice: str | None
    sentence: str = ""
    is_override: bool = False


@dataclass(frozen=True)
class ConfFile:
    """A file as it is written.

    Args:
        header: the comment at its top, paragraph by paragraph; commands are paragraphs of their own.
        defaults: its defaults list.
        keys: by path; none for what only tells Hydra how to build things.
        targets: path of each part to what makes it; "" stands for the whole file.
    """

    header: tuple[str, ...]
    defaults: tuple[Default, ...]
    keys: Mapping[str, Key]
    targets: Mapping[str, str]

    @property
    def summary(self) -> str:
        """The header's first sentence."""
        return re.split(r"(?<=[.!?])\s", self.header[0], maxsplit=1)[0] if self.header else ""


@cache
def read(path: Path) -> ConfFile:
    """Read one file. Raises FileNotFoundError."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    header, first = _header(lines)
    node = yaml.compose(text, Loader=LOADER)
    if not isinstance(node, yaml.MappingNode):
        return ConfFile(header, (), {}, {})
    reader = _Reader(lines, first)
    listed: list[yaml.Node] = next((value.value for key, value in node.value if key.value == "defaults"), [])
    keys = {key.path: key for key in reader.keys(node)}
    return ConfFile(header, tuple(map(reader.default, listed)), keys, dict(_targets(node)))


def _header(lines: list[str]) -> tuple[tuple[str, ...], int]:
    """The comment at the top of a file, and the number of the line after it."""
    end = next((number for number, line in enumerate(lines) if not line.startswith("#")), len(lines))
    told = [line.removeprefix("#").strip() for line in lines[:end] if not line.startswith("# @package")]
    paragraphs: list[list[str]] = []
    for before, line in zip(["python", *told], told, strict=False):
        if line.startswith("python") or before.startswith("python"):
            paragraphs.append([])
        paragraphs[-1].append(line)
    return tuple(" ".join(paragraph) for paragraph in paragraphs), end


@dataclass
class _Reader:
    """Finds the comments of keys by the places that the YAML parser gives."""

    lines: list[str]
    first: int  # comments before this line belong to the file

    def keys(self, node: yaml.MappingNode, prefix: str = "") -> Iterator[Key]:
        for key_node, value_node in node.value:
            if key_node.value in HYDRAS_OWN:
                continue
            path, sentence = f"{prefix}{key_node.value}", self.sentence(key_node, value_node)
            is_mapping = isinstance(value_node, yaml.MappingNode) and value_node.value
            if not is_mapping or (value_node.flow_style and sentence):
                yield Key(path, self.source(value_node), sentence, type=_type_of(value_node))
                continue
            target = _target(value_node)
            if target or sentence:
                yield Key(path, target, sentence, type=target.rpartition(".")[2], is_part=True)
            yield from self.keys(value_node, f"{path}.")

    def default(self, node: yaml.Node) -> Default:
        """An entry of `defaults`: `_self_`, `name`, `name@package`, `/group/name`, `group: choice`, `override …`."""
        if isinstance(node, yaml.ScalarNode):
            whole, _, package = str(node.value).partition("@")
            group, name = whole[1:].split("/", 1) if whole.startswith("/") else ("", whole)
            return Default(group, package, name)
        key_node, value_node = node.value[0]
        *words, whole = str(key_node.value).split()
        group, _, package = whole.removeprefix("/").partition("@")
        choice = None if value_node.tag.endswith(":null") else str(value_node.value)
        return Default(group, package, choice, self.sentence(key_node, value_node), "override" in words)

    def sentence(self, key_node: yaml.Node, value_node: yaml.Node) -> str:
        """The comment behind the key or its value, else the comment lines above the key; one line, or nothing."""
        marks = [key_node.end_mark]
        if isinstance(value_node, yaml.ScalarNode) or getattr(value_node, "flow_style", False):
            marks.append(value_node.end_mark)
        for mark in marks:
            behind = re.match(r":?\s+#\s*(.*)", self.lines[mark.line][mark.column :])
            if behind:
                return behind[1].strip()
        indent = " " * key_node.start_mark.column + "#"
        begin = end = key_node.start_mark.line
        while begin > self.first and self.lines[begin - 1].startswith(indent):
            begin -= 1
        return " ".join(line.strip().removeprefix("#").strip() for line in self.lines[begin:end])

    def source(self, node: yaml.Node) -> str:
        """A value as it is written, on one line, without comments."""
        if isinstance(node, yaml.SequenceNode) and not node.flow_style:
            return f"[{', '.join(self.source(item) for item in node.value)}]"
        first, last = node.start_mark, node.end_mark
        rows = self.lines[first.line : last.line + 1]
        rows[-1] = rows[-1][: last.column]
        rows[0] = rows[0][first.column :]
        return " ".join(" ".join(rows).split())


def _target(node: yaml.MappingNode) -> str:
    return next((str(value.value) for key, value in node.value if key.value == "_target_"), "")


def _targets(node: yaml.MappingNode, path: str = "") -> Iterator[tuple[str, str]]:
    target = _target(node)
    if target:
        yield path, target
    for key_node, value_node in node.value:
        if isinstance(value_node, yaml.MappingNode):
            yield from _targets(value_node, f"{path}.{key_node.value}".strip("."))


_TYPES = {"seq": "list", "map": "dict", "null": ""}


def _type_of(node: yaml.Node) -> str:
    """The type that a value has in YAML; nothing for null, `???` and references, which could be anything."""
    if isinstance(node, yaml.ScalarNode) and (node.value == "???" or str(node.value).startswith("${")):
        return ""
    tag = node.tag.rpartition(":")[2]
    return _TYPES.get(tag, tag)
