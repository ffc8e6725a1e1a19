"""Is DRTL worth it? Ten pairs of a real camera, and several ways to make use of them.

    python benchmarks/fewshot.py path/to/training_photos path/to/camera

The camera's folder holds `train` and `test`, each with HR/ and LR/ (x2). Networks are pre-trained on the photos,
fine-tuned on 1, 4 and 10 pairs of `train`, and measured on `test`, on which nothing is ever chosen. Everything is
trained with the real commands; finished runs are taken as they are, so the work can be split by --seeds and --pairs.
"""

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table

from realsr_mod.data.protocols import Paired
from realsr_mod.degradations.resize import resize
from realsr_mod.metrics import psnr_y, ssim_y
from realsr_mod.runtime.files import write_json
from realsr_mod.weights.locate import SUMMARY_NAME
from realsr_mod.weights.release import load_model

SCALE = 2
NETWORK = ["network.channels=16", "network.encoder_blocks=2", "network.restorer_blocks=6"]
BATCH, CROP_PX = 8, 48
PRETRAINING, FINE_TUNING = 1000, 200  # steps
MAML_STEPS = PRETRAINING * 2 // 3  # each passes 12 patches through the network where another passes 8
PAIRS = (1, 4, 10)
EQUAL = ["relation=null", "pairs=null"]


def trained(folder: Path, *arguments: str) -> Path:
    """The finished run in `folder`, trained now if need be."""
    if not (folder / SUMMARY_NAME).is_file():
        started = (folder / ".hydra").is_dir()
        begin = [f"resume={folder}"] if started else [*arguments, f"hydra.run.dir={folder}"]
        if subprocess.run([sys.executable, "-m", "realsr_mod.train", *begin], check=False).returncode:
            sys.exit(1)  # it has said why
    return folder


def some_pairs(camera: Path, count: int, runs: Path) -> Path:
    """A folder with the first `count` training pairs, by name."""
    folder = runs / f"pairs_{count}"
    for side in ("HR", "LR"):
        (folder / side).mkdir(parents=True, exist_ok=True)
        for source in sorted((camera / "train" / side).iterdir())[:count]:
            link = folder / side / source.name
            if not link.exists():
                link.symlink_to(source.resolve())
    return folder


def pretrained(runs: Path, photos: Path, camera: Path, seed: int) -> dict[str, Path]:
    """One run per way of pre-training, all with the same number of patches passed through the network.

    The relation network is trained once, for all seeds.
    """
    data = [f"data.{key}" for key in ("num_workers=0", f"hr_crop_px={CROP_PX}", f"batch_size={BATCH}")]
    common = ["data=folder", f"data.root={photos}", "data.val_crop_px=128", "data.val_count=4"]
    of_relation = ["data.num_workers=0", "data.hr_crop_px=96", "data.batch_size=16", "data.val_draws=32"]
    relation = trained(runs / "relation", "experiment=drtl_relation", *common, *of_relation)
    # the weights come from the LR image of one pair: then nothing in the rows with one pair has seen another
    related = [f"relation={relation}", f"pairs={some_pairs(camera, 1, runs)}"]
    common += [*NETWORK, *data, f"seed={seed}"]
    long, short = f"trainer.max_steps={PRETRAINING}", f"trainer.max_steps={MAML_STEPS}"
    ways = {
        "bicubic": ["experiment=drtl_pretrain", "degradation=bicubic", *EQUAL, long],
        "uniform": ["experiment=drtl_pretrain", *EQUAL, long],
        "DRTL": ["experiment=drtl_pretrain", *related, long],
        "DRTL MAML": ["experiment=drtl_maml", *related, short],
        "DRTL Reptile": ["experiment=drtl_reptile", *related, long],
    }
    return {name: trained(runs / f"{name.replace(' ', '_')}_{seed}", *way, *common) for name, way in ways.items()}


def adapted(runs: Path, name: str, init: Path | None, pairs: Path, seed: int, steps: int = FINE_TUNING) -> Path:
    """A fine-tuning; from scratch where there is no `init`."""
    given = [f"init={init or 'null'}", f"pairs={pairs}", f"seed={seed}", f"trainer.max_steps={steps}"]
    network = [] if init else NETWORK
    folder = runs / f"{name.replace(' ', '_')}_{pairs.name}_{seed}"
    return trained(folder, "experiment=drtl_adapt", *given, *network)


def fine_tuned(runs: Path, camera: Path, start: dict[str, Path], count: int, seed: int) -> Iterator[tuple[str, Path]]:
    """Every model that has seen `count` pairs."""
    pairs = some_pairs(camera, count, runs)
    if count == max(PAIRS):
        yield "from scratch", adapted(runs, "scratch", None, pairs, seed)
        yield (
            "from scratch, as many steps in all",
            adapted(runs, "scratch_long", None, pairs, seed, PRETRAINING + FINE_TUNING),
        )
        yield "bicubic + fine-tuning", adapted(runs, "bicubic", start["bicubic"], pairs, seed)
    for name in ("uniform", "DRTL", "DRTL MAML", "DRTL Reptile"):
        yield f"{name} + fine-tuning", adapted(runs, name, start[name], pairs, seed)


@torch.inference_mode()
def measured(run: Path | None, test: Path, kept: Path) -> dict[str, float]:
    """Mean PSNR-Y and SSIM-Y of a model on the test pairs, bicubic's for None; measured once, kept in `kept`."""
    if not kept.is_file():
        upscale = partial(resize, scale=SCALE) if run is None else load_model(run)
        rows = []
        for case in track(list(Paired(SCALE).cases(test)), kept.stem, transient=True, console=Console(stderr=True)):
            sr = upscale(case.lr)
            rows.append((psnr_y(sr, case.hr, SCALE).item(), ssim_y(sr, case.hr, SCALE).item()))
        psnr, ssim = map(statistics.mean, zip(*rows, strict=True))
        write_json(kept, {"psnr_y": psnr, "ssim_y": ssim})
    return json.loads(kept.read_text())


def main(
    photos: Annotated[Path, typer.Argument(help="Folder of HR photos to pre-train on, for example BSDS.")],
    camera: Annotated[Path, typer.Argument(help="Folder with train/ and test/, each with HR/ and LR/.")],
    seeds: Annotated[str, typer.Option(help="Comma-separated seeds.")] = "0,1,2",
    pairs: Annotated[str, typer.Option(help="Comma-separated numbers of pairs.")] = ",".join(map(str, PAIRS)),
    runs: Annotated[Path, typer.Option(help="Where the trainings go.")] = Path("runs/fewshot"),
) -> None:
    """Train, measure, and print PSNR-Y and SSIM-Y on the test pairs."""
    runs, test = runs.resolve(), camera / "test"
    runs.mkdir(parents=True, exist_ok=True)
    bicubic = measured(None, test, runs / "bicubic_upscaling.json")
    found: dict[tuple[str, str], list[dict[str, float]]] = {("", "bicubic upscaling"): [bicubic]}
    for seed in map(int, seeds.split(",")):
        start = pretrained(runs, photos.resolve(), camera.resolve(), seed)
        models = [("0", name, start[name]) for name in ("bicubic", "uniform", "DRTL")]
        for count in filter(None, pairs.split(",")):
            models += [(count, name, run) for name, run in fine_tuned(runs, camera, start, int(count), seed)]
        for count, name, run in models:
            found.setdefault((count, name), []).append(measured(run, test, run / "test_pairs.json"))
    table = Table(title=f"{camera.name}, x{SCALE}, test pairs; seeds {seeds}")
    for column in ("pairs", "model", "PSNR-Y (dB)", "over bicubic", "SSIM-Y"):
        table.add_column(column, justify="left" if column == "model" else "right")
    for (count, name), rows in sorted(found.items(), key=lambda item: int(item[0][0] or -1)):
        psnr = [row["psnr_y"] for row in rows]
        gain = statistics.mean(psnr) - bicubic["psnr_y"]
        each = ", ".join(f"{value:.2f}" for value in psnr)
        ssim = statistics.mean(row["ssim_y"] for row in rows)
        table.add_row(count, name, each, f"{gain:+.2f}", f"{ssim:.4f}")
    Console(width=110).print(table)


if __name__ == "__main__":
    typer.run(main)
