"""Unsharp masking against the golden image."""

import torch

from realsr_mod.degradations.second_order import SecondOrder
from realsr_mod.degradations.sharpen import usm_sharpen


def test_usm_equals_golden_image(golden):
    tensors, _ = golden("image_ops_a")
    image = tensors["image"].permute(2, 0, 1)[None].float() / 255
    torch.testing.assert_close(usm_sharpen(image), tensors["usm"], atol=1e-3, rtol=0)
    assert torch.equal(SecondOrder(4).target(image), usm_sharpen(image))


def test_below_the_threshold_nothing_changes():
    faint = 0.5 + 5 / 255 * (torch.arange(64) % 2).float().expand(1, 3, 64, 64)
    torch.testing.assert_close(usm_sharpen(faint), faint, atol=1e-6, rtol=0)
    assert (usm_sharpen(faint, threshold_255=1.0) - faint).abs().max() > 1e-3
