"""Bad files are named before the training starts, and good ones are read only once."""

import functools
import io
import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from rich.console import Console

from realsr_mod.data import checks
from realsr_mod.data.checks import check_images, list_some
from realsr_mod.data.patches import ImageFile
from realsr_mod.data.split import split_by_name
from realsr_mod.runtime.rng import image_generator


@pytest.fixture
def mixed(tmp_path, save_photo):
    """Two good files, one too small, one broken."""
    save_photo(tmp_path / "good.png", 40, 50)
    save_photo(tmp_path / "good2.png", 32, 32)
    save_photo(tmp_path / "small.png", 31, 99)
    (tmp_path / "broken.png").write_text("no image")
    return sorted(tmp_path.glob("*.png"))


def test_bad_images_are_left_out_and_named(mixed):
    with pytest.warns(UserWarning, match=r"(?s)2 of 4 images.*broken.png: not a PNG.*small.png: too small: 31x99"):
        checked = check_images(mixed, min_side_px=32)
    assert {path.name: size for path, size in checked.sizes.items()} == {"good.png": (40, 50), "good2.png": (32, 32)}
    assert sorted(path.name for path in checked.bad) == ["broken.png", "small.png"]


def test_names_from_old_disks_are_taken_as_they_are(tmp_path, save_photo):
    folder = tmp_path / os.fsdecode(b"caf\xe9")  # Latin-1: no valid UTF-8
    try:
        save_photo(folder / os.fsdecode(b"\xe9t\xe9.png"))
    except OSError:
        pytest.skip("this file system takes UTF-8 names alone")
    photos = [ImageFile(path.name, path) for path in check_images(list(folder.iterdir()), min_side_px=8).sizes]
    assert len(photos) == 1
    assert split_by_name([*photos, ImageFile("b.png", folder / "b.png")], 1)
    assert image_generator(0, photos[0].name).initial_seed() > 0


def test_bad_images_are_refused_if_asked(mixed):
    with pytest.raises(ValueError, match=r"(?s)2 of 4.*broken.png.*small.png.*on_bad_image=skip"):
        check_images(mixed, min_side_px=32, on_bad_image="error")


def test_nothing_left_is_an_error_even_when_skipping(mixed):
    with pytest.raises(ValueError, match="4 of 4 images cannot be used"):
        check_images(mixed, min_side_px=1000)


def test_unknown_choice_is_refused(mixed):
    with pytest.raises(ValueError, match="'skip' or 'error', got 'ignore'"):
        check_images(mixed, 32, "ignore")


def test_only_new_changed_and_bad_files_are_read_again(mixed, save_photo, monkeypatch, cache_in_tmp):
    read = []

    def recording(path, original=checks.image_size, **options):
        read.append(path.name)
        return original(path, **options)

    monkeypatch.setattr(checks, "image_size", recording)
    for _ in range(2):
        with pytest.warns(UserWarning, match="2 of 4"):
            check_images(mixed, 32)
    assert sorted(read) == ["broken.png", "broken.png", "good.png", "good2.png", "small.png"]
    assert len(list(cache_in_tmp.iterdir())) == 1
    assert {path.suffix for path in mixed[0].parent.iterdir()} == {".png"}, "the photo folder is left as it was"

    read.clear()
    save_photo(mixed[1], 64, 64)
    os.utime(mixed[1], ns=(1, 1))
    with pytest.warns(UserWarning, match="2 of 4"):
        assert check_images(mixed, 32).sizes[mixed[1]] == (64, 64)
    assert sorted(read) == ["broken.png", "good.png"]


def test_the_folders_used_last_are_remembered(tmp_path, save_photo, monkeypatch, cache_in_tmp):
    def check(name):
        save_photo(tmp_path / name / "a.png", 40, 40)
        os.utime(tmp_path / name / "a.png", ns=(1, 1))  # the same photo each time
        check_images([tmp_path / name / "a.png"], 32)
        newest = max(cache_in_tmp.iterdir(), key=lambda path: path.stat().st_mtime_ns)
        for path in cache_in_tmp.iterdir():  # an hour passes
            os.utime(path, ns=(0, path.stat().st_mtime_ns - 3_600_000_000_000))
        return newest

    monkeypatch.setattr(checks, "_REMEMBERED", 3)
    one, two, three = map(check, ("one", "two", "three"))
    assert check("one") == one  # used, not written
    (cache_in_tmp / "another.json").touch()
    four = check("four")
    assert set(cache_in_tmp.iterdir()) == {one, three, four, cache_in_tmp / "another.json"}
    assert two not in {one, three, four}


def test_many_may_remember_and_forget_at_once(tmp_path, save_photo, monkeypatch, cache_in_tmp):
    monkeypatch.setattr(checks, "_REMEMBERED", 2)
    photos = [tmp_path / str(number) / "a.png" for number in range(24)]
    for photo in photos:
        save_photo(photo, 40, 50)
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda photo: check_images([photo], 32).sizes[photo], [*photos, *photos])
    assert set(found) == {(40, 50)}
    assert len(list(cache_in_tmp.iterdir())) <= 2


@pytest.mark.parametrize("damage", ["not json", "[1, 2]"])
def test_a_damaged_cache_is_replaced(mixed, cache_in_tmp, damage):
    good = mixed[1:3]
    check_images(good, 32)
    (file,) = cache_in_tmp.iterdir()
    file.write_text(damage)
    assert len(check_images(good, 32).sizes) == 2
    assert file.read_text() != damage


def test_a_cache_folder_that_cannot_be_written_does_no_harm(mixed, tmp_path):
    (tmp_path / "file").touch()
    assert len(check_images(mixed[1:3], 32, cache_dir=tmp_path / "file" / "inside").sizes) == 2


@pytest.mark.parametrize(("after_s", "shown"), [(60.0, False), (-1.0, True)])
def test_only_a_slow_check_shows_a_progress_bar(after_s, shown, mixed, monkeypatch):
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True)
    monkeypatch.setattr(checks, "Progress", functools.partial(checks.Progress, console=console))
    monkeypatch.setattr(checks, "_PROGRESS_AFTER_S", after_s)
    check_images(mixed[1:3], 32)
    assert ("checking images" in screen.getvalue()) == shown
    assert shown or screen.getvalue() == ""


def test_long_lists_are_cut():
    assert list_some(f"f{i}" for i in range(7)).splitlines()[1:] == [*(f"  f{i}" for i in range(5)), "  ... and 2 more"]
