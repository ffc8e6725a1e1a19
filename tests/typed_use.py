"""What a user's type checker sees; `make lint` has mypy read this, and nothing runs it.

Each line is an error where the type is known. Where it is not, `type: ignore` has nothing to ignore, an error as well.
"""

import realsr_mod

NOT_THERE = (
    realsr_mod.ClassicDegradation.not_there,  # type: ignore[attr-defined]
    realsr_mod.Degradation.not_there,  # type: ignore[attr-defined]
    realsr_mod.KDSRNet.not_there,  # type: ignore[attr-defined]
    realsr_mod.MMRealSRNet.not_there,  # type: ignore[attr-defined]
    realsr_mod.SRBatch.not_there,  # type: ignore[attr-defined]
    realsr_mod.SRNetwork.not_there,  # type: ignore[attr-defined]
    realsr_mod.SecondOrder.not_there,  # type: ignore[attr-defined]
    realsr_mod.Upscaler.not_there,  # type: ignore[attr-defined]
    realsr_mod.load_model.not_there,  # type: ignore[attr-defined]
    realsr_mod.row.not_there,  # type: ignore[attr-defined]
    realsr_mod.rows.not_there,  # type: ignore[attr-defined]
    realsr_mod.step_generator.not_there,  # type: ignore[attr-defined]
    realsr_mod.trust.not_there,  # type: ignore[attr-defined]
)

realsr_mod.Upscaler.load("newest", tile=[])  # type: ignore[arg-type]
