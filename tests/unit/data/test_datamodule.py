"""Batches are degraded in one place, reproducibly, and a resumed training sees exactly the batches that were left."""

import contextlib
import logging
from pathlib import Path
from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch
from omegaconf import OmegaConf

from realsr_mod.data.datamodule import EmbeddedDataModule, FolderDataModule, PairedDataModule
from realsr_mod.degradations.base import Degradation
from realsr_mod.degradations.classic import Bicubic, ClassicDegradation
from realsr_mod.runtime.compose import compose, instantiate
from realsr_mod.runtime.rng import step_generator


def folder_data(root, **options):
    defaults = {"scale": 2, "hr_crop_px": 16, "batch_size": 3, "val_count": 2, "min_side_px": 8}
    degradation = ClassicDegradation(2, noise_sigma_range_255=(0, 20))
    return FolderDataModule(str(root), degradation, **{**defaults, **options})


def with_trainer(data, max_steps=4, rank=0, world_size=1):
    """Let a data module believe that it is being trained with, without a trainer."""
    data.trainer = SimpleNamespace(
        global_rank=rank, world_size=world_size, max_steps=max_steps, accumulate_grad_batches=1
    )
    return data


def test_photos_can_be_compared_under_the_same_degradations(photo_folder):
    data = folder_data(photo_folder, val_count=3)
    data.setup()
    batches = list(data.repeated_degradations(data.val_files, draws=3, side_px=17))
    assert [batch.lr.shape for batch in batches] == [(3, 3, 8, 8)] * 3
    for batch in batches:
        assert torch.equal(batch.hr[0], batch.hr[1])
        assert torch.equal(batch.lr, data.degradation(batch.hr, batch.params))
        assert not torch.equal(batch.lr[0], batch.lr[1])
        assert torch.equal(batch.params["blur"]["sigma_x"], batches[0].params["blur"]["sigma_x"])
    assert not torch.equal(batches[0].hr, batches[1].hr)


@pytest.mark.parametrize("rank", [0, 1])
def test_a_loop_of_ones_own_sees_the_batches_of_a_training(photo_folder, rank):
    trained = with_trainer(folder_data(photo_folder), max_steps=4, rank=rank, world_size=2)
    expected = [trained.on_after_batch_transfer(raw) for raw in trained.train_dataloader()]
    own = list(folder_data(photo_folder).batches(4, rank=rank, world_size=2))
    rest = list(folder_data(photo_folder).batches(4, start_step=3, rank=rank, world_size=2))
    assert [batch.step for batch in own] == [0, 1, 2, 3]
    for one, other in zip([*own, *rest], [*expected, expected[3]], strict=True):
        assert torch.equal(one.lr, other.lr)
        assert torch.equal(one.hr, other.hr)
        assert one.names == other.names


class Interrupted(Exception):
    """Stands for anything that ends a training in the middle of a step."""


class Recorder(pl.LightningModule):
    """Learns next to nothing and writes down what it sees."""

    def __init__(self, interrupt_at=None):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.interrupt_at = interrupt_at
        self.seen, self.validated = [], []

    def training_step(self, batch, batch_idx):
        if batch.step == self.interrupt_at:
            raise Interrupted
        self.seen.append((batch.step, batch_idx, batch.names, batch.lr.double().sum().item()))
        return (self.weight * batch.lr.mean()).sum()

    def validation_step(self, batch, batch_idx):
        self.validated.append((batch.names, batch.lr))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=1e-3)


class SaveAt(pl.Callback):
    """Writes a checkpoint after a step, and when the training fails."""

    def __init__(self, path, step=None):
        self.path, self.step = path, step

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        if batch.step == self.step:
            trainer.save_checkpoint(self.path)

    def on_exception(self, trainer, pl_module, exception):
        trainer.save_checkpoint(self.path)


def fit(data, checkpoint=None, callbacks=(), interrupt_at=None, max_steps=7):
    module = Recorder(interrupt_at)
    trainer = pl.Trainer(
        max_steps=max_steps, accelerator="cpu", logger=False, callbacks=list(callbacks), use_distributed_sampler=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False, val_check_interval=3,
        check_val_every_n_epoch=None, num_sanity_val_steps=0,
    )  # fmt: skip
    with contextlib.suppress(Interrupted):
        trainer.fit(module, data, ckpt_path=checkpoint, weights_only=True)
    return module


@pytest.fixture(scope="module")
def whole_training(tmp_path_factory, make_photo_folder):
    """What a training that nothing interrupts sees, on photos equal to those of `photo_folder`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        return fit(folder_data(make_photo_folder(tmp_path_factory.mktemp("photos")))).seen


@pytest.mark.filterwarnings("error:.*dataloader is not resumable.*")
@pytest.mark.parametrize("saved_after", [0, 2, 5])
def test_a_resumed_training_sees_exactly_the_steps_that_were_left(photo_folder, whole_training, tmp_path, saved_after):
    path = tmp_path / "a.ckpt"
    fit(folder_data(photo_folder), callbacks=[SaveAt(path, saved_after)])
    resumed = fit(folder_data(photo_folder), checkpoint=path).seen
    assert [step for step, *_ in whole_training] == list(range(7))
    assert resumed == whole_training[saved_after + 1 :]


def test_a_step_that_was_interrupted_is_done_again(photo_folder, whole_training, tmp_path):
    path = tmp_path / "a.ckpt"
    before = fit(folder_data(photo_folder), callbacks=[SaveAt(path)], interrupt_at=4).seen
    after = fit(folder_data(photo_folder), checkpoint=path).seen
    assert before + after == whole_training


def test_a_finished_training_can_be_made_longer(photo_folder, whole_training, tmp_path):
    path = tmp_path / "a.ckpt"
    fit(folder_data(photo_folder), callbacks=[SaveAt(path, 2)], max_steps=3)
    assert fit(folder_data(photo_folder), checkpoint=path).seen == whole_training[3:]


def test_resuming_with_other_photos_is_said_to_be_inexact(photo_folder, save_photo, tmp_path):
    path = tmp_path / "a.ckpt"
    fit(folder_data(photo_folder), callbacks=[SaveAt(path, 2)])
    save_photo(photo_folder / "new.png")
    with pytest.warns(UserWarning, match="there are 4 photos to train on, and there were 3 when"):
        assert [step for step, *_ in fit(folder_data(photo_folder), checkpoint=path).seen] == [3, 4, 5, 6]


def test_workers_change_nothing_not_even_on_resuming(photo_folder, whole_training, tmp_path):
    path = tmp_path / "a.ckpt"
    assert fit(folder_data(photo_folder, num_workers=2), callbacks=[SaveAt(path, 2)]).seen == whole_training
    assert fit(folder_data(photo_folder, num_workers=2), checkpoint=path).seen == whole_training[3:]


def test_a_training_batch_is_the_degraded_patch(photo_folder):
    data = with_trainer(folder_data(photo_folder, seed=5))
    raw = list(data.train_dataloader())[3]
    batch = data.on_after_batch_transfer(raw)
    assert (batch.step, len(batch), batch.lr.shape, batch.hr.shape) == (3, 3, (3, 3, 8, 8), (3, 3, 16, 16))
    assert batch.lr.dtype == batch.hr.dtype == torch.float32
    hr = raw.hr.permute(0, 3, 1, 2) / 255
    assert torch.equal(batch.hr, hr)
    params = data.degradation.sample((3, 3, 16, 16), step_generator(5, 0, 3))
    assert torch.equal(batch.lr, data.degradation(hr, params))
    assert torch.equal(data.degradation(batch.hr, batch.params), batch.lr)
    assert not batch.lr.requires_grad


def test_a_pipeline_may_change_the_ground_truth(photo_folder):
    class Inverting(Bicubic):
        def target(self, hr_BCHW):
            return 1 - hr_BCHW

    data = with_trainer(folder_data(photo_folder))
    data.degradation = Inverting(2)
    raw = next(iter(data.train_dataloader()))
    assert torch.equal(data.on_after_batch_transfer(raw).hr, 1 - raw.hr.permute(0, 3, 1, 2) / 255)


def test_autocast_does_not_reach_the_degradation(photo_folder):
    data = with_trainer(folder_data(photo_folder))
    raw = next(iter(data.train_dataloader()))
    with torch.autocast("cpu", torch.bfloat16):
        inside = data.on_after_batch_transfer(raw).lr
    assert torch.equal(inside, data.on_after_batch_transfer(raw).lr)


def test_ranks_draw_different_degradations(photo_folder):
    first, second = (with_trainer(folder_data(photo_folder), rank=rank, world_size=2) for rank in (0, 1))
    raw = next(iter(first.train_dataloader()))
    assert not torch.equal(first.on_after_batch_transfer(raw).lr, second.on_after_batch_transfer(raw).lr)


def validation(data):
    return [data.on_after_batch_transfer(raw) for raw in data.val_dataloader()]


def test_validation_is_the_same_for_every_seed_and_number_of_ranks(photo_folder):
    whole = validation(with_trainer(folder_data(photo_folder, seed=1, val_draws=3)))
    assert [batch.names for batch in whole] == [[name] for name in ("b.png", "c.png") for _ in range(3)]
    assert [batch.hr.shape for batch in whole] == [(1, 3, 40, 48)] * 6
    assert not torch.equal(whole[0].lr, whole[1].lr), "every draw is another degradation"
    shares = [
        validation(with_trainer(folder_data(photo_folder, seed=2, val_draws=3), rank=rank, world_size=4))
        for rank in range(4)
    ]
    assert [len(share) for share in shares] == [2, 2, 1, 1]
    for number, batch in enumerate(whole):
        assert torch.equal(batch.lr, shares[number % 4][number // 4].lr)


def test_a_process_without_a_validation_photo_is_refused(photo_folder):
    with pytest.raises(ValueError, match=r"2 validation images for 3 processes.*data\.val_count"):
        with_trainer(folder_data(photo_folder), world_size=3).val_dataloader()


def test_validation_happens_on_whole_photos_between_steps(photo_folder):
    module = fit(folder_data(photo_folder))
    assert [names for names, _ in module.validated] == [["b.png"], ["c.png"]] * 2
    assert torch.equal(module.validated[0][1], module.validated[2][1])


def test_a_photo_that_breaks_during_the_training_does_not_stop_it(photo_folder, caplog):
    data = with_trainer(folder_data(photo_folder, cache_gib=0), max_steps=6)
    loader = data.train_dataloader()
    broken = data.train_files[0].hr
    broken.write_bytes(broken.read_bytes()[:200])
    with caplog.at_level(logging.WARNING):
        batches = [data.on_after_batch_transfer(raw) for raw in loader]
    assert [len(batch) for batch in batches] == [3] * 6
    assert data.train_files[0].name not in {name for batch in batches for name in batch.names}
    assert data.skipped_images == {
        str(broken): "truncated or damaged (image file is truncated); copy it again from where it came"
    }
    assert [str(broken) in record.message for record in caplog.records] == [True], [
        record.message for record in caplog.records
    ]


def test_a_photo_that_breaks_stops_the_training_if_asked(photo_folder):
    data = with_trainer(folder_data(photo_folder, cache_gib=0, on_late_bad_image="error"))
    loader = data.train_dataloader()
    for photo in data.train_files:
        photo.hr.write_bytes(b"")
    with pytest.raises(ValueError, match="the file is empty"):
        next(iter(loader))


def test_bad_images_at_the_start_are_counted_or_refused(photo_folder):
    (photo_folder / "bad.jpg").write_text("no image")
    data = folder_data(photo_folder)
    with pytest.warns(UserWarning, match="bad.jpg: not a PNG"):
        data.setup()
    assert list(data.skipped_images) == [str(photo_folder / "bad.jpg")]
    assert len(data.train_files + data.val_files) == 5
    with pytest.raises(ValueError, match=r"bad.jpg: not a PNG"):
        folder_data(photo_folder, on_bad_image="error").setup()


def test_validation_photos_are_never_trained_on(photo_folder):
    data = folder_data(photo_folder, val_root=str(photo_folder / "inner"))
    data.setup()
    assert [photo.name for photo in data.train_files] == ["a.png", "b.png", "c.png"]
    assert [photo.name for photo in data.val_files] == ["d.png", "e.png"]
    with pytest.raises(ValueError, match="0 photos to train on"):
        folder_data(photo_folder, val_root=str(photo_folder)).setup()


def test_adding_a_photo_leaves_the_split_alone(photo_folder, save_photo):
    before, after = folder_data(photo_folder), folder_data(photo_folder)
    before.setup()
    save_photo(photo_folder / "inner" / "f.png")
    after.setup()
    assert before.val_files == after.val_files
    with pytest.raises(ValueError, match=r"data.val_count.*got 6 of 6"):
        folder_data(photo_folder, val_count=6).setup()


@pytest.fixture
def pair_folders(tmp_path, save_photo):
    for number in range(4):
        save_photo(tmp_path / "HR" / f"{number}.png", 40, 48, number)
        save_photo(tmp_path / "LR" / f"{number}.png", 20, 24, number + 10)
    return str(tmp_path / "HR"), str(tmp_path / "LR")


def test_pairs_come_from_disk_and_are_not_degraded(pair_folders):
    data = with_trainer(PairedDataModule(*pair_folders, val_count=1, scale=2, hr_crop_px=16, batch_size=2))
    raw = next(iter(data.train_dataloader()))
    batch = data.on_after_batch_transfer(raw)
    assert torch.equal(batch.lr, raw.lr.permute(0, 3, 1, 2) / 255)
    assert (batch.lr.shape, batch.hr.shape, batch.params) == ((2, 3, 8, 8), (2, 3, 16, 16), {})
    (pair,) = validation(data)
    assert (pair.lr.shape, pair.hr.shape) == ((1, 3, 20, 24), (1, 3, 40, 48))


def test_no_pattern_is_drawn_into_one_half_of_a_pair(pair_folders):
    sizes = {"val_count": 1, "scale": 2, "hr_crop_px": 16, "batch_size": 2}
    with_, without = (
        next(PairedDataModule(*pair_folders, pattern_share=share, **sizes).first_batches(1)) for share in (1.0, 0.0)
    )
    assert torch.equal(with_.hr, without.hr)


def test_a_pair_with_one_bad_half_is_left_out_whole(pair_folders):
    Path(pair_folders[1], "2.png").write_text("no image")
    data = PairedDataModule(*pair_folders, val_count=1, scale=2, hr_crop_px=16)
    with pytest.warns(UserWarning, match=r"LR/2.png: not a PNG"):
        data.setup()
    assert sorted(photo.name for photo in data.train_files + data.val_files) == ["0", "1", "3"]


def test_pairs_of_another_scale_are_refused(pair_folders):
    with pytest.raises(ValueError, match="at scale 4 LR must be 10x12"):
        PairedDataModule(*pair_folders, val_count=1, scale=4).setup()


WRONG = [
    ({"hr_crop_px": 15}, r"hr_crop_px must be a multiple of scale=2, got 15; take 14"),
    ({"scale": 3, "hr_crop_px": 12}, "the degradation has scale 2, the data have scale 3"),
    ({"on_late_bad_image": "ignore"}, "must be 'skip' or 'error', got 'ignore'"),
    ({"val_draws": 0}, "val_draws must be at least 1, got 0"),
]


@pytest.mark.parametrize(("options", "message"), WRONG)
def test_wrong_options_are_refused_at_once(options, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        folder_data(tmp_path, **options)


def test_a_misspelt_option_is_named(tmp_path):
    with pytest.raises(TypeError, match="hr_crop_pixels"):
        folder_data(tmp_path, hr_crop_pixels=16)


def test_training_without_an_end_is_refused(photo_folder):
    with pytest.raises(ValueError, match=r"set trainer.max_steps"):
        with_trainer(folder_data(photo_folder), max_steps=-1).train_dataloader()


def test_embedded_photos_make_batches():
    data = with_trainer(EmbeddedDataModule(Bicubic(4), scale=4, batch_size=2), max_steps=1)
    (raw,) = data.train_dataloader()
    assert data.on_after_batch_transfer(raw).lr.shape == (2, 3, 24, 24)
    assert [batch.hr.shape[-2:] for batch in validation(data)] == [(300, 448), (400, 600)]


@pytest.mark.parametrize("name", ["embedded", "folder", "paired"])
def test_the_config_builds_its_data_module(name, tmp_path):
    config = compose("train", [f"data={name}", "seed=3", "degradation=bicubic"])
    del config.callbacks, config.logger  # they ask Hydra for the run's folder
    for key in OmegaConf.missing_keys(config):
        OmegaConf.update(config, key, str(tmp_path))
    data = instantiate(config.data)
    assert (data.scale, data.seed) == (4, 3)
    assert isinstance(data.degradation, Degradation) == (name != "paired")
