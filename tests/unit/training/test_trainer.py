"""What a training counts, and what it says of itself when it is finished."""

import pytest

from realsr_mod.runtime.compose import compose
from realsr_mod.training.trainer import build_trainer, show


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


@pytest.mark.parametrize(("psnr_y", "said"), [(24.9, True), (25.1, False)])
def test_a_model_below_bicubic_is_named_as_such(tmp_path, capsys, psnr_y, said):
    figures = {"psnr_y": psnr_y, "ssim_y": 0.7, "bicubic_psnr_y": 25.0, "bicubic_ssim_y": 0.69}
    show({"name": "toy", "steps": 3, "seconds": 1.0, "model": "model/model.safetensors", **figures}, tmp_path)
    printed = capsys.readouterr().out
    assert f"{psnr_y:.2f}" in printed
    assert (f"start_from={tmp_path}" in printed) == said
