"""ncnn's graphs as torch computes them: sizes first, which bound what a file may ask for, then values.

The dozen layers that super-resolution networks consist of; others are refused by name. Source: ncnn's layer/*.cpp.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from math import prod
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from realsr_mod.weights.ncnn.files import Layer, Weights, read_param

_MOST_CHANNELS = 16_384
_MOST_SCALE = 16
_MOST_MULTIPLICATIONS = 4e9  # per input pixel; an RRDBNet of 23 blocks needs 1.8e7
_MOST_VALUES = 2e6  # of all blobs, per input pixel; that network needs 1e5
_MODES = {1: "nearest", 2: "bilinear", 3: "bicubic"}
_BINARY: dict[int, Callable[[Tensor, Tensor | float], Tensor]] = {0: torch.add, 1: torch.sub, 2: torch.mul}


@dataclass
class Graph:
    """A network of ncnn: its layers in order, and the tensors of those that have any, by the layer's place."""

    layers: list[Layer]
    tensors: dict[int, tuple[Tensor, ...]] = field(default_factory=dict)

    def of_kind(self, *kinds: str) -> list[Layer]:
        return [layer for layer in self.layers if layer.kind in kinds]

    def weights_of(self, kind: str) -> list[tuple[Tensor, ...]]:
        """The tensors of all layers of a kind, in order."""
        return [self.tensors[i] for i, layer in enumerate(self.layers) if layer.kind == kind]

    @torch.no_grad()
    def __call__(self, x_13HW: Tensor) -> Tensor:
        """What ncnn would compute, by torch: (1, 3, H, W) to the last layer's output."""
        blobs: dict[str, Tensor] = {}
        for i, layer in enumerate(self.layers):
            if layer.kind == "Input":
                made = x_13HW
            else:
                made = _run(layer, [blobs[name] for name in layer.inputs], self.tensors.get(i, ()))
            blobs |= dict.fromkeys(layer.outputs, made)
        return blobs[self.layers[-1].outputs[0]]


def read_graph(param: Path, weights: Path) -> Graph:
    """Read a pair of files. Raises ValueError for what is damaged, no pair, or uses layers that are not read here."""
    graph = Graph(read_param(param))
    taken = Weights(weights)
    sizes: dict[str, tuple[int, float]] = {}  # of each blob: channels, and side over the input's side
    multiplications = values = 0.0
    try:
        for i, layer in enumerate(graph.layers):
            given = [sizes[name] for name in layer.inputs]
            made = _size(layer, given)
            if not 0 < made[0] <= _MOST_CHANNELS or not 1 / _MOST_SCALE <= made[1] <= _MOST_SCALE:
                raise ValueError(f"layer {layer.name} makes {made[0]} channels at {made[1]:g} times the size")
            if layer.kind == "Convolution":
                graph.tensors[i] = _read_convolution(layer, given[0][0], taken)
                multiplications += graph.tensors[i][0].numel() * made[1] ** 2
            elif layer.kind == "PReLU":
                slopes = layer.integer(0)
                if slopes not in (1, made[0]):
                    raise ValueError(f"layer {layer.name} has {slopes} slopes for {made[0]} channels")
                graph.tensors[i] = (taken.plain(slopes),)
            values += made[0] * made[1] ** 2
            sizes |= dict.fromkeys(layer.outputs, made)
        taken.check_end()
        if multiplications > _MOST_MULTIPLICATIONS or values > _MOST_VALUES:
            raise ValueError(f"needs {multiplications:.0e} multiplications and {values:.0e} values per pixel")
        if len(graph.of_kind("Input")) != 1 or not graph.layers[-1].outputs:
            raise ValueError("a network of one input and one output is expected")
    except ValueError as error:
        message = str(error)
        raise ValueError(message if message.startswith(str(weights)) else f"{param}: {message}") from error
    return graph


def _read_convolution(layer: Layer, inputs: int, weights: Weights) -> tuple[Tensor, ...]:
    outputs, side = layer.integer(0), layer.integer(1)
    pad = side // 2
    expected = {11: side, 2: 1, 12: 1, 3: 1, 13: 1, 4: pad, 14: pad, 15: pad, 16: pad, 18: 0, 8: 0, 19: 0}
    defaults = {11: side, 2: 1, 12: layer.number(2, 1), 3: 1, 13: layer.number(3, 1)}
    defaults |= dict.fromkeys((14, 15, 16), layer.number(4))  # else the convolution of other networks
    odd = [key for key, value in expected.items() if layer.number(key, defaults.get(key, 0)) != value]
    if odd == [8]:
        raise ValueError(f"layer {layer.name} is quantized to int8; only float32 and float16 are read")
    if side not in (1, 3) or not 0 < outputs <= _MOST_CHANNELS or odd or layer.integer(5) != 1:
        raise ValueError(f"layer {layer.name} is no convolution of 1 or 3 pixels that keeps the size and has a bias")
    shape = (outputs, inputs, side, side)
    if layer.integer(6) != prod(shape):
        raise ValueError(f"layer {layer.name} says {layer.integer(6)} weights, expected {prod(shape)}")
    return weights.weight(prod(shape)).view(shape), weights.plain(outputs)


def _size(layer: Layer, given: Sequence[tuple[int, float]]) -> tuple[int, float]:
    """Channels and scale of what a layer makes. Raises ValueError for layers that are not read here."""
    expected = {"Input": 0, "BinaryOp": 2, "Eltwise": 2}.get(layer.kind, 1)
    if layer.kind == "BinaryOp" and layer.integer(1):  # with a number
        expected = 1
    if layer.kind == "Concat" and given and {scale for _, scale in given} == {given[0][1]} and not layer.integer(0):
        return sum(channels for channels, _ in given), given[0][1]
    if layer.kind not in (*_RUNS, "Input") or len(given) != expected or (len(given) == 2 and given[0] != given[1]):
        raise ValueError(
            f"layer {layer.name[:80]} is a {layer.kind[:80]} of {len(given)} inputs, which is not read; "
            f"RRDBNet and SRVGGNetCompact are, of {', '.join(sorted(_RUNS))}"
        )
    if layer.kind == "Input":
        return 3, 1.0
    channels, scale = given[0]
    if layer.kind == "Convolution":
        return layer.integer(0), scale
    if layer.kind == "PixelShuffle":
        return channels // _factor(layer) ** 2, scale * _factor(layer)
    if layer.kind == "Reorg":
        return channels * _factor(layer) ** 2, scale / _factor(layer)
    if layer.kind == "Interp":
        if layer.number(1) != layer.number(2) or layer.integer(0) not in _MODES or layer.integer(6):
            raise ValueError(f"layer {layer.name} does not resize by one factor, nearest, bilinear or bicubic")
        return channels, scale * layer.number(1)
    return given[0]


def _factor(layer: Layer) -> int:
    factor = layer.integer(0)
    if not 1 <= factor <= _MOST_SCALE or layer.integer(1):
        raise ValueError(f"layer {layer.name} folds by {factor}, or in another order than torch's PixelShuffle")
    return factor


def _run(layer: Layer, given: list[Tensor], tensors: tuple[Tensor, ...]) -> Tensor:
    return _RUNS[layer.kind](layer, given, tensors)


def _convolution(layer: Layer, given: list[Tensor], tensors: tuple[Tensor, ...]) -> Tensor:
    weight, bias = tensors
    x: Tensor = F.conv2d(given[0], weight, bias, padding=layer.integer(1) // 2)
    match layer.integer(9):
        case 0:
            return x
        case 1:
            return F.relu(x)
        case 2:
            return F.leaky_relu(x, (*layer.array(10), 0.01)[0])
    raise ValueError(f"layer {layer.name} ends in activation {layer.integer(9)}; 0, 1 and 2 (LeakyReLU) are read")


def _eltwise(layer: Layer, given: list[Tensor], tensors: tuple[Tensor, ...]) -> Tensor:
    coefficients = layer.array(1) or (1.0,) * len(given)
    if layer.integer(0) != 1 or len(coefficients) != len(given):
        raise ValueError(f"layer {layer.name} is no sum of its inputs")
    return torch.stack([c * x for c, x in zip(coefficients, given, strict=True)]).sum(0)


def _binary(layer: Layer, given: list[Tensor], tensors: tuple[Tensor, ...]) -> Tensor:
    if layer.integer(0) not in _BINARY:
        raise ValueError(f"layer {layer.name} computes operation {layer.integer(0)}; +, - and × are read")
    return _BINARY[layer.integer(0)](given[0], layer.number(2) if layer.integer(1) else given[1])


def _interp(layer: Layer, given: list[Tensor], tensors: tuple[Tensor, ...]) -> Tensor:
    size = [int(side * layer.number(1)) for side in given[0].shape[-2:]]
    return F.interpolate(given[0], size, mode=_MODES[layer.integer(0)])


_RUNS: dict[str, Callable[[Layer, list[Tensor], tuple[Tensor, ...]], Tensor]] = {
    "BinaryOp": _binary,
    "Concat": lambda layer, given, tensors: torch.cat(given, 1),
    "Convolution": _convolution,
    "Eltwise": _eltwise,
    "Interp": _interp,
    "Noop": lambda layer, given, tensors: given[0],
    "PReLU": lambda layer, given, tensors: F.prelu(given[0], tensors[0]),
    "PixelShuffle": lambda layer, given, tensors: F.pixel_shuffle(given[0], layer.integer(0)),
    "ReLU": lambda layer, given, tensors: F.leaky_relu(given[0], layer.number(0)),
    "Reorg": lambda layer, given, tensors: F.pixel_unshuffle(given[0], layer.integer(0)),
    "Split": lambda layer, given, tensors: given[0],
}
