import logging

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage import data

from realsr_mod.methods.drtl.support import SupportDataModule, divide


def make_pairs(root, count=2, change=lambda hr: hr, side=192):
    """Pairs of parts of a photo; `change` is done to HR after LR was made of it."""
    for name in ("HR", "LR"):
        (root / name).mkdir()
    for i in range(count):
        hr = np.ascontiguousarray(data.astronaut()[: side - 64, 40 * i : 40 * i + side])
        lr = cv2.resize(hr, (side // 2, (side - 64) // 2), interpolation=cv2.INTER_AREA)
        Image.fromarray(change(hr)).save(root / "HR" / f"{i}.png")
        Image.fromarray(lr).save(root / "LR" / f"{i}.png")
    return root


def module(root, **settings):
    return SupportDataModule(str(root), scale=2, hr_crop_px=32, batch_size=2, **settings)


def test_the_end_of_every_image_is_held_out(tmp_path):
    support = module(make_pairs(tmp_path), held_out=0.25)
    support.setup()
    assert [photo.name for photo in support.train_files] == ["0, training part", "1, training part"]
    assert [photo.name for photo in support.val_files] == ["0, held-out part", "1, held-out part"]
    whole = np.asarray(Image.open(tmp_path / "HR" / "1.png"))
    kept, held = (support._store(photos).read(1) for photos in (support.train_files, support.val_files))
    np.testing.assert_array_equal(np.concatenate([kept.hr, held.hr], 1), whole)
    assert (kept.hr.shape, kept.lr.shape) == ((128, 144, 3), (64, 72, 3))
    assert (held.hr.shape, held.lr.shape) == ((128, 48, 3), (64, 24, 3))
    batch = support.on_after_batch_transfer(next(iter(support.val_dataloader())))
    assert batch.lr.shape == (1, 3, 64, 24)


def test_one_pair_is_enough(tmp_path):
    support = module(make_pairs(tmp_path, 1))
    support.setup()
    assert len(support.train_files) == len(support.val_files) == 1


def test_a_tall_image_is_cut_across_its_height():
    pair = np.zeros((100, 60, 3)), np.zeros((50, 30, 3))
    kept, held = divide(pair, 0.2, 2, "tall")
    assert (kept[0].shape[:2], held[1].shape[:2]) == ((80, 60), (10, 30))
    with pytest.raises(ValueError, match=r"tall: 100x60 pixels are too few to hold out 0.1"):
        divide(pair, 0.1, 2, "tall")


def test_misaligned_pairs_are_measured_and_named_and_can_be_registered(tmp_path):
    root = make_pairs(tmp_path, change=lambda hr: np.roll(hr, 8, axis=1), side=256)
    with pytest.raises(ValueError, match=r"2 of 2 pairs .*\n.*0: [78]\.\d px apart\n.*1: .*\n.*data.registration=true"):
        module(root).setup()
    module(root, max_shift_px=9).setup()
    support = module(root, registration=True)
    support.setup()
    hr, lr = support._parts["0, training part"]
    small = cv2.resize(hr, lr.shape[1::-1], interpolation=cv2.INTER_AREA)
    assert np.abs(small.astype(int) - lr)[:, 8:-8].mean() < 4


def test_sizes_that_do_not_fit_are_named_with_the_remedy(tmp_path):
    root = make_pairs(tmp_path, change=lambda hr: hr[:-2])
    with pytest.raises(ValueError, match=r"0: HR is 126x192 but LR is 64x96(.|\n)*data.registration=true"):
        module(root).setup()


def test_colors_are_measured_and_matched_if_wanted(tmp_path, caplog):
    root = make_pairs(tmp_path, change=lambda hr: (hr * 0.8).astype(np.uint8))
    with caplog.at_level(logging.INFO):
        module(root).setup()
    assert "2 pairs, at most 0." in caplog.text
    assert "data.match_colors=true does it" in caplog.text
    support = module(root, match_colors=True)
    support.setup()
    hr, lr = support._parts["0, training part"]
    assert abs(hr.mean() - lr.mean()) < 1.0
    assert np.asarray(Image.open(root / "HR" / "0.png")).mean() < lr.mean() - 15
