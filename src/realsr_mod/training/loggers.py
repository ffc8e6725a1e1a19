"""Loggers that need a decision before they are built."""

import os
from typing import Any

from pytorch_lightning.loggers import WandbLogger


def wandb_logger(**options: Any) -> WandbLogger:
    """Weights & Biases; offline (in `save_dir`, to be sent later by `wandb sync`) when nobody is logged in."""
    import wandb

    if "WANDB_MODE" not in os.environ and not wandb.login(prompt=False):
        print("wandb: not logged in, logging offline; send it later with `wandb sync`, or run `wandb login` first")
        options["mode"] = "offline"
    return WandbLogger(**options)
