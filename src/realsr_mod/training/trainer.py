"""A training from its configuration to the released model, in a run folder of its own."""

import logging
import platform
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from pytorch_lightning.callbacks import Timer
from safetensors.torch import load_file

import realsr_mod
from realsr_mod.methods.base import TrainingModule
from realsr_mod.metrics.named import METRICS, metric_named
from realsr_mod.runtime.compose import check_groups, clear_groups_taken_away, instantiate
from realsr_mod.runtime.config_errors import USER_ERRORS, explain
from realsr_mod.runtime.devices import LIGHTNING_PRECISIONS, best_precision, describe
from realsr_mod.runtime.files import write_json
from realsr_mod.runtime.folders import hold, let_go
from realsr_mod.runtime.plugins import given_options
from realsr_mod.runtime.processes import end_with_parent
from realsr_mod.runtime.ranks import is_first
from realsr_mod.training.callbacks import Best
from realsr_mod.training.checkpointing import CheckedCheckpointIO, ConfigInCheckpoint, TrainingInterrupted
from realsr_mod.training.known_range import measured_range
from realsr_mod.training.loggers import SavedMetrics
from realsr_mod.training.prerequisites import resolve_prerequisites, trains_others_first
from realsr_mod.training.pruning import Pruning, end_early
from realsr_mod.training.records import Speed, log_configuration, log_end, log_pruned
from realsr_mod.training.resume import FIXED_WHEN_RESUMED, checkpoint_to_resume, goes_on_by_folder, steps_done
from realsr_mod.training.runs import FAILURE_NAME, PRUNED_NAME, headline, ranked_figure, read_summary, remove_unused
from realsr_mod.training.showing import show, shown
from realsr_mod.weights.locate import SUMMARY_NAME
from realsr_mod.weights.release import read_config, save_model
from realsr_mod.weights.state import load_state

NOT_OF_A_CHECKPOINT = (LookupError, TypeError, AttributeError, RuntimeError)  # what its odd content leads to
DDP_IN_PARTS = "ddp_find_unused_parameters_true"  # Lightning's word
FIGURES = (*METRICS, *(f"bicubic_{name}" for name in METRICS), "accuracy")  # whichever the method measures
SHARES = ("degradation_share", "teacher_degradation_share")


def job(cfg: DictConfig) -> float:
    """Train in a run folder that is this process's alone; in a sweep, a job that fails leaves the others alone."""
    quieten()
    end_with_parent()
    run = Path(HydraConfig.get().runtime.output_dir)
    if not is_first():  # of those that train together; the folder is held by the first
        return train(cfg, run)
    hold(run)
    if HydraConfig.get().mode != RunMode.MULTIRUN:
        return job_alone(cfg, run)
    try:
        return job_of_sweep(cfg, run)
    finally:
        let_go(run)


def job_alone(cfg: DictConfig, run: Path) -> float:
    """The one job of a command; if it is refused, by this process or a prerequisite's, it leaves no folder."""
    refused = False
    try:
        return train(cfg, run)
    except USER_ERRORS:
        refused = True
        raise
    except SystemExit as error:
        refused = error.code == 1
        raise
    finally:
        if refused and cfg.resume is None:
            remove_unused(run, cfg.runs_dir)


def job_of_sweep(cfg: DictConfig, run: Path) -> float:
    """One job of several: a finished one is not done again, and a failure is written down."""
    if cfg.resume == "auto" and (run / SUMMARY_NAME).is_file():
        summary = read_summary(run)
        print(f"{shown(run)} has finished: {headline(summary)}", flush=True)
        return float(ranked_figure(summary, cfg.rank_by))
    if cfg.resume == "auto" and (run / PRUNED_NAME).is_file():
        print(f"{shown(run)} was ended early", flush=True)
        return float("nan")
    (run / FAILURE_NAME).unlink(missing_ok=True)
    try:
        return train(cfg, run)
    except USER_ERRORS as error:
        print(f"\nthis job failed: {explain(error)}\n", file=sys.stderr)
        write_json(run / FAILURE_NAME, {"error": explain(error)})
        return float("nan")


def train(cfg: DictConfig, run: Path) -> float:
    """Train what `cfg` describes in the folder `run`; returns the final `cfg.rank_by`, or accuracy (for sweeps)."""
    overrides = list(HydraConfig.get().overrides.task)
    clear_groups_taken_away(cfg, overrides)
    check_groups(cfg)
    check_rank_by(cfg)
    check_relation(cfg)
    checkpoint = checkpoint_to_resume(cfg, run)
    last_step = steps_done(checkpoint) if cfg.finish else None
    if trains_others_first(cfg, run):
        check_images(cfg)
    resolve_prerequisites(cfg, run, overrides)
    adopt_network(cfg)
    pl.seed_everything(cfg.seed, verbose=False)
    datamodule = instantiate(cfg.data)
    module = instantiate(cfg.method)
    trainer = build_trainer(cfg, run, module.trains_in_parts)
    if trainer.is_global_zero:
        log_configuration(trainer.loggers, cfg)
    if last_step is not None:
        trainer.fit_loop.epoch_loop.max_steps = last_step
    try:
        trainer.fit(module, datamodule, ckpt_path=checkpoint, weights_only=True)
    except NOT_OF_A_CHECKPOINT as error:
        if checkpoint is None or any(isinstance(c, ConfigInCheckpoint) and c.has_gone_on for c in trainer.callbacks):
            raise
        reason = f"{type(error).__name__}: {error}".splitlines()[0][:200]
        raise ValueError(f"{checkpoint}: this training cannot go on from it ({reason}); begin a new run") from error
    except TrainingInterrupted as error:
        options = " ".join([*given_options(), f"resume={shown(run)}"])
        by_folder = goes_on_by_folder(run)
        how = f"python -m realsr_mod.train {options}" if by_folder else "the same command and resume=auto"
        report = f"\n{error}\ngo on with: {how}\nor end it, with a model of these weights: the same and finish=true"
        sys.exit(report if trainer.is_global_zero else 1)  # one of several processes says it
    ended = next((callback.ended for callback in trainer.callbacks if isinstance(callback, Pruning)), None)
    if ended is not None:
        if trainer.is_global_zero:
            log_pruned(trainer.loggers, ended)
            end_early(run, ended, str(cfg.name))
        return ranked_figure(ended, cfg.rank_by)
    other = choose_weights(cfg, module, trainer)
    metrics = trainer.validate(module, datamodule, verbose=False)[0]
    if trainer.is_global_zero:
        summary = release(cfg, run, module, trainer, metrics, other)
        log_end(trainer.loggers, summary, run)
        show(summary, run, is_job_of_sweep=HydraConfig.get().mode == RunMode.MULTIRUN)
    return ranked_figure({name.removeprefix("val/"): value for name, value in metrics.items()}, cfg.rank_by)


def check_rank_by(cfg: DictConfig) -> None:
    """Raise a ValueError, before anything is trained, unless the figure that sweeps go by will be measured."""
    metric_named(cfg.rank_by)
    measured = ("psnr_y", "ssim_y", *cfg.method.get("metrics", [cfg.rank_by]))  # what classifies has no metrics
    if cfg.rank_by not in measured:
        raise ValueError(f"rank_by={cfg.rank_by} would not be measured; add it: method.metrics=[{cfg.rank_by}]")


def by_gradients(cfg: DictConfig) -> bool:
    """Whether auxiliary tasks are weighted by their gradients, at the weights that the training begins with."""
    return bool(OmegaConf.select(cfg, "method.relation", throw_on_missing=False) == "gradient")


def check_relation(cfg: DictConfig) -> None:
    """Raise a ValueError, before anything is trained, where relations would be read off gradients of random weights."""
    if by_gradients(cfg) and OmegaConf.select(cfg, "method.start_from") is None:
        raise ValueError(
            "relation=gradient with start_from=null: gradients of random weights say nothing about a camera; give "
            "start_from=RUN, a network that has learned all distortions (experiment=drtl_general trains one), or "
            "relation=auto, which needs no trained network"
        )


def check_images(cfg: DictConfig) -> None:
    """Look at the images before anything is trained that this run builds on: what is wrong is said at once."""
    instantiate(cfg.data).setup()
    if by_gradients(cfg):  # then the method looks at a camera's pairs beside its data
        instantiate(cfg.method.support)().setup()


def adopt_network(cfg: DictConfig) -> None:
    """Where `network_of` names a model, train a network of its kind and scale, whatever `network` says."""
    if cfg.network_of is not None:
        cfg.network = read_config(cfg.network_of)["network"]
        cfg.scale = cfg.network.scale


def quieten() -> None:
    """Leave out what Lightning says that no user can act on."""
    logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*isinstance.treespec, LeafSpec.*")
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    warnings.filterwarnings("ignore", message=".*smaller than the logging interval.*")
    warnings.filterwarnings("ignore", message=".*in eval mode at the start of training.*")  # KDSR's teacher
    warnings.filterwarnings("ignore", message=".*exists and is not empty.*")  # Hydra's folder is the logger's too


def build_trainer(cfg: DictConfig, run: Path, trains_in_parts: bool = False) -> pl.Trainer:
    """The Lightning trainer, with its callbacks and logger, for the run folder `run`.

    Where some steps train a part of the parameters alone, DDP must look for the others after each step, which takes
    time, and warns on every process where there are none: it does so there alone.
    """
    if cfg.trainer.accelerator == "gpu" and not (torch.cuda.is_available() or torch.backends.mps.is_available()):
        raise ValueError(
            "trainer.accelerator=gpu, but torch sees no GPU; take trainer=cpu, or a torch made for your GPU"
        )
    if not isinstance(cfg.trainer.max_steps, int) or cfg.trainer.max_steps < 1:
        raise ValueError(f"trainer.max_steps must be a whole number of at least 1, got {cfg.trainer.max_steps}")
    if cfg.trainer.precision == "auto":
        cfg.trainer.precision = best_precision(cfg.trainer.accelerator)
    precision = LIGHTNING_PRECISIONS.get(cfg.trainer.precision, cfg.trainer.precision)  # Lightning's words will do too
    strategy = cfg.trainer.get("strategy", "auto")
    trainer: pl.Trainer = instantiate(
        cfg.trainer,
        strategy=DDP_IN_PARTS if strategy == "ddp" and trains_in_parts else strategy,
        precision=precision,
        val_check_interval=cfg.trainer.val_check_interval * cfg.trainer.accumulate_grad_batches,  # Lightning's: batches
        enable_progress_bar=sys.stdout.isatty(),
        callbacks=[
            Timer(),
            ConfigInCheckpoint(cfg, FIXED_WHEN_RESUMED),
            SavedMetrics(),
            Speed(),
            *(instantiate(callback) for callback in cfg.callbacks.values() if callback),
        ],
        logger=instantiate(cfg.logger),
        plugins=[CheckedCheckpointIO()],
        use_distributed_sampler=False,
        default_root_dir=str(run),
    )
    return trainer


def choose_weights(cfg: DictConfig, module: TrainingModule, trainer: pl.Trainer) -> dict[str, torch.Tensor]:
    """Put the weights that `cfg.release` names into the network; returns the others, nothing if they are the same."""
    if cfg.release not in ("last", "best"):
        raise ValueError(f"release must be last or best, got {cfg.release!r}")
    best = next((callback for callback in trainer.callbacks if isinstance(callback, Best)), None)
    if best is None or best.step == trainer.global_step or not best.path.is_file():
        return {}
    kept = {"best": load_file(best.path), "last": {k: v.clone() for k, v in module.network.state_dict().items()}}
    load_state(module.network, kept.pop(cfg.release), source=best.path)
    return next(iter(kept.values()))


def release(
    cfg: DictConfig,
    run: Path,
    module: TrainingModule,
    trainer: pl.Trainer,
    metrics: Mapping[str, float],
    other: dict[str, torch.Tensor],
) -> dict[str, Any]:
    """Write the models and `summary.json` into the run folder; returns the summary.

    `model/` holds the weights that `cfg.release` names, the last ones or those that did best on validation; the others,
    if they are others, lie in `model_best/` or `model_last/`.
    """
    resolved: Any = OmegaConf.to_container(cfg, resolve=True)
    degradation = resolved["degradation"] if trainer.datamodule.degradation is not None else None  # None: real pairs
    info = {"name": str(cfg.name), "method": resolved["method"]["_target_"], "degradation": degradation}
    seconds = next(callback for callback in trainer.callbacks if isinstance(callback, Timer)).time_elapsed()
    module.network.embedding_range = measured_range(module.network, trainer.datamodule, trainer.strategy.root_device)
    model = save_model(module.network, run / "model", resolved["network"], info)
    summary = {
        "name": str(cfg.name),
        **{name: metrics[f"val/{name}"] for name in (*FIGURES, *SHARES) if f"val/{name}" in metrics},
        "steps": trainer.global_step,
        "seconds": round(seconds, 1),  # of all its processes, if it was resumed
        "model": str(model.relative_to(run)),
        "released": cfg.release,
        "best": next((c.summary() for c in trainer.callbacks if isinstance(c, Best)), None),
        "other_model": None,
        "parameters": sum(p.numel() for p in module.network.parameters()),
        "seed": cfg.seed,
        "prerequisites": {key: cfg[key] for key in cfg.prerequisites},
        "precision": cfg.trainer.precision,
        "device": str(trainer.strategy.root_device),
        "machine": describe(trainer.strategy.root_device, trainer.world_size),
        "skipped_images": trainer.datamodule.skipped_images,
        "versions": {
            "realsr_mod": realsr_mod.__version__,
            "torch": torch.__version__,
            "pytorch_lightning": pl.__version__,
            "python": platform.python_version(),
        },
    }
    if other:
        load_state(module.network, other, source="the other weights")
        module.network.embedding_range = measured_range(
            module.network, trainer.datamodule, trainer.strategy.root_device
        )
        folder = run / f"model_{'best' if cfg.release == 'last' else 'last'}"
        beside = save_model(module.network, folder, resolved["network"], info)
        summary["other_model"] = str(beside.relative_to(run))
    write_json(run / SUMMARY_NAME, summary)
    return summary
