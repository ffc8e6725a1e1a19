"""CRL-SR's networks: sizes, what is read at inference, and the parts of the training."""

import pytest
import torch

from realsr_mod.methods.crlsr.network import CRLSRNet, Decoder, Encoder, FeatureExtractor, at_places
from realsr_mod.networks.footprint import measure_reach
from realsr_mod.weights.release import load_model, save_model

SIZE = {"scale": 4, "channels": 4, "remover_blocks": 1, "restorer_blocks": 1}


@pytest.fixture
def lr():
    return torch.rand(2, 3, 6, 5, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("scale", [2, 3, 4])
def test_every_scale_enlarges_and_every_encoder_ends_on_the_lr_grid(scale, lr):
    network = CRLSRNet(scale, channels=4, remover_blocks=1, restorer_blocks=1)
    hr = network(lr)
    assert hr.shape == (2, 3, 6 * scale, 5 * scale)
    assert network.remover(lr).shape == Encoder(scale, 4, 1)(hr).shape == (2, 4, 6, 5)
    features = FeatureExtractor(scale, 4, 1, 8)(hr)
    torch.testing.assert_close(features.norm(dim=1), torch.ones(2, 6, 5))
    assert Decoder(scale, 4, 1, 8)(features).shape == hr.shape


def test_embedding_is_the_mean_of_the_removers_features_and_steers_nothing(lr):
    network = CRLSRNet(**SIZE)
    embedding = network.embed(lr)
    assert embedding.shape == (2, network.embedding_dim)
    torch.testing.assert_close(embedding, network.remover(lr).flatten(2).mean(2))
    assert torch.equal(network.restore(lr, embedding), network(lr))
    assert torch.equal(network.restore(lr, torch.zeros(2, 4)), network(lr))


def test_every_weight_of_the_network_is_used_by_restore(lr):
    network = CRLSRNet(**SIZE)
    network.restore(lr, network.embed(lr)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in network.parameters())


def test_details_beyond_the_lr_grid_reach_the_hr_encoder():
    hr = torch.rand(1, 3, 8, 8).requires_grad_()
    Encoder(4, 4, 1)(hr).square().sum().backward()
    assert (hr.grad != 0).all()


def test_places_are_row_major():
    features = torch.arange(2 * 3 * 4 * 5.0).reshape(2, 3, 4, 5)
    places = torch.tensor([[0, 7], [19, 3]])
    found = at_places(features, places)
    assert found.shape == (2, 2, 3)
    assert torch.equal(found[0, 1], features[0, :, 1, 2])
    assert torch.equal(found[1, 0], features[1, :, 3, 4])


def test_tiles_can_be_exact():
    torch.manual_seed(0)
    assert measure_reach(CRLSRNet(**SIZE)) <= 2 * (1 + 2 + 1) + 4  # remover and restorer, then the upsampler's


def test_released_model_comes_back(tmp_path, lr):
    network = CRLSRNet(**SIZE).eval()
    save_model(network, tmp_path, {"_target_": "realsr_mod.methods.crlsr.network.CRLSRNet", **SIZE}, {})
    assert torch.equal(load_model(tmp_path)(lr), network(lr))
