import cv2
import numpy as np
import pytest
from skimage import data

from realsr_mod.data.alignment import AlignmentError, fit_colors, misalignment_px, register

HR = np.ascontiguousarray(data.astronaut()[:360, :480])


def small(image, scale=2):
    return cv2.resize(image, (image.shape[1] // scale, image.shape[0] // scale), interpolation=cv2.INTER_AREA)


def turned(image, degrees=0.8, zoom=1.02, shift=(5, -3)):
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, zoom)
    matrix[:, 2] += shift
    return cv2.warpAffine(image, matrix, (width, height), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)


def test_a_shift_is_measured_in_hr_pixels():
    assert misalignment_px(HR, small(HR)) < 0.3
    assert misalignment_px(np.roll(HR, 6, axis=1), small(HR)) == pytest.approx(6, abs=0.4)
    assert misalignment_px(np.roll(HR, (-4, 3), axis=(0, 1)), small(HR)) == pytest.approx(5, abs=0.4)


def test_a_zoom_about_the_center_is_seen_though_the_whole_does_not_shift():
    assert misalignment_px(turned(HR, 0, 1.06, (0, 0)), small(HR)) > 3


def test_a_flat_image_has_no_shift():
    assert misalignment_px(np.full((64, 64, 3), 9, np.uint8), np.full((32, 32, 3), 9, np.uint8)) == 0


@pytest.mark.parametrize("scale", [2, 3])
def test_registration_undoes_a_turn_a_zoom_and_a_shift(scale):
    lr = small(HR, scale)
    hr, cut = register(turned(HR), lr, scale)
    assert hr.shape[:2] == (cut.shape[0] * scale, cut.shape[1] * scale)
    assert cut.shape[0] > 0.85 * lr.shape[0]
    assert misalignment_px(hr, cut) < 0.5
    inside = np.s_[5:-5, 5:-5]
    assert np.abs(small(hr, scale)[inside].astype(int) - cut[inside]).mean() < 4
    assert np.abs(small(turned(HR), scale)[inside].astype(int) - lr[inside]).mean() > 8


def test_registration_takes_other_sizes_and_keeps_what_both_show():
    part = turned(HR)[40:300, 60:]
    hr, cut = register(part, small(HR), 2)
    assert misalignment_px(hr, cut) < 0.5
    assert 0.8 * part.shape[0] / 2 < cut.shape[0] < part.shape[0] / 2 + 1


def test_unrelated_images_cannot_be_registered():
    with pytest.raises(AlignmentError, match="points agree on a transform, 12 are needed"):
        register(HR, small(np.ascontiguousarray(data.coffee()[:360, :480])), 2)


def test_colors_are_fitted_by_an_affine_map():
    matrix = np.array([[0.8, 0.1, 0.0, 5.0], [0.0, 0.9, 0.0, 3.0], [0.05, 0.0, 0.7, 10.0]])
    other = HR.astype(np.float64) @ matrix[:, :3].T + matrix[:, 3]
    lr = small(np.clip(other, 0, 255).round().astype(np.uint8))
    fit = fit_colors([(HR[:180], lr[:90]), (HR[180:], lr[90:])])
    np.testing.assert_allclose(fit.matrix[:, :3], matrix[:, :3], atol=0.02)
    np.testing.assert_allclose(fit.matrix[:, 3], matrix[:, 3], atol=1.0)
    assert fit.error_after < 1.0 < 10 < fit.error_before
    np.testing.assert_allclose(fit.mean_difference, (lr.astype(float) - small(HR)).mean((0, 1)), atol=1e-6)
    assert np.abs(small(fit.apply(HR)).astype(int) - lr).mean() < 1.0
