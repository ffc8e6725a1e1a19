"""A fine pattern in a corner leaves the rest of the image as good as it was, in every network of the zoo."""

import logging

import numpy as np
import pytest
from faults.patterns import fine_patterns

from realsr_mod.inference.upscaler import Upscaler
from realsr_mod.weights.catalog import zoo_names
from realsr_mod.weights.fetching import missing

SIDE, CORNER, REACH = 96, 18, 16  # px of LR; the pattern's corner is 3.5 % of the image
MOST_WORSE = 1.5


def smooth_image(scale):
    """A gradient at `scale` times the size, and its LR image."""
    y, x = np.mgrid[: scale * SIDE, : scale * SIDE] / (scale * SIDE - 1)
    hr = np.stack([60 + 120 * y, 80 + 100 * x, 150 - 60 * y], axis=-1)
    lr = hr.reshape(SIDE, scale, SIDE, scale, 3).mean((1, 3))
    return hr, lr.round().astype(np.uint8)


def error_far_from_corner(upscaler, lr, hr):
    difference = np.abs(upscaler(lr).astype(float) - hr)
    far = np.ones(hr.shape[:2], bool)
    reach = upscaler.scale * (CORNER + REACH)
    far[:reach, :reach] = False
    return difference[far].mean()


def worse_by(upscaler, patterns):
    """The error away from each pattern over the error without it."""
    hr, lr = smooth_image(upscaler.scale)
    without = error_far_from_corner(upscaler, lr, hr)
    found = {}
    for name, pattern in patterns:
        spoilt = lr.copy()
        spoilt[:CORNER, :CORNER] = (255 * pattern[..., None]).round()
        found[name] = error_far_from_corner(upscaler, spoilt, hr) / without
    return found


@pytest.mark.fault
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", zoo_names())
def test_none_of_fifty_patterns_spoils_the_rest(name):
    if (backbone := missing(name)) is not None:
        pytest.skip(f"{backbone.name} has not been fetched")
    found = worse_by(Upscaler.load(name), fine_patterns(CORNER))
    assert len(found) == 50
    assert max(found.values()) <= MOST_WORSE, sorted(found.items(), key=lambda item: -item[1])[:5]


def test_a_checkerboard_does_not_spoil_the_rest(caplog):
    patterns = [item for item in fine_patterns(CORNER) if item[0] in ("checkerboard of 1 px", "grid of 2 px")]
    with caplog.at_level(logging.WARNING):
        found = worse_by(Upscaler.load("kdsr-classic-x4"), patterns)
    assert len(found) == 2
    assert max(found.values()) <= MOST_WORSE, found
    assert "like none that the model was trained on" in caplog.text
