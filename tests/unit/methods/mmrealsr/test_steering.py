"""Training sliders on a frozen network: what they are told, what is wanted, and that nothing else moves."""

from functools import partial

import pytest
import torch

from realsr_mod.data.batch import SRBatch
from realsr_mod.degradations.second_order import SecondOrder
from realsr_mod.methods.mmrealsr.network import MMRealSRNet
from realsr_mod.methods.mmrealsr.steered import SteeredRRDBNet
from realsr_mod.methods.mmrealsr.steering import Steering
from realsr_mod.methods.mmrealsr.turns import TurnedSliders, by_version, kept_noise, with_blur
from realsr_mod.metrics import psnr_y
from realsr_mod.weights.official import read_official
from realsr_mod.weights.release import save_model

ESTIMATOR = {"estimator_widths": [4, 4], "estimator_blocks": [1, 1], "estimator_downscales": [1, 2]}
SMALL = {"channels": 4, "num_blocks": 1, "growth": 2, **ESTIMATOR}
BACKBONE = "realesrgan-x4plus"


class Recorder(Steering):
    """Keeps what it logs, since there is no trainer here."""

    def log(self, name, value, **_):
        self.logged = getattr(self, "logged", {}) | {name: value}

    def log_dict(self, values, **_):
        for name, value in values.items():
            self.log(name, value)


@pytest.fixture
def estimator(tmp_path):
    """A trained MM-RealSR, another restorer and all."""
    torch.manual_seed(1)
    network = MMRealSRNet(**SMALL | {"channels": 6})
    target = "realsr_mod.methods.mmrealsr.network.MMRealSRNet"
    save_model(network, tmp_path / "mm", {"_target_": target, **SMALL, "channels": 6}, {"name": "mm"})
    return network


@pytest.fixture
def module(tiny_backbone, estimator, tmp_path) -> Recorder:
    torch.manual_seed(0)
    network = SteeredRRDBNet(BACKBONE, **SMALL, hidden=16, steering_channels=8, steering_blocks=1)
    return Recorder(network, str(tmp_path / "mm"), optimizer=partial(torch.optim.Adam, lr=1e-3))


@pytest.fixture(scope="module")
def batch() -> SRBatch:
    degradation = TurnedSliders(4, SecondOrder(4, sharpen=False))
    hr = torch.rand(3, 3, 48, 48, generator=torch.Generator().manual_seed(0))
    params = degradation.sample(tuple(hr.shape), torch.Generator().manual_seed(3))
    params["turn"] = torch.tensor([[-0.5, -1.0], [1.0, 0.0], [0.0, 0.5]])
    params["down"] = torch.tensor([[0.0, -0.25], [-1.0, 0.0], [-0.5, -0.5]])
    return SRBatch(degradation(hr, params), degradation.target(hr), params, versions=degradation.versions)


def test_it_begins_with_the_backbone_and_a_trained_estimator(module, tiny_backbone, estimator):
    lr = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(module.network(lr), read_official(tiny_backbone)[0](lr))
    assert torch.equal(module.network.embed(lr)[:, :2], estimator.embed(lr))
    trained = {id(parameter) for parameter in module.trainable_parameters()}
    assert trained == {id(parameter) for parameter in module.network.steering.parameters()}


def test_the_wanted_pictures_are_the_backbones_edited(module, batch, tiny_backbone):
    lesson = module.lesson(batch)
    seen, noisier, noiseless = by_version(batch.lr)
    assert torch.equal(lesson.lr, torch.cat([seen, seen]))
    blur, noise = module.network.estimator(seen).unbind(1)
    first = torch.stack([blur * torch.tensor([0.5, 0, 1]), noise * torch.tensor([0, 1, 0.5])], dim=1)
    first += torch.tensor([[0, 0], [1, 0], [0, 0.5]])
    second = torch.stack([blur * torch.tensor([1, 0, 0.5]), noise * torch.tensor([0.75, 1, 0.5])], dim=1)
    told, estimated = torch.cat([first, second]), torch.stack([blur, noise], dim=1).repeat(2, 1)
    torch.testing.assert_close(lesson.embedding, torch.cat([told, estimated], dim=1))
    backbone, base = read_official(tiny_backbone)[0].requires_grad_(False), batch.params["base"]
    own = backbone(seen)
    assert torch.equal(lesson.own, torch.cat([own, own]))
    assert torch.equal(lesson.wanted[2], backbone(noisier)[2])  # turned up: its own picture of a noisier image
    first = with_blur(torch.cat([own[:2], backbone(noisier)[2:]]), base, torch.tensor([-0.5, 1, 0]))
    first += kept_noise(seen, noiseless, torch.tensor([1.0, 0, 0]), scale=4)
    second = with_blur(own, base, torch.tensor([0, -1, -0.5]))
    second += kept_noise(seen, noiseless, torch.tensor([0.25, 0, 0.5]), scale=4)
    torch.testing.assert_close(lesson.wanted, torch.cat([first, second]))
    terms, sr = module.forward_losses(batch)
    torch.testing.assert_close(sr, module.network.restore(lesson.lr, lesson.embedding))
    torch.testing.assert_close(terms, {"pixel": (sr - lesson.wanted).abs().mean()})


def test_steps_lower_the_loss_and_leave_the_backbone_and_the_degrees_as_they_are(module, batch):
    before = {key: value.clone() for key, value in module.network.state_dict().items()}
    optimizer = module.configure_optimizers()["optimizer"]
    losses = []
    for _ in range(12):
        loss = module.forward_losses(batch)[0]["pixel"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.98 * losses[0], losses
    for key, value in module.network.state_dict().items():
        assert torch.equal(value, before[key]) != key.startswith("steering."), key
    lr = batch.lr[:1]
    assert torch.equal(module.network(lr), module.network.untouched(lr)[1])


def test_validation_measures_turned_pictures(module, batch):
    torch.nn.init.normal_(module.network.steering.to_images.bias, std=0.01)
    outputs, lesson = module.eval().validation_step(batch, 0), module.lesson(batch)
    turned = module.network.restore(lesson.lr, lesson.embedding)
    torch.testing.assert_close(outputs["sr"], turned.clamp(0, 1))
    before, after = ((image - lesson.wanted).square().mean() for image in (lesson.own, turned))
    torch.testing.assert_close(module.logged["val/left"], after / before)
    psnr = module.logged["val/psnr_y"].compute()
    expected = psnr_y(outputs["sr"], lesson.wanted.clamp(0, 1), border=4).mean()
    torch.testing.assert_close(psnr, expected)


def test_what_does_not_fit_is_named(module, batch, tmp_path):
    with pytest.raises(ValueError, match="degradation=turned_sliders"):
        module.forward_losses(SRBatch(batch.lr, batch.hr))
    other = SteeredRRDBNet(BACKBONE, **SMALL | {"estimator_widths": [8, 4]})
    with pytest.raises(ValueError, match=r"mm: has no estimator of this network's size.*estimator_widths"):
        Steering(other, str(tmp_path / "mm"), optimizer=torch.optim.Adam)
