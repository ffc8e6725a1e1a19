from functools import partial

import pytest
import torch
from my_method.degradation import Haze
from my_method.method import EdgeSR, edge_loss
from my_method.network import EdgeNet

from realsr_mod import SRBatch, row


def test_a_brighter_image_has_the_same_edges_and_a_step_counts_by_its_height():
    image = torch.zeros(1, 1, 3, 4)
    step = image.clone()
    step[..., 2:] = 0.5
    assert edge_loss(image + 0.3, image).item() == 0
    assert edge_loss(step, image).item() == pytest.approx(0.5 / 3)  # one of three differences across, none down


def test_both_terms_are_weighted_and_reach_every_weight():
    module = EdgeSR(EdgeNet(2, 4, 1), edge_weight=0.2, optimizer=partial(torch.optim.Adam, lr=0.01))
    hr = torch.rand(2, 3, 12, 16)
    terms, sr = module.forward_losses(SRBatch(lr=hr[..., ::2, ::2], hr=hr))
    torch.testing.assert_close(terms["pixel"], (sr - hr).abs().mean())
    torch.testing.assert_close(terms["edges"], 0.2 * edge_loss(sr, hr))
    sum(terms.values()).backward()
    assert all(parameter.grad.any() for parameter in module.network.parameters())


def test_haze_is_replayed_row_by_row_and_keeps_white_white():
    haze, x = Haze([0.5, 0.9]), torch.rand(3, 3, 8, 8)
    params = haze.sample(x.shape, torch.Generator().manual_seed(0))
    torch.testing.assert_close(haze(x[1:2], row(params, 1)), haze(x, params)[1:2])
    torch.testing.assert_close(haze(torch.ones(3, 3, 8, 8), params), torch.ones(3, 3, 8, 8))
    torch.testing.assert_close(haze(torch.zeros(3, 3, 8, 8), params).amax((1, 2, 3)), 1 - params["transmission"])
