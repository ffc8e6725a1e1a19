"""A trial of a search says how it does after each validation, and ends early where most did better."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode

from realsr_mod.runtime.files import read_json, write_json
from realsr_mod.training.runs import PRUNED_NAME


class Pruning(pl.Callback):
    """Reports `rank_by` to the study after each validation; ends the training where the median of the others is better.

    Outside of a search by `sweep=optuna`, as when one trial is resumed by its folder, it does nothing.

    Args:
        rank_by: the figure that the search goes by; what classifies is judged by its accuracy.
        startup_trials: so many trials must have ended before one is ended early.
        warmup_steps: training steps before which none is.
    """

    def __init__(self, rank_by: str, startup_trials: int = 5, warmup_steps: int = 0) -> None:
        if startup_trials < 1 or warmup_steps < 0:
            raise ValueError(
                f"callbacks.pruning: startup_trials must be at least 1 and warmup_steps at least 0, got "
                f"{startup_trials} and {warmup_steps}; callbacks.pruning=null ends no trial early"
            )
        self.rank_by, self.startup_trials, self.warmup_steps = rank_by, startup_trials, warmup_steps
        self.ended: dict[str, Any] | None = None  # what is known of a trial that was ended early

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        if trainer.state.fn != "fit" or trainer.sanity_checking:
            return
        is_weak = trainer.strategy.broadcast(trainer.is_global_zero and self._is_weak(trainer))
        if is_weak and trainer.global_step < trainer.max_steps:
            measured = {
                name: float(value) for name, value in trainer.callback_metrics.items() if name.startswith("val/")
            }
            self.ended = {"step": trainer.global_step, **{k.removeprefix("val/"): v for k, v in measured.items()}}
            trainer.should_stop = True

    def _is_weak(self, trainer: pl.Trainer) -> bool:
        hydra = HydraConfig.get() if HydraConfig.initialized() else None
        if hydra is None or hydra.mode != RunMode.MULTIRUN or "trials" not in hydra.sweeper:
            return False
        from optuna.pruners import MedianPruner

        from realsr_mod.training.study import open_study

        known = trainer.callback_metrics
        name = f"val/{self.rank_by}" if f"val/{self.rank_by}" in known else "val/accuracy"
        study = open_study(Path(hydra.sweep.dir), hydra.sweeper.storage, self.rank_by)
        study.pruner = MedianPruner(self.startup_trials, self.warmup_steps)
        return report(study, hydra.job.num, trainer.global_step, float(known[name]))


def report(study: Any, number: int, step: int, figure: float) -> bool:
    """Tell an Optuna study what a trial's training has reached; whether the trial should end there.

    A training that was killed and goes on reports some steps twice, the same figures; the study keeps the first.
    """
    from realsr_mod.training.study import live_trial

    trial = live_trial(study, number)
    if step not in study.get_trials(deepcopy=False)[number].intermediate_values:
        trial.report(figure, step)
    return bool(trial.should_prune())


def end_early(run: Path, ended: dict[str, Any], name: str) -> None:
    """Mark the folder of a trial that was ended early, which has no model, and say so."""
    write_json(run / PRUNED_NAME, {"name": name, **ended})
    figure = f"{ended['psnr_y']:.2f} dB" if "psnr_y" in ended else f"accuracy {ended['accuracy']:.3f}"
    print(f"{name}: ended after step {ended['step']} at {figure}, below the median of the trials there", flush=True)


def read_pruned(run: Path) -> dict[str, Any] | None:
    """What the mark of a trial that was ended early says; None without one. Raises ValueError for a damaged mark."""
    if not (run / PRUNED_NAME).is_file():
        return None
    mark = read_json(run / PRUNED_NAME)
    if not isinstance(mark, dict) or not isinstance(mark.get("step"), int):
        raise ValueError(f"{run / PRUNED_NAME}: expected the step after which the trial ended")
    return mark
