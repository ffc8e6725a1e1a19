"""A store is whole or none; what is whole is not made again."""

import contextlib
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from realsr_mod.data import packing as packing_module
from realsr_mod.data.packing import check_space, locked, pack, plan_packing
from realsr_mod.data.store import INDEX, Place, array_spec, read_index, tensorstore

PIXELS = 10_000_000


def pack_all(folder, store, threads=2):
    packing = plan_packing(folder, store, PIXELS, say=print)
    store.mkdir(exist_ok=True)
    return packing, dict(pack(packing, PIXELS, threads))


def read_array(store, photo):
    spec = array_spec(Place(str(store)).kvstore(photo.array), photo)
    return tensorstore().open(spec, open=True, assume_metadata=True).result().read().result()


def test_arrays_hold_the_photos_and_the_index_their_names_and_sizes(tmp_path, photo_folder, save_photo):
    large = save_photo(photo_folder / "large.png", 140, 300)
    Image.fromarray(np.zeros((130, 40, 3), np.uint8)).save(photo_folder / "black.png")
    pack_all(photo_folder, tmp_path / "store")
    photos = {photo.name: photo for photo in read_index(Place(str(tmp_path / "store")))}
    assert list(photos) == ["a.png", "b.png", "black.png", "c.png", "inner/d.png", "inner/e.png", "large.png"]
    assert (photos["large.png"].height, photos["large.png"].width) == (140, 300)
    np.testing.assert_array_equal(read_array(tmp_path / "store", photos["large.png"]), large)
    assert read_array(tmp_path / "store", photos["black.png"]).max() == 0
    shard = tmp_path / "store" / photos["large.png"].array / "c/0/0/0"
    assert photos["large.png"].stored_bytes - 5000 < shard.stat().st_size <= photos["large.png"].stored_bytes


def test_other_programs_can_read_the_arrays_by_what_lies_beside_them(tmp_path, photo_folder):
    pack_all(photo_folder, tmp_path / "store")
    photo = read_index(Place(str(tmp_path / "store")))[0]
    plain = {"driver": "zarr3", "kvstore": Place(str(tmp_path / "store")).kvstore(photo.array)}
    found = tensorstore().open(plain, open=True).result().read().result()
    np.testing.assert_array_equal(found, read_array(tmp_path / "store", photo))


def test_packing_that_was_stopped_goes_on_and_has_no_index_before(tmp_path, photo_folder):
    store = tmp_path / "store"
    packing = plan_packing(photo_folder, store, PIXELS, say=print)
    store.mkdir()
    begun = pack(packing, PIXELS, threads=1)
    first, _ = next(begun)
    begun.close()
    assert not (store / INDEX).exists()
    with pytest.raises(FileNotFoundError, match="its packing was not finished; go on with it"):
        read_index(Place(str(store)))
    again, done = pack_all(photo_folder, store)
    assert first in again.done
    assert set(done) == set(again.sources) - again.done
    assert len(read_index(Place(str(store)))) == 5
    assert pack_all(photo_folder, store)[1] == {}


def test_what_changed_or_is_new_is_packed_and_what_is_gone_leaves_the_index(tmp_path, photo_folder, save_photo):
    store = tmp_path / "store"
    pack_all(photo_folder, store)
    pixels = save_photo(photo_folder / "a.png", seed=77)
    save_photo(photo_folder / "z.png", seed=78)
    (photo_folder / "b.png").unlink()
    _, done = pack_all(photo_folder, store)
    assert {photo.name for photo in done} == {"a.png", "z.png"}
    photos = {photo.name: photo for photo in read_index(Place(str(store)))}
    assert list(photos) == ["a.png", "c.png", "inner/d.png", "inner/e.png", "z.png"]
    np.testing.assert_array_equal(read_array(store, photos["a.png"]), pixels)


def test_bad_files_are_told_with_the_reason_and_the_others_packed(tmp_path, photo_folder):
    (photo_folder / "none.jpg").write_bytes(b"no photo")
    content = (photo_folder / "c.png").read_bytes()
    (photo_folder / "c.png").write_bytes(content[: len(content) // 2])  # its header is whole
    packing, done = pack_all(photo_folder, tmp_path / "store")
    assert [path.name for path in packing.bad] == ["none.jpg"]
    assert {photo.name: reason[:20] for photo, reason in done.items() if reason} == {"c.png": "truncated or damaged"}
    assert len(read_index(Place(str(tmp_path / "store")))) == 4


def test_a_folder_of_bad_files_leaves_no_store(tmp_path, photo_folder):
    for path in photo_folder.rglob("*.png"):
        path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match="no photo could be read, so there is no store"):
        pack_all(photo_folder, tmp_path / "store")
    assert not (tmp_path / "store" / INDEX).exists()


@pytest.mark.parametrize(
    ("place", "message"),
    [("photos/store", "lies in the folder of the photos"), ("full", "holds other things"), ("file", "is a file")],
)
def test_places_where_no_store_can_be_are_refused(tmp_path, photo_folder, place, message):
    (tmp_path / "full").mkdir()
    for file in (tmp_path / "full/letter.txt", tmp_path / "file"):
        file.write_text("mine")
    with pytest.raises(ValueError, match=message):
        plan_packing(photo_folder, tmp_path / place, PIXELS, say=print)


def test_a_disk_that_is_too_small_is_told_before(tmp_path, photo_folder, monkeypatch):
    store = tmp_path / "store"
    store.mkdir()
    packing = plan_packing(photo_folder, store, PIXELS, say=print)
    check_space(packing)
    usage = shutil.disk_usage(store)._replace(free=50_000_000 + packing.needed_bytes - 1)
    monkeypatch.setattr(packing_module.shutil, "disk_usage", lambda _: usage)
    with pytest.raises(OSError, match="make room"):
        check_space(packing)


def test_the_index_is_plain_json(tmp_path, photo_folder):
    pack_all(photo_folder, tmp_path / "store")
    index = json.loads((tmp_path / "store" / INDEX).read_text())
    assert index == {
        "version": 1, "chunk_px": 128,
        "photos": [[name, 40, 48] for name in ("a.png", "b.png", "c.png", "inner/d.png", "inner/e.png")],
    }  # fmt: skip


def test_shares_together_are_the_whole_and_joining_packs_nothing_again(tmp_path, photo_folder):
    store = tmp_path / "store"
    store.mkdir()
    packed = []
    for shard in ("1/3", "2/3", "3/3"):
        packing = plan_packing(photo_folder, store, PIXELS, print, shard)
        with locked(packing):
            packed += [photo.name for photo, _ in pack(packing, PIXELS, 1)]
        assert not (store / INDEX).exists()
    assert sorted(packed) == ["a.png", "b.png", "c.png", "inner/d.png", "inner/e.png"]
    joined, done = pack_all(photo_folder, store)
    assert (len(joined.done), done) == (5, {})
    pack_all(photo_folder, tmp_path / "alone")
    assert (store / INDEX).read_bytes() == (tmp_path / "alone" / INDEX).read_bytes()


@pytest.mark.parametrize(
    ("held", "asked", "refused"),
    [
        (None, "1/3", ".lock"),
        ("1/3", None, ".lock-1-of-3"),
        ("1/3", "1/3", ".lock-1-of-3"),
        ("1/3", "01/03", ".lock-1-of-3"),
        ("1/3", "1/2", ".lock-1-of-3"),
        ("1/3", "2/3", None),
    ],
)
def test_a_share_keeps_all_but_other_shares_of_as_many_away(tmp_path, photo_folder, monkeypatch, held, asked, refused):
    monkeypatch.setattr(packing_module, "_LOCK_WAIT_S", 0.01)
    store = tmp_path / "store"
    store.mkdir()
    with locked(plan_packing(photo_folder, store, PIXELS, print, held)):
        second = plan_packing(photo_folder, store, PIXELS, print, asked)
        refusal = pytest.raises(ValueError, match=rf"written by another program \({refused} is held\)")
        with refusal if refused else contextlib.nullcontext(), locked(second):
            pass


def test_a_share_that_is_none_is_refused_before_photos_are_looked_at(tmp_path):
    with pytest.raises(ValueError, match=r"--shard 4/3 must be I/N with I from 1 to N"):
        plan_packing(tmp_path / "nowhere", tmp_path / "store", PIXELS, print, "4/3")
