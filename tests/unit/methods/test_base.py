"""Training itself: divergence, interruption, averaged weights, progress, on a toy network."""

import os
import signal
from functools import partial, partialmethod

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import EMAWeightAveraging, ModelCheckpoint
from torch import nn
from torch.utils.data import DataLoader

from realsr_mod.data.batch import SRBatch
from realsr_mod.methods.base import DivergedError, SRModule
from realsr_mod.methods.kdsr.network import KDSRNet
from realsr_mod.networks.base import SRNetwork
from realsr_mod.training.callbacks import ImageGrid, LineProgress
from realsr_mod.training.checkpointing import CheckedCheckpointIO, SaveOnInterrupt, TrainingInterrupted


class Upsampler(SRNetwork):
    scale = 2

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 12, 1)

    def restore(self, lr, embedding):
        return nn.functional.pixel_shuffle(self.conv(lr), 2)


class Toy(SRModule):
    at_step = None  # step to a function of that step's loss

    def forward_losses(self, batch):
        sr = self.network(batch.lr)
        loss = self.pixel_loss(sr, batch.hr)
        return {"pixel": self.at_step.get(batch.step, lambda loss: loss)(loss)}, sr


class Batches(torch.utils.data.Dataset):
    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, step):
        hr = torch.rand(1, 3, 24, 24, generator=torch.Generator().manual_seed(step))
        return SRBatch(lr=hr[..., ::2, ::2], hr=hr, step=step)


def fit(tmp_path, steps=6, callbacks=(), at_step=None, accumulate=1, **training):
    torch.manual_seed(0)
    module = Toy(Upsampler(), partial(torch.optim.SGD, lr=0.1), **training)
    module.at_step = at_step or {}
    trainer = pl.Trainer(
        max_steps=steps,
        accumulate_grad_batches=accumulate,
        accelerator="cpu",
        callbacks=list(callbacks),
        plugins=[CheckedCheckpointIO()],
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=any(isinstance(c, ModelCheckpoint) for c in callbacks),
        default_root_dir=tmp_path,
        num_sanity_val_steps=0,
    )
    loaders = [DataLoader(Batches(n), batch_size=None) for n in (steps * accumulate, 2)]
    return module, lambda: trainer.fit(module, *loaders)


def last_every_step(tmp_path):
    return ModelCheckpoint(tmp_path, "last", every_n_train_steps=1, enable_version_counter=False)


@pytest.mark.parametrize(("factor", "shown"), [(torch.nan, "nan"), (-torch.inf, "-inf"), (1e9, r"\d.*e\+08")])
def test_a_loss_that_explodes_names_step_and_term_and_leaves_the_checkpoint(tmp_path, factor, shown):
    _, run = fit(tmp_path, at_step={3: lambda loss: loss * factor}, callbacks=[last_every_step(tmp_path)])
    with pytest.raises(DivergedError, match=f"'pixel' is {shown} at step 3"):
        run()
    kept = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert kept["global_step"] == 3
    assert all(torch.isfinite(weight).all() for weight in kept["state_dict"].values())


def test_images_that_explode_are_seen_under_any_loss(tmp_path):
    class Saturating(nn.Module):
        def forward(self, sr, hr):
            return (sr - hr).square().mean().log()

    module, run = fit(tmp_path, pixel_loss=Saturating())
    nn.init.constant_(module.network.conv.bias, -3e7)
    with pytest.raises(DivergedError, match=r"a restored pixel is 3e\+07 at step 0"):
        run()


def test_weights_that_turn_infinite_never_reach_a_checkpoint(tmp_path):
    module, run = fit(tmp_path, at_step={3: lambda loss: loss * 1e38 * 1e38}, callbacks=[last_every_step(tmp_path)])
    module.check_sanity = lambda terms, sr, step: None
    with pytest.raises(DivergedError, match=r"network\.conv\.\w+' is not finite after step 4"):
        run()
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["global_step"] == 3


def test_an_interrupt_finishes_the_step_saves_and_restores_the_handler(tmp_path):
    def interrupt(loss):
        os.kill(os.getpid(), signal.SIGINT)
        return loss

    before = signal.getsignal(signal.SIGINT)
    _, run = fit(tmp_path, at_step={2: interrupt}, callbacks=[SaveOnInterrupt(tmp_path / "last.ckpt")])
    with pytest.raises(TrainingInterrupted, match="stopped after step 3"):
        run()
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["global_step"] == 3
    assert signal.getsignal(signal.SIGINT) is before


def test_an_interrupt_waits_for_all_batches_of_a_step(tmp_path):
    def interrupt(loss):
        os.kill(os.getpid(), signal.SIGINT)
        return loss

    saving = SaveOnInterrupt(tmp_path / "last.ckpt")
    _, run = fit(tmp_path, at_step={2: interrupt}, accumulate=2, callbacks=[saving])  # the first batch of step 1
    with pytest.raises(TrainingInterrupted, match="stopped after step 2"):
        run()


def test_averaged_weights_are_what_training_ends_with(tmp_path):
    plain, run = fit(tmp_path, steps=3)
    history = []
    plain.on_train_batch_end = lambda *args: history.append(plain.network.conv.bias.detach().clone())
    run()
    averaged, run = fit(tmp_path, steps=3, callbacks=[EMAWeightAveraging(decay=0.5)])
    run()
    expected = 0.25 * history[0] + 0.25 * history[1] + 0.5 * history[2]
    assert torch.allclose(averaged.network.conv.bias, expected, atol=1e-7)


def test_checkpoint_files_are_replaced_whole(tmp_path, monkeypatch):
    io = CheckedCheckpointIO()
    io.save_checkpoint({"step": 1}, tmp_path / "a.ckpt")
    monkeypatch.setattr(os, "fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        io.save_checkpoint({"step": 2}, tmp_path / "a.ckpt")
    assert io.load_checkpoint(tmp_path / "a.ckpt") == {"step": 1}


@pytest.mark.parametrize("accumulate", [1, 3])
def test_progress_and_images(tmp_path, capsys, accumulate):
    shows = [LineProgress(every_percent=50), ImageGrid(tmp_path, crop_px=16)]
    _, run = fit(tmp_path, steps=4, callbacks=shows, accumulate=accumulate)
    run()
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("step")]
    assert [line.split()[1] for line in lines] == ["2/4", "4/4"]
    assert "loss" in lines[0]
    assert (tmp_path / "step_000004.png").is_file()
    assert (tmp_path / "latest.png").read_bytes() == (tmp_path / "step_000004.png").read_bytes()


def test_validation_stands_beside_bicubic(tmp_path):
    from realsr_mod.degradations.resize import resize
    from realsr_mod.metrics import psnr_y

    module, run = fit(tmp_path, steps=2)
    run()
    batches = [Batches(2)[i] for i in range(2)]
    expected = sum(psnr_y(resize(b.lr, scale=2), b.hr, 2).item() for b in batches) / 2
    assert module.trainer.callback_metrics["val/bicubic_psnr_y"].item() == pytest.approx(expected, abs=1e-4)
    own = sum(psnr_y(module.network(b.lr).detach(), b.hr, 2).item() for b in batches) / 2
    assert module.trainer.callback_metrics["val/psnr_y"].item() == pytest.approx(own, abs=1e-4)


def test_other_metrics_are_measured_beside_bicubic_s_and_stay_out_of_checkpoints(tmp_path, monkeypatch):
    from realsr_mod.metrics import niqe

    monkeypatch.setattr(niqe, "BLOCK_PX", 8)
    module, run = fit(tmp_path, steps=2, metrics=["niqe"])
    run()
    figures = module.trainer.callback_metrics
    own = (
        sum(
            niqe.niqe(module.network(b.lr).detach().clamp(0, 1), 2).mean().item()
            for b in map(Batches(2).__getitem__, (0, 1))
        )
        / 2
    )
    assert figures["val/niqe"].item() == pytest.approx(own, rel=1e-4)
    assert figures["val/bicubic_niqe"].item() != pytest.approx(own, rel=1e-2)
    assert all(key.startswith("network.") for key in module.state_dict())


def test_the_distance_of_images_is_a_choice():
    module = Toy(Upsampler(), partial(torch.optim.SGD, lr=0.1), pixel_loss=nn.MSELoss())
    module.at_step, batch = {}, Batches(1)[0]
    error = module.network(batch.lr) - batch.hr
    assert module.forward_losses(batch)[0]["pixel"].item() == pytest.approx(error.square().mean().item())


def test_compiling_reaches_the_parts_that_methods_call(monkeypatch):
    graphs = []

    def backend(graph, inputs):
        graphs.append(graph)
        return graph.forward

    monkeypatch.setattr(nn.Module, "compile", partialmethod(nn.Module.compile, backend=backend))
    network, lr = KDSRNet(2, channels=4, encoder_blocks=1, restorer_blocks=1), torch.rand(1, 3, 8, 8)
    keys, plain = list(network.state_dict()), network(lr)
    module = Toy(network, partial(torch.optim.SGD, lr=0.1), compile_network=True)
    with pytest.warns(UserWarning, match="on a CPU the compiled step is the slower one"):
        module.on_fit_start()
    network.embed(lr)
    assert not graphs
    monkeypatch.setattr(Toy, "device", torch.device("cuda"))
    module.on_fit_start()
    embedding = network.embed(lr)
    assert len(graphs) == 1, "the encoder"
    torch.testing.assert_close(network.restore(lr, embedding), plain)
    assert len(graphs) == 2, "the restorer"
    assert list(network.state_dict()) == keys


def test_channels_last_changes_the_layout_and_not_the_training(tmp_path):
    plain, run = fit(tmp_path, steps=3)
    run()
    laid_out, run = fit(tmp_path, steps=3, channels_last=True)
    assert laid_out.network.conv.weight.is_contiguous(memory_format=torch.channels_last)
    run()
    assert torch.allclose(laid_out.network.conv.weight, plain.network.conv.weight, atol=1e-6)
