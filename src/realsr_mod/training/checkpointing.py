"""Nothing is lost: checkpoints are written whole, checked when read, and kept twice; signals save before they stop.

A checkpoint is what `torch.save` writes, and behind it a mark with the SHA-256 of it. One flipped bit, or half a file,
is noticed; then the checkpoint before it, kept as `NAME.previous.ckpt`, takes its place.
"""

import hashlib
import io
import os
import signal
import subprocess
from pathlib import Path
from types import FrameType
from typing import Any

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins import TorchCheckpointIO
from lightning_fabric.utilities.types import _PATH
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.utilities import rank_zero_only

from realsr_mod.runtime.files import atomic_write
from realsr_mod.runtime.processes import SAVING_SIGNALS
from realsr_mod.training.runs import previous_checkpoint
from realsr_mod.weights.pickles import check_pickles

_MARK = b"\nrealsr_mod sha256 "  # and 32 bytes; readers of zip archives pass over what lies behind one
_MARK_LENGTH = len(_MARK) + 32
CONFIG = "realsr_mod_config"  # the key in a checkpoint


class TrainingInterrupted(Exception):
    """Training was asked to stop and has saved where it was."""


class DamagedCheckpointError(ValueError):
    """A checkpoint that is not what was written."""


class CheckedCheckpointIO(TorchCheckpointIO):
    """Writes checkpoints atomically and with a hash, keeps the one before, and reads tensors and plain data alone."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: _PATH, storage_options: Any | None = None) -> None:
        path = Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        torch.save(checkpoint, buffer)
        content = buffer.getbuffer()
        with atomic_write(path, sync=True) as file:
            file.write(content)
            file.write(_MARK + hashlib.sha256(content).digest())
            file.flush()
            _keep(path)  # only now: a full disk has raised before

    def load_checkpoint(
        self, path: _PATH, map_location: Any = lambda storage, location: storage, weights_only: bool | None = None
    ) -> dict[str, Any]:
        path = Path(path)
        try:
            return read_training_checkpoint(path, map_location)
        except (DamagedCheckpointError, FileNotFoundError) as error:
            previous = previous_checkpoint(path)
            if not previous.is_file():
                raise
            checkpoint = read_training_checkpoint(previous, map_location)
            step = checkpoint.get("global_step")
            rank_zero_only(print)(f"{error}; going on from the one before it, of step {step}", flush=True)
            return checkpoint

    def remove_checkpoint(self, path: _PATH) -> None:
        """Remove a checkpoint, a file and nothing else: which one is written in the checkpoint that a run goes on from.

        Lightning's own removes whatever lies there, folders with all that is in them.
        """
        path = Path(path)
        if path.suffix == ".ckpt" and ".." not in path.parts and path.is_file():
            path.unlink()


def _keep(path: Path) -> None:
    """Give the checkpoint at `path` its second name; at every moment there is one under the first."""
    if not path.is_file():
        return
    second = previous_checkpoint(path)
    link = second.with_name(f".{second.name}.link")
    link.unlink(missing_ok=True)
    try:
        os.link(path, link)
    except OSError:  # a file system without links
        os.replace(path, second)
        return
    os.replace(link, second)


def read_training_checkpoint(path: Path, map_location: Any = "cpu") -> dict[str, Any]:
    """Read a checkpoint of a training, after checking its hash; those of earlier versions have none.

    Raises:
        FileNotFoundError: no such file.
        DamagedCheckpointError: not what was written, truncated, or holding more than tensors and plain data.
    """
    content = path.read_bytes()
    body = memoryview(content)
    if content[-_MARK_LENGTH:].startswith(_MARK):
        body = body[:-_MARK_LENGTH]
        if hashlib.sha256(body).digest() != content[-32:]:
            raise DamagedCheckpointError(f"{path}: damaged: its hash is not that of what was written")
    try:
        file = io.BytesIO(body)
        check_pickles(file)
        checkpoint = torch.load(file, map_location=map_location, weights_only=True)
    except Exception as error:  # torch and its unpickler have errors of every kind for what is damaged
        reason = str(error).splitlines()[0][:120] if str(error) else type(error).__name__
        raise DamagedCheckpointError(f"{path}: truncated or damaged ({reason})") from error
    if not isinstance(checkpoint, dict):
        raise DamagedCheckpointError(f"{path}: a {type(checkpoint).__name__}, no checkpoint of a training")
    return checkpoint


class ConfigInCheckpoint(pl.Callback):
    """Keeps the configuration inside the checkpoint, and refuses to go on under another one.

    Args:
        config: of the run, composed, its prerequisites found.
        fixed: keys that a checkpoint fixes.
    """

    def __init__(self, config: DictConfig, fixed: tuple[str, ...]) -> None:
        values = ((key, OmegaConf.select(config, key, default=None)) for key in fixed)
        self.text = {key: _text(value) for key, value in values}
        self.has_gone_on = False  # whether a batch was trained, so that nothing of a checkpoint is left to be read

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.has_gone_on = True

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        checkpoint[CONFIG] = dict(self.text)

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if not isinstance(checkpoint.get(CONFIG), dict):
            raise ValueError(
                "the checkpoint is of an earlier version, which trainings cannot go on from; begin a new run with "
                "start_from=RUN once that run is finished, or train it anew"
            )
        made_under = checkpoint[CONFIG]
        for key, text in self.text.items():
            if made_under.get(key, text) != text:
                raise ValueError(
                    f"{key} is now {text!s:.200}, but the checkpoint was made under {made_under[key]!s:.200}; a run "
                    "goes on as it began. Start a new run, with start_from=RUN for its weights"
                )


def _text(value: Any) -> str:
    if OmegaConf.is_config(value):
        return str(OmegaConf.to_container(value, resolve=True))
    return str(value)


class SaveOnInterrupt(pl.Callback):
    """On Ctrl-C, SIGTERM, SIGHUP or SIGUSR1, finish the step, save `path`, and stop. The same again stops at once.

    SIGUSR1 is what clusters send some time before they stop a job: under SLURM the job is put back into the queue, as
    Lightning's own handler does it; it should be one that begins with `resume=auto`.

    Must come after the weight-averaging callback, whose update belongs to the step.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.requested: signal.Signals | None = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._previous = {number: signal.getsignal(number) for number in SAVING_SIGNALS}
        for number in self._previous:
            signal.signal(number, self._request)

    def _request(self, number: int, frame: FrameType | None) -> None:
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
            if self.requested == getattr(signal, "SIGUSR1", None) and trainer.is_global_zero:
                requeue()
            raise TrainingInterrupted(f"stopped after step {trainer.global_step}; saved {self.path}")

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._restore_handlers()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        self._restore_handlers()

    def _restore_handlers(self) -> None:
        for number, handler in getattr(self, "_previous", {}).items():
            signal.signal(number, handler)


def requeue() -> None:
    """Put this SLURM job back into its queue; elsewhere do nothing."""
    job = os.environ.get("SLURM_ARRAY_JOB_ID")
    job = f"{job}_{os.environ['SLURM_ARRAY_TASK_ID']}" if job else os.environ.get("SLURM_JOB_ID")
    if job is None:
        return
    try:
        subprocess.run(["scontrol", "requeue", job], check=True, capture_output=True, text=True, timeout=60)
        print(f"SLURM job {job} is back in the queue", flush=True)
    except (OSError, subprocess.SubprocessError) as error:
        print(f"SLURM job {job} could not be put back into the queue ({error}); submit it again", flush=True)
