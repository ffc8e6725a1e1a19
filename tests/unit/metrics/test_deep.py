"""LPIPS and DISTS without torchvision: torchmetrics' own figures over the same networks, and files that are missing."""

import types

import pytest
import torch
from torch import nn

from realsr_mod.metrics.deep import DISTS, LPIPS, network_weights
from realsr_mod.metrics.named import named_measures

IMAGES = [torch.rand(2, 3, 48, 40, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1)]
ALEXNET = [(64, 11, 4, 2), "pool", (192, 5, 1, 2), "pool", (384, 3, 1, 1), (256, 3, 1, 1), (256, 3, 1, 1)]
VGG16 = [64, 64, "pool", 128, 128, "pool", 256, 256, 256, "pool", 512, 512, 512, "pool", 512, 512, 512, "pool"]


def features(plan, pool):
    """`features` of a network of torchvision, with random weights, its layers at torchvision's places."""
    torch.manual_seed(0)
    layers, channels = [], 3
    for step in plan:
        if step == "pool":
            layers.append(pool())
            continue
        width, *rest = step if isinstance(step, tuple) else (step, 3, 1, 1)
        layers += [nn.Conv2d(channels, width, *rest), nn.ReLU(inplace=False)]
        nn.init.kaiming_normal_(layers[-2].weight)
        channels = width
    return nn.Sequential(*layers)


def state(network):
    return {f"features.{key}": value.detach() for key, value in network.state_dict().items()}


def test_lpips_is_torchmetrics_s(monkeypatch):
    import torchmetrics.functional.image.lpips as theirs

    network = features(ALEXNET, lambda: nn.MaxPool2d(3, 2))
    monkeypatch.setattr(theirs, "_get_tv_model_features", lambda *args: network)
    expected = theirs._LPIPS(net="alex")(*IMAGES, normalize=True).flatten()
    found = LPIPS(state(network))(*IMAGES)
    torch.testing.assert_close(found, expected.detach(), rtol=1e-4, atol=1e-6)
    assert LPIPS(state(network))(IMAGES[0], IMAGES[0]).tolist() == [0, 0]


def test_dists_is_torchmetrics_s(monkeypatch):
    import torchmetrics.functional.image.dists as theirs

    network = features(VGG16, lambda: nn.MaxPool2d(2))
    monkeypatch.setattr(theirs, "_TORCHVISION_AVAILABLE", True)
    monkeypatch.setattr(theirs, "vgg16", lambda weights: types.SimpleNamespace(features=network), raising=False)
    monkeypatch.setattr(theirs, "VGG16_Weights", types.SimpleNamespace(DEFAULT=None), raising=False)
    expected = theirs.DISTSNetwork()(*IMAGES).flatten()
    found = DISTS(state(network))(*IMAGES)
    torch.testing.assert_close(found, expected.detach(), rtol=1e-3, atol=1e-4)
    assert DISTS(state(network))(IMAGES[0], IMAGES[0]).abs().max() < 1e-4


@pytest.mark.parametrize(("name", "file"), [("lpips", "alexnet-owt-7be5be79.pth"), ("dists", "vgg16-397923af.pth")])
def test_what_is_missing_is_named(name, file, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(ValueError, match=rf"needs torchvision's {file}.*give it by metric_weights\.{name}=FILE"):
        named_measures([name])
    other = tmp_path / "other.pth"
    torch.save({}, other)
    with pytest.raises(ValueError, match=rf"SHA-256 begins with .* that of {file} with {file[-12:-4]}"):
        network_weights(name, str(other))
