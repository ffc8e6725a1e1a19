import pytest
import torch

from realsr_mod.metrics import PSNRY, SSIMY, psnr_y, rgb_to_y, ssim_y


@pytest.fixture
def pair(golden):
    tensors, metadata = golden("image_ops_a")
    images = [tensors[name].permute(2, 0, 1)[None].float() / 255 for name in ("up4_uint8", "image")]
    return *images, metadata, tensors


def test_luma_is_bt601(pair):
    _, image, _, tensors = pair
    assert torch.allclose(rgb_to_y(image)[0, 0], tensors["luma"], atol=1e-6)


def test_psnr_and_ssim_equal_the_literature(pair):
    upscaled, image, metadata, _ = pair
    assert psnr_y(upscaled, image, border=4).item() == pytest.approx(metadata["psnr_y"], abs=1e-3)
    assert ssim_y(upscaled, image, border=4).item() == pytest.approx(metadata["ssim_y"], abs=1e-4)


def test_images_are_rounded_to_8_bits_and_clipped(pair):
    upscaled, image, *_ = pair
    nudged = upscaled + 0.4 / 255
    nudged[upscaled == 1] = 1.7
    assert torch.equal(psnr_y(nudged, image, 4), psnr_y(upscaled, image, 4))


def test_metric_is_the_mean_over_images_of_any_size(pair):
    upscaled, image, *_ = pair
    parts = [(upscaled, image), (upscaled[..., :64, :80], image[..., :64, :80])]
    for metric, function in ((PSNRY(4), psnr_y), (SSIMY(4), ssim_y)):
        for sr, hr in parts:
            metric.update(sr, hr)
        expected = sum(function(sr, hr, 4).item() for sr, hr in parts) / 2
        assert metric.compute().item() == pytest.approx(expected, rel=1e-9)


def test_too_small_a_image_is_named():
    with pytest.raises(ValueError, match=r"16x18 image is too small"):
        psnr_y(torch.rand(1, 3, 16, 18), torch.rand(1, 3, 16, 18), border=4)


def test_equal_images_have_a_finite_figure(pair):
    _, image, *_ = pair
    assert psnr_y(image, image, 4).item() == pytest.approx(100)
