"""Every experiment composes, and its parts can be built from what it says."""

import pytest
import torch
from omegaconf import OmegaConf

from realsr_mod.data.datamodule import SRDataModule
from realsr_mod.networks.base import Estimator
from realsr_mod.runtime.compose import compose, instantiate
from realsr_mod.runtime.reference import choices


def compose_train(*overrides):
    return compose("train", list(overrides))


def missing_keys(node, path=""):
    if isinstance(node, dict):
        return [key for name, child in node.items() for key in missing_keys(child, f"{path}.{name}".strip("."))]
    return [path] if node == "???" else []


def test_a_training_may_do_without_a_scheduler():
    assert compose_train("experiment=kdsr_student", "~scheduler").method.scheduler is None
    assert compose_train("experiment=kdsr_student").method.scheduler.max_lr > 0


@pytest.mark.parametrize("experiment", choices("experiment"))
def test_experiment_builds(experiment):
    cfg = compose_train(f"experiment={experiment}")
    del cfg.callbacks, cfg.logger  # they ask Hydra for the run's folder
    for key in missing_keys(OmegaConf.to_container(cfg)):
        OmegaConf.update(cfg, key, "somewhere")
    with torch.device("meta"):
        network = instantiate(cfg.network)
    assert isinstance(network, Estimator)
    assert network.scale == cfg.scale
    data = instantiate(cfg.data)
    assert isinstance(data, SRDataModule)
    assert data.degradation is None or data.degradation.scale == cfg.scale
    assert instantiate(cfg.method.optimizer)([torch.nn.Parameter(torch.zeros(1))]).defaults["lr"] > 0
    for need in cfg.prerequisites.values():
        other = compose_train(f"experiment={need.experiment}")
        assert other.name == need.name
        without_value = ("data.root", "data.lr_root", "pairs")  # or there may be none
        known = [key for key in need.same if key not in without_value]
        assert all(OmegaConf.select(other, key) is not None for key in known)
        assert all(OmegaConf.select(other, key) == OmegaConf.select(cfg, key) for key in known)  # it fits, once trained


@pytest.mark.parametrize("name", choices("protocol"))
def test_protocol_builds(name):
    cfg = compose("evaluate", [f"protocol={name}", "data.root=somewhere"])
    assert instantiate(cfg.protocol).scale == 4


@pytest.mark.parametrize("name", choices("trainer"))
def test_trainers_agree_on_everything_but_the_device(name):
    plain = {"accelerator", "devices", "num_nodes", "strategy", "benchmark"}
    given, default = (compose_train(f"trainer={n}").trainer for n in (name, "default"))
    assert {k: v for k, v in given.items() if k not in plain} == {k: v for k, v in default.items() if k not in plain}
