"""Building blocks that networks share."""

import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from realsr_mod.networks.blocks import PixelShuffleUpsampler, ResizeConvUpsampler, RGBMean, init_scaled


class Centred(nn.Module):
    """A network whose only buffer is the mean colour."""

    def __init__(self):
        super().__init__()
        self.rgb_mean = RGBMean((0.5, 0.25, 0.0))
        self.conv = nn.Conv2d(3, 3, 1, bias=False)

    def forward(self, x):
        return self.rgb_mean.add(self.conv(self.rgb_mean.subtract(x)))


def test_the_mean_color_goes_off_and_comes_back():
    x = torch.rand(2, 3, 4, 5, generator=torch.Generator().manual_seed(0))
    rgb_mean = Centred().rgb_mean
    torch.testing.assert_close(rgb_mean.subtract(x)[:, 1], x[:, 1] - 0.25)
    torch.testing.assert_close(rgb_mean.add(rgb_mean.subtract(x)), x)


def test_several_processes_share_the_mean_color_in_channels_last(tmp_path):
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/rendezvous", rank=0, world_size=1)
    try:
        network = DistributedDataParallel(Centred().to(memory_format=torch.channels_last))
        for _ in range(2):  # from the second step on, buffers are sent around first
            network(torch.rand(1, 3, 4, 4)).sum().backward()
    finally:
        dist.destroy_process_group()
    torch.testing.assert_close(network.module.rgb_mean.mean_C11.flatten(), torch.tensor([0.5, 0.25, 0.0]))


def test_a_scaled_start_fills_weights_and_leaves_alone_those_without_memory(monkeypatch):
    layer = nn.Linear(50, 40)
    init_scaled([layer], 0.1)
    assert 0.8 < layer.weight.std() / (0.1 * (2 / 50) ** 0.5) < 1.2
    assert not layer.bias.any()
    with torch.device("meta"):
        empty = nn.Linear(50, 40)
    monkeypatch.setattr(nn.init, "kaiming_normal_", lambda weight: 1 / 0)
    init_scaled([empty])


def places_in_squares(upsampler, scale):
    """What an upsampler makes of a flat image, far from its border, by the place in a square of scale x scale."""
    flat = upsampler(torch.full((1, 4, 12, 12), 0.5))[..., 4 * scale : 8 * scale, 4 * scale : 8 * scale]
    return flat.unflatten(-1, (4, scale)).unflatten(-3, (4, scale)).std(dim=(-1, -3))


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
@torch.no_grad()
def test_resizing_before_convolutions_leaves_no_grid_where_pixel_shuffle_does(scale):
    torch.manual_seed(0)
    upsampler = ResizeConvUpsampler(4, scale)
    assert upsampler(torch.rand(2, 4, 5, 7)).shape == (2, 4, 5 * scale, 7 * scale)
    assert places_in_squares(upsampler, scale).max() < 1e-6
    assert places_in_squares(PixelShuffleUpsampler(4, scale), scale).min() > 1e-3


@pytest.mark.parametrize("kind", [PixelShuffleUpsampler, ResizeConvUpsampler])
def test_other_scales_are_refused(kind):
    with pytest.raises(ValueError, match="scale must be 3 or a power of two, got 6"):
        kind(4, 6)
