"""CRL-SR's training module: its terms, what they reach, which places are drawn, and an exact resume."""

from functools import partial

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import ModelCheckpoint

from realsr_mod.data.batch import SRBatch
from realsr_mod.data.datamodule import EmbeddedDataModule
from realsr_mod.degradations.resize import resize
from realsr_mod.degradations.stored import build_degradation, read_degradation
from realsr_mod.methods.crlsr.loss import (
    alignment,
    bidirectional_contrast,
    conditional_contrast,
    degraded_contrast,
    near_places,
    uniformity,
    without_local_mean,
)
from realsr_mod.methods.crlsr.module import CRLSR
from realsr_mod.methods.crlsr.network import CRLSRNet, at_places
from realsr_mod.methods.crlsr.two_draws import DRAWS
from realsr_mod.training.callbacks import AveragedWeights
from realsr_mod.training.checkpointing import CheckedCheckpointIO

TRAINING_PARTS = {"details_remover", "projection", "extractor", "decoder"}


class Recorder(CRLSR):
    """Keeps what it logs, since there is no trainer here."""

    def log_dict(self, values, **_):
        self.logged = getattr(self, "logged", {}) | values


def module(kind=Recorder, **options):
    torch.manual_seed(0)
    network = CRLSRNet(scale=2, channels=4, remover_blocks=1, restorer_blocks=1)
    options = {"projection_dim": 6, "extractor_blocks": 1, "num_places": 10} | options
    return kind(network, optimizer=partial(torch.optim.Adam, lr=0.01), **options)


@pytest.fixture
def batch():
    hr = torch.rand(2, 3, 12, 16, generator=torch.Generator().manual_seed(0))
    return SRBatch(lr=hr[..., ::2, ::2], hr=hr, step=5)


def trained(model, terms):
    """The parts that these terms send a gradient to."""
    model.zero_grad()
    sum(terms).backward(retain_graph=True)
    reached = [name for name, p in model.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0]
    return {".".join(name.split(".")[:2]) if name.startswith("network") else name.split(".")[0] for name in reached}


def test_terms_are_the_weighted_losses(batch):
    model = module(
        bidirectional_weight=0.2,
        conditional_weight=0.3,
        reconstruction_weight=0.4,
        bidirectional_temperature=0.1,
        conditional_temperature=0.5,
    )
    terms, sr = model.forward_losses(batch)
    features = model.network.remover(batch.lr)
    places = model.draw_places(features, batch.step)
    low, high = (model.projection(at_places(f, places)) for f in (features, model.details_remover(batch.hr)))
    restored, true = (at_places(model.extractor(x), places) for x in (sr, batch.hr))
    expected = {
        "pixel": (sr - batch.hr).abs().mean(),
        "bidirectional": 0.2 * bidirectional_contrast(low, high, 0.1),
        "conditional": 0.3 * conditional_contrast(restored, true, low, 0.5),
        "reconstruction": 0.4 * (model.decoder(model.extractor(batch.hr)) - batch.hr).abs().mean(),
    }
    assert torch.equal(sr, model.network(batch.lr))
    assert terms.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(terms[name], value)
    torch.testing.assert_close(model.logged["train/encoding_alignment"], alignment(low, high))
    torch.testing.assert_close(model.logged["train/encoding_uniformity_hr"], uniformity(high))
    torch.testing.assert_close(model.logged["train/refinement_alignment"], alignment(restored, true))
    torch.testing.assert_close(model.logged["train/refinement_uniformity_sr"], uniformity(restored))


def test_each_term_reaches_what_it_should_train_and_nothing_else(batch):
    model = module()
    terms, _ = model.forward_losses(batch)
    network = {"network.remover", "network.restorer"}
    assert trained(model, [terms["pixel"]]) == network
    assert trained(model, [terms["bidirectional"]]) == {"network.remover", "details_remover", "projection"}
    assert trained(model, [terms["conditional"]]) == network | {"extractor"}  # what it is pushed from is detached
    assert trained(model, [terms["reconstruction"]]) == {"extractor", "decoder"}


def test_terms_of_weight_zero_are_left_out(batch):
    off = {"bidirectional_weight": 0, "conditional_weight": 0, "reconstruction_weight": 0}
    assert set(module(**off).forward_losses(batch)[0]) == {"pixel"}
    for name in off:
        left = set(module(**(off | {name: 0.1})).forward_losses(batch)[0])
        assert left == {"pixel", name.removesuffix("_weight")}


@pytest.mark.parametrize("off", [None, "bidirectional_weight", "conditional_weight", "reconstruction_weight"])
def test_several_processes_look_for_parts_without_gradient_where_there_are_some(batch, off):
    model = module(**({off: 0} if off else {}))
    torch.stack(list(model.forward_losses(batch)[0].values())).sum().backward()
    assert model.trains_in_parts == any(p.grad is None for p in model.trainable_parameters())


@pytest.fixture
def twice(batch):
    lr = torch.stack([batch.lr, batch.lr.flip(1)], 1).flatten(0, 1)
    return SRBatch(lr, batch.hr.repeat_interleave(2, dim=0), step=5, versions=DRAWS)


def test_the_second_contrast_leaves_the_same_place_under_every_draw(twice):
    model = module(conditional_weight=0.5, conditional_negatives="degraded")
    terms, sr = model.forward_losses(twice)
    places = model.draw_places(model.network.remover(twice.lr), step=5, draws=2)
    enlarged = resize(twice.lr, scale=2).clamp(0, 1)
    restored, true, degraded = (at_places(model.extractor(x), places) for x in (sr, twice.hr, enlarged))
    both = torch.stack([degraded[::2], degraded[1::2]], dim=2)  # (2 photos, M, 2 draws, P)
    expected = degraded_contrast(restored, true, both[[0, 0, 1, 1]], 0.5)
    torch.testing.assert_close(terms["conditional"], 0.5 * expected)
    assert trained(model, [terms["conditional"]]) == {"network.remover", "network.restorer", "extractor"}


def test_the_first_contrast_sees_features_less_their_local_mean_near_by_and_the_second_draw(twice):
    model = module(bidirectional_weight=0.5, local_mean_px=3, neighborhood_px=2)
    found = model.forward_losses(twice)[0]["bidirectional"]
    features, width = model.network.remover(twice.lr), twice.lr.shape[-1]
    places = model.draw_places(features, step=5, draws=2)
    assert torch.equal(places[::2], places[1::2])  # else no place would be there twice
    low, high = (
        model.projection(at_places(without_local_mean(f, 3), places))
        for f in (features, model.details_remover(twice.hr))
    )
    near = near_places(places, width, 2)
    assert 0.1 < near.float().mean() < 0.9
    to_high = bidirectional_contrast(low, high, 0.07, near)
    to_low = bidirectional_contrast(low[::2], low[1::2], 0.07, near[::2])
    torch.testing.assert_close(found, 0.5 * (to_high + to_low) / 2)


def test_optimizer_gets_every_part_and_the_released_network_only_two(batch):
    model = module()
    optimised = {id(p) for group in model.configure_optimizers()["optimizer"].param_groups for p in group["params"]}
    assert optimised == {id(p) for p in model.parameters()}
    assert {name.split(".")[0] for name in model.network.state_dict()} == {"remover", "restorer"}
    assert {name.split(".")[0] for name in model.state_dict()} == {"network"} | TRAINING_PARTS


def test_places_differ_within_a_image_and_follow_seed_and_step():
    model, features = module(), torch.zeros(3, 4, 5, 6)
    places = model.draw_places(features, step=2)
    assert places.shape == (3, 10)
    assert all(len(set(row.tolist())) == 10 for row in places)
    assert places.max() < 30
    assert not torch.equal(places[0], places[1])
    assert torch.equal(module().draw_places(features, step=2), places)
    assert not torch.equal(model.draw_places(features, step=3), places)
    assert not torch.equal(module(seed=1).draw_places(features, step=2), places)
    everywhere = module(num_places=256).draw_places(features, step=2)
    assert torch.equal(everywhere.sort(dim=1).values, torch.arange(30).expand(3, -1))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"conditional_weight": -1}, "conditional_weight must be at least 0, got -1"),
        ({"bidirectional_temperature": 0}, "bidirectional_temperature=0"),
        ({"num_places": 1}, "num_places must be at least 2"),
        ({"conditional_negatives": "lr"}, "conditional_negatives must be encoded or degraded, got 'lr'"),
        ({"local_mean_px": 4}, "local_mean_px must be odd and at least 3, or null to leave the mean in; got 4"),
        ({"neighborhood_px": 0}, "neighborhood_px must be at least 1, or null for the whole image; got 0"),
    ],
)
def test_wrong_arguments_are_named(options, message):
    with pytest.raises(ValueError, match=message):
        module(**options)


def fit(folder, resume=None):
    data = EmbeddedDataModule(
        degradation=build_degradation(read_degradation("spatial_classic", 2)), scale=2, hr_crop_px=24, batch_size=2
    )
    every_step = ModelCheckpoint(folder, "{step}", save_top_k=-1, every_n_train_steps=1)
    model = module(kind=CRLSR)
    trainer = pl.Trainer(
        max_steps=4,
        accelerator="cpu",
        callbacks=[AveragedWeights(decay=0.5), every_step],
        plugins=[CheckedCheckpointIO()],
        logger=False,
        limit_val_batches=0,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        default_root_dir=folder,
    )
    trainer.fit(model, data, ckpt_path=resume, weights_only=True)
    return model, torch.load(folder / "step=4.ckpt", weights_only=True)


@pytest.mark.filterwarnings("ignore:The dirpath has changed")
def test_training_parts_are_in_the_checkpoint_and_a_resumed_run_ends_with_the_same_bits(tmp_path):
    whole, whole_checkpoint = fit(tmp_path / "whole")
    resumed, resumed_checkpoint = fit(tmp_path / "resumed", resume=tmp_path / "whole" / "step=2.ckpt")
    assert not (tmp_path / "resumed" / "step=1.ckpt").exists()
    for name, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[name], value), name
    raw = whole_checkpoint["current_model_state"]  # beside the averaged weights
    assert {name.split(".")[0] for name in raw} == {"network"} | TRAINING_PARTS
    for name, value in raw.items():
        assert torch.equal(resumed_checkpoint["current_model_state"][name], value), name
    assert any(not torch.equal(value, whole_checkpoint["state_dict"][name]) for name, value in raw.items())
