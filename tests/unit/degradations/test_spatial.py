"""Spatially variant degradation: masks, blending, replay, per-sample choice."""

import pytest
import torch
from randomness import generator

from realsr_mod.degradations.base import Degradation, row, rows
from realsr_mod.degradations.classic import Bicubic, ClassicDegradation
from realsr_mod.degradations.noise import quantize
from realsr_mod.degradations.second_order import SecondOrder
from realsr_mod.degradations.sharpen import usm_sharpen
from realsr_mod.degradations.spatial import SpatialDegradation, cubic_spline, spread_masks
from realsr_mod.degradations.stored import build_degradation, read_degradation

SHAPE = (4, 3, 32, 48)


@pytest.fixture
def hr():
    return torch.rand(SHAPE, generator=generator(9))


@pytest.fixture(params=["spatial_classic", "spatial_second_order"])
def degradation(request):
    return build_degradation(read_degradation(request.param, 4))


class Paint(Degradation):
    """A flat image of one value."""

    def __init__(self, value):
        super().__init__(4)
        self.value = value

    def sample(self, shape, generator):
        return {}

    def forward(self, x, params):
        return torch.full_like(x[..., ::4, ::4], self.value)


def test_replay_is_bit_equal_and_rows_are_independent(degradation, hr):
    params = degradation.sample(hr.shape, generator())
    lr = degradation(hr, params)
    assert lr.shape == degradation.output_shape(hr.shape) == (4, 3, 8, 12)
    assert torch.equal(degradation(hr, params), lr)
    assert torch.equal(torch.cat([degradation(hr[i : i + 1], row(params, i)) for i in range(4)]), lr)
    assert torch.equal(degradation(hr[[2, 0]], rows(params, [2, 0])), lr[[2, 0]])
    assert torch.equal(lr, quantize(lr))


def test_no_global_randomness_is_read_or_moved(degradation, hr):
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = degradation(hr, degradation.sample(hr.shape, generator()))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(degradation(hr, degradation.sample(hr.shape, generator())), first)


def test_result_is_the_masked_sum_of_the_pipelines(hr):
    pipelines = {"sharp": Bicubic(4), "blurred": ClassicDegradation(4, sigma_range_px=(3, 3)), "flat": Paint(0.5)}
    degradation = SpatialDegradation(4, pipelines)
    params = degradation.sample(SHAPE, generator())
    masks = spread_masks(params["masks"], (8, 12))
    expected = sum(masks[:, i, None] * pipelines[name](hr, params[name]) for i, name in enumerate(pipelines))
    assert torch.equal(degradation(hr, params), quantize(expected))


def test_a_mask_of_one_everywhere_is_that_pipeline_alone(degradation, hr):
    params = degradation.sample(hr.shape, generator())
    for index, (name, pipeline) in enumerate(degradation.ops.items()):
        masks = torch.zeros_like(params["masks"])
        masks[:, index] = 1
        alone = pipeline(degradation.target(hr), params[name])
        assert torch.allclose(degradation(hr, params | {"masks": masks}), alone, atol=1e-6)


def test_masks_are_shares_and_every_count_of_regions_occurs():
    degradation = SpatialDegradation(4, {str(i): Bicubic(4) for i in range(4)}, regions_range=(1, 3))
    masks = degradation.sample((600, 3, 8, 8), generator())["masks"]
    assert masks.shape == (600, 4, 4, 4)
    assert masks.min() >= 0
    torch.testing.assert_close(masks.sum(1), torch.ones(600, 4, 4))
    present = masks.amax(dim=(2, 3)) > 0
    counts = present.sum(1).bincount(minlength=5) / 600
    torch.testing.assert_close(counts, torch.tensor([0, 1, 1, 1, 0]) / 3, atol=0.06, rtol=0)
    torch.testing.assert_close(present.float().mean(0), torch.full((4,), 0.5), atol=0.07, rtol=0)


@pytest.mark.parametrize("size", [(7, 12), (64, 48), (3, 3)])
def test_spread_masks_stay_shares_at_any_size_and_stretch(size):
    masks = torch.rand(2, 3, 5, 5, generator=generator()).softmax(dim=1)
    spread = spread_masks(masks, size)
    assert spread.shape == (2, 3, *size)
    assert spread.min() >= masks.min()
    torch.testing.assert_close(spread.sum(1), torch.ones(2, *size))
    flipped = spread_masks(masks.flip(-1), size)
    torch.testing.assert_close(flipped, spread.flip(-1))


def test_spread_is_the_spline_through_pixel_centers():
    grid = torch.rand(1, 1, 4, 4, generator=generator(), dtype=torch.float64)
    spread = spread_masks(grid.float(), (8, 12))[0, 0]
    for y, x in ((0, 0), (3, 7), (7, 11)):
        center = ((y + 0.5) / 8 * 4 - 0.5, (x + 0.5) / 12 * 4 - 0.5)
        expected = 0.0
        for i in range(-3, 8):
            for j in range(-3, 8):
                weight = cubic_spline(torch.tensor([center[0] - i, center[1] - j])).prod()
                expected += float(weight * grid[0, 0, min(max(i, 0), 3), min(max(j, 0), 3)])
        assert spread[y, x].item() == pytest.approx(expected, abs=1e-6)


def test_contrast_decides_how_mixed_the_regions_are():
    pipelines = {"a": Bicubic(4), "b": Bicubic(4)}
    drawn = [SpatialDegradation(4, pipelines, contrast=c).sample(SHAPE, generator())["masks"] for c in (0, 50)]
    assert torch.equal(drawn[0], torch.full_like(drawn[0], 0.5))
    assert ((drawn[1] < 0.01) | (drawn[1] > 0.99)).float().mean() > 0.9


def test_params_fit_a_image_of_another_size(degradation):
    params = degradation.sample((1, 3, 32, 48), generator())
    assert degradation(torch.rand(1, 3, 64, 40), params).shape == (1, 3, 16, 10)


def test_equal_pipelines_draw_params_of_their_own():
    drawn = build_degradation(read_degradation("spatial_second_order", 4)).sample(SHAPE, generator())
    assert not torch.equal(drawn["one"]["blur1"]["sigma_x"], drawn["other"]["blur1"]["sigma_x"])


def test_sharpening_is_done_once_and_is_the_target(hr):
    degradation = SpatialDegradation(4, {"a": Bicubic(4), "b": Bicubic(4)}, sharpen=True)
    assert torch.equal(degradation.target(hr), usm_sharpen(hr))
    params = degradation.sample(SHAPE, generator())
    assert torch.allclose(degradation(hr, params), Bicubic(4)(usm_sharpen(hr), {}), atol=1.01 / 255)


@pytest.mark.parametrize(
    ("pipelines", "options", "message"),
    [
        ({"a": Bicubic(4)}, {}, "two or more pipelines, got \\['a'\\]"),
        ({"a": Bicubic(4), "b": Bicubic(2)}, {}, "'b' has scale 2, its blend 4"),
        ({"a": Bicubic(4), "masks": Bicubic(4)}, {}, "another name"),
        ({"a": Bicubic(4), "b": SecondOrder(4)}, {}, "'b' sharpens.*sharpen=false"),
        ({"a": Bicubic(4), "b": Bicubic(4)}, {"grid_size": 1}, "grid_size must be at least 2"),
        ({"a": Bicubic(4), "b": Bicubic(4)}, {"contrast": -1}, "contrast must be at least 0"),
        ({"a": Bicubic(4), "b": Bicubic(4)}, {"regions_range": (2, 3)}, r"regions_range.*<= 2.*got \[2, 3\]"),
    ],
)
def test_wrong_arguments_are_named(pipelines, options, message):
    with pytest.raises(ValueError, match=message):
        SpatialDegradation(4, pipelines, **options)


def test_odd_hr_size_says_what_to_do(degradation):
    with pytest.raises(ValueError, match="HR size must be a multiple of scale=4, got 30x48; crop it to 28x48"):
        degradation.sample((1, 3, 30, 48), generator())
