"""What a checkpoint's pickle would make, looked at before torch makes it.

torch's restricted unpickler runs nothing foreign, yet a few bytes can keep it busy for ever, crash it or fill memory:
tuples that share their parts make a key whose hash takes 2^60 steps, one nested a million deep overflows the stack,
buffers are made by functions that take a size. Here the pickle's instructions are followed without making anything, and
only what state dicts are made of is let through.
"""

import pickle
import pickletools
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import IO

import torch

_ZIP = b"PK\x03\x04"
_LEGACY_PICKLES = 5  # before 1.6: a number, a version, the machine, the content, the keys of storages
_MOST_STEPS = 500_000  # a state dict has about forty for each tensor
_MOST_VALUES = 4_000_000  # shared ones counted wherever they are shared
_DEEPEST = 100
_LARGEST_KEY = 2**31
_LARGEST_NUMBER = 2**80  # torch's own mark of a legacy checkpoint has 77 bits
_GLOBALS = re.compile(
    r"torch(\.cuda)? [A-Z]\w*Storage|torch (Size|device|bool|(bfloat|float|complex|uint|int)\d+\w*)"
    r"|torch\._utils _rebuild_(tensor|tensor_v2|parameter|parameter_with_state)"
    r"|collections (OrderedDict|Counter)"
)
_NUMBERS = ("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT")
_PUSHED = frozenset(("NONE", "NEWTRUE", "NEWFALSE", "BINUNICODE", "SHORT_BINSTRING", "EMPTY_TUPLE", *_NUMBERS))
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


@dataclass(slots=True)
class _Value:
    """Something that the pickle makes: what it is, and what it holds."""

    kind: str  # the instruction that makes it, or the name of a global
    holds: list["_Value"] = field(default_factory=list)
    is_key: bool = False  # a text or a small number, whose hash is soon found and seldom another's

    @property
    def is_plain(self) -> bool:
        return self.kind in _PUSHED or _GLOBALS.fullmatch(self.kind) is not None


_PLAIN = {(kind, is_key): _Value(kind, is_key=is_key) for kind in _PUSHED for is_key in (False, True)}


def check_pickles(file: IO[bytes]) -> None:
    """Look at the pickles of a checkpoint, an open file; leaves it at its beginning.

    Raises:
        pickle.UnpicklingError: it would make something else than state dicts are made of.
        ValueError: it is damaged, or would take for ever.
    """
    file.seek(0)
    is_zip = file.read(len(_ZIP)) == _ZIP  # as torch finds out
    file.seek(0)
    try:
        if is_zip:
            _check_packing(file)
            record: bytes = torch._C.PyTorchFileReader(file).get_record("data.pkl")
            _check(record)
        else:
            for _ in range(_LEGACY_PICKLES):
                _check(file)
    except (IndexError, KeyError, AttributeError) as error:  # of instructions that need more than there is
        raise ValueError(f"the pickle is damaged: {error!r}") from error
    file.seek(0)


def _check_packing(file: IO[bytes]) -> None:
    """Raise a ValueError for an archive that unpacks to more than it has: torch stores tensors unpacked."""
    try:
        with zipfile.ZipFile(file) as archive:
            unpacked = sum(item.file_size for item in archive.infolist())
    except zipfile.BadZipFile as error:
        raise ValueError(f"the archive is damaged: {error}") from error
    if unpacked > file.seek(0, 2):
        raise ValueError(f"the archive unpacks to {unpacked} bytes")
    file.seek(0)


def _check(content: bytes | IO[bytes]) -> None:
    """Follow one pickle."""
    stack: list[_Value] = []
    outer: list[list[_Value]] = []  # stacks below a mark
    memo: dict[object, _Value] = {}
    made: list[_Value] = []
    for step, (instruction, argument, _) in enumerate(pickletools.genops(content)):
        name = instruction.name
        if step > _MOST_STEPS:
            raise ValueError(f"a pickle of over {_MOST_STEPS} steps")
        if name == "MARK":
            outer.append(stack)
            stack = []
        elif name in ("BINPUT", "LONG_BINPUT"):
            memo[argument] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif name in ("APPENDS", "SETITEMS", "TUPLE"):
            items, stack = stack, outer.pop()
            _take(name, items, stack, made)
        elif name in ("APPEND", "SETITEM"):
            count = 1 if name == "APPEND" else 2
            items = [stack.pop() for _ in range(count)][::-1]
            _take(f"{name}S", items, stack, made)
        elif name in _TUPLES:
            items = [stack.pop() for _ in range(_TUPLES[name])][::-1]
            _take("TUPLE", items, stack, made)
        elif name in ("REDUCE", "BUILD", "BINPERSID"):
            _call(name, stack, made)
        elif name in ("EMPTY_LIST", "EMPTY_DICT"):
            stack.append(_Value(name))
            made.append(stack[-1])
        elif name == "GLOBAL":
            if not _GLOBALS.fullmatch(str(argument)):
                raise pickle.UnpicklingError(f"it names {argument!s:.100}")
            stack.append(_Value(str(argument)))
        elif name in _PUSHED:
            stack.append(_plain(name, argument))
        elif name not in ("PROTO", "STOP"):
            raise pickle.UnpicklingError(f"the instruction {name}")
    known: dict[int, tuple[int, int]] = {}  # only now: lists may be filled after they were put into others
    for value in made:
        _measured(value, known)


def _plain(name: str, argument: object) -> _Value:
    """A number, text or constant."""
    if isinstance(argument, int) and abs(argument) > _LARGEST_NUMBER:
        raise ValueError("a number of over 80 bits")
    is_small = isinstance(argument, int) and abs(argument) < _LARGEST_KEY
    is_key = is_small or isinstance(argument, str | bytes) or name in ("NONE", "NEWTRUE", "NEWFALSE")
    return _PLAIN[name, is_key]


def _take(name: str, items: Sequence[_Value], stack: list[_Value], made: list[_Value]) -> None:
    """Put values into the list or mapping on top of the stack, or make a tuple of them."""
    if name == "TUPLE":
        stack.append(_Value(name, list(items)))
        made.append(stack[-1])
        return
    into = stack[-1]
    kinds = ("EMPTY_LIST",) if name == "APPENDS" else ("EMPTY_DICT", "OrderedDict", "Counter")
    if into.kind not in kinds:
        raise ValueError(f"{name} into {into.kind}")
    if name == "SETITEMS" and not all(key.is_key for key in items[::2]):
        raise ValueError("a key that is neither a text nor a small number")
    into.holds.extend(items)


def _call(name: str, stack: list[_Value], made: list[_Value]) -> None:
    """What makes tensors, storages and ordered mappings of the values on the stack."""
    argument = stack.pop()
    if name == "BINPERSID":
        if argument.kind != "TUPLE" or not all(part.is_plain for part in argument.holds):
            raise ValueError("a storage that is named by something else than texts and numbers")
        stack.append(_Value("storage"))
    elif name == "BUILD":
        if stack[-1].kind != "OrderedDict" or argument.kind != "EMPTY_DICT":
            raise pickle.UnpicklingError(f"the state of a {stack[-1].kind}")
        stack[-1].holds.append(argument)
        return
    else:
        function = stack.pop()
        if not _GLOBALS.fullmatch(function.kind):
            raise pickle.UnpicklingError(f"a call of {function.kind}")
        module, _, called = function.kind.partition(" ")
        kinds = [part.kind for part in argument.holds]
        if module == "collections" and kinds not in ([], ["EMPTY_DICT"]) and not _are_pairs(called, argument.holds):
            raise ValueError(f"a {called} of {kinds}")
        stack.append(_Value(called, [argument]))
    made.append(stack[-1])


def _are_pairs(called: str, arguments: Sequence[_Value]) -> bool:
    """Whether these are what Python 2 made an ordered mapping of: one list of keys with their values."""
    return (
        called == "OrderedDict"
        and [argument.kind for argument in arguments] == ["EMPTY_LIST"]
        and all(
            pair.kind in ("EMPTY_LIST", "TUPLE") and len(pair.holds) == 2 and pair.holds[0].is_key
            for pair in arguments[0].holds
        )
    )


def _measured(value: _Value, known: dict[int, tuple[int, int]], level: int = 0) -> tuple[int, int]:
    """How many values one stands for, shared ones counted wherever they stand, and how deep they lie in each other.

    Raises ValueError where that is too much, or a value holds itself.
    """
    if id(value) not in known:
        if level > _DEEPEST:
            raise ValueError(f"values over {_DEEPEST} deep in each other")
        parts = [_measured(part, known, level + 1) for part in value.holds]
        size, depth = 1 + sum(size for size, _ in parts), 1 + max((depth for _, depth in parts), default=0)
        if size > _MOST_VALUES or depth > _DEEPEST:
            raise ValueError(f"over {_MOST_VALUES} values, written out, or over {_DEEPEST} deep in each other")
        known[id(value)] = size, depth
    return known[id(value)]
