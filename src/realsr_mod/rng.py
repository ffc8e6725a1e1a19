"""The one source of randomness: generators made from (seed, rank, step), never from global state."""

import numpy as np
import torch


def derive_seed(*keys: int) -> int:
    """Mix non-negative integers into one 63-bit seed; different keys give unrelated seeds (NumPy's SeedSequence)."""
    return int(np.random.SeedSequence(keys).generate_state(1, np.uint64)[0] >> 1)


def step_generator(seed: int, rank: int, step: int, device: torch.device | str = "cpu") -> torch.Generator:
    """The generator of one training step.

    A run that is resumed at `step` draws what an uninterrupted run draws there, and no two ranks draw the same.
    """
    return torch.Generator(device).manual_seed(derive_seed(seed, rank, step))
