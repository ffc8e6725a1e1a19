"""Models as ONNX: any height and width, the degrees as an input where there are any, checked against torch."""

import contextlib
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from realsr_mod.networks.base import SRNetwork
from realsr_mod.runtime.files import atomic_write

ONNX_OPSET = 18
MAX_ONNX_ERROR = 1e-4
NEEDS_EXTRA = "format=onnx needs an extra: pip install 'realsr-mod[onnx]'"


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
        import onnxscript  # noqa: F401 (torch's exporter needs it)
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
    size = torch.export.Dim.DYNAMIC
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
    content = program.model_proto
    onnx.helper.set_model_props(content, {"scale": str(network.scale), "degrees": ",".join(network.embedding_names)})
    with atomic_write(path) as file:
        file.write(content.SerializeToString())
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return _largest_difference(session, model, inputs)


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
