"""The perceptual loss on a two-layer VGG19."""

import hashlib

import pytest
import torch

from realsr_mod.losses.perceptual import PerceptualLoss
from realsr_mod.losses.vgg import VGG19Features


@pytest.fixture
def loss(tmp_path):
    generator = torch.Generator().manual_seed(0)
    state = {
        "features.0.weight": 0.1 * torch.randn(64, 3, 3, 3, generator=generator),
        "features.0.bias": torch.zeros(64),
        "features.2.weight": 0.1 * torch.randn(64, 64, 3, 3, generator=generator),
        "features.2.bias": torch.zeros(64),
    }
    path = tmp_path / "vgg19.pth"
    torch.save(state, path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return PerceptualLoss({"conv1_1": 0.25, "conv1_2": 2.0}, str(path), digest), VGG19Features(
        ["conv1_1", "conv1_2"], state
    )


def test_weighted_sum_of_l1_distances(loss):
    perceptual, vgg = loss
    generator = torch.Generator().manual_seed(1)
    sr, hr = (torch.rand(2, 3, 8, 8, generator=generator) for _ in range(2))
    a, b = vgg(sr), vgg(hr)
    expected = sum(w * (a[n] - b[n]).abs().mean() for n, w in {"conv1_1": 0.25, "conv1_2": 2.0}.items())
    torch.testing.assert_close(perceptual(sr, hr), expected)
    assert perceptual(hr, hr).item() == 0


def test_gradient_reaches_sr_alone(loss):
    perceptual, _ = loss
    sr, hr = (torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(s)) for s in (1, 2))
    sr.requires_grad_(True), hr.requires_grad_(True)
    perceptual(sr, hr).backward()
    assert sr.grad.abs().sum() > 0
    assert hr.grad is None
