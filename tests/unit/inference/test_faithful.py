import cv2
import numpy as np
import pytest

from realsr_mod.inference.faithful import CELL_PX, color_drift, largest_drift, without_drift


def smooth_photo(height, width, colors=3, seed=0):
    """Something like a photo: smooth fields with a little texture, in [0, 1]."""
    rng = np.random.default_rng(seed)
    small = rng.random((6, 6, colors), dtype=np.float32)
    field = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC).reshape(height, width, colors)
    texture = rng.normal(0, 0.02, (height, width, colors)).astype(np.float32)
    return (0.2 + 0.6 * field + texture).clip(0, 1)


@pytest.mark.parametrize(("dtype", "white"), [(np.uint8, 255), (np.uint16, 65535), (np.float32, 1)])
def test_a_shift_of_tone_is_measured_and_taken_out(dtype, white):
    photo = smooth_photo(90, 110)
    result = np.repeat(np.repeat(photo, 4, axis=0), 4, axis=1)
    shifted = result * 0.9 + np.float32([0.05, 0.0, -0.02])
    photo, shifted = ((x.clip(0, 1) * white).astype(dtype) for x in (photo, shifted))
    assert largest_drift(color_drift(photo, shifted)) > 5 / 255
    without_drift(photo, shifted, color_drift(photo, shifted))
    assert shifted.dtype == dtype
    assert largest_drift(color_drift(photo, shifted)) < 1.5 / 255


def test_detail_that_a_network_adds_stays():
    photo = smooth_photo(64, 64, colors=1)
    result = np.repeat(np.repeat(photo, 4, axis=0), 4, axis=1)
    detail = 0.05 * (-1) ** np.add.outer(np.arange(256), np.arange(256))[..., None].astype(np.float32)
    sharp = result + detail
    without_drift(photo, sharp, color_drift(photo, sharp))
    assert np.abs(sharp - result - detail).max() < 2e-3


def test_images_smaller_than_a_cell_are_compared_too():
    photo = np.full((3, CELL_PX + 1, 1), 100, np.uint8)
    result = np.full((12, 4 * CELL_PX + 4, 1), 120, np.uint8)
    drift = color_drift(photo, result)
    assert drift.shape == (1, 2, 1)
    assert largest_drift(drift) == pytest.approx(20 / 255, abs=1e-5)
    without_drift(photo, result, drift)
    assert (result == 100).all()


def test_what_is_cut_at_white_is_made_up_for():
    photo = np.full((32, 32, 3), 245, np.uint8)
    detail = 25 * (-1) ** np.add.outer(np.arange(128), np.arange(128))[..., None]
    result = (np.full((128, 128, 3), 245) + detail).clip(0, 255).astype(np.uint8)  # 255 and 220: 7.5 too dark
    drift = color_drift(photo, result)
    assert largest_drift(drift) == pytest.approx(7.5 / 255, abs=1e-5)
    without_drift(photo, result, drift)
    assert largest_drift(color_drift(photo, result)) < 1 / 255
    assert np.ptp(result) > 15, "detail stays"
