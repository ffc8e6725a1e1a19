"""CRL-SR through the real command: what is trained, what is released."""

import csv
import json

import onnx
import pytest
import torch
from safetensors.torch import load_file

from realsr_mod.export import Format, write

TINY = (
    "network.channels=4",
    "network.remover_blocks=1",
    "network.restorer_blocks=1",
    "method.projection_dim=4",
    "method.extractor_blocks=1",
    "data.hr_crop_px=32",
    "data.batch_size=2",
    "data.val_draws=1",
    "data.val_crop_px=64",
    "trainer.max_steps=2",
    "trainer.val_check_interval=2",
    "trainer.log_every_n_steps=1",
    "trainer.precision=32-true",
    "callbacks.last.every_n_train_steps=1",
)


@pytest.mark.fault
def test_two_processes_train_five_parts_and_release_two(run, tmp_path):
    said = run("train", "experiment=crlsr", *TINY, "trainer=ddp_cpu").stdout
    assert "find_unused_parameters" not in said, "all parts train in every step, so that nothing is looked for"
    (folder,) = tmp_path.glob("runs/crlsr/*")
    summary = json.loads((folder / "summary.json").read_text())
    with (folder / "metrics.csv").open() as file:
        logged = {name for row in csv.DictReader(file) for name, value in row.items() if value}
    terms = {f"train/{name}" for name in ("pixel", "bidirectional", "conditional", "reconstruction")}
    sets = {f"train/{name}" for name in ("encoding_alignment", "refinement_alignment")}
    assert terms | sets | {"train/encoding_uniformity_hr", "train/refinement_uniformity_sr"} <= logged

    checkpoint = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    parts = {name.split(".")[0] for name in checkpoint["state_dict"]}
    assert parts == {"network", "details_remover", "projection", "extractor", "decoder"}
    weights = load_file(folder / "model" / "model.safetensors")
    assert {name.split(".")[0] for name in weights} == {"remover", "restorer"}

    for kind in (Format.safetensors, Format.onnx):
        write(folder, kind, tmp_path / "out")
    assert load_file(tmp_path / "out" / "model.safetensors").keys() == weights.keys()
    stored = {tensor.name for tensor in onnx.load(tmp_path / "out" / "model.onnx").graph.initializer}
    stored = {name.removeprefix("network.") for name in stored if name.startswith("network.")}
    assert weights.keys() <= stored
    assert {name.split(".")[0] for name in stored} == {"remover", "restorer"}
    assert sum(p.numel() for p in weights.values()) == summary["parameters"]
