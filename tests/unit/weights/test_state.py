"""What a network may begin with."""

import pytest
import torch

from realsr_mod.methods.kdsr.network import KDSRNet
from realsr_mod.networks.srresnet import SRResNet
from realsr_mod.weights.state import begin_with


def network(scale, seed, channels=4, **options):
    torch.manual_seed(seed)
    return KDSRNet(scale=scale, channels=channels, encoder_blocks=1, restorer_blocks=1, **options)


@pytest.mark.parametrize(("before", "scale"), [(2, 4), (4, 2)])
def test_of_another_scale_all_is_taken_but_upsampling_that_only_one_has(before, scale):
    start, fresh, begun = network(before, 1), network(scale, 2), network(scale, 2)
    assert begin_with(begun, start, "start")
    given, random = start.state_dict(), fresh.state_dict()
    second = {"restorer.upsampler.2.weight", "restorer.upsampler.2.bias"}
    assert random.keys() - given.keys() == (second if scale == 4 else set())
    for key, value in begun.state_dict().items():
        assert torch.equal(value, given.get(key, random[key])), key


def test_an_upsampler_of_other_shapes_stays_random_at_the_top_of_a_network_too():
    torch.manual_seed(0)
    start, begun = SRResNet(3, 4, 1), SRResNet(2, 4, 1)
    random = {key: value.clone() for key, value in begun.state_dict().items()}
    assert begin_with(begun, start, "start")
    for key, value in begun.state_dict().items():
        assert torch.equal(value, (random if key.startswith("upsampler.0") else start.state_dict())[key]), key


def test_with_another_upsampler_all_else_is_taken():
    start = network(4, 1)
    begun, fresh = (network(4, 2, upsampler="resize_conv") for _ in range(2))
    assert begin_with(begun, start, "start")
    given, random = start.state_dict(), fresh.state_dict()
    own = {key for key in random if "upsampler" in key}
    assert own
    for key, value in begun.state_dict().items():
        assert torch.equal(value, (random if key in own else given)[key]), key


def test_of_the_same_scale_everything_is_taken():
    start, begun = network(4, 1), network(4, 2)
    assert not begin_with(begun, start, "start")
    assert all(torch.equal(value, start.state_dict()[key]) for key, value in begun.state_dict().items())


def test_what_does_not_fit_is_named():
    with pytest.raises(ValueError, match=r"start: weights do not fit KDSRNet: .*encoder.* is \(4, .*expected \(8, "):
        begin_with(network(2, 0, channels=8), network(4, 0), "start")
