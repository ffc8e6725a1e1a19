"""The best weights on validation."""

from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from realsr_mod.training.callbacks import Best


def validated(best, weight, psnr_y, step=1, fn="fit", sanity=False):
    module = SimpleNamespace(network=nn.Linear(1, 1, bias=False))
    nn.init.constant_(module.network.weight, weight)
    trainer = SimpleNamespace(
        sanity_checking=sanity,
        state=SimpleNamespace(fn=fn),
        callback_metrics={"val/psnr_y": torch.tensor(psnr_y)},
        callbacks=[best],
        global_step=step,
        is_global_zero=True,
    )
    best.on_validation_end(trainer, module)


def kept(best):
    return load_file(best.path)["weight"].item()


def test_the_best_weights_are_kept_the_first_ones_included(tmp_path):
    best = Best(tmp_path / "checkpoints")
    validated(best, 1.0, 25.0, step=0, sanity=True)
    validated(best, 2.0, 24.0)
    assert (kept(best), best.step) == (1.0, 0)
    validated(best, 3.0, 26.0, step=7)
    validated(best, 4.0, 25.5, step=9)
    assert (kept(best), best.step, best.figure) == (3.0, 7, pytest.approx(26.0))


def test_they_go_through_a_checkpoint_and_later_measurements_change_nothing(tmp_path):
    best, resumed = Best(tmp_path), Best(tmp_path)
    validated(best, 1.0, 25.0)
    resumed.load_state_dict(best.state_dict())
    validated(resumed, 5.0, 30.0, sanity=True)  # Lightning measures a resumed training before it goes on
    validated(resumed, 6.0, 30.0, fn="validate")
    validated(resumed, 7.0, 24.0)
    assert kept(resumed) == 1.0
