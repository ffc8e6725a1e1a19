"""ncnn's two files, read with bounds: `.param`, a graph as text, and `.bin`, its weights in the graph's order.

A `.param` begins with 7767517, then the numbers of layers and blobs, then a layer a line: type, name, numbers of inputs
and outputs, their names, and `id=value` params; arrays are `-23300-id=count,a,b,…`. A `.bin` holds each weight behind
four bytes that say how it is stored, and biases and slopes without. Source: ncnn's paramdict.cpp, modelbin.cpp.
"""

import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

_MAGIC = "7767517"
_LARGEST_PARAM_BYTES = 2_000_000
_MOST_LAYERS = 10_000
_MOST_ENDS = 64  # inputs or outputs of one layer; an RRDB needs 8
_MOST_PARAMS = 64
_NUMBER = re.compile(r"[-+]?(\d{1,12}(\.\d{0,12})?|\.\d{1,12})([eE][-+]?\d{1,2})?")
_FIRST_ARRAY = -23300
_FLOAT16, _INT8, _FLOAT32 = 0x01306B47, 0x000D4B38, 0x0002C056  # how a weight is stored; 0 is float32 as well

Value = float | tuple[float, ...]


@dataclass(frozen=True)
class Layer:
    """One line of a `.param` file."""

    kind: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    params: dict[int, Value]

    def number(self, key: int, default: float = 0.0) -> float:
        """The param of that id. Raises ValueError for an array."""
        value = self.params.get(key, default)
        if isinstance(value, tuple):
            raise ValueError(f"layer {self.name}: param {key} is an array, expected a number")
        return value

    def integer(self, key: int, default: int = 0) -> int:
        """The param of that id. Raises ValueError for anything but a whole number."""
        value = self.number(key, default)
        if value != int(value):
            raise ValueError(f"layer {self.name}: param {key} is {value}, expected a whole number")
        return int(value)

    def array(self, key: int) -> tuple[float, ...]:
        """The param of that id as an array; empty if it is not given."""
        value = self.params.get(key, ())
        return value if isinstance(value, tuple) else (value,)


def read_param(path: Path) -> list[Layer]:
    """The layers of a `.param` file, in order.

    Raises ValueError for one that is binary, damaged or far too large, and for graphs that use what no layer made.
    """
    if path.stat().st_size > _LARGEST_PARAM_BYTES:
        raise ValueError(f"{path}: {path.stat().st_size / 1e6:.0f} MB; a .param file is a text of a few kilobytes")
    content = path.read_bytes()
    if content[:4] == int(_MAGIC).to_bytes(4, "little"):
        raise ValueError(f"{path}: a binary .param file; give the text one, which ncnn's tools made it from")
    lines = [line for line in content.decode("utf-8", "replace").splitlines() if line.strip()]
    if not lines or lines[0].strip() != _MAGIC:
        raise ValueError(f"{path}: not a .param file of ncnn, which begins with {_MAGIC}")
    if len(lines) - 2 > _MOST_LAYERS:
        raise ValueError(f"{path}: {len(lines) - 2} layers, at most {_MOST_LAYERS} are read")
    try:
        declared = int(lines[1].split()[0]) if len(lines) > 1 else 0
        layers = [_layer(line) for line in lines[2:]]
        if declared != len(layers):
            raise ValueError(f"says that it has {declared} layers, and has {len(layers)}: it is truncated or damaged")
        _check_order(layers)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    return layers


def _layer(line: str) -> Layer:
    words = line.split()
    if len(words) < 4 or not (words[2].isdecimal() and words[3].isdecimal()):
        raise ValueError(f"no layer: {line[:80]!r}")
    inputs, outputs = int(words[2][:9]), int(words[3][:9])
    if max(inputs, outputs) > _MOST_ENDS or len(words) < 4 + inputs + outputs:
        raise ValueError(f"layer {words[1][:80]} has {inputs} inputs and {outputs} outputs, and names others")
    first = 4 + inputs
    params = words[first + outputs :]
    if len(params) > _MOST_PARAMS:
        raise ValueError(f"layer {words[1][:80]} has {len(params)} params, at most {_MOST_PARAMS} are read")
    return Layer(
        words[0], words[1], tuple(words[4:first]), tuple(words[first : first + outputs]), dict(map(_param, params))
    )


def _param(word: str) -> tuple[int, Value]:
    key, _, text = word.partition("=")
    numbers = text.split(",")
    if not re.fullmatch(r"-?\d{1,5}", key) or not all(_NUMBER.fullmatch(number) for number in numbers):
        raise ValueError(f"no param: {word[:80]!r}")
    values = tuple(float(number) for number in numbers)
    if int(key) > _FIRST_ARRAY:
        return int(key), values[0] if len(values) == 1 else values
    if values[0] != len(values) - 1:
        raise ValueError(f"an array of another length than it says: {word[:80]!r}")
    return _FIRST_ARRAY - int(key), values[1:]


def _check_order(layers: list[Layer]) -> None:
    made: set[str] = set()
    for layer in layers:
        if strangers := [name for name in layer.inputs if name not in made]:
            raise ValueError(f"layer {layer.name[:80]} reads {strangers[0][:80]}, which no layer before it makes")
        made.update(layer.outputs)


class Weights:
    """The weights of a `.bin` file, taken one after the other.

    Args:
        path: of the file. It is mapped, so nothing that it merely claims to hold takes memory.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._bytes = np.memmap(path, np.uint8, "r") if path.stat().st_size else np.zeros(0, np.uint8)
        self._place = 0

    def weight(self, values: int) -> Tensor:
        """The next `values` numbers, stored as four bytes before them say, (values,) float32."""
        flag = int(self._take(4).view("<u4")[0])
        if flag == _FLOAT16:
            return _tensor(self._take(-(-values // 2) * 4).view("<f2")[:values])
        if flag in (0, _FLOAT32):
            return self.plain(values)
        stored = "int8" if flag == _INT8 else "a table of 256 values"
        raise ValueError(
            f"{self.path}: weights are stored as {stored}; only float32 and float16 are read. Ask for a model that is "
            "not quantized"
        )

    def plain(self, values: int) -> Tensor:
        """The next `values` numbers in float32, as biases are stored, (values,)."""
        return _tensor(self._take(4 * values).view("<f4"))

    def check_end(self) -> None:
        """Raise a ValueError if something is left."""
        left = len(self._bytes) - self._place
        if left:
            raise ValueError(f"{self.path}: {left} bytes more than its .param file speaks of; they are no pair")

    def _take(self, count: int) -> np.ndarray:
        left = len(self._bytes) - self._place
        if count > left:
            raise ValueError(f"{self.path}: ends too early: truncated, or no pair with its .param file")
        taken = self._bytes[self._place : self._place + count]
        self._place += count
        return np.frombuffer(taken.tobytes(), np.uint8)


def _tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))
