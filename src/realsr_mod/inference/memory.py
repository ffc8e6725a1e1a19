"""How much memory there is, and what to do when it runs out."""

import logging
import os

from realsr_mod.inference.tiling import ALIGN, MIN_TILE

logger = logging.getLogger(__name__)

CPU_BUDGET_BYTES = 1e9


def halved(tile: int, longest: int, error: Exception) -> int:
    """Half the tile if `error` says that memory ran out, else that error again."""
    message = str(error).lower()
    out_of_memory = isinstance(error, MemoryError) or any(
        text in message for text in ("out of memory", "can't allocate memory", "not enough memory", "bad_alloc")
    )
    if not out_of_memory:
        raise error
    smaller = min(tile or longest, longest) // 2 // ALIGN * ALIGN
    if smaller < MIN_TILE:
        raise MemoryError(
            f"out of memory even with the smallest tiles ({MIN_TILE} px); close other programs, use device=cpu, "
            "or a smaller model or image"
        ) from error
    logger.warning("out of memory with tiles of %s px; trying again with %d px", tile or "the whole image's", smaller)
    return smaller


def memory_budget() -> float:
    """How many bytes of main memory a network's activations may take."""
    return min(CPU_BUDGET_BYTES, 0.5 * available_ram())


def available_ram() -> float:
    """Free main memory in bytes."""
    try:
        return float(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    except (AttributeError, ValueError, OSError):  # not every system says
        return 4e9
