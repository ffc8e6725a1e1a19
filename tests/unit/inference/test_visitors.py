"""What a page keeps of its visitors."""

import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from realsr_mod.images.image import LoadedImage
from realsr_mod.inference.studio import OpenedImage
from realsr_mod.inference.visitors import PhotoStore, VisitorsFolder, remove_orphans


def photo(nbytes: int, name: str = "a.png") -> OpenedImage:
    return OpenedImage(name, LoadedImage(np.zeros((1, nbytes, 1), np.uint8)))


@pytest.fixture(autouse=True)
def temporary(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    return tmp_path


def test_the_photo_used_least_recently_makes_room():
    store = PhotoStore(30)
    for name in "abc":
        store.put(Path(name), photo(10))
    store.get(Path("a"))
    store.put(Path("d"), photo(10))
    assert [name for name in "abcd" if store.get(Path(name))] == ["a", "c", "d"]
    store.put(Path("d"), photo(25))  # the same again counts once
    assert store.nbytes == 25
    store.keep_only(lambda place: place != Path("d"))
    assert store.nbytes == 0


def test_a_photo_larger_than_the_store_names_the_option():
    with pytest.raises(ValueError, match=r"big.png: .* takes 2.0 MB, and 1 MB are .* --photo-memory-mb"):
        PhotoStore(10**6).put(Path("big"), photo(2 * 10**6, "big.png"))


def test_a_store_shared_by_threads_stays_within_its_bound():
    store, seen = PhotoStore(100), []

    def use(seed: int) -> None:
        for number in np.random.default_rng(seed).integers(0, 50, 300):
            store.put(Path(str(number)), photo(9))
            seen.append(store.get(Path(str(number // 2))))

    threads = [threading.Thread(target=use, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seen) == 2400
    assert store.nbytes == 99


def test_the_folder_goes_with_its_page(temporary):
    with VisitorsFolder(3600) as folder:
        (folder.uploads / "a").mkdir()
        (folder.uploads / "a" / "photo.png").write_bytes(b"x")
        assert folder.path.stat().st_mode & 0o077 == 0  # of nobody else's business
        assert folder.path.parent == temporary
    assert not list(temporary.iterdir())


def test_what_nobody_used_for_long_is_removed_and_the_pages_own_files_stay():
    with VisitorsFolder(3600) as folder:
        old, used, own, example = (
            folder.uploads / "a" / "old.png",
            folder.results / "b" / "used.png",
            folder.uploads / "c" / "own.png",
            folder.examples / "cat.png",
        )
        for path in (old, used, own, example):
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(b"x")
        long_ago = time.time() - 3601
        for path in (old, own, example, old.parent, own.parent):
            os.utime(path, (long_ago, long_ago))
        folder.sweep(frozenset([own]))
        assert [path.exists() for path in (old, used, own, example)] == [False, True, True, True]
        os.utime(old.parent, (long_ago, long_ago))
        folder.sweep(frozenset([own]))
        assert not old.parent.exists()


def test_the_oldest_go_early_when_there_is_too_much():
    with VisitorsFolder(3600) as folder:
        for number in range(5):
            path = folder.uploads / f"{number}.png"
            path.write_bytes(bytes(10))
            os.utime(path, (time.time() - 100 + number,) * 2)
        folder.sweep(disk_bytes=25)
        assert sorted(path.name for path in folder.uploads.iterdir()) == ["3.png", "4.png"]


def test_a_folder_is_swept_again_and_again_until_its_page_ends():
    with VisitorsFolder(0.2) as folder:
        swept = threading.Semaphore(0)
        folder.sweep_regularly(frozenset(), then=swept.release)
        for name in ("first", "second"):
            (folder.uploads / name).write_bytes(b"x")
            end = time.monotonic() + 10
            while (folder.uploads / name).exists() and time.monotonic() < end:
                swept.acquire(timeout=1)
            assert not (folder.uploads / name).exists()


def test_the_folder_of_a_killed_page_goes_and_that_of_a_living_one_stays(temporary):
    script = (
        "import time; from realsr_mod.inference.visitors import VisitorsFolder\n"
        "with VisitorsFolder(3600) as folder:\n"
        "    (folder.uploads / 'photo.png').write_bytes(b'x'); print(folder.path, flush=True); time.sleep(100)\n"
    )
    pages = [subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    try:
        killed, living = (Path(page.stdout.readline().strip()) for page in pages)
        pages[0].kill()
        pages[0].wait(30)
        (temporary / "realsr_mod_page_notes").mkdir()  # named by a person
        (temporary / "realsr_mod_page_0123456789ab").symlink_to(living)
        assert (killed / "uploads" / "photo.png").exists()
        remove_orphans()
        assert not killed.exists()
        assert not killed.with_name(f"{killed.name}.lock").exists()
        assert (living / "uploads" / "photo.png").exists()
        assert (temporary / "realsr_mod_page_notes").exists()
    finally:
        for page in pages:
            page.kill()
            page.wait(30)
