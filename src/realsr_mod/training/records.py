"""What W&B, TensorBoard and MLflow are told beside the figures: the configuration, speed, the end and the model."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from omegaconf import DictConfig, OmegaConf
from PIL import Image
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.loggers import Logger, MLFlowLogger, TensorBoardLogger, WandbLogger
from torch import Tensor

from realsr_mod.data.batch import SRBatch
from realsr_mod.degradations.base import row
from realsr_mod.degradations.stored import flatten
from realsr_mod.training.loggers import MetricsCSV

_COMPARED = ("psnr_y", "ssim_y")
_LARGEST_SHOWN = 4  # values of a parameter in a caption: what has more is a field or a mask


def log_configuration(loggers: Sequence[Logger], cfg: DictConfig) -> None:
    """Write the whole configuration, resolved, into every log that keeps one."""
    config: Any = OmegaConf.to_container(cfg, resolve=True)
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            logger.experiment.config.update(config, allow_val_change=True)  # of a run that goes on
        elif isinstance(logger, MLFlowLogger):
            text = OmegaConf.to_yaml(cfg, resolve=True)
            logger.experiment.log_text(logger.run_id, text, "config.yaml")
            logger.log_hyperparams(config)
        elif isinstance(logger, TensorBoardLogger):
            text = OmegaConf.to_yaml(cfg, resolve=True)
            logger.experiment.add_text("configuration", _as_code(text))


def log_grid(loggers: Sequence[Logger], grid: Image.Image, captions: Sequence[str], step: int) -> None:
    """Send a picture of validation images, and how each of its rows was degraded."""
    import numpy as np

    told = [f"row {number}: {caption}" for number, caption in enumerate(captions, start=1) if caption]
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            logger.log_image("val/images", [grid], caption=["; ".join(told) or None])
        elif isinstance(logger, TensorBoardLogger):
            logger.experiment.add_image("val/images", np.asarray(grid), step, dataformats="HWC")
            if told:
                logger.experiment.add_text("val/degradations", "  \n".join(told), step)
        elif isinstance(logger, MLFlowLogger):
            logger.experiment.log_image(logger.run_id, grid, f"val_images/step_{step:06d}.png")
            if told:
                logger.experiment.log_text(logger.run_id, "\n".join(told), f"val_images/step_{step:06d}.txt")


def caption(params: Mapping[str, Any]) -> str:
    """What the degradation of one image drew, in a line: "blur/sigma_x 1.83, jpeg/quality 71.2"; seeds are left out."""
    levels = {name: value for name, value in flatten(params).items() if name.rpartition("/")[2] != "seed"}
    return ", ".join(f"{name} {_number(value)}" for name, value in levels.items() if value.numel() <= _LARGEST_SHOWN)


def _number(value: Tensor) -> str:
    return " ".join(f"{number:.3g}" for number in value.flatten().tolist())


def caption_of(batch: SRBatch) -> str:
    """The caption of a batch's first image; empty for real pairs."""
    return caption(row(batch.params, 0)) if batch.params else ""


def log_end(loggers: Sequence[Logger], summary: Mapping[str, Any], run: Path) -> None:
    """Write the table of the end, bicubic beside the model, and hand over the model's folder."""
    table = comparison(summary)
    model = run / Path(summary["model"]).parent
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            import wandb

            if table:
                logger.log_table("comparison", columns=["", *_COMPARED], data=table)
            artifact = wandb.Artifact(f"{summary['name']}-model", type="model", metadata=dict(summary))
            artifact.add_dir(str(model))
            logger.experiment.log_artifact(artifact)
            logger.experiment.finish()  # else the next job of a sweep would go on with this run
        elif isinstance(logger, TensorBoardLogger) and table:
            logger.experiment.add_text("comparison", _as_markdown(table))
        elif isinstance(logger, MLFlowLogger):
            if table:
                logger.experiment.log_text(logger.run_id, _as_markdown(table), "comparison.md")
            logger.experiment.log_artifacts(logger.run_id, str(model), "model")


def log_pruned(loggers: Sequence[Logger], ended: Mapping[str, Any]) -> None:
    """Mark the record of a trial that was ended early, which is no failure."""
    for logger in loggers:
        if isinstance(logger, WandbLogger):
            logger.experiment.summary["pruned_after_step"] = ended["step"]
            logger.experiment.finish()
        elif isinstance(logger, MLFlowLogger):
            logger.experiment.set_tag(logger.run_id, "pruned_after_step", ended["step"])


def comparison(summary: Mapping[str, Any]) -> list[list[Any]]:
    """Bicubic's figures and the model's, a row each; nothing for what makes no images."""
    if "psnr_y" not in summary:
        return []
    return [
        ["bicubic", *(summary[f"bicubic_{name}"] for name in _COMPARED)],
        [summary["name"], *(summary[name] for name in _COMPARED)],
    ]


def _as_markdown(table: Sequence[Sequence[Any]]) -> str:
    rows = [f"| {name} | {psnr:.3f} | {ssim:.4f} |" for name, psnr, ssim in table]
    return "\n".join(["| | PSNR-Y (dB) | SSIM-Y |", "|---|---:|---:|", *rows])


def _as_code(text: str) -> str:
    """Text as TensorBoard shows it line by line: indented, it is code."""
    return "\n".join(f"    {line}" for line in text.splitlines())


class Speed(Callback):
    """How many images a second the training takes, as `train/images_per_s`, in every log but `metrics.csv`.

    That one holds nothing which another run of the same seed would not hold.
    """

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        self._since, self._images = time.monotonic(), 0

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: SRBatch, batch_idx: int
    ) -> None:
        self._images += len(batch) * trainer.world_size
        if not trainer.is_global_zero or (batch.step + 1) % trainer.log_every_n_steps:
            return
        now = time.monotonic()
        speed = self._images / max(now - self._since, 1e-9)
        self._since, self._images = now, 0
        for logger in trainer.loggers:
            if not isinstance(logger, MetricsCSV):
                logger.log_metrics(
                    {"train/images_per_s": speed}, step=trainer.fit_loop.epoch_loop._batches_that_stepped
                )
