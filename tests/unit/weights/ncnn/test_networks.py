"""ncnn's models become ours: both networks, both ways to store weights, and nothing that computes something else."""

import ncnn_files
import pytest
import torch

from realsr_mod.networks.rrdb import RRDBNet
from realsr_mod.networks.srvgg import SRVGGNetCompact
from realsr_mod.weights.ncnn.graph import read_graph
from realsr_mod.weights.ncnn.networks import read_ncnn
from realsr_mod.weights.release import load_model

LR = torch.rand(1, 3, 5, 7, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("half", [True, False])
@torch.no_grad()
def test_compact_networks(tmp_path, half):
    path = ncnn_files.compact(half=half).save(tmp_path / "m.param")
    network, config = read_ncnn(path)
    assert config == {
        "_target_": "realsr_mod.networks.srvgg.SRVGGNetCompact", "scale": 2, "channels": 4, "num_convs": 1
    }  # fmt: skip
    assert torch.equal(network.body[2].weight, ncnn_files.weights(4, 4, 3, 3))
    assert torch.equal(network.body[3].weight, ncnn_files.weights(4))
    torch.testing.assert_close(network(LR), read_graph(path, path.with_suffix(".bin"))(LR))
    assert network(LR).shape == (1, 3, 10, 14)


@torch.no_grad()
def test_a_last_resizing_makes_another_scale(tmp_path):
    network, config = read_ncnn(ncnn_files.compact(scale=4, resize=0.75).save(tmp_path / "m.param"))
    assert (network.scale, network.shuffle, config["scale"], config["shuffle"]) == (3, 4, 3, 4)
    assert network(LR).shape == (1, 3, 15, 21)


@pytest.mark.parametrize("doublings", [1, 2, 3])
@torch.no_grad()
def test_rrdb_networks(tmp_path, doublings):
    path = ncnn_files.rrdb(doublings=doublings).save(tmp_path / "m.param")
    network, _ = read_ncnn(path)
    assert isinstance(network, RRDBNet)
    assert network.scale == 2**doublings
    torch.testing.assert_close(network(LR), read_graph(path, path.with_suffix(".bin"))(LR))


def test_a_graph_that_computes_something_else_is_refused(tmp_path):
    path = ncnn_files.rrdb(residual=0.5).save(tmp_path / "m.param")  # the very convolutions of an RRDBNet
    with pytest.raises(ValueError, match=r"m\.param: looks like RRDBNet, but its graph computes something else"):
        read_ncnn(path)


def test_another_architecture_is_named(tmp_path):
    writer = ncnn_files.Writer()
    writer.conv("in", ncnn_files.weights(3, 3, 3, 3), ncnn_files.weights(3))
    with pytest.raises(ValueError, match=r"neither an RRDBNet nor an SRVGGNetCompact: 1 convolutions"):
        read_ncnn(writer.save(tmp_path / "m.param"))


@pytest.mark.parametrize("given", ["4xMine", "4xMine.param", "4xMine.bin", "."])
@torch.no_grad()
def test_it_is_found_by_either_file_their_name_or_the_folder(tmp_path, given):
    path = (
        ncnn_files.compact().save(tmp_path / "models" / "4xMine.param") if (tmp_path / "models").mkdir() is None else 0
    )
    network = load_model(tmp_path / "models" / given)
    assert isinstance(network, SRVGGNetCompact)
    assert torch.equal(network(LR), read_ncnn(path)[0](LR))


def test_a_folder_of_several_asks_for_one(tmp_path):
    ncnn_files.compact().save(tmp_path / "4xA.param")
    ncnn_files.rrdb().save(tmp_path / "4xB.param")
    with pytest.raises(ValueError, match=r"holds 2 models; give one of them: 4xA\.param, 4xB\.param"):
        load_model(tmp_path)
    (tmp_path / "4xB.bin").unlink()
    with pytest.raises(FileNotFoundError, match=r"4xB\.bin: no such file; a model of ncnn is two files"):
        load_model(tmp_path / "4xB")


@torch.no_grad()
def test_a_pair_is_mixed_by_its_noise(tmp_path):
    strong = ncnn_files.compact(half=False)
    strong.save(tmp_path / "RealESRGAN_General_x4_v3.param")
    weak = ncnn_files.compact(half=False)
    weak.content = (torch.frombuffer(bytearray(strong.content), dtype=torch.float32) * 3).numpy().tobytes()
    weak.save(tmp_path / "RealESRGAN_General_WDN_x4_v3.param")
    network = load_model(tmp_path / "RealESRGAN_General_x4_v3")
    assert network.embedding_names == ("noise",)
    alone = [read_ncnn(tmp_path / f"RealESRGAN_General{kind}_x4_v3.param")[0](LR) for kind in ("_WDN", "")]
    for degree, expected in enumerate(alone):
        torch.testing.assert_close(network.restore(LR, torch.tensor([[float(degree)]])), expected)
    both = network.restore(LR.expand(2, -1, -1, -1), torch.tensor([[0.0], [0.5]]))
    torch.testing.assert_close(both[1:], network(LR))  # 0.5 is the published degree
    torch.testing.assert_close(both[:1], alone[0])
    assert (both[1] - alone[0]).abs().max() > 1e-3
    assert not load_model(tmp_path / "RealESRGAN_General_WDN_x4_v3").embedding_names
