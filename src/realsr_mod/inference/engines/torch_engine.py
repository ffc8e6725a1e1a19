"""Torch as an engine: on every device, with every network.

Legend: D the embedding's length, H and W the image's size or a tile's, s the scale.
"""

import copy
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from realsr_mod.inference.arrays import NUMPY, Array
from realsr_mod.inference.engines.base import Engine, KnownRange
from realsr_mod.inference.memory import memory_budget
from realsr_mod.networks.base import SRNetwork
from realsr_mod.networks.footprint import bytes_per_pixel
from realsr_mod.runtime.devices import PRECISIONS, cpu_is_faster_in_bf16, pick_device


class TorchEngine(Engine):
    """A network under torch: channels last, and in half precision under autocast.

    In bfloat16 the last convolution works in float32: its 8 significant bits would show as steps in an 8-bit image.

    Args:
        network: what restores; it is moved to `device` and put in evaluation mode, and a copy of it works.
        device: `auto` (CUDA, then Apple's MPS, then CPU) or a torch device.
    """

    name = "torch"
    precisions = tuple(PRECISIONS)

    def __init__(self, network: SRNetwork, device: str | torch.device = "auto") -> None:
        if network.sees_hr:
            raise ValueError(
                "this model is a teacher: it needs the HR image that upscaling is to find; use its student"
            )
        self._device = pick_device(device)
        self.device = str(self._device)
        self.network = network.to(self._device).eval()
        self.network_name, self.scale = type(network).__name__, network.scale
        self.embedding_dim, self.embedding_names = network.embedding_dim, network.embedding_names
        known = network.embedding_range
        self.known = None if known is None else KnownRange.of(known.described())
        self.quick = _quick_precision(self._device)
        self._working = copy.deepcopy(self.network)
        self._ends_in_float32, self._lock = False, threading.Lock()
        self.cores = torch.get_num_threads() if self._device.type == "cpu" else 1
        if self._device.type != "mps":
            self._working.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.arrays = NUMPY if self._device.type == "cpu" else TorchArrays(self._device)

    @cached_property
    def restore_bytes(self) -> float:
        return bytes_per_pixel(self._working, self._restore_any)

    @cached_property
    def embed_bytes(self) -> float:
        return bytes_per_pixel(self._working, self._working.embed)

    @torch.inference_mode()
    def restore(self, lr_13HW: np.ndarray, embedding_D: np.ndarray, precision: str) -> Array:
        embedding_1D = torch.from_numpy(embedding_D[None]).to(self._device)
        with self._lock:
            if precision == "bfloat16" and not self._ends_in_float32:
                _keep_last_float32(self._working, self._restore_any)
                self._ends_in_float32 = True
        with self._autocast(precision):
            sr = self._working.restore(self._tensor(lr_13HW), embedding_1D).float()
        return sr.numpy() if self._device.type == "cpu" else sr

    @torch.inference_mode()
    def embed(self, lr_13HW: np.ndarray, precision: str) -> np.ndarray:
        with self._autocast(precision):
            embedding_D: Tensor = self._working.embed(self._tensor(lr_13HW))[0]
        found: np.ndarray = embedding_D.float().cpu().numpy()
        return found

    @contextmanager
    def one_core(self) -> Iterator[None]:
        if self.cores > 1:
            torch.set_num_threads(1)  # of this thread, and of threads that begin meanwhile
        try:
            yield
        finally:
            if self.cores > 1:
                torch.set_num_threads(self.cores)

    def _restore_any(self, lr_13HW: Tensor) -> Tensor:
        """Restore as if the embedding were all zeros."""
        return self._working.restore(lr_13HW, lr_13HW.new_zeros(1, self.embedding_dim))

    def budget(self) -> float:
        if self._device.type == "cuda":
            return 0.6 * torch.cuda.mem_get_info(self._device)[0]
        return memory_budget()

    def _tensor(self, lr_13HW: np.ndarray) -> Tensor:
        lr = torch.from_numpy(lr_13HW).to(self._device)
        return lr if self._device.type == "mps" else lr.to(memory_format=torch.channels_last)

    def _autocast(self, precision: str) -> Any:
        return torch.autocast(self._device.type, PRECISIONS[precision], enabled=precision != "float32")


def _keep_last_float32(network: nn.Module, run: Callable[[Tensor], Tensor]) -> None:
    """Have the convolution that runs last leave bfloat16's autocast; `run` sends an image through `network`."""
    seen: list[nn.Conv2d] = []
    convs = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    hooks = [conv.register_forward_hook(lambda conv, inputs, output: seen.append(conv)) for conv in convs]
    try:
        run(torch.zeros(1, 3, 32, 32, device=next(network.parameters()).device))
    finally:
        for hook in hooks:
            hook.remove()
    if seen:
        seen[-1].forward = _Float32Conv(seen[-1])  # type: ignore[assignment, method-assign]


class _Float32Conv:
    """The forward pass of a convolution, in float32 where bfloat16 is asked for."""

    def __init__(self, conv: nn.Conv2d) -> None:
        self.conv = conv

    def __call__(self, x_BCHW: Tensor) -> Tensor:
        device = x_BCHW.device.type
        if not torch.is_autocast_enabled(device) or torch.get_autocast_dtype(device) != torch.bfloat16:
            return nn.Conv2d.forward(self.conv, x_BCHW)
        with torch.autocast(device, enabled=False):
            return nn.Conv2d.forward(self.conv, x_BCHW.float())


class TorchArrays:
    """Tensors on a device, so that only finished pixels leave it."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    @torch.inference_mode()
    def zeros(self, *shape: int) -> Tensor:
        return torch.zeros(shape, device=self.device)

    @torch.inference_mode()
    def array(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(values.astype(np.float32)).to(self.device)

    @torch.inference_mode()
    def is_finite(self, values: Tensor) -> bool:
        return bool(torch.isfinite(values).all())

    @torch.inference_mode()
    def pixels(self, rows_CHW: Tensor, white: float, dtype: np.dtype[Any]) -> np.ndarray:
        rows = rows_CHW.clamp(0, 1).mul_(white)
        if dtype.kind == "u":
            rows = rows.round_()
        rows = rows.to(torch.uint8) if dtype == np.uint8 else rows
        pixels: np.ndarray = rows.permute(1, 2, 0).cpu().numpy().astype(dtype)
        return pixels


def _quick_precision(device: torch.device) -> str:
    if device.type == "cuda":
        return "float16"  # 11 significant bits against bfloat16's 8, at the same speed
    return "bfloat16" if device.type == "cpu" and cpu_is_faster_in_bf16() else "float32"
