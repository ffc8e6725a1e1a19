import torch

from realsr_mod.data.datamodule import EmbeddedDataModule
from realsr_mod.degradations.classic import ClassicDegradation
from realsr_mod.methods.kdsr.network import KDSRNet
from realsr_mod.networks.srresnet import SRResNet
from realsr_mod.training.known_range import measured_range


def test_the_range_holds_what_the_network_makes_of_its_photos():
    torch.manual_seed(0)
    network = KDSRNet(4, channels=4, encoder_blocks=1, restorer_blocks=1)
    data = EmbeddedDataModule(ClassicDegradation(4), scale=4)
    data.setup()
    known = measured_range(network, data)
    batches = list(data.repeated_degradations(data.train_files[:2]))
    with torch.no_grad():
        for batch in batches:
            embedding = network.embed(batch.lr)
            assert torch.equal(known(embedding), embedding)
        assert not torch.equal(known(50 * embedding), 50 * embedding)
    assert measured_range(SRResNet(4, channels=4, num_blocks=1), data) is None
