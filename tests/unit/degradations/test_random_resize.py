"""Per-row resizing on canvases."""

import pytest
import torch
import torch.nn.functional as F

from realsr_mod.degradations.canvas import whole_size
from realsr_mod.degradations.random_resize import RandomResize, resize_canvas
from realsr_mod.degradations.resize import FILTERS


def image(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


def resize_to(x, size, name):
    filter_B = torch.full((len(x),), FILTERS.index(name))
    size_B2 = torch.tensor([size] * len(x))
    return resize_canvas(x, whole_size(x), size_B2, size, filter_B, shrink_limit=20.0)


@pytest.mark.parametrize("size", [(31, 40), (9, 6), (70, 55)])
def test_bilinear_equals_torch(size):
    x = image(2, 3, 31, 27)
    expected = F.interpolate(x, size=size, mode="bilinear", align_corners=False)
    torch.testing.assert_close(resize_to(x, size, "bilinear"), expected, atol=1e-5, rtol=0)


def test_area_equals_torch_at_whole_factors():
    x = image(1, 3, 32, 24)
    expected = F.interpolate(x, size=(8, 12), mode="area")
    torch.testing.assert_close(resize_to(x, (8, 12), "area"), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("name", FILTERS)
def test_flat_stays_flat_and_same_size_stays_same(name):
    flat = torch.full((1, 3, 20, 21), 0.3)
    torch.testing.assert_close(resize_to(flat, (7, 33), name), torch.full((1, 3, 7, 33), 0.3))
    x = image(1, 3, 20, 21)
    torch.testing.assert_close(resize_to(x, (20, 21), name), x, atol=1e-6, rtol=0)


def test_rows_on_a_canvas_read_nothing_outside_themselves():
    x = image(3, 3, 40, 40)
    size_in = torch.tensor([[40, 40], [17, 23], [30, 9]])
    size_out = torch.tensor([[13, 50], [33, 20], [30, 9]])
    filters = torch.tensor([0, 1, 2])
    spoiled = x.clone()
    for i, (height, width) in enumerate(size_in.tolist()):
        spoiled[i, :, height:], spoiled[i, :, :, width:] = 99.0, 99.0
    result = resize_canvas(spoiled, size_in, size_out, (48, 64), filters, shrink_limit=5.0)
    for i in range(3):
        (h, w), (height, width) = size_out[i].tolist(), size_in[i].tolist()
        alone = resize_to(x[i : i + 1, :, :height, :width], (h, w), FILTERS[filters[i]])
        torch.testing.assert_close(result[i : i + 1, :, :h, :w], alone, atol=1e-5, rtol=0)
        border = result[i, :, h - 1 :, w - 1 :]
        torch.testing.assert_close(border, border[:, :1, :1].expand_as(border), atol=1e-6, rtol=0)


def test_drawn_factors_and_filters_match_the_probabilities():
    op = RandomResize(up_down_keep=(0.2, 0.7, 0.1), factor_range=(0.15, 1.5))
    params = op.sample((20_000, 3, 8, 8), torch.Generator().manual_seed(0))
    factor, kind = params["factor"], params["filter"]
    shares = [(factor > 1).float().mean(), (factor < 1).float().mean(), (factor == 1).float().mean()]
    assert [float(share) for share in shares] == pytest.approx([0.2, 0.7, 0.1], abs=0.01)
    assert factor.min() >= 0.15
    assert factor.max() <= 1.5
    assert factor[factor < 1].mean() == pytest.approx((0.15 + 1) / 2, abs=0.01)
    assert factor[factor > 1].mean() == pytest.approx(1.25, abs=0.01)
    assert (torch.bincount(kind) / 20_000).tolist() == pytest.approx([1 / 3] * 3, abs=0.01)


def test_edited_factor_is_clipped_to_its_range():
    op, x = RandomResize(factor_range=(0.5, 1.5)), image(2, 3, 20, 20)
    params = {"factor": torch.tensor([0.1, 9.0]), "filter": torch.tensor([0, 0])}
    canvas, size = op(x, params, whole_size(x), reference=(20, 20), input_limit=(20, 20))
    assert size.tolist() == [[10, 10], [30, 30]]
    assert canvas.shape[-2:] == (32, 32)


def test_arguments_are_checked():
    with pytest.raises(ValueError, match="factor_range must hold 1"):
        RandomResize(factor_range=(0.2, 0.9))
    with pytest.raises(ValueError, match="up_down_keep must be at least 0 and sum to 1"):
        RandomResize(up_down_keep=(0.5, 0.5, 0.5))
