"""Output distillation: the loss on a tiny teacher, and its place in every method's training."""

from functools import partial

import pytest
import torch
from torch import nn

from realsr_mod.data.batch import SRBatch
from realsr_mod.losses.output_distillation import OutputDistillationLoss
from realsr_mod.methods.kdsr.network import KDSRNet
from realsr_mod.methods.plain.module import PlainSR
from realsr_mod.runtime.compose import compose, instantiate
from realsr_mod.weights.release import save_model

SIZES = {"scale": 2, "channels": 4, "encoder_blocks": 1, "restorer_blocks": 1}
LR, HR = (torch.rand(2, 3, s, s, generator=torch.Generator().manual_seed(s)) for s in (8, 16))


def released(folder, **sizes) -> KDSRNet:
    torch.manual_seed(1)
    network = KDSRNet(**SIZES | sizes)
    save_model(network, folder, SIZES | sizes | {"_target_": "realsr_mod.methods.kdsr.network.KDSRNet"}, {"name": "a"})
    return network


def test_it_is_the_weighted_distance_from_the_teachers_images(tmp_path):
    teacher = released(tmp_path)
    loss = OutputDistillationLoss(tmp_path, weight=0.5)
    sr = HR.clone().requires_grad_()
    value = loss(sr, LR, nn.MSELoss())
    value.backward()
    torch.testing.assert_close(value, 0.5 * (HR - teacher(LR)).square().mean())
    torch.testing.assert_close(sr.grad, 0.5 * 2 * (HR - teacher(LR)) / HR.numel())
    assert loss(teacher(LR), LR, nn.L1Loss()).item() < 1e-6


def test_training_adds_it_by_the_methods_own_pixel_loss_and_keeps_the_teacher_out_of_checkpoints(tmp_path, monkeypatch):
    teacher = released(tmp_path)
    logged = {}
    monkeypatch.setattr(PlainSR, "log", lambda self, name, value, **_: logged.update({name: value}))
    monkeypatch.setattr(PlainSR, "log_dict", lambda self, values, **_: logged.update(values))
    network = KDSRNet(**SIZES)
    distillation = OutputDistillationLoss(tmp_path, weight=2)
    module = PlainSR(
        network, partial(torch.optim.Adam, lr=1e-3), pixel_loss=nn.MSELoss(), output_distillation=distillation
    )
    total = module.training_step(SRBatch(LR, HR), 0)
    pixel, distance = (network(LR) - HR).square().mean(), (network(LR) - teacher(LR)).square().mean()
    torch.testing.assert_close(logged["train/output_distillation"], 2 * distance)
    torch.testing.assert_close(total, pixel + 2 * distance)
    assert all(key.startswith("network.") for key in module.state_dict())
    assert {id(p) for p in module.parameters()} == {id(p) for p in network.parameters()}


def test_what_cannot_teach_is_refused(tmp_path):
    released(tmp_path / "x4", scale=4)
    with pytest.raises(ValueError, match=r"x4 enlarges 4 times, to \(32, 32\); the network trained gives \(16, 16\)"):
        OutputDistillationLoss(tmp_path / "x4")(HR, LR, nn.L1Loss())
    released(tmp_path / "sees_hr", sees_hr=True)
    with pytest.raises(ValueError, match="sees_hr reads the truth as well"):
        OutputDistillationLoss(tmp_path / "sees_hr")
    with pytest.raises(ValueError, match=r"weight must be positive, got 0.*output_distillation=null"):
        OutputDistillationLoss("kdsr-real-x4", weight=0)


def test_any_method_takes_it_by_name():
    options = ["output_distillation=released", "output_distillation.model=kdsr-real-x4"]
    cfg = compose("train", ["experiment=crlsr", *options])
    assert cfg.method.output_distillation == cfg.output_distillation
    loss = instantiate(cfg.output_distillation)
    assert (loss.weight, loss.teacher.scale, loss.teacher.training) == (1.0, 4, False)
    assert not any(p.requires_grad for p in loss.teacher.parameters())
