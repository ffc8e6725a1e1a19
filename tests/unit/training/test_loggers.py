import csv

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint
from torch.utils.data import DataLoader

from realsr_mod.training.loggers import MetricsCSV, SavedMetrics


class PowerCut(Exception):
    pass


class Line(pl.LightningModule):
    """Learns one number; `dies_at`: the step after which the power goes, during validation."""

    def __init__(self, dies_at=None):
        super().__init__()
        self.number, self.dies_at = torch.nn.Parameter(torch.zeros(())), dies_at

    def training_step(self, batch, batch_idx):
        loss = (self.number - batch.mean()).square()
        self.log("loss", loss)
        return loss

    def validation_step(self, batch, batch_idx):
        if self.global_step == self.dies_at and not self.trainer.sanity_checking:
            raise PowerCut
        self.log("val/psnr_y", self.number)

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fit(folder, module, ckpt_path=None):
    trainer = pl.Trainer(
        accelerator="cpu", max_steps=8, max_epochs=-1, val_check_interval=2, check_val_every_n_epoch=None,
        log_every_n_steps=1, enable_progress_bar=False, enable_model_summary=False, num_sanity_val_steps=0,
        logger=MetricsCSV(folder, name="", version=""),
        callbacks=[SavedMetrics(), ModelCheckpoint(folder, filename="last", every_n_train_steps=4,
                                                   enable_version_counter=False)],
    )  # fmt: skip
    data = DataLoader(torch.ones(20), batch_size=1)
    trainer.fit(module, data, DataLoader(torch.zeros(2), batch_size=1), ckpt_path=ckpt_path)
    return list(csv.DictReader((folder / "metrics.csv").open()))


def figures(rows, name):
    return [(row["step"], row[name]) for row in rows if row[name]]


@pytest.mark.filterwarnings("ignore")
def test_a_validation_that_the_power_cut_short_is_made_when_the_training_goes_on(tmp_path):
    whole = fit(tmp_path / "whole", Line())
    with pytest.raises(PowerCut):
        fit(tmp_path / "cut", Line(dies_at=4))
    cut = fit(tmp_path / "cut", Line(), ckpt_path=tmp_path / "cut" / "last.ckpt")
    assert [step for step, _ in figures(whole, "val/psnr_y")] == ["1", "3", "5", "7"]
    for name in ("loss", "val/psnr_y"):
        assert figures(cut, name) == figures(whole, name)
