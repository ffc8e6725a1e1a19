"""The real commands at a size that takes seconds."""

import os
import sys

TINY = [
    "network.channels=4",
    "network.encoder_blocks=1",
    "network.restorer_blocks=1",
    "data.hr_crop_px=32",
    "data.batch_size=2",
    "data.val_draws=1",
    "data.val_crop_px=64",
    "trainer.max_steps=4",
    "trainer.val_check_interval=2",
    "trainer.precision=32-true",
]


def command(*arguments: str) -> list[str]:
    """`python -m realsr_mod.ARGUMENTS`."""
    return [sys.executable, "-m", f"realsr_mod.{arguments[0]}", *arguments[1:]]


def environment() -> dict[str, str]:
    """One thread per process: the tests run side by side, and the bits of a sum hang on the number of threads."""
    return os.environ | {"OMP_NUM_THREADS": "1"}
