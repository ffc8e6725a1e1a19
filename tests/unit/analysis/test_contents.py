import numpy as np
import pytest
import torch
from PIL import Image

from realsr_mod.analysis.contents import central_corners, load_contents


@pytest.fixture
def folder(tmp_path):
    for i, (height, width) in enumerate([(40, 70), (32, 32), (20, 90), (64, 64)]):
        Image.fromarray(np.full((height, width, 3), 10 * i, np.uint8)).save(tmp_path / f"{i}.png")
    return tmp_path


def test_corners_fill_the_image_without_overlap_center_first():
    assert central_corners(50, 100, 32) == [(9, 34), (9, 2), (9, 66)]
    assert central_corners(31, 100, 32) == []


def test_few_photos_give_several_squares_each(folder):
    contents = load_contents(folder, crop_px=32, count=9)  # 2.png is too small; three squares from each of the others
    assert contents.names == ["0.png (1)", "0.png (2)", "1.png", "3.png (1)", "3.png (2)", "3.png (3)"]
    assert contents.source_M.tolist() == [0, 0, 1, 2, 2, 2]
    assert contents.hr_M3HW.shape == (6, 3, 32, 32)
    assert torch.equal(contents.hr_M3HW[3], torch.full((3, 32, 32), 30 / 255))


def test_many_photos_give_their_centers_evenly_spread(folder):
    assert load_contents(folder, crop_px=20, count=2).names == ["0.png", "3.png"]
    embedded = load_contents(count=24)
    assert len(embedded) == 24
    assert len(np.unique(embedded.source_M)) == 12


def test_too_few_photos_are_named(folder):
    with pytest.raises(ValueError, match="1 of 4 photos hold 64x64 pixels"):
        load_contents(folder, crop_px=64)


def test_bad_photos_are_left_out_and_named(folder):
    (folder / "a.png").write_bytes(b"no image")
    sound = (folder / "3.png").read_bytes()
    (folder / "b.png").write_bytes(sound[: len(sound) // 2])  # its header is sound
    contents = load_contents(folder, crop_px=32, count=9)
    assert contents.names == ["0.png (1)", "0.png (2)", "1.png", "3.png (1)", "3.png (2)", "3.png (3)"]
    assert sorted(contents.skipped) == [str(folder / "a.png"), str(folder / "b.png")]
    for name in ("0.png", "1.png", "3.png"):
        (folder / name).unlink()
    with pytest.raises(ValueError, match=r"at least 2 must\n  .*a.png: not a PNG"):
        load_contents(folder, crop_px=32)
