"""What the machine's devices are good at, and the words for number formats: auto, float32, bfloat16, float16."""

from collections.abc import Mapping
from typing import Any

import torch

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
LIGHTNING_PRECISIONS = {"float32": "32-true", "bfloat16": "bf16-mixed", "float16": "16-mixed"}


def best_precision(accelerator: str) -> str:
    """The number format to train in on `accelerator`: bfloat16 where the hardware multiplies it fast, else float32.

    Fast means NVIDIA Ampere or newer, or a CPU of which `cpu_is_faster_in_bf16` says so.
    """
    on_gpu = accelerator in ("gpu", "cuda") or (accelerator == "auto" and torch.cuda.is_available())
    if on_gpu:
        fast = torch.cuda.is_available() and torch.cuda.get_device_capability() >= (8, 0)
    else:
        fast = accelerator in ("cpu", "auto") and cpu_is_faster_in_bf16()
    return "bfloat16" if fast else "float32"


def cpu_is_faster_in_bf16() -> bool:
    """Whether this CPU multiplies bf16 faster than float32: with AMX, or with AMD's AVX-512 BF16.

    Intel's cores have one unit for AVX-512 BF16 and two for float32: without AMX, convolutions are slower in bf16
    (`python benchmarks/all.py --only tiles`). Where bf16 is emulated, they are far slower.
    """
    by_intel = str(_capabilities().get("cpu_name", "")).startswith("Intel")
    return bool(_capabilities().get("amx_bf16", False)) or (cpu_multiplies_bf16() and not by_intel)


def cpu_multiplies_bf16() -> bool:
    """Whether this CPU has instructions that multiply bf16 (AMX or AVX-512 BF16), faster or not."""
    return any(_capabilities().get(name, False) for name in ("amx_bf16", "avx512_bf16"))


def _capabilities() -> Mapping[str, Any]:
    """What torch knows of this CPU; nothing where it is older than the function that tells."""
    return torch.cpu.get_capabilities() if hasattr(torch.cpu, "get_capabilities") else {}


def pick_device(device: str | torch.device) -> torch.device:
    """`auto` is CUDA, else Apple's MPS, else the CPU; anything else is what torch takes it for."""
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device {str(device)!r} is not available here; use auto, cpu, cuda or cuda:N") from error


def pick_dtype(precision: str, device: torch.device) -> torch.dtype:
    """The number format of inference; `auto` is float16 on CUDA, else float32."""
    if precision == "auto":
        # bfloat16 has 8 significant bits, which an 8-bit image would show as steps; float16 has 11.
        return torch.float16 if device.type == "cuda" else torch.float32
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be auto, {', '.join(PRECISIONS)}, got {precision!r}")
    return PRECISIONS[precision]


def describe(device: torch.device, processes: int = 1) -> str:
    """What computes, in words, for figures of speed: the GPU's name, or the CPU's threads and instructions."""
    if processes > 1:
        return f"{processes} processes, each on {describe(device)}"
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "cpu":
        threads = torch.get_num_threads()
        return f"CPU, {threads} thread{'s' if threads > 1 else ''}, {torch.backends.cpu.get_cpu_capability()}"
    return device.type
