"""Kornia's augmentations as degradation ops, and degradations as kornia's augmentations.

Legend: B batch, C channels, H height, W width.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import kornia.augmentation
import torch
from kornia.augmentation import IntensityAugmentationBase2D
from torch import Tensor

from realsr_mod.degradations.base import Degradation, DegradationOp, Params, Shape
from realsr_mod.degradations.noise import draw_seeds
from realsr_mod.degradations.stored import flatten, unflatten
from realsr_mod.runtime.errors import suggestion

_KORNIAS_OWN = ("batch_prob", "forward_input_shape")  # among the parameters of every augmentation
_REFUSED = ("RandomDissolving",)  # which would fetch a network for diffusion
LARGEST_ARGUMENT = 1000  # of an augmentation: more would be a kernel or a number of drops that fills the memory
_PROBES = ((3, 32, 32), (3, 48, 40))  # sizes at which it is looked what an augmentation draws


@contextmanager
def seeded(seed: int, device: torch.device) -> Iterator[None]:
    """The global generators of the CPU and of `device` give what this seed gives, and go on afterwards as before."""
    on_cuda = device.type == "cuda"
    with torch.random.fork_rng([device] if on_cuda else []):
        torch.default_generator.manual_seed(seed)
        if on_cuda:
            with torch.cuda.device(device):
                torch.cuda.manual_seed(seed)
        yield


class KorniaOp(DegradationOp):
    """An augmentation of kornia that changes what pixels look like: `RandomMotionBlur`, `RandomRain` …

    Kornia draws its parameters by its own generator, which is set to a seed of ours for each row, and put back as it
    was. So nothing hangs on global state, and a row does not hang on its neighbours, a blur's kernel size included.
    Params: `seed` (B,), and (B, …) each of kornia's parameters that has the same shape for an image of any size
    (`angle_factor` …; where `p` is below 1, `batch_prob`, whether it is applied at all), which may be edited. The
    others (masks, fields, coordinates) are drawn from the seed again when the op is applied. Rows are done one by one.

    Args:
        augmentation: its name in `kornia.augmentation`. Those that move pixels are refused: LR and HR would no longer
            show the same.
        p: chance that an image is changed at all.
        arguments: of the augmentation; a list of two is taken for a range.
    """

    def __init__(self, augmentation: str, p: float = 1.0, **arguments: Any) -> None:
        super().__init__()
        kind: Any = getattr(kornia.augmentation, augmentation, None)
        if not _changes_pixels(kind):
            known = [name for name in dir(kornia.augmentation) if _changes_pixels(getattr(kornia.augmentation, name))]
            raise ValueError(
                f"kornia has no augmentation '{augmentation}' that changes what pixels look like; "
                + suggestion(str(augmentation), known, "there are")
            )
        if arguments.get("same_on_batch"):
            raise ValueError("same_on_batch contradicts rows that are independent of each other; leave it out")
        made = kind(p=p, **{name: _tuples(value) for name, value in arguments.items()})
        self._augmentation = (made,)  # no submodule: moved to a device, kornia would draw there, and draw otherwise
        self.levels = self._levels()

    @property
    def augmentation(self) -> IntensityAugmentationBase2D:
        """Kornia's module."""
        augmentation: IntensityAugmentationBase2D = self._augmentation[0]
        return augmentation

    def extra_repr(self) -> str:
        return repr(self.augmentation)

    def sample(self, shape_BCHW: Shape, generator: torch.Generator) -> Params:
        seed_B = draw_seeds(shape_BCHW[0], generator)
        drawn = [self._draw(seed, shape_BCHW[1:]) for seed in seed_B.tolist()]
        levels = {name: torch.cat([one[name] for one in drawn]).to(seed_B.device) for name in self.levels}
        return {"seed": seed_B, **levels}

    def forward(self, x_BCHW: Tensor, params: Params) -> Tensor:
        changed = []
        for index, seed in enumerate(params["seed"].tolist()):
            image = x_BCHW[index : index + 1]
            with seeded(seed, image.device):
                drawn = self.augmentation.forward_parameters(image.shape)
                drawn |= {name: params[name][index : index + 1] for name in self.levels}
                changed.append(self.augmentation(image, params=drawn))
        return torch.cat(changed)

    def _draw(self, seed: int, shape_CHW: Sequence[int]) -> dict[str, Tensor]:
        """Kornia's parameters of one image."""
        with seeded(seed, torch.device("cpu")):
            drawn: dict[str, Tensor] = self.augmentation.forward_parameters((1, *shape_CHW))
        return drawn

    def _levels(self) -> tuple[str, ...]:
        """The names of the parameters that are one row of the same shape, whatever the image's size and the seed."""
        draws = [self._draw(seed, shape) for shape in _PROBES for seed in range(4)]
        shapes = {name: {tuple(drawn[name].shape) for drawn in draws} for name in draws[0]}
        steady = [name for name, found in shapes.items() if len(found) == 1 and min(found)[:1] == (1,)]
        unread = ("forward_input_shape", *(("batch_prob",) if self.augmentation.p == 1 else ()))
        return tuple(name for name in steady if name not in unread)


class AsKornia(IntensityAugmentationBase2D):
    """A degradation as an augmentation of kornia: see `as_kornia`."""

    def __init__(self, degradation: Degradation | DegradationOp, p: float = 1.0) -> None:
        super().__init__(p=p)
        self.degradation = degradation

    def generate_parameters(self, batch_shape: tuple[int, ...]) -> dict[str, Tensor]:
        """Our params, one level deep, from a seed that is drawn as kornia draws."""
        batch, channels, height, width = batch_shape
        generator = torch.Generator().manual_seed(int(torch.randint(2**31 - 1, ())))
        return flatten(self.degradation.sample((batch, channels, height, width), generator))

    def apply_transform(
        self, input: Tensor, params: dict[str, Tensor], flags: dict[str, Any], transform: Tensor | None = None
    ) -> Tensor:
        given = {name: value for name, value in params.items() if isinstance(value, Tensor)}  # else a container's
        ours = {name: value.to(input.device) for name, value in given.items() if name not in _KORNIAS_OWN}
        return self.degradation(input, unflatten(ours))


def as_kornia(degradation: Degradation | DegradationOp, p: float = 1.0) -> AsKornia:
    """A degradation, or a part of one, as an augmentation of kornia, for `AugmentationSequential` and its like.

    Its parameters are drawn as kornia's are, from torch's global generator, and are found in `_params`, with names such
    as `blur/sigma_x`. Given again (`params=`), they replay the images bit by bit.

    Args:
        degradation: float32 RGB in [0, 1], (B, C, H, W) to (B, C, H / scale, W / scale).
        p: chance that an image is degraded; below 1 only where the size stays.
    """
    if p < 1 and getattr(degradation, "scale", 1) > 1:
        raise ValueError(f"p must be 1 for a pipeline that makes images smaller, got {p}; a batch has one size")
    return AsKornia(degradation, p)


def _changes_pixels(kind: object) -> bool:
    return (
        isinstance(kind, type)
        and issubclass(kind, IntensityAugmentationBase2D)
        and kind is not IntensityAugmentationBase2D
        and kind.__name__ not in _REFUSED
    )


def _tuples(value: Any) -> Any:
    """Pairs as tuples, other sequences as lists, as kornia wants ranges and lists. ValueError for huge numbers."""
    if isinstance(value, Sequence) and not isinstance(value, str):
        items = [_tuples(item) for item in value]
        return tuple(items) if len(items) == 2 else items
    if isinstance(value, int | float) and not abs(value) <= LARGEST_ARGUMENT:
        raise ValueError(f"an argument of an augmentation is {value}; at most {LARGEST_ARGUMENT} makes sense")
    return value
