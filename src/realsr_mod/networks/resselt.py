"""Networks of the architectures that the package resselt knows: SPAN, SwinIR, DAT, HAT, PLKSR and some twenty more.

Its architectures follow from a state dict. What tells them is kept as plain numbers, so that such a network is
described, released and trained further like those of this package. Legend: B batch, H and W the low-resolution size.
"""

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from realsr_mod.networks.base import SRNetwork

PACKAGE = "resselt"
_MOST_NUMBERS = 16  # in a tensor, or its last row, that tells a size (scale, window …) by its values


def is_installed() -> bool:
    """Whether the package that knows these architectures is there."""
    return find_spec(PACKAGE) is not None


class ResseltNet(SRNetwork):
    """A network of another program, of RGB images in [0, 1]; its weights are zeros until some are loaded.

    Args:
        shapes: of every tensor in the program's state dict.
        numbers: the values of tensors of few whole numbers: sizes, maybe.
        last_rows: of tables of whole numbers: the largest of what they list, from which DAT's windows follow.

    Raises:
        ValueError: no architecture has these tensors, or it has no three channels in and out, or several scales.
        ImportError: the package is not installed.
    """

    def __init__(
        self,
        shapes: Mapping[str, Sequence[int]],
        numbers: Mapping[str, Any] | None = None,
        last_rows: Mapping[str, Sequence[float]] | None = None,
    ) -> None:
        super().__init__()
        wanted = torch.get_default_device()
        with torch.device("cpu"):  # its constructors compute with what they make, which has no values on `meta`
            state = {key: torch.zeros(tuple(shape)) for key, shape in shapes.items()}
            state |= {key: torch.tensor(value).reshape(tuple(shapes[key])) for key, value in (numbers or {}).items()}
            for key, row in (last_rows or {}).items():
                state[key][-1] = torch.tensor(row)
            self.network = _built(state).to(wanted)
        about = self.network.parameters_info
        if (about.in_channels, about.out_channels) != (3, 3) or not isinstance(about.upscale, int):
            raise ValueError(
                f"a {about.name} of {about.in_channels} channels in, {about.out_channels} out and scale "
                f"{about.upscale}; those of three channels and one scale can be used"
            )
        self.scale = about.upscale

    def restore(self, lr_B3HW: Tensor, embedding_B0: Tensor) -> Tensor:
        with _Unpinned():
            sr: Tensor = self.network(lr_B3HW)
        return sr


class _Unpinned(TorchFunctionMode):
    """Makes tensors where they are asked for, but not in pinned memory, which needs CUDA and changes no value."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        kwargs.pop("pin_memory", None)
        return func(*args, **kwargs)


def described_by(state: Mapping[str, Tensor]) -> dict[str, Any]:
    """The arguments of a `ResseltNet` that has this state dict of the other program."""
    whole = {key: value for key, value in state.items() if bool((value == value.round()).all())}
    numbers = {key: value.tolist() for key, value in whole.items() if value.numel() <= _MOST_NUMBERS}
    tables = {key: value for key, value in whole.items() if value.ndim == 2 and value.shape[1] <= _MOST_NUMBERS}
    last_rows = {key: value[-1].tolist() for key, value in tables.items() if key not in numbers}
    return {
        "shapes": {key: list(value.shape) for key, value in state.items()},
        "numbers": numbers,
        "last_rows": last_rows,
    }


def _built(state: dict[str, Tensor]) -> Any:
    """The network whose state dict this is, without its weights' values."""
    import resselt
    from resselt.registry import ArchitectureNotFound

    try:
        return resselt.load_from_state_dict(state)
    except ArchitectureNotFound as error:
        raise ValueError(f"no architecture of {PACKAGE} has these tensors") from error
    except (KeyError, IndexError, RuntimeError, TypeError, ZeroDivisionError) as error:
        raise ValueError(f"{PACKAGE} does not find a size in these tensors ({str(error)[:200]})") from error
