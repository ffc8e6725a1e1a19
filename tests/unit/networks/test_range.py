import pytest
import torch

from realsr_mod.methods.kdsr.network import KDSRNet
from realsr_mod.networks.base import EmbeddingRange
from realsr_mod.weights.release import load_model, save_model

SIZE = {"scale": 2, "channels": 4, "encoder_blocks": 1, "restorer_blocks": 1}
CONFIG = {"_target_": "realsr_mod.methods.kdsr.network.KDSRNet", **SIZE}


def test_the_range_is_what_was_seen_and_half_as_much_on_either_side():
    known = EmbeddingRange.around(torch.tensor([[0.0, 1.0], [2.0, 1.0], [1.0, 1.0]]))
    assert known.described() == {"low": [-1.0, 1.0], "high": [3.0, 1.0], "typical": [1.0, 1.0]}
    kept = known(torch.tensor([[9.0, -5.0], [0.5, 1.0]]))
    assert kept.tolist() == [[3.0, 1.0], [0.5, 1.0]]


@pytest.mark.parametrize(
    ("low", "high", "typical"), [([0.0], [1.0, 2.0], [0.5]), ([1.0], [0.0], [0.5]), ([0.0], [1.0], [float("nan")])]
)
def test_what_is_no_range_is_refused(low, high, typical):
    with pytest.raises(ValueError, match="low <= typical <= high"):
        EmbeddingRange(low, high, typical)


def test_a_network_restores_inside_the_range_that_travels_with_it(tmp_path):
    torch.manual_seed(0)
    network = KDSRNet(**SIZE)
    lr = torch.rand(1, 3, 8, 8)
    network.embedding_range = EmbeddingRange([0.5] * 4, [0.6] * 4, [0.55] * 4)
    save_model(network, tmp_path, CONFIG, {})
    loaded = load_model(tmp_path)
    assert set(loaded.state_dict()) == set(KDSRNet(**SIZE).state_dict())
    kept = network.embed(lr).clamp(0.5, 0.6)
    assert not torch.equal(kept, network.embed(lr))
    assert torch.equal(loaded(lr), network.restore(lr, kept))


def test_a_range_of_another_embedding_is_refused(tmp_path):
    network = KDSRNet(**SIZE)
    network.embedding_range = EmbeddingRange([0.0], [1.0], [0.5])
    save_model(network, tmp_path, CONFIG, {})
    with pytest.raises(ValueError, match=r"1 entries, the embedding has 4\); copy the model again"):
        load_model(tmp_path)
