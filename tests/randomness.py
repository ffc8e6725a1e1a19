"""Random numbers for tests, never from global state."""

import torch


def generator(seed: int = 0) -> torch.Generator:
    """A generator on the CPU that starts at `seed`."""
    return torch.Generator().manual_seed(seed)
