"""Models as ONNX: any height and width, the degrees as an input where there are any, checked against torch."""

import contextlib
import json
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from realsr_mod.networks.base import SRNetwork
from realsr_mod.networks.footprint import bytes_per_pixel
from realsr_mod.runtime.files import atomic_write
from realsr_mod.weights.graphs import GraphInfo, Graphs, sha256_of, write_info

ONNX_OPSET = 18
MAX_ONNX_ERROR = 1e-4
NEEDS_EXTRA = "writing ONNX needs an extra: pip install 'realsr-mod[onnx]'"


class WithEstimate(nn.Module):
    """A network that has no sliders, as one function: (1, 3, H, W) to (1, 3, sH, sW)."""

    def __init__(self, network: SRNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, lr: Tensor) -> Tensor:
        return self.network(lr)


class WithDegrees(nn.Module):
    """A network with sliders: `lr` (1, 3, H, W) and `degrees` (1, D), in which NaN means: estimate this one.

    Returns `sr` (1, 3, sH, sW) and the degrees that were used, (1, D).
    """

    def __init__(self, network: SRNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, lr: Tensor, degrees: Tensor) -> tuple[Tensor, Tensor]:
        used = torch.where(torch.isnan(degrees), self.network.embed(lr), degrees)
        return self.network.restore(lr, used), used


class Restore(nn.Module):
    """`SRNetwork.restore` as a module."""

    def __init__(self, network: SRNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, lr: Tensor, embedding: Tensor) -> Tensor:
        return self.network.restore(lr, embedding)


class Embed(nn.Module):
    """`SRNetwork.embed` as a module."""

    def __init__(self, network: SRNetwork) -> None:
        super().__init__()
        self.network = network

    def forward(self, lr: Tensor) -> Tensor:
        return self.network.embed(lr)


def export_onnx(network: SRNetwork, path: str | Path) -> float:
    """Write an ONNX model for RGB images of any size, and check it under onnxruntime.

    Inputs and outputs are those of `WithEstimate` or, for a network with sliders, of `WithDegrees`; the metadata say
    `scale` and `degrees` (their names). Returns the largest difference from torch.

    Raises:
        ImportError: onnx, onnxscript or onnxruntime is missing.
        ValueError: the written model differs from torch by more than 1e-4.
    """
    try:
        import onnx
        import onnxruntime
    except ImportError as error:
        raise ImportError(NEEDS_EXTRA) from error
    network = network.cpu().eval()
    lr = torch.rand(1, 3, 24, 20, generator=torch.Generator().manual_seed(0))
    model: nn.Module = WithEstimate(network)
    inputs, output_names = {"lr": lr}, ["sr"]
    if network.embedding_names:
        model = WithDegrees(network)
        inputs["degrees"] = torch.full((1, network.embedding_dim), torch.nan)
        output_names.append("used_degrees")
    content = _exported(model, inputs, output_names)
    onnx.helper.set_model_props(content, {"scale": str(network.scale), "degrees": ",".join(network.embedding_names)})
    with atomic_write(path) as file:
        file.write(content.SerializeToString())
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return _largest_difference(session, model, inputs)


def export_graphs(network: SRNetwork, folder: Path, weights: Path, bare: bool = False) -> Graphs:
    """Write a network as the graphs that engines take, see `weights.graphs`.

    Args:
        network: the network.
        folder: for the graphs; made if it is not there.
        weights: the file that the network was read from.
        bare: the graphs refer to `weights`, a safetensors file in `folder`, and hold none themselves.

    Raises:
        ImportError: onnx or onnxscript is missing.
        ValueError: it is a teacher, or the exporter cannot write it.
    """
    if network.sees_hr:
        raise ValueError("this model is a teacher: it needs the HR image that upscaling is to find; use its student")
    folder.mkdir(parents=True, exist_ok=True)
    network = network.cpu().eval()
    lr = torch.rand(1, 3, 24, 20, generator=torch.Generator().manual_seed(0))
    embedding = torch.zeros(1, network.embedding_dim)
    info = GraphInfo(
        sha256_of(weights),
        type(network).__name__,
        network.scale,
        network.embedding_dim,
        network.embedding_names,
        bytes_per_pixel(network, lambda lr: network.restore(lr, embedding)),
        bytes_per_pixel(network, network.embed),
        None if network.embedding_range is None else network.embedding_range.described(),
    )
    graphs = Graphs(folder, info)
    inputs = {"lr": lr, "embedding": embedding} if network.embedding_dim else {"lr": lr}
    restorer = Restore(network) if network.embedding_dim else WithEstimate(network)
    _write_graph(graphs.restore, _exported(restorer, inputs, ["sr"]), weights if bare else None)
    if network.embedding_dim:
        _write_graph(graphs.embed, _exported(Embed(network), {"lr": lr}, ["embedding"]), weights if bare else None)
    write_info(folder, info)
    return graphs


def _write_graph(path: Path, content: Any, weights: Path | None) -> None:
    """Write a graph without the exporter's notes on where in the source each node comes from."""
    del content.graph.value_info[:]  # whoever runs it finds them out again
    for holder in (content, content.graph, *content.graph.node, *content.graph.initializer):
        del holder.metadata_props[:]
        holder.doc_string = ""
    if weights is not None:
        _refer_to(weights, content.graph)
    with atomic_write(path) as file:
        file.write(content.SerializeToString())


def _refer_to(weights: Path, graph: Any) -> None:
    """Have initializers refer to the tensors of a safetensors file; what is half precision there is cast in the graph.

    A safetensors file is the length of its header (8 bytes), the header, JSON, and the tensors one after the other;
    an external tensor of ONNX is a file's name, an offset and a length.
    """
    import onnx

    with weights.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        stored = json.loads(file.read(length))
    types = {"F32": onnx.TensorProto.FLOAT, "F16": onnx.TensorProto.FLOAT16}
    casts = []
    for tensor in graph.initializer:
        entry = stored.get(tensor.name.removeprefix("network."))
        if entry is None or entry["shape"] != list(tensor.dims):
            continue
        begin, end = entry["data_offsets"]
        wanted, tensor.data_type = tensor.name, types[entry["dtype"]]
        if tensor.data_type != onnx.TensorProto.FLOAT:
            tensor.name = f"{wanted}.stored"
            casts.append(onnx.helper.make_node("Cast", [tensor.name], [wanted], to=onnx.TensorProto.FLOAT))
        tensor.ClearField("raw_data")
        tensor.data_location = onnx.TensorProto.EXTERNAL
        for key, value in (("location", weights.name), ("offset", 8 + length + begin), ("length", end - begin)):
            tensor.external_data.add(key=key, value=str(value))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def _exported(model: nn.Module, inputs: dict[str, Tensor], output_names: list[str]) -> Any:
    """The ONNX model of a function of `lr`, of any size, and what else there is."""
    size = torch.export.Dim.DYNAMIC
    try:
        import onnx  # noqa: F401 (torch's exporter needs both)
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ImportError(NEEDS_EXTRA) from error
    with _quiet_exporter():
        program = torch.onnx.export(
            model.eval(),
            tuple(inputs.values()),
            input_names=list(inputs),
            output_names=output_names,
            dynamic_shapes={name: {2: size, 3: size} if name == "lr" else None for name in inputs},
            opset_version=ONNX_OPSET,
            dynamo=True,
            verbose=False,
        )
    assert program is not None, "dynamo makes one"
    return program.model_proto


def _largest_difference(session: Any, model: nn.Module, inputs: dict[str, Tensor]) -> float:
    """Compare at another size than the exported one; raise where they differ."""
    inputs = inputs | {"lr": torch.rand(1, 3, 17, 31, generator=torch.Generator().manual_seed(1))}
    with torch.no_grad():
        expected = model(*inputs.values())
    expected = expected if isinstance(expected, tuple) else (expected,)
    found = session.run(None, {name: value.numpy() for name, value in inputs.items()})
    difference = max(float(np.abs(a - b.numpy()).max()) for a, b in zip(found, expected, strict=True))
    if not difference <= MAX_ONNX_ERROR:
        raise ValueError(f"the ONNX model differs from torch by {difference:.2g}, more than {MAX_ONNX_ERROR:g}")
    return difference


@contextlib.contextmanager
def _quiet_exporter() -> Iterator[None]:
    """Keep torch's exporter from reporting what does not concern a user of this command."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
