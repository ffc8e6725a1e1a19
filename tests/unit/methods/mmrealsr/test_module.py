"""MM-RealSR's training module: its terms, what trains, what is measured, and the warning of a collapse."""

from functools import partial

import pytest
import torch

from realsr_mod.data.batch import SRBatch
from realsr_mod.degradations.camera_noise import CameraNoise
from realsr_mod.degradations.jpeg import JPEG
from realsr_mod.degradations.resize import resize
from realsr_mod.degradations.second_order import SecondOrder
from realsr_mod.methods.mmrealsr.loss import RankingLoss, anchor_loss, crosstalk_loss
from realsr_mod.methods.mmrealsr.module import MMRealSR
from realsr_mod.methods.mmrealsr.network import MMRealSRNet
from realsr_mod.methods.mmrealsr.noise_pair import NoisePairDegradation
from realsr_mod.methods.mmrealsr.quintuple import QuintupleDegradation, by_role, pin_anchors
from realsr_mod.training.schedulers import one_cycle


@pytest.fixture(scope="module")
def batch() -> SRBatch:
    degradation = QuintupleDegradation(4, SecondOrder(4, sharpen=False))
    hr = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    params = degradation.sample(tuple(hr.shape), torch.Generator().manual_seed(1))
    return SRBatch(
        degradation(hr, params), degradation.target(hr), params, names=["a", "b"], versions=degradation.versions
    )


class Recorder(MMRealSR):
    """Keeps what it logs, since there is no trainer here."""

    def log(self, name, value, **_):
        self.logged = getattr(self, "logged", {}) | {name: value}

    def log_dict(self, values, **_):
        for name, value in values.items():
            self.log(name, value)


def module(**options) -> Recorder:
    torch.manual_seed(0)
    network = MMRealSRNet(
        channels=4,
        num_blocks=1,
        growth=2,
        estimator_widths=[4, 4],
        estimator_blocks=[1, 1],
        estimator_downscales=[1, 2],
    )
    return Recorder(network, optimizer=partial(torch.optim.Adam, lr=1e-3), **options)


def test_terms_are_the_weighted_losses(batch):
    model = module(ranking_weight=0.02, margin=0.1, anchor_weight=0.003)
    terms, sr = model.forward_losses(batch)
    degrees = model.network.embed(batch.lr)
    roles = by_role(degrees)
    assert torch.equal(sr, model.network.restore(batch.lr, pin_anchors(degrees)))
    assert sr.shape == batch.hr.shape
    expected = {
        "pixel": (sr - batch.hr).abs().mean(),
        "ranking_blur": 0.02 * RankingLoss(0.1)(roles["base"][:, 0], roles["blurrier"][:, 0]),
        "ranking_noise": 0.02 * RankingLoss(0.1)(roles["base"][:, 1], roles["noisier"][:, 1]),
        "anchors": 0.003 * anchor_loss(roles["clean"], roles["worst"]),
    }
    assert terms.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(terms[name], value)
    more, _ = module(ranking_weight=0.02, margin=0.1, anchor_weight=0.003, crosstalk_weight=0.5).forward_losses(batch)
    leak = crosstalk_loss(roles["base"], roles["blurrier"], roles["noisier"])
    torch.testing.assert_close(more, terms | {"crosstalk": 0.5 * leak})
    torch.testing.assert_close(model.logged["train/blur_of_worst"], roles["worst"][:, 0].mean())
    torch.testing.assert_close(model.logged["train/noise_of_clean"], roles["clean"][:, 1].mean())


def test_frozen_estimator_stays_and_the_restorer_trains(batch):
    model = module(freeze_estimator=True)
    assert {id(p) for p in model.trainable_parameters()}.isdisjoint(map(id, model.network.estimator.parameters()))
    before = {key: value.clone() for key, value in model.network.state_dict().items()}
    optimizer = model.configure_optimizers()["optimizer"]
    terms, _ = model.forward_losses(batch)
    assert terms.keys() == {"pixel"}
    terms["pixel"].backward()
    optimizer.step()
    for key, value in model.network.state_dict().items():
        assert torch.equal(value, before[key]) == key.startswith("estimator"), key


@pytest.mark.parametrize("scheduler", [None, partial(one_cycle, max_lr=1e-3, total_steps=10, pct_start=0.5)])
def test_what_makes_and_uses_degrees_has_its_own_share_of_the_learning_rate(scheduler):
    model = module(degrees_lr_ratio=0.2, scheduler=scheduler)
    configured = model.configure_optimizers()
    optimizer = configured["optimizer"]
    of = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    for name, parameter in model.network.named_parameters():
        start = 1e-3 if scheduler is None else 1e-3 / 25
        assert of[id(parameter)] == pytest.approx(0.2 * start if not name.startswith("restorer") else start), name
    if scheduler is not None:
        highest = [0.0, 0.0]
        for _ in range(9):
            optimizer.step()
            configured["lr_scheduler"]["scheduler"].step()
            highest = [max(pair) for pair in zip(highest, (g["lr"] for g in optimizer.param_groups), strict=True)]
        assert highest == pytest.approx([1e-3, 2e-4], rel=1e-6)


def test_degrees_are_learned_from_five_versions_alone(batch):
    with pytest.raises(ValueError, match="degradation=quintuple"):
        module().forward_losses(SRBatch(batch.lr, batch.hr))


def test_a_restorer_on_a_frozen_estimator_trains_on_any_degradation(batch):
    model = module(freeze_estimator=True)
    terms, sr = model.forward_losses(SRBatch(batch.lr, batch.hr))
    assert torch.equal(sr, model.network(batch.lr))  # all by the estimates: there are no anchors to pin
    assert terms == {"pixel": (sr - batch.hr).abs().mean()}


def noise_pair() -> SRBatch:
    degradation = NoisePairDegradation(4, SecondOrder(4), CameraNoise(), JPEG((75, 100)))
    hr = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    params = degradation.sample(tuple(hr.shape), torch.Generator().manual_seed(1)) | {"kept": torch.tensor([0.0, 0.5])}
    return SRBatch(
        degradation(hr, params), degradation.target(hr), params, names=["a", "b"], versions=degradation.versions
    )


def test_of_a_noise_pair_the_kept_noise_is_no_error():
    model, batch = module(freeze_estimator=True), noise_pair()
    terms, judged = model.forward_losses(batch)
    degrees = model.network.embed(batch.lr)
    degrees[3, 1] *= 0.5
    noise = torch.zeros_like(batch.hr)
    noise[3] = 0.5 * resize(batch.lr[3:] - batch.lr[2:3], scale=4)[0]
    torch.testing.assert_close(judged, model.network.restore(batch.lr, degrees) - noise)
    torch.testing.assert_close(terms, {"pixel": (judged - batch.hr).abs().mean()})
    with pytest.raises(ValueError, match="degradation=quintuple"):
        module().forward_losses(batch)


@torch.no_grad()
def test_validation_measures_the_base_version_of_a_pair():
    batch, model = noise_pair(), module(freeze_estimator=True).eval()
    torch.testing.assert_close(model.validation_step(batch, 0)["sr"], model.network(batch.lr[::2]).clamp(0, 1))


@torch.no_grad()
def test_validation_measures_the_base_version_and_the_order_of_all(batch):
    model = module().eval()
    one = SRBatch(batch.lr[:5], batch.hr[:5], batch.params, names=["a"], versions=batch.versions)
    shown = model.validation_step(one, 0)
    torch.testing.assert_close(shown["sr"], model.network(batch.lr[:1]).clamp(0, 1))
    degrees = model.network.embed(batch.lr[:5])
    assert model.logged["val/blur_in_order"] == float(degrees[0, 0] < degrees[1, 0])
    assert model.logged["val/noise_in_order"] == float(degrees[0, 1] < degrees[2, 1])
    plain = SRBatch(batch.lr[:1], batch.hr[:1], names=["a"])  # a real pair, or another degradation
    torch.testing.assert_close(module().eval().validation_step(plain, 0)["sr"], shown["sr"])


def test_collapse_warns_by_name_after_a_while_and_only_then():
    model = module(margin=0.05, collapse_steps=3)
    stuck, learning = torch.tensor(0.05), torch.tensor(0.02)
    for _ in range(2):
        model.warn_of_collapse({"blur": learning, "noise": stuck})
    with pytest.warns(UserWarning, match=r"the noise ranking has stayed at its margin for 3 steps"):
        model.warn_of_collapse({"blur": learning, "noise": stuck})
    assert model.collapse_watch.update({"blur": learning, "noise": stuck}) == []


def test_ranking_that_only_averages_to_the_margin_is_no_collapse():
    watch = module(margin=0.05, collapse_steps=4).collapse_watch
    found = [watch.update({"blur": torch.tensor(value)}) for value in (0.0, 0.1, 0.0, 0.1)]
    assert found == [[], [], [], []]
