"""RRDBNet: odd sides, scales, modulation. Its values are checked with the official checkpoints' tests."""

import pytest
import torch

from realsr_mod.networks.rrdb import RRDBNet, RRDBRestorer


@pytest.mark.parametrize("scale", [1, 2, 4])
@torch.no_grad()
def test_odd_sides_keep_the_image_in_place(scale):
    network = RRDBNet(scale, channels=4, num_blocks=1, growth=2).eval()
    lr = torch.rand(1, 3, 32, 40, generator=torch.Generator().manual_seed(0))
    whole = network(lr)
    cut = network(lr[..., :31, :37])
    assert whole.shape[-2:] == (32 * scale, 40 * scale)
    assert cut.shape[-2:] == (31 * scale, 37 * scale)
    corner = (..., slice(0, 4 * scale), slice(0, 4 * scale))  # beyond the reach of the far border
    torch.testing.assert_close(cut[corner], whole[corner], atol=1e-6, rtol=0)


@torch.no_grad()
def test_zero_affines_change_nothing_and_others_act_per_row():
    restorer = RRDBRestorer(4, channels=4, num_blocks=2, growth=2)
    lr = torch.rand(2, 3, 6, 5, generator=torch.Generator().manual_seed(0))
    nothing = (torch.zeros(2, 4), torch.zeros(2, 4))
    torch.testing.assert_close(restorer(lr, [nothing, nothing]), restorer(lr))
    second_row = (torch.tensor([[0.0], [0.5]]).expand(2, 4), torch.tensor([[0.0], [0.1]]).expand(2, 4))
    moved = restorer(lr, [nothing, second_row])
    torch.testing.assert_close(moved[0], restorer(lr)[0])
    assert (moved[1] - restorer(lr)[1]).abs().max() > 1e-3


def test_scale_three_is_refused():
    with pytest.raises(ValueError, match="1 or 2 or 4, got scale=3"):
        RRDBNet(3)


def test_init_scale_is_that_of_the_blocks_alone():
    weights = []
    for init_scale in (0.1, 1.0):
        torch.manual_seed(0)
        weights.append(RRDBRestorer(4, channels=4, num_blocks=1, growth=2, init_scale=init_scale).state_dict())
    for name, small in weights[0].items():
        factor = 10 if name.startswith("blocks") else 1
        torch.testing.assert_close(weights[1][name], factor * small)
