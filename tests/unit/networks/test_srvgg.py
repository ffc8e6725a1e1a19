"""SRVGGNetCompact: its form, its published files' names, and its mixed pair."""

import pytest
import torch
from torch import nn

from realsr_mod.networks.srvgg import SRVGGNetCompact, SRVGGNetDenoise
from realsr_mod.weights.official import load_official, to_official

LR = torch.rand(2, 3, 5, 6, generator=torch.Generator().manual_seed(0))


@torch.no_grad()
def test_without_weights_it_is_nearest_neighbour_enlarging():
    network = SRVGGNetCompact(scale=2, channels=4, num_convs=1)
    for parameter in network.body[-1].parameters():
        nn.init.zeros_(parameter)
    assert torch.equal(network(LR), LR.repeat_interleave(2, 2).repeat_interleave(2, 3))
    resized = SRVGGNetCompact(scale=1, channels=4, num_convs=1, shuffle=2)
    resized.load_state_dict(network.state_dict())
    flat = torch.full((1, 3, 4, 4), 0.25)
    torch.testing.assert_close(resized(flat), flat)
    assert resized(LR).shape == LR.shape


@pytest.mark.parametrize("scale", [1, 2, 3, 4])
@torch.no_grad()
def test_published_files_are_read_and_written(scale):
    network = SRVGGNetCompact(scale, channels=4, num_convs=2)
    state = {"params": network.state_dict()}
    assert list(state["params"])[:3] == ["body.0.weight", "body.0.bias", "body.1.weight"]  # as Real-ESRGAN names them
    again = load_official(state)
    assert again.scale == scale
    assert torch.equal(again(LR), network(LR))
    assert to_official(again).keys() == state["params"].keys()


def test_what_no_program_resizes_is_not_written():
    with pytest.raises(ValueError, match="no official layout"):
        to_official(SRVGGNetCompact(scale=2, channels=4, num_convs=1, shuffle=4))


def test_a_pair_mixes_weights_and_both_train():
    network = SRVGGNetDenoise(scale=2, channels=4, num_convs=1)
    network(LR).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    assert network.embed(LR).tolist() == [[0.5], [0.5]]
