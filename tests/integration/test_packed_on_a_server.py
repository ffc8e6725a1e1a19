"""Packed photos are read from a server that speaks S3, as from a folder."""

import urllib.request

import numpy as np
import pytest
import torch
from moto.server import ThreadedMotoServer
from PIL import Image

from realsr_mod.data.packed import PackedDataModule
from realsr_mod.data.packing import pack, plan_packing
from realsr_mod.degradations.classic import Bicubic
from realsr_mod.images.image import ImageReadError


@pytest.fixture
def endpoint(monkeypatch):
    for name, value in {"ACCESS_KEY_ID": "key", "SECRET_ACCESS_KEY": "secret", "REGION": "us-east-1"}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def send(url, content=b""):
    kind = {"Content-Type": "application/octet-stream"}  # else it would be taken for a form
    with urllib.request.urlopen(urllib.request.Request(url, content, kind, method="PUT"), timeout=20) as answer:
        assert answer.status == 200


def send_store(url, store):
    for path in store.rglob("*"):
        if path.is_file():
            send(f"{url}/{path.relative_to(store)}", path.read_bytes())


def make_data(root, endpoint=None, **options):
    common = {"scale": 2, "hr_crop_px": 32, "batch_size": 3, "val_count": 1, "min_side_px": 8}
    return PackedDataModule(str(root), Bicubic(2), endpoint=endpoint, **common, **options)


@pytest.mark.timeout(60)
def test_batches_are_those_of_the_folder_and_what_is_missing_is_named(tmp_path, endpoint):
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 256, (150, 40, 3), dtype=np.uint8)
        (tmp_path / "photos").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / f"photos/{number}.png")
    store = tmp_path / "store"
    store.mkdir()
    list(pack(plan_packing(tmp_path / "photos", store, 10**6, print), 10**6, threads=1))
    send(f"{endpoint}/bucket")
    send_store(f"{endpoint}/bucket/my", store)
    remote, local = make_data("s3://bucket/my", endpoint), make_data(store)
    for one, other in zip(remote.batches(3), local.batches(3), strict=True):
        assert one.names == other.names
        assert torch.equal(one.hr, other.hr)
    assert torch.equal(next(iter(remote.val_dataloader())).hr, next(iter(local.val_dataloader())).hr)
    (store / remote.train_files[0].photo.array / "c/0/0/0").unlink()
    send_store(f"{endpoint}/bucket/damaged", store)
    strict = make_data("s3://bucket/damaged", endpoint, on_late_bad_image="error")
    with pytest.raises(ImageReadError, match=r"cannot be read from the store .*delete s3://bucket/damaged/arrays/"):
        list(strict.batches(3))
    with pytest.raises(FileNotFoundError, match=r"s3://bucket/yours: no index\.json there"):
        make_data("s3://bucket/yours", endpoint).setup()
