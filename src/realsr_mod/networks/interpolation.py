"""Network interpolation: the weights of two networks of one shape, mixed (arXiv 1811.10515).

One must have been trained from the other, or both from a third: then what lies between their weights restores as what
lies between their images does, at the cost of one network.
"""

from collections.abc import Mapping

import torch
from torch import Tensor


def interpolated(first: Mapping[str, Tensor], second: Mapping[str, Tensor], share: float | Tensor) -> dict[str, Tensor]:
    """`first` + `share` (`second` - `first`), tensor by tensor in float32; what is no float is the first's."""
    return {
        name: torch.lerp(value.float(), second[name].float(), share) if value.is_floating_point() else value
        for name, value in first.items()
    }
