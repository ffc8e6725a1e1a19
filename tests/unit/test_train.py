"""What a finished training says of itself."""

import pytest

from realsr_mod.train import show


@pytest.mark.parametrize(("psnr_y", "said"), [(24.9, True), (25.1, False)])
def test_a_model_below_bicubic_is_named_as_such(tmp_path, capsys, psnr_y, said):
    figures = {"psnr_y": psnr_y, "ssim_y": 0.7, "bicubic_psnr_y": 25.0, "bicubic_ssim_y": 0.69}
    show({"name": "toy", "steps": 3, "seconds": 1.0, "model": "model/model.safetensors", **figures}, tmp_path)
    printed = capsys.readouterr().out
    assert f"{psnr_y:.2f}" in printed
    assert (f"start_from={tmp_path}" in printed) == said
