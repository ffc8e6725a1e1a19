"""Which engine runs a model: the one that is asked for, or the fastest that is there."""

import logging
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from realsr_mod.inference.engines.base import Engine, GraphEngine
from realsr_mod.weights.graphs import Graphs, find_graphs, kept_folder
from realsr_mod.weights.locate import ModelLocation

if TYPE_CHECKING:  # torch takes seconds to import, and the other engines do without
    import torch

    from realsr_mod.networks.base import SRNetwork

logger = logging.getLogger(__name__)

ENGINES = ("auto", "torch", "openvino", "onnxruntime")
EXTRAS = {"openvino": "fast", "onnxruntime": "onnx"}
MAX_ERROR = 1e-4  # of a graph that was just made, against torch
GPU_SIGNS = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")  # of a driver: NVIDIA's, Windows' inside WSL, AMD's


def engine_for(model: ModelLocation, engine: str = "auto", device: "str | torch.device" = "auto") -> Engine:
    """A model, ready to run.

    Args:
        model: where it lies.
        engine: `auto` takes OpenVINO if it is installed, the model has graphs (see `weights.graphs`) and no GPU is
            there or asked for; torch else. Any other is made to run: a model that has no graphs gets them, once.
        device: `auto`, or a torch device; engines other than torch work on the CPU.

    Raises:
        ValueError: the engine is not installed, cannot work on that device, or cannot run this model.
    """
    check_engine(engine)
    if engine == "auto":
        graphs = find_graphs(model) if _has("openvino") and _is_cpu(device) else None
        return _torch(model, device) if graphs is None else _on_graphs("openvino", graphs)
    if engine == "torch":
        return _torch(model, device)
    if not _has(engine):
        raise ValueError(f"engine={engine} needs an extra: pip install 'realsr-mod[{EXTRAS[engine]}]'")
    if str(device) not in ("auto", "cpu"):
        raise ValueError(f"engine={engine} works on the CPU, not on {device}; choose device=cpu or engine=torch")
    return _on_graphs(engine, find_graphs(model) or _make_graphs(model, engine))


def could_be_faster(model: ModelLocation, engine: Engine) -> bool:
    """Whether `engine=openvino` would run this model, and has never been asked to."""
    return engine.name == "torch" and engine.device == "cpu" and _has("openvino") and find_graphs(model) is None


def check_engine(engine: str) -> None:
    """Raise a ValueError for a name that is none."""
    if engine not in ENGINES:
        raise ValueError(f"engine must be {', '.join(ENGINES)}, got {engine!r}")


def _has(engine: str) -> bool:
    return find_spec(engine) is not None


def _is_cpu(device: "str | torch.device") -> bool:
    """Whether it stands for the CPU; torch is asked about GPUs only where one may be."""
    if str(device) == "auto" and (sys.platform != "linux" or any(Path(sign).exists() for sign in GPU_SIGNS)):
        from realsr_mod.runtime.devices import pick_device

        device = pick_device("auto")
    return str(device) in ("auto", "cpu")


def _torch(model: ModelLocation, device: "str | torch.device") -> Engine:
    from realsr_mod.inference.engines.torch_engine import TorchEngine
    from realsr_mod.weights.release import load_restorer

    return TorchEngine(load_restorer(model), device)


def _on_graphs(engine: str, graphs: Graphs) -> GraphEngine:
    if engine == "openvino":
        from realsr_mod.inference.engines.openvino_engine import OpenVINOEngine

        return OpenVINOEngine(graphs)
    from realsr_mod.inference.engines.onnxruntime_engine import ONNXRuntimeEngine

    return ONNXRuntimeEngine(graphs)


def _make_graphs(model: ModelLocation, engine: str) -> Graphs:
    from realsr_mod.weights.onnx_export import export_graphs
    from realsr_mod.weights.release import load_restorer

    network = load_restorer(model)
    if not type(network).__module__.startswith("realsr_mod."):  # its code may change, and what was made of it stays
        raise ValueError(f"engine={engine} runs networks of this package; use engine=torch for {type(network)}")
    logger.warning("%s is made ready for engine=%s, once", model, engine)
    try:
        graphs = export_graphs(network, kept_folder(model), model.weights)
    except ImportError as error:
        raise ValueError(error) from error
    _check_graphs(graphs, network, engine)
    return graphs


def _check_graphs(graphs: Graphs, network: "SRNetwork", engine: str) -> None:
    """Compare with torch at another size than the exported one. Raises a ValueError where they differ."""
    import torch

    lr = torch.rand(1, 3, 17, 31, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        embedding = network.embed(lr)
        expected = network.restore(lr, embedding).numpy()
    runner = _on_graphs(engine, graphs)
    found = runner.restore(lr.numpy(), embedding[0].numpy(), "float32")
    difference = float(np.abs(found - expected).max())
    if runner.embedding_dim:
        difference = max(difference, float(np.abs(runner.embed(lr.numpy(), "float32") - embedding[0].numpy()).max()))
    if not difference <= MAX_ERROR:
        for path in (graphs.restore, graphs.embed):
            path.unlink(missing_ok=True)
        raise ValueError(
            f"engine={engine} differs from torch by {difference:.2g} on this model, more than {MAX_ERROR:g}; "
            "use engine=torch"
        )
