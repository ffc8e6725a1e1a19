"""MM-RealSR and the adversarial option through the real command."""

import csv
import json

import pytest
from safetensors.torch import load_file

TINY = (
    "network.channels=4",
    "network.num_blocks=1",
    "network.growth=2",
    "network.estimator_widths=[4,4]",
    "network.estimator_blocks=[1,1]",
    "network.estimator_downscales=[1,2]",
    "data.hr_crop_px=32",
    "data.batch_size=1",
    "data.val_crop_px=64",
    "trainer.max_steps=2",
    "trainer.val_check_interval=2",
    "trainer.log_every_n_steps=1",
    "trainer.precision=32-true",
)


def the_run(folder):
    (summary,) = folder.glob("runs/*/*/summary.json")
    return summary.parent


def logged(run_folder) -> dict[str, list[float]]:
    with (run_folder / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    return {name: [float(row[name]) for row in rows if row[name]] for name in rows[0]}


@pytest.mark.fault
def test_two_processes_play_the_game_on_quintuples(run, tmp_path):
    small = "adversarial.discriminator.channels=4"
    run("train", "experiment=mmrealsr_gan", "start_from=null", *TINY, small, "trainer=ddp_cpu")
    folder = the_run(tmp_path)
    assert json.loads((folder / "summary.json").read_text())["steps"] == 2
    metrics = logged(folder)
    for name in ("adversarial", "discriminator", "logit_real", "grad_norm_discriminator", "blur_of_worst"):
        assert len(metrics[f"train/{name}"]) == 2, name
    assert {"val/blur_in_order", "val/noise_in_order", "val/psnr_y"} <= metrics.keys()


@pytest.mark.fault
def test_second_stage_finds_the_first_and_leaves_its_estimator(run, tmp_path):
    run("train", "experiment=mmrealsr_net", *TINY)
    net = the_run(tmp_path)
    small = "adversarial.discriminator.channels=4"
    done = run("train", "experiment=mmrealsr_gan", *TINY, small, "callbacks.ema=null")
    assert str(net.relative_to(tmp_path)) in done.stdout
    (gan,) = tmp_path.glob("runs/mmrealsr_gan/*")
    before, after = (load_file(folder / "model" / "model.safetensors") for folder in (net, gan))
    for key, value in after.items():
        assert value.equal(before[key]) == key.startswith("estimator"), key
