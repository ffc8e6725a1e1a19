from types import SimpleNamespace
from unittest.mock import Mock

import pytest
import torch
from torch import nn

from realsr_mod.methods.base import RestorationModule
from realsr_mod.training.callbacks import KeepBest


def validated(keeper, weight, psnr_y, fn="fit", sanity=False):
    network, metric = nn.Linear(1, 1, bias=False), SimpleNamespace(compute=lambda: psnr_y)
    module = Mock(spec=RestorationModule, network=network, psnr_y=metric)
    nn.init.constant_(module.network.weight, weight)
    keeper.on_validation_epoch_end(SimpleNamespace(sanity_checking=sanity, state=SimpleNamespace(fn=fn)), module)
    return module


def released(keeper, module):
    keeper.on_fit_end(None, module)
    return module.network.weight.item()


def test_the_best_weights_are_released_the_first_ones_included():
    keeper = KeepBest()
    validated(keeper, 1.0, 25.0, sanity=True)
    assert released(keeper, validated(keeper, 2.0, 24.0)) == 1.0
    validated(keeper, 3.0, torch.tensor(26.0))
    assert released(keeper, validated(keeper, 4.0, 25.5)) == 3.0
    assert keeper.psnr_y == pytest.approx(26.0)


def test_they_go_through_a_checkpoint_and_later_measurements_change_nothing():
    keeper, resumed = KeepBest(), KeepBest()
    validated(keeper, 1.0, 25.0)
    resumed.load_state_dict(keeper.state_dict())
    validated(resumed, 5.0, 30.0, sanity=True)  # Lightning measures a resumed training before it goes on
    validated(resumed, 6.0, 30.0, fn="validate")
    assert released(resumed, validated(resumed, 7.0, 24.0)) == 1.0
