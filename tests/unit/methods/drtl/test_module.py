"""Weighted updates against the formulas, on a network with one weight.

Legend: K tasks, w their weights; the bank draws batches, the camera's weights are given.
"""

import inspect
from functools import partial
from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch
from torch import nn

from realsr_mod.data.batch import SRBatch
from realsr_mod.data.datamodule import EmbeddedDataModule
from realsr_mod.methods.drtl import weighting
from realsr_mod.methods.drtl.bank import AuxiliaryBank
from realsr_mod.methods.drtl.module import MetaLearning, RelationTraining, WeightedPretraining
from realsr_mod.methods.drtl.network import RelationNetwork
from realsr_mod.methods.kdsr.network import KDSRNet
from realsr_mod.methods.plain.module import PlainSR
from realsr_mod.networks.base import SRNetwork

TASKS = {"weak": {"sigma_px": [1, 1]}, "strong": {"sigma_px": [2, 2]}, "poster": {"poster_levels": [3, 3]}}
WEIGHTS = {"weak": 0.5, "strong": 0.25, "poster": 0.25}
SGD = partial(torch.optim.SGD, lr=0.5)


class Gain(SRNetwork):
    """Enlarges and multiplies by one number; on images of ones, L1 against truth c has gradient sign(theta - c)."""

    scale = 2

    def __init__(self, theta=1.0):
        super().__init__()
        self.theta = nn.Parameter(torch.tensor(theta))

    def restore(self, lr, embedding):
        return self.theta * lr.repeat_interleave(2, 2).repeat_interleave(2, 3)


def batch_of(truths, tasks):
    """Row i has ones as LR and the constant truths[i] as HR."""
    hr = torch.tensor(truths)[:, None, None, None].expand(-1, 3, 8, 8)
    return SRBatch(torch.ones(len(truths), 3, 4, 4), hr, {"task": torch.tensor(tasks)})


@pytest.fixture
def given_weights(monkeypatch):
    monkeypatch.setattr(weighting, "camera_weights", lambda *_: dict(WEIGHTS))


def make(kind, given=("relation", "pairs"), **settings):
    module = kind(Gain(), relation=given[0], pairs=given[1], optimizer=SGD, **settings)
    module.log = module.log_dict = lambda *_, **__: None
    return module


def gradient(module, batch):
    module.network.zero_grad()
    terms, _ = module.forward_losses(batch)
    torch.stack(list(terms.values())).sum().backward()
    return module.network.theta.grad.item()


def attach(module, bank, batch_size=12):
    module._trainer = SimpleNamespace(datamodule=SimpleNamespace(degradation=bank, batch_size=batch_size))
    module.on_fit_start()


def test_tasks_drawn_evenly_are_weighted_in_the_loss(given_weights):
    module = make(WeightedPretraining, draw="evenly")
    # gradients of the tasks: -1 (truth above theta), +1, +1; each task once: sum_k w_k grad L_k exactly
    assert gradient(module, batch_of([2.0, 2.0, 0.0], [0, 1, 2])) == pytest.approx(-0.5 - 0.25 + 0.25)
    assert gradient(module, batch_of([0.0, 2.0, 2.0], [0, 1, 2])) == pytest.approx(0.5 - 0.25 - 0.25, abs=1e-6)
    bank = AuxiliaryBank(2, TASKS)
    attach(module, bank)
    assert bank.probabilities == pytest.approx([1 / 3] * 3)


def test_tasks_drawn_by_weight_give_the_same_gradient_on_average(given_weights):
    module, bank = make(WeightedPretraining), AuxiliaryBank(2, TASKS)
    attach(module, bank)
    assert bank.probabilities == pytest.approx(list(WEIGHTS.values()))
    # a batch that holds the tasks in these proportions
    tasks, truths = [0, 0, 1, 2], [2.0, 2.0, 2.0, 0.0]
    assert gradient(module, batch_of(truths, tasks)) == pytest.approx(-0.5 - 0.25 + 0.25)


def test_the_weighted_loss_is_the_chosen_one(given_weights):
    module = make(WeightedPretraining, draw="evenly", pixel_loss=torch.nn.MSELoss())
    # theta is 1: squared distances 4, 0, 1, each task once
    assert module.forward_losses(batch_of([3.0, 1.0, 0.0], [0, 1, 2]))[0]["pixel"].item() == pytest.approx(
        0.5 * 4 + 0.25 * 1
    )


def test_equal_weights_are_plain_training(monkeypatch):
    monkeypatch.setattr(weighting, "camera_weights", lambda *_: dict.fromkeys(TASKS, 1 / 3))
    batch = batch_of([2.0, 0.25, 0.5, 3.0], [0, 1, 2, 0])
    plain = PlainSR(Gain(), optimizer=SGD).forward_losses(batch)[0]["pixel"].item()
    for module in (make(WeightedPretraining, draw="evenly"), make(WeightedPretraining)):
        assert module.forward_losses(batch)[0]["pixel"].item() == pytest.approx(plain, rel=1e-6)
    assert make(WeightedPretraining, (None, None)).forward_losses(batch)[0]["pixel"].item() == plain


def test_reptile_moves_by_epsilon_times_the_weighted_sum(given_weights):
    inner = {"inner_optimizer": partial(torch.optim.SGD, lr=0.01), "inner_steps": 2}
    module = make(MetaLearning, algorithm="reptile", draw="evenly", **inner)
    attach(module, AuxiliaryBank(2, TASKS, group_rows=2), batch_size=6)
    batch = batch_of([2.0, 2.0, 0.0, 0.0, 0.0, 0.0], [0, 0, 1, 1, 2, 2])
    optimizer = module.configure_optimizers()["optimizer"]
    gradient(module, batch)
    optimizer.step()
    # theta_k - theta is +0.02, -0.02, -0.02; epsilon is 0.5
    assert module.network.theta.item() == pytest.approx(1 + 0.5 * 0.02 * (0.5 - 0.25 - 0.25), abs=1e-6)
    batch = batch_of([2.0, 2.0, 2.0, 2.0, 0.0, 0.0], [0, 0, 1, 1, 2, 2])
    before = module.network.theta.item()
    gradient(module, batch)
    optimizer.step()
    assert module.network.theta.item() - before == pytest.approx(0.5 * 0.02 * (0.5 + 0.25 - 0.25), abs=1e-6)


def test_maml_descends_along_the_weighted_sum_of_adapted_gradients(given_weights):
    inner = {"inner_optimizer": partial(torch.optim.SGD, lr=0.2), "inner_steps": 3}
    module = make(MetaLearning, algorithm="maml", draw="evenly", **inner)
    attach(module, AuxiliaryBank(2, TASKS, group_rows=2), batch_size=6)
    # task 0 adapts from 1 to 1.6 and overshoots its query's truth, 1.5: there the gradient is +1, at theta it is -1
    batch = batch_of([2.0, 1.5, 2.0, 2.0, 0.0, 0.0], [0, 0, 1, 1, 2, 2])
    assert gradient(module, batch) == pytest.approx(0.5 - 0.25 + 0.25, abs=1e-6)


@pytest.mark.parametrize("algorithm", ["maml", "reptile"])
def test_meta_learning_trains_a_real_network_in_the_usual_loop(algorithm, tmp_path):
    torch.manual_seed(0)
    network = KDSRNet(scale=2, channels=4, encoder_blocks=1, restorer_blocks=1)
    before = {name: weight.clone() for name, weight in network.named_parameters()}
    bank = AuxiliaryBank(2, TASKS, group_rows=4)
    common = {"relation": None, "pairs": None, "inner_optimizer": SGD, "inner_steps": 2}
    module = MetaLearning(network, algorithm, optimizer=partial(torch.optim.Adam, lr=1e-3), **common)
    photos = EmbeddedDataModule(degradation=bank, scale=2, hr_crop_px=32, batch_size=8, val_crop_px=32)
    off = {"enable_progress_bar": False, "enable_model_summary": False, "logger": False}
    trainer = pl.Trainer(
        accelerator="cpu", max_steps=2, limit_val_batches=0, enable_checkpointing=False,
        use_distributed_sampler=False, default_root_dir=tmp_path, **off,
    )  # fmt: skip
    trainer.fit(module, photos)
    assert all(not torch.equal(weight, before[name]) for name, weight in network.named_parameters())


def test_meta_learning_asks_for_whole_groups(given_weights):
    module = make(MetaLearning, algorithm="reptile", inner_optimizer=SGD, inner_steps=4)
    with pytest.raises(ValueError, match=r"whole groups of at least 4 rows .*group_rows=3 and data.batch_size=12"):
        attach(module, AuxiliaryBank(2, TASKS, group_rows=3))
    with pytest.raises(ValueError, match="batch_size=10"):
        attach(module, AuxiliaryBank(2, TASKS, group_rows=4), batch_size=10)


def test_what_does_not_fit_is_named(given_weights):
    module = make(WeightedPretraining)
    with pytest.raises(ValueError, match="set degradation=auxiliary"):
        module.weighting.prepare(None)
    with pytest.raises(ValueError, match=r"differ in \['poster'\]"):
        module.weighting.prepare(AuxiliaryBank(2, {name: TASKS[name] for name in ("weak", "strong")}))
    with pytest.raises(ValueError, match="give both, or neither"):
        make(WeightedPretraining, ("relation", None))
    with pytest.raises(ValueError, match="by_weight or evenly, got 'all'"):
        make(WeightedPretraining, draw="all")
    with pytest.raises(ValueError, match="maml, reptile, got 'sgd'"):
        make(MetaLearning, algorithm="sgd", inner_optimizer=SGD, inner_steps=1)
    for kind in (RelationTraining, MetaLearning):  # nothing here makes images that others could judge
        assert "adversarial" not in inspect.signature(kind).parameters
    with pytest.raises(TypeError, match="adversarial"):
        RelationTraining(RelationNetwork(2, ["a"]), optimizer=SGD, adversarial=object())


def test_the_relation_network_learns_to_tell_distortions_apart():
    torch.manual_seed(0)
    bank = AuxiliaryBank(2, {"blur": {"sigma_px": [2, 3]}, "noise": {"noise_sigma_255": [20, 30]}, "nothing": {}})
    network = RelationNetwork(2, bank.names, channels=4, embedding_dim=8)
    module = RelationTraining(network, optimizer=partial(torch.optim.Adam, lr=0.01))
    module.log = lambda *_, **__: None
    optimizer = module.configure_optimizers()["optimizer"]
    draw = torch.Generator().manual_seed(0)
    for _ in range(30):
        hr = torch.rand(12, 3, 16, 16, generator=draw).repeat_interleave(2, 2).repeat_interleave(2, 3)
        params = bank.sample(hr.shape, draw)
        loss = module.forward_losses(SRBatch(bank(hr, params), hr, params))[0]["classification"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.6  # guessing: log 3 = 1.1
