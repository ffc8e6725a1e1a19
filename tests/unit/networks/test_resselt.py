"""Networks of the package resselt: one function, from a file and from what is released of it."""

import json

import pytest
import torch

from realsr_mod.networks.resselt import ResseltNet, described_by
from realsr_mod.weights.official import read_official
from realsr_mod.weights.release import load_restorer, save_model

pytest.importorskip("resselt")


def span(**options: object) -> torch.nn.Module:
    from resselt.archs.span.arch import SPAN

    return SPAN(**{"num_in_ch": 3, "num_out_ch": 3, "feature_channels": 4, "upscale": 2} | options)


def swinir(**options: object) -> torch.nn.Module:
    from resselt.archs.swinir.arch import SwinIR

    sizes = {"img_size": 8, "embed_dim": 8, "depths": [2], "num_heads": [2], "window_size": 4, "mlp_ratio": 2}
    return SwinIR(**sizes | {"upscale": 3, "upsampler": "pixelshuffledirect"} | options)


def plksr(**options: object) -> torch.nn.Module:
    """Its upsampler asks for pinned memory, which there is beside CUDA alone."""
    from resselt.archs.plksr.rplksr import realplksr

    return realplksr(**{"dim": 16, "n_blocks": 1, "upscaling_factor": 4, "kernel_size": 5} | options)


def dat(**options: object) -> torch.nn.Module:
    """Its windows are told by the last row of a table."""
    from resselt.archs.dat.arch import DAT

    sizes = {
        "img_size": 16,
        "embed_dim": 32,
        "depth": [2],
        "num_heads": [2],
        "split_size": [2, 4],
        "expansion_factor": 2,
    }
    return DAT(**sizes | {"expansion_factor": 2, "upscale": 2, "upsampler": "pixelshuffledirect"} | options)


@pytest.mark.parametrize(("make", "scale"), [(span, 2), (swinir, 3), (plksr, 4), (dat, 2)])
@torch.no_grad()
def test_a_file_and_what_is_released_from_it_are_the_same_function(tmp_path, make, scale):
    theirs = make().eval()
    torch.save({"params_ema": theirs.state_dict()}, tmp_path / "net.pth")
    network, config = read_official(tmp_path / "net.pth")
    assert network.scale == scale
    lr = torch.rand(1, 3, 13, 18, generator=torch.Generator().manual_seed(0))
    expected = network(lr)
    assert expected.shape == (1, 3, 13 * scale, 18 * scale)
    if make is not plksr:
        torch.testing.assert_close(expected, theirs(lr), atol=0, rtol=0)
    save_model(network, tmp_path / "model", json.loads(json.dumps(config)), {})
    torch.testing.assert_close(load_restorer(tmp_path / "model")(lr), expected, atol=0, rtol=0)


def test_every_weight_trains():
    network = read_official(swinir().state_dict())[0].train()
    network(torch.rand(1, 3, 8, 8)).square().mean().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in network.parameters())


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        (lambda: span(num_in_ch=4, num_out_ch=4).state_dict(), "4 channels in, 4 out"),
        (lambda: {"some.weight": torch.zeros(3, 3)}, "no architecture of resselt has these tensors"),
        (lambda: swinir().state_dict() | {"layers.0.residual_group.blocks.0.mlp.fc1.bias": torch.zeros(5)}, "size"),
    ],
)
def test_what_is_no_network_of_three_channels_is_refused(state, reason):
    with pytest.raises(ValueError, match=reason):
        ResseltNet(**described_by(state()))


def test_without_the_package_its_extra_is_named(monkeypatch):
    monkeypatch.setattr("realsr_mod.networks.resselt.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install 'realsr_mod\[architectures\]'"):
        read_official(span().state_dict())
