"""Ranking and anchor losses by hand."""

import pytest
import torch

from realsr_mod.methods.mmrealsr.loss import RankingLoss, anchor_loss, crosstalk_loss


def test_ranking_by_hand():
    less, more = torch.tensor([0.2, 0.5, 0.9]), torch.tensor([0.3, 0.52, 0.4])
    # satisfied by more than the margin: 0; by 0.02: 0.05 - 0.02; violated by 0.5: 0.5 + 0.05
    assert RankingLoss(0.05)(less, more).item() == pytest.approx((0 + 0.03 + 0.55) / 3, abs=1e-6)


def test_ranking_of_equal_degrees_is_the_margin_and_still_separates_them():
    degrees = torch.full((4, 2), 0.5, requires_grad=True)
    loss = RankingLoss(0.05)(degrees[:, 0], degrees[:, 1])
    loss.backward()
    assert loss.item() == pytest.approx(0.05, abs=1e-6)
    torch.testing.assert_close(degrees.grad, torch.tensor([[0.25, -0.25]]).expand(4, 2))


def test_anchors_by_hand():
    loss = anchor_loss(torch.tensor([[0.1, 0.2], [0.0, 0.0]]), torch.tensor([[1.0, 0.5], [1.0, 1.0]]))
    assert loss.item() == pytest.approx((0.01 + 0.04) / 2 + 0.25 / 2)


def test_crosstalk_by_hand():
    base, blurrier, noisier = torch.tensor([[0.2, 0.3], [0.5, 0.5]]), torch.rand(2, 2), torch.rand(2, 2)
    blurrier[:, 1] = torch.tensor([0.1, 0.5])  # noise, which blur should leave alone
    noisier[:, 0] = torch.tensor([0.2, 0.6])  # blur, which noise should leave alone
    assert crosstalk_loss(base, blurrier, noisier).item() == pytest.approx((0.04 + 0.01) / 2, abs=1e-6)


def test_margin_must_fit_between_degrees():
    with pytest.raises(ValueError, match=r"between 0 and 1.*got 1.5"):
        RankingLoss(1.5)
