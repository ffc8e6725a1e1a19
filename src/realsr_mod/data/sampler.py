"""Which photo is trained on when: a pure function of (seed, step), so that any step can be the first.

One training is one pass of Lightning's loop over `num_steps` batches. The photos are gone through again and again,
each time in a new order; slot n of the whole training, counted over steps, ranks and rows, is photo number
`n mod num_items` of pass `n div num_items`. Ranks take neighbouring slots, so none repeats another's photos in a pass.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from pytorch_lightning.utilities import rank_zero_warn
from torch.utils.data import DataLoader, Sampler

from realsr_mod.runtime.rng import derive_seed

_ORDER = 101  # keeps these seeds apart from those drawn for other purposes


class Slot(NamedTuple):
    """One row of one training batch: `row` counts over all ranks, `image` is the photo's number."""

    step: int
    row: int
    image: int


@lru_cache(maxsize=4)
def _pass_order(seed: int, number: int, num_items: int) -> np.ndarray:
    """The order of the photos in one pass. Cached since neighbouring batches belong to the same pass."""
    return np.random.default_rng(derive_seed(seed, _ORDER, number)).permutation(num_items)


class StepBatchSampler(Sampler[list[Slot]]):
    """The batches of the steps from `start_step` on to `num_steps`, for one rank.

    Its length is `num_steps`, whatever `start_step` is: Lightning adds the batches of before the interruption to
    those that it fetches and compares the sum with the length.
    """

    def __init__(
        self,
        num_items: int,
        batch_size: int,
        num_steps: int,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        start_step: int = 0,
    ) -> None:
        if min(num_items, batch_size, num_steps) < 1:
            raise ValueError(
                f"photos, batch size and steps must be at least 1, got {num_items}, {batch_size} and {num_steps}"
            )
        self.num_items, self.batch_size, self.num_steps = num_items, batch_size, num_steps
        self.seed, self.rank, self.world_size, self.start_step = seed, rank, world_size, start_step

    def __len__(self) -> int:
        return self.num_steps

    def __iter__(self) -> Iterator[list[Slot]]:
        for step in range(self.start_step, self.num_steps):
            yield self.batch(step)

    def batch(self, step: int) -> list[Slot]:
        """This rank's rows of one step."""
        rows = range(self.rank * self.batch_size, (self.rank + 1) * self.batch_size)
        return [Slot(step, row, self._index(step * self.world_size * self.batch_size + row)) for row in rows]

    def _index(self, slot: int) -> int:
        number, place = divmod(slot, self.num_items)
        return int(_pass_order(self.seed, number, self.num_items)[place])


class StepLoader(DataLoader[Any]):
    """A loader over a StepBatchSampler that a checkpoint remembers.

    `steps_done` tells how many steps the training has behind it. It is asked rather than counted here, since batches
    are loaded ahead of their use, and a step may be interrupted after its batch was loaded.
    """

    batch_sampler: StepBatchSampler

    def __init__(self, *args: Any, steps_done: Callable[[], int], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.steps_done = steps_done

    def state_dict(self) -> dict[str, int]:
        """Called by Lightning when it writes a checkpoint."""
        return {"next_step": self.steps_done(), "num_items": self.batch_sampler.num_items}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Called by Lightning before the first batch of a resumed training."""
        self.batch_sampler.start_step = state["next_step"]
        before, now = state["num_items"], self.batch_sampler.num_items
        if before != now:
            rank_zero_warn(
                f"there are {now} photos to train on, and there were {before} when the checkpoint was written; "
                "the training goes on with the new ones, but in another order"
            )
