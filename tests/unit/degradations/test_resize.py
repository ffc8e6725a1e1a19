"""MATLAB-style resizing against golden images and exact cases."""

import pytest
import torch

from realsr_mod.degradations import banded
from realsr_mod.degradations import resize as module
from realsr_mod.degradations.resize import Downscale, resize


@pytest.fixture
def tensors(golden):
    return {
        k: v.permute(2, 0, 1)[None] for k, v in golden("image_ops_a")[0].items() if v.ndim == 3 and k != "blur_kernel"
    }


@pytest.mark.parametrize("divisor", [3, 4])
def test_bicubic_down_equals_golden(tensors, divisor):
    result = resize(tensors["image"].float() / 255, 1 / divisor)
    torch.testing.assert_close(result * 255, tensors[f"down{divisor}"] * 255, atol=1e-3, rtol=0)


def test_bicubic_up_equals_golden(tensors):
    lr = (tensors["down4"].clamp(0, 1) * 255).round() / 255
    torch.testing.assert_close(resize(lr, 4) * 255, tensors["up4"] * 255, atol=1e-3, rtol=0)


@pytest.mark.parametrize("name", module.FILTERS)
@pytest.mark.parametrize("size", [(7, 5), (40, 33), (20, 21)])
def test_flat_stays_flat_and_size_is_kept(name, size):
    result = resize(torch.full((1, 3, 20, 21), 0.3), size=size, filter=name)
    torch.testing.assert_close(result, torch.full((1, 3, *size), 0.3))


def test_same_size_is_the_same_image():
    x = torch.rand(1, 3, 20, 21)
    for name in module.FILTERS:
        torch.testing.assert_close(resize(x, size=(20, 21), filter=name), x)


def test_area_is_the_mean_over_the_footprint():
    x = torch.tensor([[[[1.0, 2.0, 3.0]]]])
    assert resize(x, size=(1, 1), filter="area").item() == 2
    # an output pixel covers 1.5 input pixels
    torch.testing.assert_close(resize(x, size=(1, 2), filter="area")[0, 0, 0], torch.tensor([4 / 3, 8 / 3]))


def test_blocks_of_a_long_axis_join_without_a_trace(monkeypatch):
    x = torch.rand(1, 1, 200, 3)
    whole = resize(x, 1.7)
    monkeypatch.setattr(banded, "BLOCK", 13)
    module._matrix.cache_clear()
    blocked = resize(x, 1.7)
    module._matrix.cache_clear()
    torch.testing.assert_close(blocked, whole, atol=1e-6, rtol=0)


def test_what_was_kept_from_inference_can_be_differentiated():
    x = torch.rand(1, 3, 23, 29)
    with torch.inference_mode():
        resize(x, scale=2)
    x.requires_grad_(True)
    resize(x, scale=2).sum().backward()
    torch.testing.assert_close(x.grad.sum().item(), 4.0 * x.numel(), rtol=1e-4, atol=0)


def test_scale_rounds_the_size_up_as_matlab():
    assert resize(torch.rand(1, 1, 10, 9), 0.3).shape[-2:] == (3, 3)
    assert resize(torch.rand(1, 1, 9, 9), 1 / 3).shape[-2:] == (3, 3)


@pytest.mark.parametrize("wrong", [{}, {"scale": 2, "size": (4, 4)}])
def test_scale_or_size(wrong):
    with pytest.raises(ValueError, match="either scale or size"):
        resize(torch.rand(1, 1, 4, 4), **wrong)


def test_unknown_filter_and_empty_result_are_refused():
    with pytest.raises(ValueError, match="area, bilinear, bicubic, got 'nearest'"):
        resize(torch.rand(1, 1, 4, 4), 2, filter="nearest")
    with pytest.raises(ValueError, match="at least 1x1, got 0x4 from 4x4"):
        resize(torch.rand(1, 1, 4, 4), size=(0, 4))


def test_hr_must_be_a_multiple_of_the_scale():
    with pytest.raises(ValueError, match=r"multiple of scale=4, got 321x481; crop it to 320x480"):
        Downscale(4)(torch.rand(1, 3, 321, 481), {})
    assert Downscale(4).output_shape((2, 3, 8, 12)) == (2, 3, 2, 3)
