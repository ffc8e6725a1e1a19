"""Nothing is lost: checkpoints are written atomically, and Ctrl-C or SIGTERM saves before it stops."""

import signal
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins import TorchCheckpointIO
from lightning_fabric.utilities.types import _PATH
from pytorch_lightning.utilities import rank_zero_only

from realsr_mod.runtime.files import atomic_write


class TrainingInterrupted(Exception):
    """Training was asked to stop and has saved where it was."""


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a checkpoint beside its place, flushes it to the disk, then renames; reads tensors and plain data only."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: _PATH, storage_options: Any | None = None) -> None:
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path, sync=True) as file:
            torch.save(checkpoint, file)

    def load_checkpoint(
        self, path: _PATH, map_location: Any = lambda storage, location: storage, weights_only: bool | None = None
    ) -> dict[str, Any]:
        checkpoint: dict[str, Any] = torch.load(path, map_location=map_location, weights_only=True)
        return checkpoint


class SaveOnInterrupt(pl.Callback):
    """On Ctrl-C or SIGTERM, finish the step, save `path`, and stop. A second Ctrl-C stops at once.

    Must come after the weight-averaging callback, whose update belongs to the step.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.requested: signal.Signals | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._previous = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        for number in self._previous:
            signal.signal(number, self._request)

    def _request(self, number: int, frame: Any) -> None:
        if self.requested is not None:
            raise KeyboardInterrupt
        self.requested = signal.Signals(number)
        rank_zero_only(print)(f"\n{self.requested.name}: saving after this step (again to stop at once) …", flush=True)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if (batch_idx + 1) % trainer.accumulate_grad_batches:
            return  # gradients that wait for the rest of their step are in no checkpoint
        if trainer.strategy.reduce_boolean_decision(self.requested is not None, all=False):
            trainer.save_checkpoint(self.path, weights_only=False)
            self._restore_handlers()
            raise TrainingInterrupted(f"stopped after step {trainer.global_step}; saved {self.path}")

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._restore_handlers()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        self._restore_handlers()

    def _restore_handlers(self) -> None:
        for number, handler in getattr(self, "_previous", {}).items():
            signal.signal(number, handler)
