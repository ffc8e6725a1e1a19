"""A frozen RRDBNet with sliders: its own image as estimated, to the bit, and affines where a slider is turned."""

import pytest
import torch
import torch.nn.functional as F

from realsr_mod.methods.mmrealsr.steered import SteeredRRDBNet, turns
from realsr_mod.methods.mmrealsr.turns import told_degrees
from realsr_mod.networks.rrdb import RRDBNet

SIZES = {"scale": 4, "channels": 4, "num_blocks": 2, "growth": 2}
ESTIMATOR = {"estimator_widths": [4], "estimator_blocks": [1], "estimator_downscales": [1]}
SMALL = {"steering_channels": 6, "steering_blocks": 1, "hidden": 5}


@pytest.fixture
def network() -> SteeredRRDBNet:
    torch.manual_seed(0)
    network = SteeredRRDBNet("realesrgan-x4plus", **SIZES, **ESTIMATOR, **SMALL)
    for parameter in network.steering.parameters():
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
    assert torch.equal(network.untouched(lr)[1], backbone(lr))
    other = torch.tensor([[0.3, 0.9, 0.3, 0.9]])  # of the whole image, while this is a tile of it
    assert torch.equal(network.restore(lr, other.expand(2, 4)), backbone(lr))


@torch.no_grad()
def test_a_turned_slider_counts_times_its_turn(network, lr):
    told, estimated = torch.tensor([0.2, 0.8]), torch.tensor([0.5, 0.5])
    branch, (features, own) = network.steering, network.untouched(lr)
    bicubic = F.interpolate(lr, scale_factor=4, mode="bicubic")
    changed = F.pixel_unshuffle(bicubic - own, 4)
    x = branch.head(torch.cat([lr, features, F.pixel_unshuffle(own, 4), changed], dim=1))
    gamma, beta = branch.affines[0](branch.embed(torch.cat([told, estimated])))[:, None, None].chunk(2)
    x = branch.to_images(F.relu((1 + gamma) * branch.blocks[0](x) + beta))
    of_blur, of_noise, beside_blur, beside_noise = x.chunk(4, dim=1)
    expected = -0.6 * (of_blur * changed + beside_blur) + 0.6 * (of_noise * changed + beside_noise)
    embedding = torch.cat([told, estimated]).expand(2, 4)
    torch.testing.assert_close(network.restore(lr, embedding), own + F.pixel_shuffle(expected, 4), rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(network.steer(lr, features, own, embedding), network.restore(lr, embedding))


@torch.no_grad()
def test_before_its_training_no_slider_does_anything(lr):
    network = SteeredRRDBNet("realesrgan-x4plus", **SIZES, **ESTIMATOR).eval()
    assert torch.equal(network.restore(lr, torch.tensor([[0.0, 1.0, 0.5, 0.5]]).expand(2, 4)), network(lr))


def test_the_backbone_never_trains(network, lr):
    network.restore(lr, torch.tensor([[0.0, 1.0, 0.5, 0.5]]).expand(2, 4)).sum().backward()
    assert all(parameter.grad is None for parameter in network.restorer.parameters())
    assert all(parameter.grad.abs().sum() > 0 for parameter in network.steering.parameters())


def test_sizes():
    with torch.device("meta"):
        network = SteeredRRDBNet("realesrgan-x4plus")
    count = {name: sum(p.numel() for p in part.parameters()) for name, part in network.named_children()}
    assert count == {"estimator": 109_826, "steering": 533_760, "restorer": 16_697_987}
    with pytest.raises(ValueError, match="set scale=4, not 2"):
        SteeredRRDBNet("realesrgan-x4plus", scale=2)


def test_turns_are_shares_of_the_way_to_the_ends():
    estimated = torch.tensor([[0.2, 0.6], [0.0, 1.0], [0.3, 0.7]])
    told = torch.tensor([[0.05, 0.8], [1.0, 0.0], [0.3, 0.7]])
    wanted = torch.tensor([[-0.75, 0.5], [1.0, -1.0], [0.0, 0.0]])
    torch.testing.assert_close(turns(told, estimated), wanted)
    drawn = torch.tensor([[-0.3, 1.0], [0.5, -1.0], [-1.0, 0.25]])
    inside = torch.tensor([[0.2, 0.6], [0.5, 0.9], [0.3, 0.7]])
    torch.testing.assert_close(turns(told_degrees(inside, drawn), inside), drawn)  # what it was trained under
