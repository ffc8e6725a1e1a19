import pytest
import torch
import torch.nn.functional as F

from realsr_mod.networks.srresnet import SRResNet

SMALL = {"channels": 4, "num_blocks": 2}


def test_published_size():
    with torch.device("meta"):
        network = SRResNet()
    assert sum(p.numel() for p in network.parameters()) == 1_517_571  # 1.52 M, as BasicSR's MSRResNet


@pytest.mark.parametrize(
    ("blocks", "names"), [(16, "4 8 12 16"), (8, "2 4 6 8"), (10, "3 5 8 10"), (2, "1 2"), (1, "1")]
)
def test_taps_are_named_after_the_ends_of_the_four_groups(blocks, names):
    network = SRResNet(4, 4, blocks)
    assert list(network.taps) == ["conv1", *(f"rb{name}" for name in names.split()), "up1"]
    modules = dict(network.named_modules())
    assert all(path in modules for path in network.taps.values())
    assert network.taps[network.default_taps[0]] == f"blocks.{blocks - 1}"


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_every_scale_adds_the_bilinear_image_if_asked_for(scale):
    lr = torch.rand(2, 3, 6, 5)
    for global_residual in (True, False):
        network = SRResNet(scale, **SMALL, global_residual=global_residual)
        torch.nn.init.zeros_(network.to_rgb.weight)
        torch.nn.init.zeros_(network.to_rgb.bias)
        bilinear = F.interpolate(lr, scale_factor=scale, mode="bilinear", align_corners=False)
        assert torch.equal(network(lr), bilinear if global_residual else torch.zeros_like(bilinear))


def test_no_blocks_are_refused():
    with pytest.raises(ValueError, match="got 0"):
        SRResNet(4, 4, 0)
