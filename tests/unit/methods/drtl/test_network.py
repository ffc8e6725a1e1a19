import pytest
import torch

from realsr_mod.methods.drtl.network import RelationNetwork, relation_weights, spread_patches, target_embedding
from realsr_mod.weights.release import load_model, load_restorer, save_model

SIZE = {"scale": 2, "tasks": ["a", "b", "c"], "channels": 4, "embedding_dim": 8}


@pytest.fixture
def network():
    torch.manual_seed(0)
    return RelationNetwork(**SIZE).eval()


def test_weights_are_a_softmax_over_cosines(network):
    with torch.no_grad():
        network.memory_KD.copy_(torch.eye(8)[:3] * torch.tensor([1.0, 2.0, 3.0])[:, None])  # lengths do not matter
    target = torch.tensor([0.6, 0.8, 0, 0, 0, 0, 0, 0])
    weights = relation_weights(network, 5 * target, temperature=0.5)
    expected = torch.softmax(torch.tensor([0.6, 0.8, 0.0]) / 0.5, 0)
    torch.testing.assert_close(weights, expected)
    assert relation_weights(network, target, 1e3).tolist() == pytest.approx([1 / 3] * 3, abs=1e-3)
    with pytest.raises(ValueError, match="temperature must be positive, got 0"):
        relation_weights(network, target, 0)


def test_the_memory_is_read_by_attention(network):
    embedding = network.embed(torch.rand(2, 3, 12, 12))
    torch.testing.assert_close(embedding.norm(dim=1), torch.ones(2))
    memory = network.task_embeddings()
    attention = torch.softmax(embedding @ memory.T / 0.1, 1)
    torch.testing.assert_close(network.recall(embedding), attention @ memory)
    torch.testing.assert_close(network.logits(memory).argmax(1), torch.arange(3))


def test_a_target_is_the_mean_over_its_patches(network):
    images = [torch.rand(3, 16, 24), torch.rand(3, 8, 8)]
    patches = torch.cat([spread_patches(image, 8, 100) for image in images])
    assert len(patches) == 2 * 3 + 1
    with torch.no_grad():
        expected = network.recall(network.embed(patches)).mean(0)
    torch.testing.assert_close(target_embedding(network, images, 8, 100), expected)


def test_patches_are_spread_evenly_and_small_images_stay_whole():
    image = torch.arange(4.0).repeat_interleave(2).expand(3, 2, 8)
    assert spread_patches(image, 2, 2)[:, 0, 0, 0].tolist() == [0, 3]
    assert spread_patches(image, 50, 9).shape == (1, 3, 2, 8)


def test_gradients_reach_encoder_and_memory(network):
    network.train()
    network.logits(network.embed(torch.rand(4, 3, 12, 12))).logsumexp(1).sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for name, p in network.named_parameters())


def test_it_is_saved_and_loaded_as_any_model_but_restores_nothing(network, tmp_path):
    target = "realsr_mod.methods.drtl.network.RelationNetwork"
    save_model(network, tmp_path, {"_target_": target, **SIZE}, {})
    loaded = load_model(tmp_path)
    lr = torch.rand(1, 3, 12, 12)
    assert torch.equal(loaded.embed(lr), network.embed(lr))
    assert loaded.tasks == ("a", "b", "c")
    with pytest.raises(ValueError, match="RelationNetwork estimates the degradation and makes no images"):
        load_restorer(tmp_path)
