"""Real-world image super-resolution: train, study, compare and use networks that restore degraded photos."""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# Imported when first asked for, so that `import realsr_mod` and `--help` need not wait for torch.
_PUBLIC = {
    "ClassicDegradation": "realsr_mod.degradations.classic",
    "Degradation": "realsr_mod.degradations.base",
    "KDSRNet": "realsr_mod.methods.kdsr.network",
    "MMRealSRNet": "realsr_mod.methods.mmrealsr.network",
    "SRBatch": "realsr_mod.data.batch",
    "SRNetwork": "realsr_mod.networks.base",
    "SecondOrder": "realsr_mod.degradations.second_order",
    "Upscaler": "realsr_mod.inference.upscaler",
    "load_model": "realsr_mod.weights.release",
    "row": "realsr_mod.degradations.base",
    "rows": "realsr_mod.degradations.base",
    "step_generator": "realsr_mod.runtime.rng",
}
__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'realsr_mod' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(_PUBLIC[name]), name)
