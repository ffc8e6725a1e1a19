"""Models to look at: the newest trained ones, or small ones trained on the spot."""

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from omegaconf import DictConfig, OmegaConf

from realsr_mod.runtime.compose import compose, instantiate
from realsr_mod.training.trainer import quieten
from realsr_mod.weights.locate import finished_runs, skipping_damaged
from realsr_mod.weights.release import read_config, save_model


def model_of(experiment: str, steps: int, runs: str | Path = "runs", overrides: Sequence[str] = ()) -> Path:
    """The newest finished run of an experiment; where there is none, a model trained now, in this process.

    A few hundred steps are enough for a look, not for figures. What the experiment builds on (a teacher) is found or
    trained in the same way.

    Args:
        experiment: its name, as `python -m realsr_mod.train experiment=…` takes it.
        steps: how long to train where nothing has been trained.
        runs: folder in which to look for runs.
        overrides: of the configuration, for the training; a run counts only if it agrees with those of the network.
    """
    cfg = compose("train", [f"experiment={experiment}", f"trainer.max_steps={steps}", *overrides])
    wanted = [item.partition("=")[0].removeprefix("network.") for item in overrides if item.startswith("network.")]
    for run in finished_runs(runs):
        with skipping_damaged(run):
            config = read_config(run)
            if config.get("name") == cfg.name and all(config["network"].get(key) == cfg.network[key] for key in wanted):
                print(f"{experiment}: {run}")
                return run
    for key, need in cfg.prerequisites.items():
        if cfg[key] == "auto":
            cfg[key] = str(model_of(need.experiment, steps, runs, overrides))
    print(f"{experiment}: no run under {runs}/, so {steps} steps are trained now")
    return _train(cfg)


def _train(cfg: DictConfig) -> Path:
    quieten()
    pl.seed_everything(cfg.seed, verbose=False)
    data, module = instantiate(cfg.data), instantiate(cfg.method)
    trainer = pl.Trainer(
        accelerator="cpu",
        max_steps=cfg.trainer.max_steps,
        gradient_clip_val=cfg.trainer.gradient_clip_val,
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, data)
    folder = Path(tempfile.mkdtemp(prefix="realsr_mod_"))
    network: Any = OmegaConf.to_container(cfg.network, resolve=True)
    save_model(module.network, folder, network, {"name": str(cfg.name)})
    return folder
