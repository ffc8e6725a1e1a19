"""Loggers that need a decision before they are built, and one whose file survives any end of a training."""

import csv
import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from lightning_fabric.loggers.csv_logs import _ExperimentWriter
from lightning_fabric.loggers.logger import rank_zero_experiment
from pytorch_lightning.loggers import CSVLogger, MLFlowLogger, WandbLogger
from pytorch_lightning.loggers.csv_logs import ExperimentWriter

from realsr_mod.runtime.files import atomic_write


def wandb_logger(group: str | None = None, **options: Any) -> WandbLogger:
    """Weights & Biases; offline (in `save_dir`, to be sent later by `wandb sync`) when nobody is logged in.

    Args:
        group: under which runs are listed together; None: the sweep that a run belongs to, if it belongs to one.
        options: of Lightning's logger.
    """
    import wandb

    if wandb.run is not None:
        wandb.finish(exit_code=1)  # of a job that failed before
    options["group"] = group or sweep_name()
    options.setdefault("id", _run_id(str(options.get("save_dir", "."))))  # a run that goes on is one run

    if "WANDB_MODE" not in os.environ and not wandb.login(prompt=False):
        print("wandb: not logged in, logging offline; send it later with `wandb sync`, or run `wandb login` first")
        options["mode"] = "offline"
    return WandbLogger(**options)


def sweep_name() -> str | None:
    """The folder's name of the sweep that this process does a job of; None outside of sweeps."""
    if not HydraConfig.initialized() or HydraConfig.get().mode != RunMode.MULTIRUN:
        return None
    return Path(HydraConfig.get().sweep.dir).name


def _run_id(folder: str) -> str:
    return hashlib.sha256(os.path.abspath(folder).encode()).hexdigest()[:12]


def mlflow_logger(tags: Mapping[str, Any] | None = None, **options: Any) -> MLFlowLogger:
    """MLflow. The jobs of a sweep have a tag `sweep` in common, its folder's name.

    Args:
        tags: of the run.
        options: of Lightning's logger.

    Raises:
        ValueError: MLflow is not installed.
    """
    sweep = sweep_name()
    os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # a database needs far more packages; servers do not care
    options["tracking_uri"] = options.get("tracking_uri") or os.environ.get("MLFLOW_TRACKING_URI")
    try:
        return MLFlowLogger(tags={**(tags or {}), **({"sweep": sweep} if sweep else {})}, **options)
    except ModuleNotFoundError as error:
        raise ValueError("logger=mlflow needs an extra: pip install 'realsr-mod[mlflow]'") from error


class MetricsWriter(ExperimentWriter):
    """Lightning's writer of `metrics.csv`, that goes on with the file it finds, and only ever leaves a whole one.

    A resumed training repeats the steps after its checkpoint: `forget_from` drops what was written about those. What
    was measured at the very step of the checkpoint stays, unless it is measured again.
    """

    def __init__(self, log_dir: str) -> None:
        super().__init__(log_dir)
        self._rows: list[dict[str, Any]] = read_metrics(Path(self.metrics_file_path))
        self.metrics_keys = sorted({key for row in self._rows for key in row})
        self._last_step: int | None = None  # of a resumed training, the one that its checkpoint was written after
        self._noted_step: int | None = None
        self._file_differs = False  # from the rows that are known

    def _check_log_dir_exists(self) -> None:
        """Lightning would delete the file that is there."""

    def forget_from(self, step: int) -> None:
        """Drop what was logged in this step and after it."""
        self._keep([row for row in self._rows if int(row["step"]) < step])
        self._last_step = step - 1

    def _keep(self, rows: list[dict[str, Any]]) -> None:
        self._file_differs |= len(rows) < len(self._rows)
        self._rows = rows

    def log_metrics(self, metrics_dict: Mapping[str, Any], step: int | None = None) -> None:
        if step is not None and step in (self._last_step, self._noted_step):  # once more
            again = set(metrics_dict) - {"epoch"}
            self._keep([row for row in self._rows if int(row["step"]) != step or not again & _measured(row)])
        super().log_metrics(dict(metrics_dict), step)

    def note(self, metrics: Mapping[str, Any], step: int) -> None:
        """Log what Lightning will log only after the checkpoint of this step, which must not be lost with it."""
        self.log_metrics(metrics, step)
        self._noted_step = step

    def validated_at(self, step: int) -> bool:
        """Whether a row of this step has figures of a validation."""
        rows = [row for row in (*self._rows, *self.metrics) if int(row["step"]) == step]
        return any(name.startswith("val/") for row in rows for name in _measured(row))

    def save(self) -> None:
        """Append; where columns are new or rows went, write the file anew, whole."""
        if not self.metrics and not self._file_differs:
            return
        new_keys = self._record_new_keys() if self.metrics else set()
        path = Path(self.metrics_file_path)
        self._rows += self.metrics
        if new_keys or self._file_differs or not path.is_file():
            with atomic_write(path, "w") as file:
                self._write(file, self._rows, header=True)
        else:
            with path.open("a", newline="") as file:
                self._write(file, self.metrics, header=False)
        self.metrics, self._file_differs = [], False

    def _write(self, file: Any, rows: list[dict[str, Any]], header: bool) -> None:
        writer = csv.DictWriter(file, self.metrics_keys, lineterminator="\n")
        if header:
            writer.writeheader()
        writer.writerows(rows)


def _measured(row: Mapping[str, Any]) -> set[str]:
    return {key for key, value in row.items() if value not in ("", None)} - {"step", "epoch"}


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """The rows of a `metrics.csv`; a last line that was being written when the power went is left out."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8", errors="replace") as file:
        rows = list(csv.DictReader(file))
    return [row for row in rows if str(row.get("step", "")).isdigit() and None not in row and None not in row.values()]


class MetricsCSV(CSVLogger):
    """`metrics.csv` in the run's folder: every loss term and figure, by step, each once, after any kill and resume."""

    @property
    @rank_zero_experiment
    def experiment(self) -> _ExperimentWriter:
        if self._experiment is None:
            os.makedirs(self.root_dir, exist_ok=True)
            self._experiment = MetricsWriter(log_dir=self.log_dir)
        return self._experiment

    def note(self, metrics: Mapping[str, Any], step: int) -> None:
        """See `MetricsWriter.note`."""
        writer = self.experiment
        if isinstance(writer, MetricsWriter):
            writer.note(metrics, step)

    def go_on_from(self, step: int) -> None:
        """A training begins or goes on at this step: what was written about later ones will be written again."""
        writer = self.experiment
        if isinstance(writer, MetricsWriter):
            writer.forget_from(step)

    def validated_at(self, step: int) -> bool:
        """See `MetricsWriter.validated_at`; true in processes that write nothing."""
        writer = self.experiment
        return not isinstance(writer, MetricsWriter) or writer.validated_at(step)


class SavedMetrics(pl.Callback):
    """Has `metrics.csv` on the disk before each checkpoint, and in agreement with the one that a run goes on from."""

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.is_global_zero:
            for logger in trainer.loggers:
                if isinstance(logger, MetricsCSV):
                    logger.go_on_from(trainer.global_step * trainer.accumulate_grad_batches)
        if trainer.strategy.broadcast(self._lost_validation(trainer)):
            trainer.validating = True
            trainer.fit_loop.epoch_loop.val_loop.run()
            trainer.training = True

    def _lost_validation(self, trainer: pl.Trainer) -> bool:
        """Whether the run was killed between its last checkpoint and the end of the validation that was due then.

        Lightning takes that one for done.
        """
        step = trainer.global_step * trainer.accumulate_grad_batches
        if step == 0 or not isinstance(trainer.val_check_batch, int) or step % trainer.val_check_batch:
            return False
        return not all(logger.validated_at(step - 1) for logger in trainer.loggers if isinstance(logger, MetricsCSV))

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        if not trainer.is_global_zero:
            return
        step = trainer.fit_loop.epoch_loop.batch_progress.current.ready - 1
        for logger in trainer.loggers:
            if isinstance(logger, MetricsCSV) and (step + 1) % trainer.log_every_n_steps == 0:
                seen = {name: value for name, value in trainer.callback_metrics.items() if not name.startswith("val/")}
                logger.note(seen | {"epoch": trainer.current_epoch}, step)
            logger.save()
