"""What a training shows while it runs: progress, images."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback, EMAWeightAveraging, RichProgressBar
from safetensors.torch import save
from torch import Tensor

from realsr_mod.data.batch import SRBatch
from realsr_mod.images.grid import comparison_grid
from realsr_mod.methods.base import RestorationModule
from realsr_mod.runtime.files import atomic_write
from realsr_mod.training.records import caption_of, log_grid


class AveragedWeights(EMAWeightAveraging):
    """Exponential moving average of the weights, used for validation and for what is released."""

    def averaged(self, pl_module: pl.LightningModule) -> Any:
        """The module with the averaged weights; itself before there are any."""
        return pl_module if self._average_model is None else self._average_model.module

    def on_fit_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        # Lightning's own copies the average at the end of training, but not when a resumed run has no step left.
        self._copy_average_to_current(pl_module)


class Best(Callback):
    """Keeps the weights that did best on validation, averaged if weights are averaged, those at the start included.

    They lie in `best.safetensors` beside the checkpoints, from the validation on in which they did best.

    Args:
        folder: of the checkpoints.
        monitor: the figure that is the larger the better; the first of these that the method measures.
    """

    def __init__(self, folder: str | Path, monitor: Sequence[str] = ("val/psnr_y", "val/accuracy")) -> None:
        self.path, self.monitor = Path(folder) / "best.safetensors", tuple(monitor)
        self.figure, self.step = float("-inf"), 0

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.state.fn != "fit" or (trainer.sanity_checking and self.figure > float("-inf")):
            return  # of a resumed training, Lightning looks again at where it begins
        found = [float(trainer.callback_metrics[name]) for name in self.monitor if name in trainer.callback_metrics]
        if not found or not found[0] > self.figure:
            return
        self.figure, self.step = found[0], trainer.global_step
        if trainer.is_global_zero:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(self.path, sync=True) as file:
                file.write(save(validated_weights(trainer, pl_module)))

    def summary(self) -> dict[str, Any]:
        """The best figure, and the step after which it was measured."""
        return {"figure": self.figure, "step": self.step}

    def state_dict(self) -> dict[str, Any]:
        return {"figure": self.figure, "step": self.step}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.figure, self.step = state_dict["figure"], state_dict["step"]


def validated_weights(trainer: pl.Trainer, pl_module: pl.LightningModule) -> dict[str, Tensor]:
    """The network's weights that a validation has just measured: the averaged ones, where weights are averaged."""
    averaged = [callback for callback in trainer.callbacks if isinstance(callback, AveragedWeights)]
    module: Any = averaged[0].averaged(pl_module) if averaged else pl_module
    state: dict[str, Tensor] = module.network.state_dict()
    return {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}


SHOWN = {"loss": ("loss", ".4f"), "val/psnr_y": ("PSNR", ".2f"), "val/bicubic_psnr_y": ("bicubic", ".2f")}


def shown_metrics(trainer: pl.Trainer) -> dict[str, str]:
    """What a progress display has room for: the loss, and the last validation's PSNR-Y beside bicubic's (dB)."""
    known = trainer.progress_bar_metrics
    return {label: format(float(known[name]), spec) for name, (label, spec) in SHOWN.items() if name in known}


class LineProgress(Callback):
    """Progress as plain lines, for log files and other places that are no terminal."""

    def __init__(self, every_percent: int = 5) -> None:
        self.every_percent = every_percent

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self.started, self.first_step = time.monotonic(), trainer.global_step

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: SRBatch, batch_idx: int
    ) -> None:
        done, rest = divmod(batch.step + 1, trainer.accumulate_grad_batches)
        total = trainer.num_training_batches // trainer.accumulate_grad_batches
        is_due = not rest and (done % max(1, total * self.every_percent // 100) == 0 or done == total)
        if not (trainer.is_global_zero and is_due):
            return
        elapsed = time.monotonic() - self.started
        left = elapsed / max(1, done - self.first_step) * (total - done)
        shown = "  ".join(f"{name} {value}" for name, value in shown_metrics(trainer).items())
        print(f"step {done}/{total}  {shown}  [{elapsed:.0f} s, {left:.0f} s left]", flush=True)


class StepBar(RichProgressBar):
    """A bar over the steps of the whole training, which is one epoch."""

    def get_metrics(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        return {**shown_metrics(trainer)}

    def _get_train_description(self, current_epoch: int) -> str:
        return "training"


def progress() -> Callback:
    """A progress bar in a terminal, plain lines elsewhere."""
    return StepBar() if sys.stdout.isatty() else LineProgress()


class ImageGrid(Callback):
    """After each validation, save LR, bicubic, SR and HR side by side, and send the grid to the loggers, with the
    params of each degradation.

    Args:
        folder: where `step_000500.png` and, for the newest, `latest.png` go.
        images: at most so many validation images, evenly spread.
        crop_px: side of the shown centre crop, in HR pixels.
    """

    def __init__(self, folder: str | Path, images: int = 4, crop_px: int = 192) -> None:
        self.folder, self.images, self.crop_px = Path(folder), images, crop_px
        self._rows: list[dict[str, Any]] = []
        self._captions: list[str] = []

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: SRBatch,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        batches = int(sum(trainer.num_val_batches)) or 1
        every = max(1, batches // self.images)
        if trainer.is_global_zero and batch_idx % every == 0 and len(self._rows) < self.images:
            images = {"LR": batch.lr, "bicubic": outputs["bicubic"], "SR": outputs["sr"], "HR": batch.hr}
            self._rows.append({name: image[0].cpu() for name, image in images.items()})
            self._captions.append(caption_of(batch))

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if not self._rows:
            return
        assert isinstance(pl_module, RestorationModule), "others make no images"
        grid = comparison_grid(self._rows, pl_module.network.scale, self.crop_px)
        self._rows = []
        self.folder.mkdir(parents=True, exist_ok=True)
        grid.save(self.folder / f"step_{trainer.global_step:06d}.png")
        grid.save(self.folder / "latest.png")
        log_grid(trainer.loggers, grid, self._captions, trainer.global_step)
        self._captions = []
