"""Networks of ours out of ncnn's files: RRDBNet and SRVGGNetCompact, found by their layers.

Convolutions lie in a file in the order in which they compute, which is all that tells them apart. So whatever is found
is then run beside the graph itself: only a network that computes the same is given back.
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from realsr_mod.networks.base import SRNetwork
from realsr_mod.networks.rrdb import RRDBNet
from realsr_mod.networks.srvgg import SRVGGNetCompact
from realsr_mod.weights.locate import NCNN_WEIGHTS_SUFFIX
from realsr_mod.weights.ncnn.graph import Graph, read_graph
from realsr_mod.weights.state import check_state, describe_stray_file

_AGREEMENT = 1e-3  # largest difference over the largest value, between the graph and our network
_TRIAL_SIDE_PX = 8
_OUTSIDE_BLOCKS = ("fuse", "refine", "to_rgb")

Found = tuple[type[SRNetwork], dict[str, Any], dict[str, Tensor]]  # class, its arguments, its state


def read_ncnn(param: str | Path) -> tuple[SRNetwork, dict[str, Any]]:
    """The network of a `.param` file and the `.bin` beside it, in evaluation mode, and its config.

    Raises:
        FileNotFoundError: one of the two is missing.
        ValueError: damaged, quantized, or neither an RRDBNet nor an SRVGGNetCompact.
    """
    param = Path(param)
    weights = param.with_suffix(NCNN_WEIGHTS_SUFFIX)
    for path in (param, weights):
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such file; a model of ncnn is two files, NAME.param and NAME.bin")
        if stray := describe_stray_file(path):
            raise ValueError(f"{path}: {stray}")
    graph = read_graph(param, weights)
    kind, sizes, state = _find(graph, param)
    with torch.device("meta"):  # takes no memory: sizes are believed only if the weights have them
        network = kind(**sizes).eval()
    check_state(network, state, param)
    network.load_state_dict(state, assign=True)
    _check_agreement(network, graph, param)
    return network, {"_target_": f"{kind.__module__}.{kind.__qualname__}", **sizes}


def _find(graph: Graph, where: Path) -> Found:
    try:
        return _compact(graph) if graph.of_kind("PReLU") else _rrdb(graph)
    except ValueError as error:
        raise ValueError(f"{where}: neither an RRDBNet nor an SRVGGNetCompact: {error}") from error


def _compact(graph: Graph) -> Found:
    """Convolutions and PReLUs by turns, one PixelShuffle; where the scale is another, a last bicubic resizing."""
    layers = [layer.kind for layer in graph.of_kind("Convolution", "PReLU")]
    turns = len(layers) // 2
    if layers != ["Convolution", "PReLU"] * turns + ["Convolution"] or len(graph.of_kind("PixelShuffle")) != 1:
        raise ValueError("its convolutions and PReLUs do not take turns, or it has no PixelShuffle")
    state: dict[str, Tensor] = {}
    for i, (weight, bias) in enumerate(graph.weights_of("Convolution")):
        state |= {f"body.{2 * i}.weight": weight, f"body.{2 * i}.bias": bias}
    for i, (slopes,) in enumerate(graph.weights_of("PReLU")):
        state[f"body.{2 * i + 1}.weight"] = slopes
    shuffle = graph.of_kind("PixelShuffle")[0].integer(0)
    scale = float(shuffle)
    for layer in graph.of_kind("Interp"):
        scale *= layer.number(1) if layer.integer(0) == 3 else 1
    sizes = {"scale": round(scale), "channels": state["body.0.weight"].shape[0], "num_convs": turns - 1}
    return SRVGGNetCompact, sizes | ({"shuffle": shuffle} if shuffle != round(scale) else {}), state


def _rrdb(graph: Graph) -> Found:
    """Convolutions alone: the head, fifteen a block, and those after the blocks, of which each doubling has one."""
    convolutions = graph.weights_of("Convolution")
    doublings = len(graph.of_kind("Interp"))
    blocks, rest = divmod(len(convolutions) - 1 - len(_OUTSIDE_BLOCKS) - doublings, 15)
    if blocks < 1 or rest or graph.of_kind("PixelShuffle"):
        raise ValueError(f"{len(convolutions)} convolutions and {doublings} resizings are not those of RRDBs")
    inside = [f"blocks.{i}.dense.{j}.convs.{k}" for i in range(blocks) for j in range(3) for k in range(5)]
    after = ["fuse", *(f"up{i + 1}" for i in range(doublings)), "refine", "to_rgb"]
    state: dict[str, Tensor] = {}
    for name, (weight, bias) in zip(["head", *inside, *after], convolutions, strict=True):
        state |= {f"restorer.{name}.weight": weight, f"restorer.{name}.bias": bias}
    fold = 1
    for layer in graph.of_kind("Reorg"):
        fold *= layer.integer(0)
    sizes = {
        "scale": 2**doublings // fold,
        "channels": state["restorer.head.weight"].shape[0],
        "num_blocks": blocks,
        "growth": state["restorer.blocks.0.dense.0.convs.0.weight"].shape[0],
    }
    return RRDBNet, sizes | ({"doublings": doublings} if doublings != 2 else {}), state


@torch.no_grad()
def _check_agreement(network: SRNetwork, graph: Graph, where: Path) -> None:
    """Raise a ValueError unless the network computes what the graph does, on an image of noise."""
    x = torch.rand(1, 3, _TRIAL_SIDE_PX, _TRIAL_SIDE_PX, generator=torch.Generator().manual_seed(0))
    try:
        expected, found = graph(x), network(x)
    except (RuntimeError, ValueError) as error:  # whatever a graph of a wrong shape leads to
        raise ValueError(f"{where}: cannot be computed: {' '.join(str(error).split())[:200]}") from error
    alike = expected.shape == found.shape and bool(
        (expected - found).abs().max() <= _AGREEMENT * expected.abs().max().clamp(min=1)
    )
    if not alike:
        raise ValueError(f"{where}: looks like {type(network).__name__}, but its graph computes something else")
