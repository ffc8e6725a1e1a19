"""A frozen RRDBNet with sliders: its own image as estimated, to the bit, and affines where a slider is turned."""

import pytest
import torch
import torch.nn.functional as F

from realsr_mod.methods.mmrealsr.steered import RelativeModulation, SteeredRRDBNet
from realsr_mod.networks.rrdb import RRDBNet

SIZES = {"scale": 4, "channels": 4, "num_blocks": 2, "growth": 2}
ESTIMATOR = {"estimator_widths": [4], "estimator_blocks": [1], "estimator_downscales": [1]}


@pytest.fixture
def network() -> SteeredRRDBNet:
    torch.manual_seed(0)
    network = SteeredRRDBNet("realesrgan-x4plus", **SIZES, **ESTIMATOR, hidden=8)
    for parameter in network.modulation.parameters():
        torch.nn.init.normal_(parameter)  # as if it had been trained
    return network.eval()


@pytest.fixture
def lr() -> torch.Tensor:
    return torch.rand(2, 3, 9, 7, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def test_as_estimated_it_is_the_backbone_to_the_bit(network, lr):
    backbone = RRDBNet(**SIZES)
    backbone.load_state_dict({k: v for k, v in network.state_dict().items() if k.startswith("restorer.")})
    embedding = network.embed(lr)
    assert embedding.shape == (2, 4)
    assert torch.equal(embedding[:, :2], embedding[:, 2:])
    assert torch.equal(network(lr), backbone(lr))
    assert torch.equal(network.untouched(lr), backbone(lr))
    other = torch.tensor([[0.3, 0.9, 0.3, 0.9]])  # of the whole image, while this is a tile of it
    assert torch.equal(network.restore(lr, other.expand(2, 4)), backbone(lr))


@torch.no_grad()
def test_a_turned_slider_counts_times_its_turn(network, lr):
    told, estimated = torch.tensor([[0.2, 0.9]]), torch.tensor([[0.5, 0.5]])
    modulation = network.modulation
    shared = F.relu(F.linear(torch.tensor([[0.2, 0.9, 0.5, 0.5]]), *modulation.embed[0].parameters()))
    blur, noise = modulation.mlps[1](shared)[0].reshape(2, 8)
    gamma, beta = modulation(told, estimated)[1]
    torch.testing.assert_close(torch.cat([gamma, beta], dim=1)[0], -0.3 * blur + 0.4 * noise)
    embedding = torch.cat([told, estimated], dim=1)
    affines = [tuple(part[:, :, None, None] for part in pair) for pair in modulation(told, estimated)]
    x = head = network.restorer.head(lr)
    for block, (gamma, beta) in zip(network.restorer.blocks, affines, strict=True):
        x = (1 + gamma) * block(x) + beta
    x = head + network.restorer.fuse(x)
    for conv in (network.restorer.up1, network.restorer.up2):
        x = F.leaky_relu(conv(F.interpolate(x, scale_factor=2)), 0.2)
    expected = network.restorer.to_rgb(F.leaky_relu(network.restorer.refine(x), 0.2))
    torch.testing.assert_close(network.restore(lr, embedding.expand(2, 4)), expected)


@torch.no_grad()
def test_before_its_training_no_slider_does_anything(lr):
    network = SteeredRRDBNet("realesrgan-x4plus", **SIZES, **ESTIMATOR).eval()
    assert torch.equal(network.restore(lr, torch.tensor([[0.0, 1.0, 0.5, 0.5]]).expand(2, 4)), network(lr))


def test_the_backbone_never_trains(network, lr):
    network.restore(lr, torch.tensor([[0.0, 1.0, 0.5, 0.5]]).expand(2, 4)).sum().backward()
    assert all(parameter.grad is None for parameter in network.restorer.parameters())
    assert all(parameter.grad.abs().sum() > 0 for parameter in network.modulation.parameters())


def test_published_sizes():
    network = SteeredRRDBNet("realesrgan-x4plus")
    count = {name: sum(p.numel() for p in part.parameters()) for name, part in network.named_children()}
    assert count == {"estimator": 109_826, "modulation": 478_720, "restorer": 16_697_987}
    assert len(RelativeModulation(64, 23, 64)(torch.zeros(1, 2), torch.ones(1, 2))) == 23
