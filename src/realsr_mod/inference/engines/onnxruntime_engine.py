"""onnxruntime as an engine: on any CPU, in float32."""

import functools

import numpy as np
import onnxruntime

from realsr_mod.inference.engines.base import GraphEngine, wanted_threads
from realsr_mod.weights.graphs import Graphs


class ONNXRuntimeEngine(GraphEngine):
    """Graphs under onnxruntime, on the CPU."""

    name = "onnxruntime"
    precisions = ("float32",)
    quick = "float32"

    def __init__(self, graphs: Graphs) -> None:
        super().__init__(graphs)
        self._session = functools.cache(_session)

    def restore(self, lr_13HW: np.ndarray, embedding_D: np.ndarray, precision: str) -> np.ndarray:
        inputs = {"lr": lr_13HW}
        if self.embedding_dim:
            inputs["embedding"] = embedding_D[None]
        result: np.ndarray = self._session(str(self.graphs.restore), self.on_one_core).run(None, inputs)[0]
        return result

    def embed(self, lr_13HW: np.ndarray, precision: str) -> np.ndarray:
        result: np.ndarray = self._session(str(self.graphs.embed), self.on_one_core).run(None, {"lr": lr_13HW})[0][0]
        return result


def _session(graph: str, one_core: bool) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1 if one_core else wanted_threads()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
