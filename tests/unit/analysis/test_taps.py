import pytest
import torch

from realsr_mod.analysis.taps import default_taps, features_at
from realsr_mod.methods.kdsr.network import KDSRNet
from realsr_mod.methods.mmrealsr.network import MMRealSRNet
from realsr_mod.networks.base import Estimator, SRNetwork
from realsr_mod.networks.rrdb import RRDBNet
from realsr_mod.networks.srresnet import SRResNet

KDSR = {"scale": 2, "channels": 4, "encoder_blocks": 1, "restorer_blocks": 1}
LR = torch.rand(2, 3, 8, 8)


class Nearest(SRNetwork):
    scale = 2

    def restore(self, lr, embedding):
        return lr.repeat_interleave(2, 2).repeat_interleave(2, 3)


def hooks(network):
    return sum(len(module._forward_hooks) for module in network.modules())


def test_features_are_the_modules_outputs_and_the_hooks_are_gone():
    network = SRResNet(2, 4, 2).eval()
    seen = features_at(network, ["rb2", "conv1", "refine"], LR)
    assert list(seen) == ["rb2", "conv1", "refine"]
    assert torch.equal(seen["rb2"], network.features(LR))
    assert torch.equal(seen["conv1"], network.head(LR))
    assert seen["refine"].shape == (2, 4, 16, 16)
    assert hooks(network) == 0


def test_hooks_are_gone_after_an_error_too():
    network = KDSRNet(**KDSR)
    with pytest.raises(ValueError, match="'encoder' puts out no tensor"):
        features_at(network, ["encoder"], LR)
    assert hooks(network) == 0


def test_kdsr_gives_idr_and_distilled_vector_without_restoring(monkeypatch):
    network = KDSRNet(**KDSR).eval()
    monkeypatch.setattr(network, "restore", None)
    seen = features_at(network, default_taps(network), LR)
    idr, distilled = network.encode(LR)
    assert torch.equal(seen["embedding"], idr)
    assert torch.equal(seen["distilled"], distilled)


def test_a_teacher_is_shown_the_truth():
    teacher, hr = KDSRNet(**KDSR, sees_hr=True), torch.rand(2, 3, 16, 16)
    assert torch.equal(features_at(teacher, ["embedding"], LR, hr)["embedding"], teacher.embed(LR, hr))


def test_anything_that_embeds_will_do():
    class MeanColor(Estimator):
        embedding_dim = 3

        def embed(self, lr, hr=None):
            return lr.mean((2, 3))

    estimator = MeanColor()
    assert default_taps(estimator) == ("embedding",)
    assert torch.equal(features_at(estimator, ["embedding"], LR)["embedding"], LR.mean((2, 3)))


def test_every_network_says_where_to_look():
    degrees = {"estimator_widths": [4], "estimator_blocks": [1], "estimator_downscales": [1]}
    assert default_taps(MMRealSRNet(4, 4, 1, 2, **degrees)) == ("embedding",)
    assert default_taps(KDSRNet(**KDSR)) == ("embedding", "distilled")
    assert default_taps(SRResNet(2, 4, 8)) == ("rb8",)
    assert default_taps(RRDBNet(4, 4, 1, 2)) == ("body",)
    with pytest.raises(ValueError, match="no embedding and names no taps"):
        default_taps(Nearest())


def test_an_unknown_tap_is_named_with_what_there_is():
    with pytest.raises(ValueError, match=r"no tap 'rb3'; did you mean 'rb[12]'\? It has embedding, conv1, rb1, rb2"):
        features_at(SRResNet(2, 4, 2), ["rb3"], LR)
