"""The one source of randomness: generators made from (seed, rank, step), never from global state."""

import os
from zlib import crc32

import numpy as np
import torch


def derive_seed(*keys: int) -> int:
    """Mix non-negative integers under 2**32 into one 63-bit seed (NumPy's SeedSequence).

    Different keys give unrelated seeds, but for zeros at the end: (5,) and (5, 0) are one.
    """
    return int(np.random.SeedSequence(keys).generate_state(1, np.uint64)[0] >> 1)


def step_generator(seed: int, rank: int, step: int, device: torch.device | str = "cpu") -> torch.Generator:
    """The generator of one training step.

    A run that is resumed at `step` draws what an uninterrupted run draws there, and no two ranks draw the same.
    """
    return torch.Generator(device).manual_seed(derive_seed(seed, rank, step))


def image_generator(seed: int, name: str) -> torch.Generator:
    """The generator of one image of a folder: it depends on the seed and the image's name, not on its neighbours.

    `name` is the path inside the folder, with its suffix and forward slashes.
    """
    return torch.Generator().manual_seed(derive_seed(seed, crc32(os.fsencode(name))))
