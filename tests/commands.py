"""The real commands at a size that takes seconds."""

import multiprocessing
import os
import runpy
import sys
from pathlib import Path
from subprocess import CompletedProcess, TimeoutExpired

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


# What every training imports, for seconds: a forked process has it. What is ours is imported by each anew.
PRELOADED = [
    "albumentations",
    "hydra",
    "kornia",
    "matplotlib.pyplot",
    "pytorch_lightning",
    "tensorboard",
    "torchmetrics",
]
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(PRELOADED)


def forked(arguments: tuple[str, ...], folder: Path, output: Path, timeout_s: float) -> CompletedProcess[str]:
    """What `python -m realsr_mod.ARGUMENTS` does in a folder, in a process that has imported the large libraries.

    It differs from a process of its own in the time it takes, and in that nothing is known of its imports.
    """
    process = FORKS.Process(target=_become, args=(arguments, environment(), folder, output))
    process.start()
    process.join(timeout_s)
    if process.exitcode is None:
        process.kill()
        process.join()
        raise TimeoutExpired(list(arguments), timeout_s, output=output.read_text())
    return CompletedProcess(list(arguments), process.exitcode, stdout=output.read_text())


def _become(arguments: tuple[str, ...], variables: dict[str, str], folder: Path, output: Path) -> None:
    with output.open("w") as file:
        for stream in (1, 2):
            os.dup2(file.fileno(), stream)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    sys.modules["torch"].set_num_threads(1)  # OMP_NUM_THREADS is read when torch is imported
    sys.path.insert(0, str(folder))
    sys.argv = command(*arguments)[2:]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
