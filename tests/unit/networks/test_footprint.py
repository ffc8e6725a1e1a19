"""How far networks look and what memory they take, against what counting gives."""

import pytest
import torch

from realsr_mod.methods.kdsr.network import KDSRNet
from realsr_mod.networks.footprint import bytes_per_pixel, measure_reach


def test_reach_is_what_counting_convolutions_gives():
    torch.manual_seed(0)
    # head, two blocks of two 3x3 convolutions, fuse, upsampling at 1 and 1/2 px, to RGB at 1/4 px: 7.75 px
    assert measure_reach(KDSRNet(4, 4, 1, 2)) == 8


def test_reach_beyond_the_limit_is_an_error():
    with pytest.raises(ValueError, match="further than 4 px"):
        measure_reach(KDSRNet(4, 4, 1, 2), limit=4)


def test_memory_estimate_follows_the_widest_layer():
    torch.manual_seed(0)
    network = KDSRNet(2, 8, 1, 1)
    embedding = torch.zeros(1, 8)
    measured = bytes_per_pixel(network, lambda lr: network.restore(lr, embedding))
    # PixelShuffle(2): 32 channels in, 8 channels on four times the pixels out; 4 bytes each, twice
    assert measured == 2 * 4 * (32 + 8 * 4)
