"""Real-world image super-resolution: train, study, compare and use networks that restore degraded photos."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # `X as X` says that a name is public
    from realsr_mod.data.batch import SRBatch as SRBatch
    from realsr_mod.degradations.base import Degradation as Degradation
    from realsr_mod.degradations.base import row as row
    from realsr_mod.degradations.base import rows as rows
    from realsr_mod.degradations.classic import ClassicDegradation as ClassicDegradation
    from realsr_mod.degradations.second_order import SecondOrder as SecondOrder
    from realsr_mod.inference.upscaler import Upscaler as Upscaler
    from realsr_mod.methods.kdsr.network import KDSRNet as KDSRNet
    from realsr_mod.methods.mmrealsr.network import MMRealSRNet as MMRealSRNet
    from realsr_mod.networks.base import SRNetwork as SRNetwork
    from realsr_mod.runtime.plugins import trust as trust
    from realsr_mod.runtime.rng import step_generator as step_generator
    from realsr_mod.weights.release import load_model as load_model

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
    "trust": "realsr_mod.runtime.plugins",
}
__all__ = sorted(_PUBLIC)


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'realsr_mod' has no attribute {name!r}; it has {', '.join(__all__)}")
    return getattr(import_module(_PUBLIC[name]), name)
