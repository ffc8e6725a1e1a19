"""What every method's training shares: the optimizer, the bookkeeping of losses, the guards, validation beside bicubic,
and the optional game against a discriminator."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities import rank_zero_info, rank_zero_warn
from pytorch_lightning.utilities.types import OptimizerConfig, OptimizerLRSchedulerConfig
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from realsr_mod.data.batch import SRBatch
from realsr_mod.degradations.resize import resize
from realsr_mod.losses.efficientnet import EfficientNetDistance
from realsr_mod.losses.output_distillation import OutputDistillationLoss
from realsr_mod.losses.perceptual import PerceptualLoss
from realsr_mod.methods.adversarial import AdversarialGame
from realsr_mod.metrics.named import named_measures
from realsr_mod.metrics.per_image import MeanPerImage
from realsr_mod.networks.base import EmbeddingRange, Estimator, SRNetwork
from realsr_mod.weights.release import load_model
from realsr_mod.weights.state import begin_with

OptimizerFactory = Callable[[list[dict[str, Any]]], Optimizer]
LossTerms = dict[str, Tensor]  # name to weighted scalar; the sum is what training minimizes


DIVERGED = 1e6  # neither pixels nor a loss on images in [0, 1] come near it while the network is sane
REMEDY = (
    "Try a lower method.optimizer.lr, or trainer.gradient_clip_val at the usual train/grad_norm of metrics.csv, or "
    "trainer.precision=float32."
)


class DivergedError(ValueError):
    """A loss term or a weight is NaN, infinite, or beyond all sense."""


class TrainingModule(pl.LightningModule, ABC):
    """Trains `network`, whatever it puts out. A method says in `forward_losses` what it minimizes.

    Args:
        network: what is trained, validated and released.
        optimizer: partial of a torch optimizer; gets `parameter_groups()`.
        scheduler: partial of a torch scheduler, stepped after every training step; or None.
        start_from: a released model (see `load_model`) whose weights the network begins with, also one whose
            upsampler is another, as at another scale; None: random ones.
        compile_network: run the network's parts (encoder, restorer, blocks) through `torch.compile`, in place, unless
            they train on a CPU, which that makes slower; checkpoints stay the same.
        channels_last: keep the network's tensors in NHWC order, which tensor cores prefer under bf16.
    """

    def __init__(
        self,
        network: Estimator,
        optimizer: OptimizerFactory,
        scheduler: Callable[[Optimizer], LRScheduler] | None = None,
        start_from: str | None = None,
        compile_network: bool = False,
        channels_last: bool = False,
    ) -> None:
        super().__init__()
        self.range_at_start: EmbeddingRange | None = None  # what the model that the network begins with knows
        if start_from is not None:
            start = load_model(start_from)
            self.range_at_start = start.embedding_range
            if begin_with(network, start, source=start_from):
                rank_zero_info(
                    f"{start_from} (×{start.scale}) has another upsampler than this network (×{network.scale}): only "
                    "layers of it that both have are taken"
                )
        self.network = network
        self.optimizer = optimizer
        self.scheduler = scheduler
        if channels_last:
            self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stub lacks it
        self.compile_network = compile_network

    def on_fit_start(self) -> None:
        if self.compile_network and self.device.type == "cpu":
            rank_zero_warn(
                "method.compile_network=true is left out: on a CPU the compiled step is the slower one, and takes "
                "minutes to begin (benchmarks/step.py)"
            )
        elif self.compile_network:
            for part in self.network.children():  # methods call these, not always the whole
                for module in part if isinstance(part, nn.ModuleList) else [part]:
                    module.compile()

    @abstractmethod
    def forward_losses(self, batch: SRBatch) -> tuple[LossTerms, Tensor | None]:
        """The weighted terms of this batch's loss, and the images they judge (rows as in `batch.hr`), if any."""

    def trainable_parameters(self) -> Iterable[nn.Parameter]:
        """The parameters that the optimizer updates: the network's that require gradients."""
        return [p for p in self.network.parameters() if p.requires_grad]

    @property
    def trains_in_parts(self) -> bool:
        """Whether some step leaves parameters that require gradients without any; several processes must know (DDP)."""
        return False

    def parameter_groups(self) -> list[dict[str, Any]]:
        """What the optimizer gets: groups of `params`, each with an `lr_ratio` where its rate is not the common one."""
        return [{"params": list(self.trainable_parameters())}]

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig | OptimizerConfig:
        optimizer = self.optimizer(self.parameter_groups())
        for group in optimizer.param_groups:
            group["lr"] *= group.get("lr_ratio", 1.0)
        self.configured_rate = optimizer.param_groups[0]["lr"]
        if self.scheduler is None:
            return {"optimizer": optimizer}
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": self.scheduler(optimizer), "interval": "step"},
        }

    def training_step(self, batch: SRBatch, batch_idx: int) -> Tensor:
        terms, sr = self.forward_losses(batch)
        return self.total_loss(terms, batch, sr)

    def total_loss(
        self, terms: LossTerms, batch: SRBatch, sr: Tensor | None = None, watched: LossTerms | None = None
    ) -> Tensor:
        """The sum of the terms, after everything has been checked and logged, `watched` terms included."""
        seen = terms | (watched or {})
        self.check_sanity(seen, sr, batch.step)
        total = torch.stack(list(terms.values())).sum()
        self.log_dict({f"train/{name}": term.detach() for name, term in seen.items()}, batch_size=len(batch))
        self.log("loss", total.detach(), prog_bar=True, batch_size=len(batch))
        return total

    def on_before_optimizer_step(self, optimizer: Optimizer) -> None:
        gradients = [p.grad for p in self.trainable_parameters() if p.grad is not None]
        self.log("train/grad_norm", nn.utils.get_total_norm(gradients))
        self.log("train/lr", optimizer.param_groups[0]["lr"])

    def check_sanity(self, terms: LossTerms, sr: Tensor | None, step: int) -> None:
        """Raise DivergedError, naming the step and what exploded, before it reaches the weights."""
        seen = {f"loss term '{name}'": term for name, term in terms.items()}
        if sr is not None:  # a logarithm hides its explosion
            seen["a restored pixel"] = sr.detach().abs().max()
        for name, value in seen.items():
            if not value.abs() < DIVERGED:  # so says NaN too
                raise DivergedError(
                    f"the training has diverged: {name} is {value.item():.3g} at step {step}; checkpoints written so "
                    f"far are untouched. {REMEDY}"
                )

    def checked_weights(self) -> dict[str, Tensor]:
        """What must be finite before a checkpoint is written, by name."""
        return dict(self.named_parameters())

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        bad = [name for name, weight in self.checked_weights().items() if not torch.isfinite(weight).all()]
        if bad:
            raise DivergedError(
                f"weight '{bad[0]}' is not finite after step {self.global_step}; no checkpoint was written over the "
                f"last good one. {REMEDY}"
            )


class RestorationModule(TrainingModule):
    """Trains a network that super-resolves: the distance of pixels, and PSNR and SSIM on luma beside bicubic's.

    Args:
        network: what is trained.
        pixel_loss: distance of the restored image from the true one, L1 unless given (`PSNRLoss`: the highest PSNR
            where the degradation leaves much open).
        metrics: what else is measured of validation images, by the names of `realsr_mod.metrics.named`.
        metric_weights: files that some of those need, by name.
        optimizer, training: see TrainingModule.
    """

    network: SRNetwork

    def __init__(
        self,
        network: SRNetwork,
        optimizer: OptimizerFactory,
        *,
        pixel_loss: nn.Module | None = None,
        metrics: Sequence[str] = (),
        metric_weights: Mapping[str, str | None] | None = None,
        **training: Any,
    ) -> None:
        super().__init__(network, optimizer, **training)
        self.pixel_loss = pixel_loss or nn.L1Loss()
        names = ["psnr_y", "ssim_y", *metrics]
        measures = {measure.name: measure for measure in named_measures(names, metric_weights)}
        self.metrics_of_sr, self.metrics_of_bicubic = (
            nn.ModuleDict({name: MeanPerImage(measures[name], network.scale) for name in names}) for _ in range(2)
        )

    def predict_sr(self, batch: SRBatch) -> Tensor:
        """Super-resolve a batch as at test time: (B, 3, sH, sW), float32. Teachers see the truth, as always."""
        sr: Tensor = self.network(batch.lr, batch.hr)
        return sr.float()

    def validation_step(self, batch: SRBatch, batch_idx: int) -> dict[str, Tensor]:
        """Measure one batch; returns SR and bicubic images for whoever shows them."""
        sr = self.predict_sr(batch).clamp(0, 1)
        bicubic = resize(batch.lr, scale=self.network.scale).clamp(0, 1)
        for prefix, image, metrics in (
            ("val/", sr, self.metrics_of_sr),
            ("val/bicubic_", bicubic, self.metrics_of_bicubic),
        ):
            for name, metric in metrics.items():
                assert isinstance(metric, MeanPerImage), "they were made above"
                metric.update(image, batch.hr)
                self.log(f"{prefix}{name}", metric, prog_bar=name == "psnr_y", batch_size=len(batch))
        return {"sr": sr, "bicubic": bicubic}


class SRModule(RestorationModule):
    """Trains by restored images, which others may judge as well: a discriminator, deep features, a trained network.

    Args:
        network: what is trained.
        adversarial: the game against a discriminator that makes this method its GAN variant; None: not played.
        perceptual: distance of deep features, added to the loss; None: not added.
        output_distillation: `pixel_loss` towards a trained network's images, added to the loss; None: not added.
        optimizer, training: see RestorationModule.
    """

    def __init__(
        self,
        network: SRNetwork,
        optimizer: OptimizerFactory,
        *,
        adversarial: AdversarialGame | None = None,
        perceptual: PerceptualLoss | EfficientNetDistance | None = None,
        output_distillation: OutputDistillationLoss | None = None,
        **training: Any,
    ) -> None:
        super().__init__(network, optimizer, **training)
        self.adversarial = adversarial
        self.perceptual = perceptual
        self.output_distillation = output_distillation

    def training_step(self, batch: SRBatch, batch_idx: int) -> Tensor:
        terms, sr = self.forward_losses(batch)
        judged: LossTerms = {}
        if sr is not None and self.perceptual is not None:
            terms["perceptual"] = self.perceptual(sr, batch.hr)
        if sr is not None and self.output_distillation is not None:
            terms["output_distillation"] = self.output_distillation(sr, batch.lr, self.pixel_loss)
        if sr is not None and self.adversarial is not None:
            game = self.adversarial
            restored, real = game.shown(sr, batch.lr), game.shown(game.real_images(batch), batch.lr)
            terms |= game.generator_losses(restored, real)
            share = 1 / self.trainer.accumulate_grad_batches
            judged = game.discriminator_backward(restored, real, share)
        return self.total_loss(terms, batch, sr, judged)

    def on_fit_start(self) -> None:
        super().on_fit_start()
        if self.adversarial is not None:
            self.adversarial.to(self.device)

    def optimizer_step(self, *args: Any, **kwargs: Any) -> None:
        """The generator's step, then the discriminator's, before any callback can write a checkpoint."""
        super().optimizer_step(*args, **kwargs)
        if self.adversarial is not None and self.adversarial.has_gradient:
            optimizer = self.optimizers()
            assert not isinstance(optimizer, list), "there is one"
            rate = optimizer.param_groups[0]["lr"] / self.configured_rate
            norm = self.adversarial.step(self.trainer.gradient_clip_val, rate)
            self.log("train/grad_norm_discriminator", norm)

    def checked_weights(self) -> dict[str, Tensor]:
        weights = super().checked_weights()
        if self.adversarial is not None:
            discriminator = self.adversarial.discriminator
            weights |= {f"discriminator.{name}": weight for name, weight in discriminator.named_parameters()}
        return weights

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        if self.adversarial is not None:
            checkpoint["adversarial"] = self.adversarial.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        if self.adversarial is not None:
            if "adversarial" not in checkpoint:
                raise ValueError(
                    "this run's checkpoint has no discriminator, so it was trained without adversarial; start a new "
                    "run with start_from=RUN instead of resuming it"
                )
            self.adversarial.load_state_dict(checkpoint["adversarial"])
