"""PSNR as a loss."""

import pytest
import torch

from realsr_mod.losses.psnr import PSNRLoss


@pytest.fixture
def images():
    """Two images and their restorations, off by 0.1 (20 dB) and by 0.01 (40 dB) everywhere."""
    hr = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    return hr + torch.tensor([0.1, -0.01]).reshape(2, 1, 1, 1), hr


def test_it_is_the_mean_over_images_and_not_the_psnr_of_their_mean_error(images):
    assert PSNRLoss(floor=1e-12)(*images).item() == pytest.approx(-30, abs=1e-3)  # of the pooled error: -22.97
    assert PSNRLoss(floor=1e-12)(images[0][1], images[1][1]).item() == pytest.approx(-40, abs=1e-3)


def test_images_count_by_the_ratio_of_their_errors_down_to_the_floor(images):
    def pull(floor: float) -> list[float]:
        """How much a relative change of each image's error would change the loss."""
        sr, hr = images
        factor = torch.ones(2, 1, 1, 1, requires_grad=True)
        PSNRLoss(floor)(hr + factor * (sr - hr), hr).backward()
        return factor.grad.flatten().tolist()

    assert pull(1e-12)[0] == pytest.approx(pull(1e-12)[1], rel=1e-3)
    assert pull(1e-3)[1] / pull(1e-3)[0] == pytest.approx((1e-4 / 1.1e-3) / (1e-2 / 1.1e-2), rel=1e-3)


def test_equal_images_reach_the_floor_and_have_a_gradient(images):
    hr = images[1].requires_grad_()
    loss = PSNRLoss()(hr, hr.detach())
    loss.backward()
    assert loss.item() == pytest.approx(-30)
    assert torch.equal(hr.grad, torch.zeros_like(hr))


def test_a_floor_of_nothing_is_refused():
    with pytest.raises(ValueError, match="floor must be positive, got 0"):
        PSNRLoss(0)
