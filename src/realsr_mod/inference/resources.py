"""What the machine gives: device, number format, memory, and what to do when that runs out."""

import logging
import os

import torch

from realsr_mod.inference.tiling import ALIGN, MIN_TILE

logger = logging.getLogger(__name__)

PRECISIONS = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}
CPU_BUDGET_BYTES = 1e9


def pick_device(device: str | torch.device) -> torch.device:
    """`auto` is CUDA, else Apple's MPS, else the CPU; anything else is what torch takes it for."""
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"device {str(device)!r} is not available here; use auto, cpu, cuda or cuda:N") from error


def pick_dtype(precision: str, device: torch.device) -> torch.dtype:
    """`auto` is float16 on CUDA, else float32."""
    if precision == "auto":
        # bfloat16 has 8 significant bits, which an 8-bit picture would show as steps; float16 has 11.
        return torch.float16 if device.type == "cuda" else torch.float32
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be auto, {', '.join(PRECISIONS)}, got {precision!r}")
    return PRECISIONS[precision]


def halved(tile: int, longest: int, error: Exception) -> int:
    """Half the tile if `error` says that memory ran out, else that error again."""
    message = str(error).lower()
    out_of_memory = isinstance(error, torch.OutOfMemoryError | MemoryError) or any(
        text in message for text in ("out of memory", "can't allocate memory", "not enough memory")
    )
    if not out_of_memory:
        raise error
    smaller = min(tile or longest, longest) // 2 // ALIGN * ALIGN
    if smaller < MIN_TILE:
        raise MemoryError(
            f"out of memory even with the smallest tiles ({MIN_TILE} px); close other programs, use device=cpu, "
            "or a smaller model or picture"
        ) from error
    logger.warning("out of memory with tiles of %s px; trying again with %d px", tile or "the whole picture's", smaller)
    return smaller


def memory_budget(device: torch.device) -> float:
    """How many bytes a network's activations may take."""
    if device.type == "cuda":
        return 0.6 * torch.cuda.mem_get_info(device)[0]
    return min(CPU_BUDGET_BYTES, 0.5 * available_ram())


def available_ram() -> float:
    """Free main memory in bytes."""
    try:
        return float(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):  # not every system says
        return 4e9
