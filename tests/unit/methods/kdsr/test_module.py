import logging
from functools import partial

import pytest
import torch

from realsr_mod.data.batch import SRBatch
from realsr_mod.methods.kdsr.module import KDSRStudent, KDSRTeacher, report_teacher
from realsr_mod.methods.kdsr.network import KDSRNet
from realsr_mod.networks.base import EmbeddingRange
from realsr_mod.weights.release import save_model

SIZE = {"scale": 2, "channels": 4, "encoder_blocks": 1, "restorer_blocks": 1}
ADAM = partial(torch.optim.Adam, lr=0.01)


def make_teacher(folder, **changes):
    size = SIZE | changes
    target = "realsr_mod.methods.kdsr.network.KDSRNet"
    torch.manual_seed(1)
    return save_model(KDSRNet(**size, sees_hr=True), folder, {"_target_": target, **size, "sees_hr": True}, {})


@pytest.fixture
def teacher(tmp_path):
    make_teacher(tmp_path)
    return str(tmp_path)


def make_batch(step=0):
    generator = torch.Generator().manual_seed(0)
    hr = torch.rand(2, 3, 12, 16, generator=generator)
    return SRBatch(lr=hr[..., ::2, ::2], hr=hr, step=step)


def test_teacher_is_frozen_and_the_whole_student_learns(teacher):
    module = KDSRStudent(KDSRNet(**SIZE), teacher, optimizer=ADAM)
    before = {name: p.clone() for name, p in module.named_parameters()}
    optimizer = module.configure_optimizers()["optimizer"]
    for _ in range(2):
        terms, _ = module.forward_losses(make_batch())
        optimizer.zero_grad()
        sum(terms.values()).backward()
        optimizer.step()
    changed = {name for name, p in module.named_parameters() if not torch.equal(p, before[name])}
    assert changed == {name for name in before if name.startswith("network.")}
    assert all(p.grad is None for p in module.teacher.parameters())


def test_a_frozen_encoder_stays_as_it_is():
    module = KDSRStudent(KDSRNet(**SIZE), teacher=None, optimizer=ADAM, freeze_encoder=True)
    before = {name: p.clone() for name, p in module.network.named_parameters()}
    optimizer = module.configure_optimizers()["optimizer"]
    sum(module.forward_losses(make_batch())[0].values()).backward()
    optimizer.step()
    changed = {name for name, p in module.network.named_parameters() if not torch.equal(p, before[name])}
    assert changed == {name for name in before if not name.startswith("encoder.")}


def test_a_network_that_begins_with_another_is_steered_by_what_that_one_knows(tmp_path):
    torch.manual_seed(1)
    start, batch = KDSRNet(**SIZE), make_batch()
    idr = start.embed(batch.lr).detach()
    start.embedding_range = EmbeddingRange.around(idr.new_tensor([[0.0], [1e-3]]).expand(2, 4), margin=0)
    save_model(start, tmp_path, {"_target_": "realsr_mod.methods.kdsr.network.KDSRNet", **SIZE}, {})
    module = KDSRStudent(KDSRNet(**SIZE), None, optimizer=ADAM, start_from=str(tmp_path))
    _, sr = module.forward_losses(batch)
    assert torch.equal(sr, start.restore(batch.lr, idr.clamp(0, 1e-3)))
    assert torch.equal(sr, module.predict_sr(batch))
    assert not torch.equal(sr, start.restore(batch.lr, idr))


@pytest.mark.parametrize("make", [partial(KDSRStudent, teacher=None), KDSRTeacher])
def test_the_encoder_may_learn_at_a_rate_of_its_own(make):
    module = make(KDSRNet(**SIZE, sees_hr=make is KDSRTeacher), optimizer=ADAM, encoder_lr_ratio=0.1)
    rates = {
        id(p): group["lr"] for group in module.configure_optimizers()["optimizer"].param_groups for p in group["params"]
    }
    for name, parameter in module.network.named_parameters():
        assert rates.pop(id(parameter)) == pytest.approx(0.001 if name.startswith("encoder.") else 0.01), name
    assert not rates


@pytest.mark.parametrize(
    ("what", "differs"),
    [
        ("all", {"encoder.features.0"}),  # reads 3 channels, the teacher's 15
        ("restorer", {"encoder"}),
        (None, {"encoder", "restorer"}),
    ],
)
def test_student_starts_from_what_it_is_told_of_its_teacher(teacher, what, differs):
    module = KDSRStudent(KDSRNet(**SIZE), teacher, initialize_from_teacher=what, optimizer=ADAM)
    student, state = module.network.state_dict(), module.teacher.state_dict()
    weights = [key for key in student if key.endswith("weight")]  # biases are zero in both
    for key in weights:
        same = not key.startswith(tuple(differs))
        assert torch.equal(student[key], state[key]) == same, key


def test_an_unknown_start_is_named(teacher):
    with pytest.raises(ValueError, match="restorer, all or null, got True"):
        KDSRStudent(KDSRNet(**SIZE), teacher, initialize_from_teacher=True, optimizer=ADAM)


def test_a_blind_teacher_is_said_to_be_unable_to_teach(caplog):
    with caplog.at_level(logging.INFO):
        report_teacher(0.25, least=0.1)
        assert "cannot teach" not in caplog.text
        report_teacher(0.004, least=0.1)
    assert "degradation explains 25.0 % of the teacher's" in caplog.text
    assert "cannot teach: degradation explains 0.4 %" in caplog.text


def test_loss_is_l1_plus_weighted_distillation(teacher):
    module = KDSRStudent(KDSRNet(**SIZE), teacher, 0.5, initialize_from_teacher=None, optimizer=ADAM)
    batch = make_batch()
    terms, sr = module.forward_losses(batch)
    student, target = module.network.encode(batch.lr)[1], module.teacher.encode(batch.lr, batch.hr)[1]
    p, q = (torch.softmax(x / 0.15, 1) for x in (target, student))
    assert terms["distillation"].item() == pytest.approx(0.5 * (p * (p / q).log()).sum(1).mean().item(), rel=1e-4)
    assert terms["pixel"].item() == pytest.approx((sr - batch.hr).abs().mean().item(), rel=1e-6)


def test_warmup_trains_the_encoder_alone(teacher):
    module = KDSRStudent(KDSRNet(**SIZE), teacher, warmup_steps=3, optimizer=ADAM)
    terms, sr = module.forward_losses(make_batch(step=2))
    assert set(terms) == {"distillation"}
    assert sr is None
    sum(terms.values()).backward()
    trained = {name.split(".")[0] for name, p in module.network.named_parameters() if p.grad is not None}
    assert trained == {"encoder"}
    assert module.trains_in_parts
    assert set(module.forward_losses(make_batch(step=3))[0]) == {"distillation", "pixel"}


def test_without_a_teacher_only_l1_is_left():
    module = KDSRStudent(KDSRNet(**SIZE), None, optimizer=ADAM)
    assert set(module.forward_losses(make_batch())[0]) == {"pixel"}
    assert not module.trains_in_parts
    with pytest.raises(ValueError, match="warmup_steps=5"):
        KDSRStudent(KDSRNet(**SIZE), None, warmup_steps=5, optimizer=ADAM)


def test_a_teacher_that_does_not_fit_is_named(tmp_path):
    make_teacher(tmp_path / "wide", channels=8)
    with pytest.raises(ValueError, match="8 channels"):
        KDSRStudent(KDSRNet(**SIZE), str(tmp_path / "wide"), optimizer=ADAM)
    with pytest.raises(ValueError, match=r"sees_hr=true"):
        KDSRTeacher(KDSRNet(**SIZE), optimizer=ADAM)
