"""Packed photos give the very batches of the folder they were packed from; damage is a sentence, never black."""

import json
import sys
from itertools import islice

import numpy as np
import pytest
import torch

from realsr_mod.data.datamodule import FolderDataModule
from realsr_mod.data.packed import PackedDataModule
from realsr_mod.data.packing import pack, plan_packing
from realsr_mod.data.store import INDEX, Place
from realsr_mod.degradations.classic import ClassicDegradation
from realsr_mod.images.image import ImageReadError

PIXELS = 10_000_000


def make_data(kind, root, **options):
    defaults = {"scale": 2, "hr_crop_px": 48, "batch_size": 3, "val_count": 2, "min_side_px": 8, "val_crop_px": 38}
    return kind(str(root), ClassicDegradation(2, noise_sigma_range_255=(0, 20)), **{**defaults, **options})


@pytest.fixture
def folder(tmp_path, photo_folder, save_photo):
    """Photos smaller than the patch, larger than a chunk, and in between."""
    save_photo(photo_folder / "large.png", 150, 270, seed=8)
    save_photo(photo_folder / "tall.png", 261, 33, seed=9)
    return photo_folder


@pytest.fixture
def store(tmp_path, folder):
    packing = plan_packing(folder, tmp_path / "store", PIXELS, say=print)
    (tmp_path / "store").mkdir()
    assert not any(reason for _, reason in pack(packing, PIXELS, threads=2))
    return tmp_path / "store"


def assert_equal(batches, others):
    count = 0
    for one, other in zip(batches, others, strict=True):
        count += 1
        assert one.names == other.names
        assert one.step == other.step
        assert torch.equal(one.hr, other.hr)
        assert torch.equal(one.lr, other.lr)
    assert count


def test_batches_are_those_of_the_folder(folder, store):
    packed, plain = make_data(PackedDataModule, store), make_data(FolderDataModule, folder)
    assert_equal(packed.batches(8), plain.batches(8))
    assert_equal(packed.batches(8, start_step=5), islice(plain.batches(8), 5, None))
    assert [image.name for image in packed.val_files] == [image.name for image in plain.val_files]


def test_validation_photos_are_those_of_the_folder(folder, store):
    packed, plain = make_data(PackedDataModule, store), make_data(FolderDataModule, folder)
    found, expected = list(packed.val_dataloader()), list(plain.val_dataloader())
    assert len(found) == len(expected) == 2
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one.hr, other.hr)
        assert (one.names, one.item) == (other.names, other.item)


def test_workers_are_not_forked_from_a_process_that_has_read(store):
    packed = make_data(PackedDataModule, store, num_workers=1)
    assert len(list(packed.first_batches(1))) == 1
    assert packed._loader_options()["multiprocessing_context"] == "spawn"  # a fork would be aborted


@pytest.mark.fault  # a process that starts anew imports PyTorch
def test_workers_read_also_where_their_parent_has_read(folder, store):
    packed = make_data(PackedDataModule, store, num_workers=1)
    assert len(list(packed.first_batches(1))) == 1
    assert_equal(packed.batches(2), make_data(FolderDataModule, folder).batches(2))


@pytest.mark.parametrize("damage", ["flip", "cut", "gone"])
def test_a_damaged_array_is_named_with_the_remedy_and_replaced(store, damage):
    packed = make_data(PackedDataModule, store, val_count=1, on_late_bad_image="error")
    packed.setup()
    image = packed.train_files[0]
    shard = store / image.photo.array / "c/0/0/0"
    content = bytearray(shard.read_bytes())
    content[100] ^= 1
    shard.unlink() if damage == "gone" else shard.write_bytes(content if damage == "flip" else content[:5000])
    photos = packed._store(packed.train_files)
    with pytest.raises(
        ImageReadError, match=rf"{image.name}: cannot be read from the store \(.*\); delete .* and pack"
    ):
        photos.read(0)
    photos.on_late_bad_image = "skip"
    whole = lambda height, width: (slice(height), slice(width))
    patches = photos.cut_many([(0, whole), (1, whole)])
    assert [patch.name for patch in patches] == [packed.train_files[1].name] * 2
    assert list(patches[0].broken) == [str(image.hr)]
    assert patches[1].broken == {}
    np.testing.assert_array_equal(patches[0].hr, patches[1].hr)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"version": 2}, "version 2"),
        ({"chunk_px": 1}, "chunks of 1 pixels"),
        ({"photos": [["a.png", 40, 10**12]]}, "a.png of 40x1000000000000 pixels"),
        ({"photos": [["a.png", 40, True]]}, "a.png of size 40 x True"),
        ({"photos": [["a.png", -1, 5]]}, "a.png of size -1 x 5"),
        ({"photos": [["a\n.png", 40, 5]]}, "a photo of the name"),
        ({"photos": [["\ud800", 40, 5]]}, "a photo of the name"),
        ({"photos": [["a.png", 40, 5], ["a.png", 40, 5]]}, "one name for several photos"),
        ({"photos": [7]}, "none that this version can read"),
    ],
)
def test_an_index_that_promises_anything_else_is_refused(store, change, message):
    index = json.loads((store / INDEX).read_text())
    (store / INDEX).write_text(json.dumps(index | change))
    with pytest.raises(ValueError, match=message):
        make_data(PackedDataModule, store).setup()


def test_an_index_that_says_another_size_reads_no_other_pixels(store):
    index = json.loads((store / INDEX).read_text())
    index["photos"] = [[name, 2 * height + 200, width] for name, height, width in index["photos"]]
    (store / INDEX).write_text(json.dumps(index))
    packed = make_data(PackedDataModule, store, on_late_bad_image="error")
    packed.setup()
    with pytest.raises(ImageReadError, match="cannot be read from the store"):
        packed._store(packed.train_files).read(0)


def test_too_small_photos_are_left_out_and_named(store):
    packed = make_data(PackedDataModule, store, min_side_px=35)
    with pytest.warns(UserWarning, match="tall.png: too small: 261x33"):
        packed.setup()
    assert len(packed.train_files) + len(packed.val_files) == 6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"root": "ftp://host/store"}, "from a folder, s3://BUCKET/PATH or gs://BUCKET/PATH"),
        ({"root": "s3:///store"}, "from a folder, s3://BUCKET/PATH or gs://BUCKET/PATH"),
        ({"root": ""}, "give it as data.root"),
        ({"root": "folder", "endpoint": "http://127.0.0.1:1"}, "goes with s3://BUCKET/PATH"),
    ],
)
def test_places_that_are_none_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Place(**options)


def test_places_on_servers_have_the_keys_that_the_library_wants(monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    assert Place("s3://bucket/a/b/", "http://host:1").kvstore("x/y") == {
        "driver": "s3", "bucket": "bucket", "path": "a/b/x/y", "endpoint": "http://host:1",
    }  # fmt: skip
    assert Place("gs://bucket").kvstore("x") == {"driver": "gcs", "bucket": "bucket", "path": "x"}


def test_a_folder_that_is_no_store_says_how_to_make_one(photo_folder):
    with pytest.raises(FileNotFoundError, match=r"holds no packed photos; pack photos: python -m realsr_mod.pack"):
        make_data(PackedDataModule, photo_folder).setup()


def test_a_missing_library_is_a_sentence(store, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorstore", None)
    with pytest.raises(ValueError, match=r"pip install 'realsr-mod\[packed\]'"):
        make_data(PackedDataModule, store).setup()
