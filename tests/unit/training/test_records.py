"""What is told to TensorBoard, MLflow and W&B is read back from their own files."""

import logging
import struct
import sys
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image
from pytorch_lightning.loggers import TensorBoardLogger

from realsr_mod import train
from realsr_mod.data.batch import SRBatch
from realsr_mod.degradations.classic import ClassicDegradation
from realsr_mod.training.loggers import mlflow_logger
from realsr_mod.training.records import caption_of, comparison, log_configuration, log_end, log_grid

SUMMARY = {
    "name": "mine", "model": "model/model.safetensors", "psnr_y": 29.25, "ssim_y": 0.81, "bicubic_psnr_y": 28.5,
    "bicubic_ssim_y": 0.75,
}  # fmt: skip
TINY = [
    "experiment=srresnet", "degradation=classic_iso",
    "network.channels=4", "network.num_blocks=1", "data.hr_crop_px=32", "data.batch_size=2",
    "data.val_draws=1", "data.val_crop_px=64", "trainer.max_steps=2", "trainer.val_check_interval=2",
    "trainer.log_every_n_steps=1", "trainer.precision=float32",
]  # fmt: skip


@pytest.fixture
def run(tmp_path):
    (tmp_path / "run" / "model").mkdir(parents=True)
    (tmp_path / "run" / "model" / "model.safetensors").write_bytes(b"weights")
    return tmp_path / "run"


def tell_all(logger, run):
    log_configuration([logger], OmegaConf.create({"seed": 7, "network": {"channels": 8}}))
    log_grid([logger], Image.new("RGB", (8, 4), "teal"), ["blur/sigma_x 1.83", ""], 500)
    log_end([logger], SUMMARY, run)


def test_a_caption_says_what_the_first_image_of_a_batch_went_through():
    x = torch.rand(2, 3, 16, 16)
    degradation = ClassicDegradation(4, noise_sigma_range_255=(2, 20))
    params = degradation.sample(x.shape, torch.Generator().manual_seed(0))
    sigma, noise = params["blur"]["sigma_x"][0], params["noise"]["sigma"][0]
    caption = caption_of(SRBatch(degradation(x, params), x, params))
    assert caption == f"blur/sigma_x {sigma:.3g}, noise/sigma {noise:.3g}"
    assert caption_of(SRBatch(x, x)) == ""


def test_tensorboard_has_configuration_images_degradations_and_the_table(run):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logger = TensorBoardLogger(str(run), name="", version="tensorboard")
    tell_all(logger, run)
    logger.experiment.flush()
    events = EventAccumulator(str(run / "tensorboard"), size_guidance={"tensors": 0}).Reload()

    def text(tag):
        return events.Tensors(tag)[0].tensor_proto.string_val[0].decode()

    assert "    seed: 7\n" in text("configuration/text_summary")
    assert text("val/degradations/text_summary") == "row 1: blur/sigma_x 1.83"
    assert "| mine | 29.250 | 0.8100 |" in text("comparison/text_summary")
    assert events.Images("val/images")[0].step == 500


def test_mlflow_has_them_too_and_the_model(run, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    logger = mlflow_logger(experiment_name="tests", run_name="mine", save_dir=str(run / "mlruns"))
    tell_all(logger, run)
    client, run_id = logger.experiment, logger.run_id
    told = client.get_run(run_id).data
    assert (told.params["seed"], told.params["network/channels"]) == ("7", "8")
    names = {item.path for item in client.list_artifacts(run_id)}
    assert names == {"config.yaml", "val_images", "comparison.md", "model"}
    (kept,) = (run / "mlruns").rglob("model.safetensors")
    assert kept.read_bytes() == b"weights"


def records_of(path: Path):
    """The records of a W&B run file: a LevelDB log of protocol buffers."""
    from wandb.proto.wandb_internal_pb2 import Record

    content, place, joined, found = path.read_bytes(), 7, b"", []
    assert content[:4] == b":W&B"
    while place + 7 <= len(content):
        left = 32768 - place % 32768
        if left < 7:
            place += left
            continue
        _, length, kind = struct.unpack("<IHB", content[place : place + 7])
        joined += content[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # whole, or the last part
            found.append(Record.FromString(joined))
            joined = b""
    return found


@pytest.mark.slow
def test_wandb_has_the_configuration_figures_images_table_model_and_the_sweep(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setattr(sys, "argv", ["train", "-m", *TINY, "logger=wandb", "seed=3"])
    levels = {name: logging.getLogger(name).level for name in ("root", "realsr_mod")}
    train.main()
    for name, level in levels.items():  # which Hydra sets
        logging.getLogger(None if name == "root" else name).setLevel(level)
    (file,) = tmp_path.rglob("*.wandb")
    records = records_of(file)
    updates = [item for r in records for item in (*r.run.config.update, *r.config.update)]
    config = {item.key or item.nested_key[0]: item.value_json for item in updates}
    assert config["seed"] == "3"
    assert '"channels":4' in config["network"].replace(" ", "")
    history = {(item.key, *item.nested_key): item.value_json for r in records for item in r.history.item}
    wanted = {"loss", "train/lr", "train/grad_norm", "train/images_per_s", "val/psnr_y", "val/images", "comparison"}
    assert wanted <= {name for names in history for name in names}
    assert "blur/sigma_x" in history["", "val/images", "captions"]
    assert {r.artifact.type for r in records if r.artifact.type} >= {"model"}
    (sweep,) = (tmp_path / "runs" / "sweeps").iterdir()
    assert {r.run.run_group for r in records if r.run.run_id} == {sweep.name}


def test_what_makes_no_images_has_no_table():
    assert comparison({"name": "relation", "accuracy": 0.9}) == []
