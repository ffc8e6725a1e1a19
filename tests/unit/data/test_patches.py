"""Patches are aligned, reproducible and of the asked size; a photo that breaks is replaced."""

import numpy as np
import pytest
from PIL import Image

from realsr_mod.data.patches import ImageFile, ImageStore, TrainPatches, WholeImages, collate_training
from realsr_mod.data.sampler import Slot
from realsr_mod.images.image import ImageReadError
from realsr_mod.images.rgb import read_rgb

SCALE = 3


def enlarge(pixels):
    """Every pixel becomes SCALE x SCALE equal ones, so that alignment can be checked exactly."""
    return pixels.repeat(SCALE, axis=0).repeat(SCALE, axis=1)


@pytest.fixture
def make_store(tmp_path, save_photo):
    """Function: a store of photos of the given LR sizes, as pairs or HR alone."""

    def make(*sizes, pairs=False, cache_bytes=0, on_late_bad_image="skip"):
        photos = []
        for number, (height, width) in enumerate(sizes):
            lr = save_photo(tmp_path / "LR" / f"{number}.png", height, width, seed=number)
            hr = tmp_path / "HR" / f"{number}.png"
            hr.parent.mkdir(exist_ok=True)
            Image.fromarray(enlarge(lr)).save(hr)
            photos.append(ImageFile(str(number), hr, tmp_path / "LR" / f"{number}.png" if pairs else None))
        return ImageStore(photos, SCALE, cache_bytes, on_late_bad_image)

    return make


@pytest.mark.parametrize("size", [(20, 30), (5, 30), (5, 3)])
def test_pairs_are_cut_flipped_and_turned_together(make_store, size):
    patches = TrainPatches(make_store(size, pairs=True), hr_crop_px=24, seed=0)
    different = set()
    for step in range(20):
        _, patch = patches[Slot(step, 0, 0)]
        assert patch.hr.shape == (24, 24, 3)
        assert patch.lr.shape == (8, 8, 3)
        np.testing.assert_array_equal(patch.hr, enlarge(patch.lr))
        different.add(patch.lr.tobytes())
    assert len(different) >= 8


def test_a_photo_smaller_than_the_patch_is_continued_by_its_mirror_image(make_store):
    store = make_store((4, 9))
    _, patch = TrainPatches(store, hr_crop_px=18, seed=0)[Slot(0, 0, 0)]
    whole = read_rgb(store.images[0].hr)
    mirrored = np.concatenate([whole, whole[::-1]])[:18]
    turned = [np.rot90(flipped, k) for flipped in (mirrored, mirrored[:, ::-1]) for k in range(4)]
    windows = [t[y : y + 18, x : x + 18] for t in turned for y in range(10) for x in range(10)]
    assert any(np.array_equal(patch.hr, window) for window in windows if window.shape == (18, 18, 3))


def test_all_eight_orientations_and_all_corners_occur(make_store):
    store = make_store((2, 2))
    whole = read_rgb(store.images[0].hr)
    full = TrainPatches(store, hr_crop_px=6, seed=0)
    assert len({full[Slot(step, 0, 0)][1].hr.tobytes() for step in range(80)}) == 8
    cut = TrainPatches(store, hr_crop_px=5, seed=0)
    positions = {cut[Slot(step, 0, 0)][1].hr.tobytes() for step in range(500)}
    expected = {
        np.ascontiguousarray(np.rot90(flipped, k)).tobytes()
        for y in range(2)
        for x in range(2)
        for window in [whole[y : y + 5, x : x + 5]]
        for flipped in (window, window[:, ::-1])
        for k in range(4)
    }
    assert positions == expected


def test_a_patch_is_a_function_of_seed_step_and_row_alone(make_store):
    store = make_store((30, 40))
    first, again, other = (TrainPatches(store, 24, seed) for seed in (1, 1, 2))
    for _ in range(3):
        again[Slot(9, 9, 0)]  # what came before does not matter
    patch = first[Slot(5, 2, 0)][1].hr
    np.testing.assert_array_equal(patch, again[Slot(5, 2, 0)][1].hr)
    for different in (first[Slot(6, 2, 0)], first[Slot(5, 3, 0)], other[Slot(5, 2, 0)]):
        assert not np.array_equal(patch, different[1].hr)


def test_global_random_state_is_neither_read_nor_changed(make_store):
    patches = TrainPatches(make_store((30, 40)), 24, seed=0)
    np.random.seed(0)  # noqa: NPY002
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    patch = patches[Slot(1, 0, 0)][1].hr
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002
    np.random.seed(1)  # noqa: NPY002
    np.testing.assert_array_equal(patch, patches[Slot(1, 0, 0)][1].hr)


def test_a_photo_that_broke_is_replaced_by_the_next_and_named(make_store):
    store = make_store((9, 9), (9, 9), (9, 9))
    store.images[1].hr.write_bytes(store.images[1].hr.read_bytes()[:100])
    store.images[2].hr.unlink()
    patch = store.read(1)
    assert patch.name == "0"
    assert patch.broken == {
        str(store.images[1].hr): "truncated or damaged (image file is truncated); copy it again from where it came",
        str(store.images[2].hr): "no such file",
    }
    slot, cut = TrainPatches(store, 9, 0)[Slot(0, 0, 1)]
    assert collate_training([(slot, cut)]).broken == patch.broken


def test_a_photo_that_broke_is_an_error_if_asked_or_if_none_is_left(make_store):
    store = make_store((9, 9), (9, 9), on_late_bad_image="error")
    store.images[0].hr.unlink()
    with pytest.raises(ImageReadError, match=r"0.png: no such file"):
        store.read(0)
    store.on_late_bad_image = "skip"
    store.images[1].hr.unlink()
    with pytest.raises(ImageReadError, match=r"0.png: no such file; nor can any other photo"):
        store.read(0)


def test_a_pair_whose_sizes_no_longer_fit_is_replaced(make_store, save_photo):
    store = make_store((9, 9), (9, 9), pairs=True)
    save_photo(store.images[0].lr, 9, 10)
    patch = store.read(0)
    assert patch.name == "1"
    assert "no longer fits" in patch.broken[str(store.images[0].lr)]


def test_memory_holds_as_many_photos_as_allowed(make_store):
    one_photo = 27 * 27 * 3
    store = make_store((9, 9), (9, 9), cache_bytes=one_photo + 5)
    store.read(0), store.read(1)
    for photo in store.images:
        photo.hr.unlink()
    assert store.read(0).broken == {}, "kept in memory"
    assert list(store.read(1).broken) == [str(store.images[1].hr)], "did not fit"


@pytest.mark.parametrize(
    ("crop_px", "expected"), [(None, (slice(0, 30), slice(0, 39))), (14, (slice(9, 21), slice(12, 24)))]
)
def test_validation_photos_are_cut_to_the_scale_and_the_center(make_store, save_photo, crop_px, expected):
    store = make_store((9, 9))
    whole = save_photo(store.images[0].hr, 32, 40)
    photos = WholeImages(store, draws=2, crop_px=crop_px)
    assert len(photos) == 2
    for item in range(2):
        np.testing.assert_array_equal(photos[item][1].hr, whole[expected])


def test_validation_pairs_are_cut_together(make_store):
    _, pair = WholeImages(make_store((9, 12), pairs=True), draws=1, crop_px=15)[0]
    assert pair.lr.shape == (5, 5, 3)
    np.testing.assert_array_equal(pair.hr, enlarge(pair.lr))
