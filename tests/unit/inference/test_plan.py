"""Where the results of many images go."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from realsr_mod.images.image import LoadedImage
from realsr_mod.images.read import read_image
from realsr_mod.inference.batch import run_jobs
from realsr_mod.inference.compare import before_after
from realsr_mod.inference.outcome import Settings
from realsr_mod.inference.plan import check_any, plan


@pytest.fixture
def make(tmp_path, monkeypatch):
    """A function that makes empty files in the current folder."""
    monkeypatch.chdir(tmp_path)

    def make(*names: str) -> None:
        for name in names:
            Path(name).parent.mkdir(parents=True, exist_ok=True)
            Path(name).touch()

    return make


def planned(*photos: str, output: str = "out", compare: bool = False) -> dict[str, str]:
    """Sources and the paths of their results, without the format's suffix."""
    jobs = plan([Path(photo) for photo in photos], Path(output), compare)
    return {job.source.as_posix(): job.stem.relative_to(output).as_posix() for job in jobs}


@pytest.mark.parametrize("photos", [("d1/photo.jpg", "d2/photo.jpg"), ("d1", "d2"), ("d1", "d2/photo.jpg")])
def test_images_of_one_name_go_to_their_folders_names(make, photos):
    make("d1/photo.jpg", "d2/photo.jpg")
    assert planned(*photos) == {"d1/photo.jpg": "d1/photo", "d2/photo.jpg": "d2/photo"}


def test_only_what_collides_is_renamed(make):
    make("d1/a.jpg", "d1/sub/a.jpg", "d1/b.png", "d2/a.jpg", "d2/b.jpg", "d2/c.jpg")
    assert planned("d1", "d2") == {
        "d1/a.jpg": "d1/a",
        "d2/a.jpg": "d2/a",
        "d1/sub/a.jpg": "sub/a",
        "d1/b.png": "b.png",
        "d2/b.jpg": "b.jpg",
        "d2/c.jpg": "c",
    }


def test_a_new_name_that_is_another_image_s_is_not_taken(make):
    make("d1/p.jpg", "d2/p.jpg", "all/d1/p.jpg", "more/a.jpg", "more/a.png", "more/a.jpg.png")
    assert planned("d1", "d2", "all") == {"d1/p.jpg": "d1/p.jpg", "d2/p.jpg": "d2/p", "all/d1/p.jpg": "all/d1/p"}
    stems = planned("more")
    assert len(set(stems.values())) == len(stems) == 3


def test_a_comparison_s_name_is_taken_too(make):
    make("d/a.jpg", "d/a_compare.jpg")
    assert planned("d") == {"d/a.jpg": "a", "d/a_compare.jpg": "a_compare"}
    assert planned("d", compare=True) == {"d/a.jpg": "a.jpg", "d/a_compare.jpg": "a_compare.jpg"}


def test_images_that_no_name_parts_are_named(make):
    make("x/d/p.jpg", "y/d/p.jpg")
    with pytest.raises(ValueError, match=r"x/d/p\.jpg and y/d/p\.jpg would have .* different output folders"):
        planned("x/d", "y/d")


def test_a_image_given_twice_is_done_once(make, tmp_path):
    make("d/p.jpg")
    (tmp_path / "link").symlink_to("d")
    assert planned("d/p.jpg", "d/p.jpg", "./d", str(tmp_path / "d" / "p.jpg"), "link") == {"d/p.jpg": "p"}


def test_names_do_not_depend_on_other_images(make):
    make("d1/sub/p.jpg", "d2/sub/p.jpg", "d1/sub/p.png")
    jobs = plan([Path("d1"), Path("d2")], Path("out"))
    assert [job.name.as_posix() for job in jobs] == ["sub/p.jpg", "sub/p.png", "sub/p.jpg"]


def test_only_an_output_inside_the_folder_is_no_input(make):
    make("photos/p.jpg", "photos/out/p.jpg")
    assert planned("photos", output="photos/out") == {"photos/p.jpg": "p"}
    assert planned("photos/out", output="photos/out") == {"photos/out/p.jpg": "p"}
    assert planned("photos", output=".") == {"photos/p.jpg": "p", "photos/out/p.jpg": "out/p"}


@pytest.mark.parametrize("name", ["better.png", "better.jpeg", "deep/better.TIF", "b.heif"])
def test_one_photo_may_name_the_very_file_of_its_result(name, tmp_path):
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "a.bmp")
    jobs = plan([tmp_path / "a.bmp"], tmp_path / name)
    (outcome,) = run_jobs(jobs, lambda image, on_tile: image, Settings(), lambda *_: None)
    assert (outcome.failure, outcome.path) == ("", tmp_path / name)
    assert read_image(tmp_path / name).pixels_HWC.shape == (8, 8, 3)
    (again,) = run_jobs(jobs, lambda image, on_tile: image, Settings(), lambda *_: None)
    assert again.kept


def test_a_result_that_its_named_format_cannot_hold_lies_beside_it(tmp_path):
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / "a.png")
    jobs = plan([tmp_path / "a.png"], tmp_path / "b.webp")
    wide = lambda image, on_tile: replace(image, pixels_HWC=np.zeros((1, 16400, 3), np.uint8))
    (outcome,) = run_jobs(jobs, wide, Settings(), lambda *_: None)
    assert outcome.path == tmp_path / "b.png"
    assert "webp holds sides up to 16383" in outcome.notes[0]


@pytest.mark.parametrize(
    ("photos", "output", "said"),
    [
        (["a.jpg", "b.jpg"], "better.png", "named as one photo is, and there is 2 photos; give -o a folder"),
        (["d"], "better.png", "named as one photo is, and there is a folder"),
        (["a.jpg"], "better.gif", "no .gif is written here; choose one of .png, .jpg"),
        (["https://example.org/a.jpg"], "out", "is a URL, and nothing is downloaded here"),
        (["s3://bucket/a.jpg"], "out", "is a URL"),
    ],
)
def test_what_cannot_be_planned_is_said(make, photos, output, said):
    make("a.jpg", "b.jpg", "d/a.jpg")
    with pytest.raises(ValueError, match=said):
        plan([Path(photo) for photo in photos], Path(output))


def test_a_suffix_is_added_to_every_name(make):
    make("d/a.jpg", "d/a.png", "d/b.jpg")
    jobs = plan([Path("d")], Path("out"), suffix="out")
    assert [job.stem.name for job in jobs] == ["a.jpg_out", "a.png_out", "b_out"]


def test_a_comparison_is_labeled():
    small, large = (LoadedImage(np.zeros((side, 2 * side, 3), np.uint8)) for side in (60, 240))
    compared = before_after(small, large).pixels_HWC
    strip = compared[:-240]
    assert compared.shape[1] == 2 * 480 + 8
    for half in (strip[:, :480], strip[:, 488:]):
        assert (half < 128).any(), "letters"
    assert (strip[:, 480:488] > 200).all()


def test_files_of_which_none_is_there_are_refused_at_once(tmp_path):
    jobs = plan([tmp_path / f"{name}.png" for name in "abcd"], tmp_path / "out")
    with pytest.raises(FileNotFoundError, match=r"a\.png, .*b\.png, .*c\.png …: no such files; give the path"):
        check_any(jobs)
    with pytest.raises(FileNotFoundError, match=r"d\.png: no such file; give the path"):
        check_any(jobs[3:])
    (tmp_path / "d.png").touch()
    check_any(jobs)
    check_any([])
