from functools import partial

import pytest
import torch

from realsr_mod.data.batch import SRBatch
from realsr_mod.methods.plain.module import PlainSR
from realsr_mod.networks.srresnet import SRResNet


def test_loss_is_l1_and_reaches_every_weight():
    module = PlainSR(SRResNet(2, 4, 2), optimizer=partial(torch.optim.Adam, lr=0.01))
    hr = torch.rand(2, 3, 12, 16)
    batch = SRBatch(lr=hr[..., ::2, ::2], hr=hr)
    terms, sr = module.forward_losses(batch)
    assert set(terms) == {"pixel"}
    assert terms["pixel"].item() == pytest.approx((module.network(batch.lr) - hr).abs().mean().item(), rel=1e-6)
    assert torch.equal(sr, module.network(batch.lr))
    terms["pixel"].backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in module.network.parameters())
