"""Training patches a second from a folder of photos and from the same photos packed, read from a cold disk.

`python benchmarks/loading.py PHOTOS [--store FOLDER] [--rounds N]` (`pip install '.[packed]'`): packs PHOTOS where they
are not yet, then reads patches of 256 px, as a training does, by two workers that keep nothing, for some seconds each,
three times in turn; medians are printed. Before each run what the system keeps in memory of these files is dropped,
and again every quarter second, as if they were many times larger than the memory. The last rows say how fast a store is
whose bytes are in memory already, and what the disk gives, which is often what limits a store.
"""

import argparse
import os
import threading
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

from torch.utils.data import DataLoader

from realsr_mod.data.datamodule import FolderDataModule, SRDataModule
from realsr_mod.data.packed import PackedDataModule
from realsr_mod.data.packing import check_space, pack, plan_packing
from realsr_mod.data.patches import TrainPatches, collate_training
from realsr_mod.data.sampler import StepBatchSampler
from realsr_mod.degradations.classic import Bicubic
from realsr_mod.images.bounds import MAX_PIXELS

PATCH_PX, BATCH, WORKERS = 256, 16, 2


def files_below(folder: Path) -> list[Path]:
    return [Path(inside, name) for inside, _, names in os.walk(folder) for name in names]


def drop_from_memory(files: list[Path]) -> None:
    """Have the system forget what it keeps of files."""
    for file in files:
        descriptor = os.open(file, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


def loader(data: SRDataModule) -> DataLoader[Any]:
    """As a training reads, without degrading; many steps."""
    data.setup()
    sampler = StepBatchSampler(len(data.train_files), BATCH, 10**9)
    dataset = TrainPatches(data._store(data.train_files), PATCH_PX, seed=0)
    options = data._loader_options() | {"batch_sampler": sampler, "collate_fn": collate_training, "prefetch_factor": 4}
    return DataLoader(dataset, **options)


def patches_a_second(data: SRDataModule, seconds: float, files: list[Path], is_cold: bool) -> float:
    """After two batches, by which all has started."""
    stop = threading.Event()

    def forget() -> None:
        while not stop.wait(0.25):
            drop_from_memory(files)

    if is_cold:
        drop_from_memory(files)
    else:
        for file in files:
            file.read_bytes()
    batches = iter(loader(data))
    list(islice(batches, WORKERS))
    if is_cold:
        drop_from_memory(files)
        threading.Thread(target=forget, daemon=True).start()
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        count += len(next(batches).names)
    stop.set()
    return count / (time.perf_counter() - start)


def disk_bytes_a_second(files: list[Path], seconds: float) -> float:
    """From front to back, as fast as a disk is read."""
    drop_from_memory(files)
    start, count = time.perf_counter(), 0
    for file in files:
        count += len(file.read_bytes())
        if time.perf_counter() - start > seconds:
            break
    return count / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--store", type=Path, default=Path("build/loading"))
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    packing = plan_packing(args.photos, args.store, MAX_PIXELS, say=print)
    args.store.mkdir(parents=True, exist_ok=True)
    check_space(packing)
    list(pack(packing, MAX_PIXELS, threads=2))
    os.sync()  # what is not yet on the disk cannot be forgotten
    stored = files_below(args.store)
    photos = list(packing.sources.values())
    options = {"scale": 4, "hr_crop_px": PATCH_PX, "num_workers": WORKERS, "val_count": 1}
    make: dict[str, Callable[..., SRDataModule]] = {"folder": FolderDataModule, "packed": PackedDataModule}

    def speed(kind: str, root: Path, files: list[Path], is_cold: bool) -> float:
        data = make[kind](str(root), Bicubic(4), cache_gib=0.02 if kind == "packed" else 0.0, **options)
        return patches_a_second(data, args.seconds, files, is_cold)

    runs: dict[str, list[float]] = {"folder": [], "packed": [], "memory": []}
    for _ in range(args.rounds):  # one after the other, since what else the machine does changes
        runs["folder"].append(speed("folder", args.photos, photos, True))
        runs["packed"].append(speed("packed", args.store, stored, True))
        runs["memory"].append(speed("packed", args.store, stored, False))
    folder, packed, warm = (median(found) for found in runs.values())
    disk = disk_bytes_a_second(stored, args.seconds)
    print(f"{len(photos)} photos; patches of {PATCH_PX} px a second, {WORKERS} workers, {os.cpu_count()} cores")
    print(f"folder, cold disk   {folder:8.0f}")
    print(f"packed, cold disk   {packed:8.0f}   {packed / folder:5.1f} times")
    print(f"packed, in memory   {warm:8.0f}   {warm / folder:5.1f} times")
    print(f"the disk, front to back: {disk / 1e6:.0f} MB/s")


if __name__ == "__main__":
    main()
