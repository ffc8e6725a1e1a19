"""Any method as its GAN variant: who is trained by what, exact resume, averaged weights, counted steps."""

from functools import partial

import pytest
import pytorch_lightning as pl
import torch
from hydra.errors import InstantiationException
from pytorch_lightning.callbacks import EMAWeightAveraging, ModelCheckpoint
from pytorch_lightning.loggers import CSVLogger

from realsr_mod.data.batch import SRBatch
from realsr_mod.data.datamodule import EmbeddedDataModule
from realsr_mod.degradations.classic import Bicubic
from realsr_mod.degradations.resize import resize
from realsr_mod.methods.adversarial import AdversarialGame
from realsr_mod.methods.base import DivergedError, SRModule
from realsr_mod.networks.rrdb import RRDBNet
from realsr_mod.networks.unet_discriminator import UNetDiscriminator
from realsr_mod.runtime.compose import compose, instantiate
from realsr_mod.training.checkpointing import CheckedCheckpointIO

ADAM = partial(torch.optim.Adam, lr=1e-3)


class Plain(SRModule):
    """L1 alone, with a switch that makes it diverge."""

    diverges = False

    def forward_losses(self, batch):
        sr = self.network(batch.lr)
        return {"pixel": self.pixel_loss(sr, batch.hr)}, sr * torch.nan if self.diverges else sr


def module(adversarial=True, **training) -> Plain:
    torch.manual_seed(0)
    network = RRDBNet(2, channels=4, num_blocks=1, growth=2)
    game = AdversarialGame(UNetDiscriminator(4), ADAM, weight=0.1) if adversarial else None
    return Plain(network, optimizer=ADAM, adversarial=game, **training)


def fit(model, folder, max_steps=4, ckpt_path=None, save_every=2, **options) -> pl.Trainer:
    data = EmbeddedDataModule(Bicubic(2), scale=2, hr_crop_px=16, batch_size=2)
    saving = ModelCheckpoint(folder, filename="{step}", every_n_train_steps=save_every, save_top_k=-1)
    trainer = pl.Trainer(
        max_steps=max_steps,
        accelerator="cpu",
        limit_val_batches=0,
        callbacks=[EMAWeightAveraging(decay=0.5), saving],
        logger=CSVLogger(folder, name="", version=""),
        log_every_n_steps=1,
        plugins=[CheckedCheckpointIO()],
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        **options,
    )
    trainer.fit(model, data, ckpt_path=ckpt_path, weights_only=True)
    return trainer


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory):
    """A run of four steps: folder with its checkpoints, trained module, trainer."""
    folder = tmp_path_factory.mktemp("whole")
    model = module()
    trainer = fit(model, folder)
    return folder, model, trainer


def assert_equal_bits(a: dict, b: dict) -> None:
    assert a.keys() == b.keys()
    for key, value in a.items():
        assert torch.equal(value, b[key]), key


def test_max_steps_counts_batches(whole_run):
    _, _, trainer = whole_run
    assert trainer.global_step == 4
    assert trainer.fit_loop.epoch_loop.batch_progress.total.completed == 4


def test_resume_gives_the_bits_of_an_uninterrupted_run(whole_run, tmp_path):
    folder, whole, _ = whole_run
    resumed = module()
    fit(resumed, tmp_path, ckpt_path=folder / "step=2.ckpt")
    assert_equal_bits(resumed.network.state_dict(), whole.network.state_dict())
    assert_equal_bits(resumed.adversarial.discriminator.state_dict(), whole.adversarial.discriminator.state_dict())
    for ours, theirs in zip(
        resumed.adversarial.optimizer.state.values(), whole.adversarial.optimizer.state.values(), strict=True
    ):
        assert_equal_bits(ours, theirs)


def test_checkpoint_holds_the_discriminator_once_and_unaveraged(whole_run):
    folder, whole, _ = whole_run
    checkpoint = torch.load(folder / "step=4.ckpt", weights_only=True)
    assert not any("discriminator" in key for key in checkpoint["state_dict"])
    assert_equal_bits(checkpoint["adversarial"]["discriminator"], whole.adversarial.discriminator.state_dict())
    averaged, current = checkpoint["state_dict"], checkpoint["current_model_state"]
    assert not torch.equal(averaged["network.restorer.head.weight"], current["network.restorer.head.weight"])


def test_both_sides_are_logged(whole_run):
    folder, _, _ = whole_run
    header = (folder / "metrics.csv").read_text().splitlines()[0].split(",")
    for name in ("adversarial", "discriminator", "logit_real", "logit_fake"):
        assert f"train/{name}" in header
    assert {"train/grad_norm", "train/grad_norm_discriminator"} <= set(header)


def test_each_loss_trains_its_own_side():
    model = module()
    game, network = model.adversarial, model.network
    lr, hr = torch.rand(2, 3, 8, 8), torch.rand(2, 3, 16, 16)
    sr = network(lr)
    game.generator_losses(sr, hr)["adversarial"].backward()
    assert all(p.grad is None for p in game.discriminator.parameters())
    assert all(p.grad.abs().sum() > 0 for p in network.parameters() if p.dim() > 1)
    network.zero_grad()
    game.discriminator_backward(network(lr), hr)
    assert all(p.grad is not None for p in game.discriminator.parameters())
    assert all(p.grad is None for p in network.parameters())


def test_features_of_restored_and_real_images_are_matched():
    torch.manual_seed(0)
    game = AdversarialGame(UNetDiscriminator(4), ADAM, weight=0.1, feature_matching=2.0)
    sr, hr = torch.rand(2, 3, 16, 16, requires_grad=True), torch.rand(2, 3, 16, 16)
    game.discriminator.eval()  # spectral normalization goes on with every call in training
    terms = game.generator_losses(sr, hr)
    logits, found = game.discriminator.with_features(sr)
    _, wanted = game.discriminator.with_features(hr)
    assert len(found) == 8
    distances = [(one - other).abs().mean() for one, other in zip(found, wanted, strict=True)]
    torch.testing.assert_close(terms["feature_matching"], 2 * sum(distances) / 8)
    torch.testing.assert_close(terms["adversarial"], 0.1 * torch.nn.functional.softplus(-logits).mean())
    terms["feature_matching"].backward()
    assert sr.grad.abs().sum() > 0
    assert all(p.grad is None for p in game.discriminator.parameters())
    assert game.generator_losses(hr, hr)["feature_matching"] == 0


@pytest.mark.parametrize(
    ("discriminator", "weight", "message"),
    [(UNetDiscriminator(4), -1.0, "must be at least 0"), (torch.nn.Conv2d(3, 1, 3), 1.0, "no method with_features")],
)
def test_features_that_cannot_be_matched(discriminator, weight, message):
    with pytest.raises(ValueError, match=message):
        AdversarialGame(discriminator, ADAM, feature_matching=weight)


def test_real_images_may_be_those_before_sharpening():
    batch = SRBatch(torch.rand(2, 3, 8, 8), torch.rand(2, 3, 16, 16), unsharpened=torch.rand(2, 3, 16, 16))
    game = partial(AdversarialGame, UNetDiscriminator(4), ADAM)
    assert game().real_images(batch) is batch.hr
    assert game(unsharpened=True).real_images(batch) is batch.unsharpened
    assert game(unsharpened=True).real_images(SRBatch(batch.lr, batch.hr)) is batch.hr  # nothing was sharpened
    model = module()
    model.adversarial.unsharpened, seen = True, []
    model.adversarial.discriminator_backward = lambda sr, real, share: seen.append(real) or {}
    model.trainer = pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    model.log = model.log_dict = lambda *_, **__: None
    model.training_step(batch, 0)
    assert seen[0] is batch.unsharpened


def test_the_discriminator_may_see_what_was_added_alone():
    game = AdversarialGame(UNetDiscriminator(4), ADAM, sees="difference")
    lr = torch.rand(2, 3, 8, 8)
    sr = resize(lr, 2).requires_grad_()
    assert torch.equal(game.shown(sr, lr), torch.zeros(2, 3, 16, 16))
    torch.testing.assert_close(game.shown(sr + 0.25, lr), torch.ones(2, 3, 16, 16))
    game.shown(sr, lr).sum().backward()
    assert (sr.grad == 4).all()
    assert AdversarialGame(UNetDiscriminator(4), ADAM).shown(sr, lr) is sr


def test_a_training_step_shows_what_was_added_to_either_image():
    batch = SRBatch(torch.rand(2, 3, 8, 8), torch.rand(2, 3, 16, 16))
    model, judged = module(), []
    model.adversarial.sees = "difference"
    model.adversarial.discriminator_backward = lambda sr, real, share: judged.extend([sr, real]) or {}
    model.trainer = pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    model.log = model.log_dict = lambda *_, **__: None
    model.training_step(batch, 0)
    torch.testing.assert_close(judged[0], 4 * (model.network(batch.lr) - resize(batch.lr, 2)))
    torch.testing.assert_close(judged[1], 4 * (batch.hr - resize(batch.lr, 2)))


def test_what_cannot_be_seen_is_named():
    with pytest.raises(ValueError, match=r"adversarial.sees must be one of image, difference; got 'residual'"):
        AdversarialGame(UNetDiscriminator(4), ADAM, sees="residual")


def test_gradient_of_two_half_batches_is_that_of_the_whole():
    sr, hr = (torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(s)) for s in (1, 2))
    whole, halves = module().adversarial, module().adversarial
    for game in (whole, halves):
        game.discriminator.eval()  # no power iteration between the halves
    whole.discriminator_backward(sr, hr)
    for rows in (slice(0, 2), slice(2, 4)):
        halves.discriminator_backward(sr[rows], hr[rows], share=0.5)
    for a, b in zip(whole.discriminator.parameters(), halves.discriminator.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad)


def test_discriminator_learns_to_tell_apart():
    torch.manual_seed(0)
    game = AdversarialGame(UNetDiscriminator(4), partial(torch.optim.Adam, lr=1e-2))
    dark, bright = torch.full((2, 3, 16, 16), 0.1), torch.full((2, 3, 16, 16), 0.9)
    told = []
    for _ in range(20):
        told.append(game.discriminator_backward(sr_B3HW=dark, hr_B3HW=bright))
        game.step()
    assert told[-1]["discriminator"] < 0.5 * told[0]["discriminator"]
    assert told[-1]["logit_real"] > 0 > told[-1]["logit_fake"]


def test_largest_norm_clips_the_discriminators_gradient():
    game = AdversarialGame(UNetDiscriminator(4), partial(torch.optim.SGD, lr=1.0))
    game.discriminator_backward(torch.zeros(1, 3, 16, 16), torch.ones(1, 3, 16, 16))
    before = [p.detach().clone() for p in game.discriminator.parameters()]
    norm = game.step(largest_norm=1e-3)
    moved = torch.cat([(a - b).flatten() for a, b in zip(before, game.discriminator.parameters(), strict=True)]).norm()
    assert norm > 1e-3
    assert moved.item() == pytest.approx(1e-3, rel=1e-2)
    assert not game.has_gradient


def test_both_sides_follow_one_schedule(tmp_path):
    seen = []
    model = module(scheduler=partial(torch.optim.lr_scheduler.StepLR, step_size=1, gamma=0.1))
    step = model.adversarial.step
    model.adversarial.step = lambda *given: (
        step(*given),
        seen.append(model.adversarial.optimizer.param_groups[0]["lr"]),
    )[0]
    fit(model, tmp_path, max_steps=3)
    assert seen == pytest.approx([1e-3, 1e-4, 1e-5])


def game_and_images() -> tuple[AdversarialGame, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    game = AdversarialGame(UNetDiscriminator(4), partial(torch.optim.SGD, lr=0.1))
    game.discriminator.eval()
    return game, torch.rand(4, 3, 16, 16), torch.rand(4, 3, 16, 16)


def test_two_processes_make_the_step_of_one_with_the_whole_batch(monkeypatch):
    whole, sr, hr = game_and_images()
    whole.discriminator_backward(sr, hr)
    whole.step()
    (ours, *_), (theirs, *_) = game_and_images(), game_and_images()
    ours.discriminator_backward(sr[:2], hr[:2])
    theirs.discriminator_backward(sr[2:], hr[2:])
    other_process = iter([p.grad for p in theirs.discriminator.parameters()])
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.distributed, "get_world_size", lambda: 2)
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda gradient: gradient.add_(next(other_process)))
    ours.step()
    for key, value in whole.discriminator.state_dict().items():
        torch.testing.assert_close(ours.discriminator.state_dict()[key], value)


def test_divergence_stops_before_the_discriminator_is_touched(tmp_path):
    model = module()
    model.diverges = True
    before = {key: value.clone() for key, value in model.adversarial.discriminator.state_dict().items()}
    with pytest.raises(DivergedError, match="'adversarial' is nan at step 0"):
        fit(model, tmp_path, max_steps=1)
    trained = ("head.weight", "to_logits.weight", "up.0.parametrizations.weight.original")
    assert all(torch.equal(before[key], model.adversarial.discriminator.state_dict()[key]) for key in trained)


def test_resume_without_a_discriminator_says_what_to_do():
    with pytest.raises(ValueError, match=r"trained without adversarial.*start_from=RUN"):
        module().on_load_checkpoint({"state_dict": {}})


def test_weight_must_be_positive():
    with pytest.raises(ValueError, match=r"weight must be positive, got 0.*adversarial=null"):
        AdversarialGame(UNetDiscriminator(4), ADAM, weight=0)


def test_any_method_takes_the_options_by_name():
    options = ["adversarial=unet", "adversarial.discriminator.channels=4", "adversarial.kind=hinge"]
    missing = ["perceptual=vgg19", "perceptual.weights=nowhere/vgg19.pth"]
    cfg = compose("train", ["experiment=kdsr_teacher", *options, *missing])
    assert cfg.method.adversarial == cfg.adversarial
    game = instantiate(cfg.adversarial)
    assert (game.loss.kind, game.weight, game.optimizer.defaults["lr"]) == ("hinge", 0.1, 1e-4)
    with pytest.raises(InstantiationException, match=r"nowhere/vgg19\.pth: no VGG19 weights there"):
        instantiate(cfg.method.perceptual)
