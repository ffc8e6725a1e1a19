"""What a training counts, and what it says of itself when it is finished."""

from types import SimpleNamespace

import pytest

from realsr_mod.runtime.compose import compose
from realsr_mod.training import trainer as trainer_module
from realsr_mod.training.showing import show
from realsr_mod.training.trainer import build_trainer, check_relation


def test_validation_comes_after_as_many_steps_however_many_batches_a_step_has(tmp_path):
    options = [
        "trainer=cpu",
        "trainer.val_check_interval=50",
        "trainer.accumulate_grad_batches=4",
        "trainer.max_steps=100",
    ]
    cfg = compose("train", options)
    cfg.callbacks, cfg.logger = {}, None
    trainer = build_trainer(cfg, tmp_path)
    assert trainer.accumulate_grad_batches == 4
    assert trainer.val_check_interval == 200  # batches


@pytest.mark.parametrize("strategy", ["ddp", "ddp_find_unused_parameters_true", "ddp_find_unused_parameters_false"])
@pytest.mark.parametrize("in_parts", [True, False])
def test_unused_parameters_are_looked_for_where_there_are_some_or_somebody_wants_it(tmp_path, strategy, in_parts):
    cfg = compose("train", ["trainer=ddp_cpu", f"trainer.strategy={strategy}"])
    cfg.callbacks, cfg.logger = {}, None
    looked_for = build_trainer(cfg, tmp_path, in_parts).strategy._ddp_kwargs.get("find_unused_parameters", False)
    assert looked_for == (in_parts if strategy == "ddp" else strategy.endswith("true"))


@pytest.mark.parametrize(
    ("psnr_y", "is_job_of_sweep", "said"), [(24.9, False, True), (24.9, True, False), (25.1, False, False)]
)
def test_a_model_below_bicubic_is_named_as_such(tmp_path, capsys, psnr_y, is_job_of_sweep, said):
    figures = {"psnr_y": psnr_y, "ssim_y": 0.7, "bicubic_psnr_y": 25.0, "bicubic_ssim_y": 0.69}
    summary = {"name": "toy", "steps": 3, "seconds": 1.0, "model": "model/model.safetensors", **figures}
    show(summary, tmp_path, is_job_of_sweep)
    printed = capsys.readouterr().out
    assert f"{psnr_y:.2f}" in printed
    assert (f"start_from={tmp_path}" in printed) == said


@pytest.mark.parametrize("experiment", ["drtl_pretrain", "drtl_maml", "drtl_reptile"])
def test_gradients_of_random_weights_are_no_relation(experiment):
    def checked(*options):
        check_relation(compose("train", [f"experiment={experiment}", "pairs=somewhere", *options]))

    with pytest.raises(ValueError, match=r"relation=gradient with start_from=null.*give start_from=RUN.*relation=auto"):
        checked("relation=gradient", "start_from=null")
    checked("relation=gradient", "start_from=somewhere")
    checked("relation=gradient", "start_from=null", "method.start_from=somewhere")
    checked("relation=auto", "start_from=null")


def test_where_nothing_is_related_anything_may_be_the_start():
    check_relation(compose("train", ["experiment=srresnet", "start_from=null"]))
    check_relation(compose("train", ["experiment=drtl_pretrain", "pairs=null", "relation=null", "start_from=null"]))


def test_what_cannot_be_ended_is_said_before_anything_is_trained_for_it(tmp_path, monkeypatch):
    hydra = SimpleNamespace(overrides=SimpleNamespace(task=["finish=true"]))
    monkeypatch.setattr(trainer_module.HydraConfig, "get", lambda: hydra)
    monkeypatch.setattr(trainer_module, "resolve_prerequisites", lambda *_: pytest.fail("a teacher was asked for"))
    with pytest.raises(ValueError, match="finish=true ends an interrupted training"):
        trainer_module.train(compose("train", ["experiment=kdsr_student", "finish=true"]), tmp_path)
