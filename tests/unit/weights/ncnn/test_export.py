"""ncnn's files of our networks, run by ncnn itself at sizes of which nothing was told, and read back."""

import numpy as np
import pytest
import torch
from torch import nn

from realsr_mod.methods.kdsr.network import KDSRNet
from realsr_mod.methods.mmrealsr.network import MMRealSRNet
from realsr_mod.networks.rrdb import RRDBNet
from realsr_mod.networks.srresnet import SRResNet
from realsr_mod.networks.srvgg import SRVGGNetCompact
from realsr_mod.weights.ncnn.export import export_ncnn
from realsr_mod.weights.ncnn.networks import read_ncnn

ncnn = pytest.importorskip("ncnn")
pytest.importorskip("pnnx")

MM_SIZES = {"estimator_widths": [4], "estimator_blocks": [1], "estimator_downscales": [1]}
NETWORKS = {
    "srresnet": lambda: SRResNet(4, 4, 1),
    "rrdb": lambda: RRDBNet(4, 4, 1, 2),
    "compact": lambda: SRVGGNetCompact(2, 4, 1),
    "mmrealsr": lambda: MMRealSRNet(4, 4, 1, 2, **MM_SIZES),
    "kdsr": lambda: KDSRNet(4, 4, 1, 1),
}


def network_named(name):
    torch.manual_seed(0)
    network = NETWORKS[name]().eval()
    for module in network.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.5)  # initialized so small that the degradation would hardly show
    return network


def run(param, lr):
    """What another program gets: input `data`, output `output`, in ncnn's own default precision but without a GPU."""
    net = ncnn.Net()
    assert net.load_param(str(param)) == net.load_model(str(param.with_suffix(".bin"))) == 0
    with net.create_extractor() as extractor:
        extractor.input("data", ncnn.Mat(lr[0].numpy()))
        return torch.from_numpy(np.array(extractor.extract("output")[1]))[None]


@pytest.mark.parametrize("name", NETWORKS)
@torch.no_grad()
def test_ncnn_computes_what_torch_does(tmp_path, name):
    network, path = network_named(name), tmp_path / "m.param"
    embedding = torch.linspace(0.2, 0.9, network.embedding_dim)
    assert export_ncnn(network, path, embedding) < 5e-3
    for size in ((9, 41), (30, 16)):
        lr = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(size[0]))
        expected = network.restore(lr, embedding[None])
        scale = expected.abs().max().clamp(min=1)
        assert ((run(path, lr) - expected).abs().max() / scale) < 1e-2  # half precision, as published models have
        if network.embedding_dim:
            other = network.restore(lr, 1 - embedding[None])
            assert (other - expected).abs().max() > 5 * (run(path, lr) - expected).abs().max(), "it is this embedding"
    if name in ("rrdb", "compact"):
        again, _ = read_ncnn(path)
        assert type(again) is type(network)
        for key, value in network.state_dict().items():
            torch.testing.assert_close(again.state_dict()[key], value, atol=1e-3, rtol=1e-3)


def test_what_ncnn_cannot_do_is_said():
    with pytest.raises(ValueError, match="cannot fold photos of any size"):
        export_ncnn(RRDBNet(2, 4, 1, 2), "unused.param")
    with pytest.raises(ValueError, match="needs an embedding of 2 numbers to be fixed"):
        export_ncnn(network_named("mmrealsr"), "unused.param")
