"""OpenVINO as an engine: the fastest there is on CPUs, in bfloat16 where they are faster in it.

Tiles of any size run in one compiled model. Compiled models are kept in the user's cache folder, by graph, version,
processor and precision.
"""

import contextlib
import hashlib
import logging
import threading
from pathlib import Path
from typing import Any

import numpy as np

from realsr_mod.inference.engines.base import GraphEngine, usable_cores, wanted_threads
from realsr_mod.inference.engines.openvino_import import openvino, opset13
from realsr_mod.runtime.files import atomic_write
from realsr_mod.weights.graphs import Graphs, cache_folder

logger = logging.getLogger(__name__)

KEPT_MODELS = 48  # compiled; those used least recently make room
TYPES = {"float32": "f32", "bfloat16": "bf16"}
LARGEST = 65504.0  # no result of a sound network comes near


class OpenVINOEngine(GraphEngine):
    """Graphs under OpenVINO, on the CPU.

    In bfloat16 the last convolution adds up and writes its result in float32: 8 significant bits would show as steps
    in an 8-bit image.
    """

    name = "openvino"

    def __init__(self, graphs: Graphs) -> None:
        super().__init__(graphs)
        self._core = openvino.Core()
        has_bf16 = "BF16" in self._core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        self.precisions = ("float32", "bfloat16") if has_bf16 else ("float32",)
        self.quick = "bfloat16" if has_bf16 and _is_faster_in_bf16(self._core) else "float32"
        self._models: dict[tuple[Path, str, bool], Any] = {}
        self._lock = threading.Lock()
        self._requests = threading.local()  # a request runs for one thread at a time

    def restore(self, lr_13HW: np.ndarray, embedding_D: np.ndarray, precision: str) -> np.ndarray:
        inputs = [lr_13HW, embedding_D[None]] if self.embedding_dim else [lr_13HW]
        sr = self._run(self.graphs.restore, precision, inputs)
        if precision != "float32" and not (sr.min() > -LARGEST and sr.max() < LARGEST):
            return np.full_like(sr, np.nan)  # `Clamp` made NaN and infinity into numbers
        return sr

    def embed(self, lr_13HW: np.ndarray, precision: str) -> np.ndarray:
        found: np.ndarray = self._run(self.graphs.embed, precision, [lr_13HW])[0].copy()
        return found

    def _run(self, graph: Path, precision: str, inputs: list[np.ndarray]) -> np.ndarray:
        requests = self._requests.__dict__
        key = f"{graph.name} {precision} {self.on_one_core}"
        if key not in requests:
            requests[key] = self._compiled(graph, precision).create_infer_request()
        result: np.ndarray = requests[key].infer(inputs, share_inputs=True, share_outputs=True)[0]
        return result

    def _compiled(self, graph: Path, precision: str) -> Any:
        key = (graph, precision, self.on_one_core)
        with self._lock:
            if key not in self._models:
                self._models[key] = self._kept(graph, precision) or self._compile(graph, precision)
            return self._models[key]

    def _settings(self, precision: str) -> dict[str, Any]:
        """Under `one_core` a model is compiled for as many calls at once as there are cores, else for one call."""
        cores = usable_cores()
        return {
            "INFERENCE_PRECISION_HINT": TYPES[precision],
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": cores if self.on_one_core else wanted_threads(),
            "NUM_STREAMS": cores if self.on_one_core else 1,
            "ENABLE_CPU_PINNING": False,  # files are read and written beside it
        }

    def _compile(self, graph: Path, precision: str) -> Any:
        model = self._core.read_model(graph)
        if precision != "float32" and graph == self.graphs.restore:
            _keep_last_float32(model)
        compiled = self._core.compile_model(model, "CPU", self._settings(precision))
        with contextlib.suppress(OSError):  # without room for it, it is compiled anew next time
            path = self._place(graph, precision)
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(path) as file:
                file.write(compiled.export_model().getvalue())
            _make_room(path.parent)
        return compiled

    def _kept(self, graph: Path, precision: str) -> Any:
        """The model as it was compiled before, None if it was not or cannot be taken."""
        path = self._place(graph, precision)
        try:
            content = path.read_bytes()
            path.touch()
            return self._core.import_model(content, "CPU", self._settings(precision))
        except FileNotFoundError:
            return None
        except Exception as error:  # OpenVINO says RuntimeError for all that can be wrong with a file
            logger.debug("%s is compiled anew: %s", path, error)
            return None

    def _place(self, graph: Path, precision: str) -> Path:
        processor = (self._core.get_property("CPU", name) for name in ("FULL_DEVICE_NAME", "OPTIMIZATION_CAPABILITIES"))
        streams = (wanted_threads(), usable_cores() if self.on_one_core else 1)
        parts = (self.graphs.key, graph.name, precision, openvino.get_version(), *streams, *processor)
        return cache_folder("openvino", f"{hashlib.sha256(repr(parts).encode()).hexdigest()[:32]}.blob")


def _keep_last_float32(model: openvino.Model) -> None:
    """Have the last convolution write float32.

    OpenVINO leaves what follows the last convolution in float32, and makes one node of a convolution and a `Clamp`
    after it. So the convolution takes bfloat16, adds up in float32 as always, and has no reason to round the sums.
    """
    end = model.get_results()[0].input(0)
    end.replace_source_output(opset13.clamp(end.get_source_output(), -LARGEST, LARGEST).output(0))
    model.validate_nodes_and_infer_types()


def _make_room(folder: Path) -> None:
    kept = sorted(folder.glob("*.blob"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in kept[KEPT_MODELS:]:
        path.unlink(missing_ok=True)


def _is_faster_in_bf16(core: Any) -> bool:
    """What `runtime.devices.cpu_is_faster_in_bf16` says, without torch: Intel's are faster with AMX alone."""
    if not core.get_property("CPU", "FULL_DEVICE_NAME").startswith("Intel"):
        return True
    flags = Path("/proc/cpuinfo")  # of Linux; elsewhere those with AMX are rare
    return flags.is_file() and "amx_bf16" in flags.read_text(encoding="utf-8")
