"""MM-RealSR's five versions of each picture: edits of one degradation's params.

Rows are image-major: the five versions of picture 0, then those of picture 1 and so on.
Legend: B pictures, R = 5 versions, D degrees.
"""

import torch
from torch import Tensor

ROLES = ("base", "blurrier", "noisier", "clean", "worst")


def by_role(rows: Tensor) -> dict[str, Tensor]:
    """Split (5B, …) rows into one (B, …) tensor per role."""
    return dict(zip(ROLES, rows.unflatten(0, (-1, len(ROLES))).unbind(1), strict=True))


def pin_anchors(degrees: Tensor) -> Tensor:
    """The degrees (5B, D) that modulate the restorer in training: estimates, but 0 and 1 for the two anchors."""
    roles = by_role(degrees)
    roles |= {"clean": torch.zeros_like(roles["clean"]), "worst": torch.ones_like(roles["worst"])}
    return torch.stack([roles[role] for role in ROLES], dim=1).flatten(0, 1)
