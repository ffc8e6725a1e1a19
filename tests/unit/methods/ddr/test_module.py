from functools import partial

import pytest
import torch

from realsr_mod.analysis.taps import features_at
from realsr_mod.data.batch import SRBatch
from realsr_mod.methods.ddr.module import DDRGuided
from realsr_mod.methods.ddr.network import DDRGuidedNet
from realsr_mod.methods.kdsr.network import KDSRNet
from realsr_mod.networks.srresnet import SRResNet
from realsr_mod.weights.release import build_network, load_model, save_model
from realsr_mod.weights.state import load_state

SIZE = {"channels": 4, "num_blocks": 2, "global_residual": True}
NETWORK = {"scale": 2, "channels": 6, "restorer_blocks": 1, "representation": SIZE}
ADAM = partial(torch.optim.Adam, lr=0.01)


def released(network, folder, **arguments):
    target = f"{type(network).__module__}.{type(network).__name__}"
    save_model(network, folder, {"_target_": target, **arguments}, {})
    return str(folder)


@pytest.fixture
def srresnet(tmp_path):
    torch.manual_seed(1)
    return released(SRResNet(2, **SIZE), tmp_path / "srresnet", scale=2, **SIZE)


def test_the_representation_is_the_trained_one_and_stays_while_all_else_learns(srresnet):
    module = DDRGuided(DDRGuidedNet(**NETWORK), srresnet, optimizer=ADAM)
    source = load_model(srresnet).state_dict()
    before = {name: value.clone() for name, value in module.network.state_dict().items()}
    optimizer = module.configure_optimizers()["optimizer"]
    hr = torch.rand(2, 3, 12, 16)
    for _ in range(2):
        terms, _ = module.forward_losses(SRBatch(lr=hr[..., ::2, ::2], hr=hr))
        optimizer.zero_grad()
        sum(terms.values()).backward()
        optimizer.step()
    after = module.network.state_dict()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {name for name, _ in module.network.named_parameters() if not name.startswith("representation.")}
    assert all(torch.equal(after[f"representation.{name}"], value) for name, value in source.items())


def test_the_embedding_is_read_off_the_mean_of_the_last_block(srresnet):
    network = DDRGuidedNet(**NETWORK)
    load_state(network.representation, load_model(srresnet).state_dict(), srresnet)
    lr = torch.rand(2, 3, 6, 5)
    features = features_at(load_model(srresnet), ["rb2"], lr)["rb2"]
    assert torch.allclose(network.embed(lr), network.to_embedding(features.mean((2, 3))), atol=1e-6)
    other = network.restore(lr, network.embed(lr).flip(0))
    assert not torch.allclose(network(lr), other, atol=1e-6)


def test_a_released_one_carries_its_representation(srresnet, tmp_path):
    module = DDRGuided(DDRGuidedNet(**NETWORK), srresnet, optimizer=ADAM)
    folder = released(module.network, tmp_path / "guided", **NETWORK)
    lr = torch.rand(1, 3, 6, 5)
    assert torch.equal(load_model(folder)(lr), module.network(lr))


def test_what_does_not_fit_is_named(srresnet, tmp_path):
    wide = DDRGuidedNet(**NETWORK | {"representation": SIZE | {"channels": 8}})
    with pytest.raises(ValueError, match=r"'channels': 4.*network.representation"):
        DDRGuided(wide, srresnet, optimizer=ADAM)
    size = {"scale": 2, "channels": 4, "encoder_blocks": 1, "restorer_blocks": 1}
    with pytest.raises(ValueError, match="is a KDSRNet"):
        DDRGuided(DDRGuidedNet(**NETWORK), released(KDSRNet(**size), tmp_path / "kdsr", **size), optimizer=ADAM)
    with pytest.raises(ValueError, match="random features"):
        DDRGuided(DDRGuidedNet(**NETWORK), None, optimizer=ADAM)
    assert build_network({"_target_": "realsr_mod.methods.ddr.network.DDRGuidedNet", **NETWORK}).embedding_dim == 6
