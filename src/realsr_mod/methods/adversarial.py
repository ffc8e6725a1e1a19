"""The adversarial game that any method may play: a discriminator that trains beside its network.

Legend: B batch, H and W the high-resolution size.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from realsr_mod.data.batch import SRBatch
from realsr_mod.degradations.resize import resize
from realsr_mod.losses.adversarial import AdversarialLoss
from realsr_mod.weights.state import load_state

SEES = ("image", "difference")


class AdversarialGame:
    """A discriminator with its optimizer, and the loss that it gives the generator.

    Deliberately no `nn.Module`, so that it is no part of the training module that owns it: weight averaging, the data-
    parallel group and the generator's optimizer see the generator alone, and Lightning counts the generator's steps.
    Outside of `discriminator_backward` the discriminator is frozen, so the generator's gradient never reaches it.

    Args:
        discriminator: images (B, 3, H, W) to logits of any shape.
        optimizer: partial of a torch optimizer; gets the discriminator's parameters.
        weight: of the generator's adversarial term. MM-RealSR and Real-ESRGAN 0.1, KDSR 1.
        kind: vanilla, hinge or lsgan; see `AdversarialLoss`.
        feature_matching: weight of the distance between what the discriminator's layers make of the restored and of the
            real image (pix2pixHD, arXiv 1711.11585), for the generator; 0: none. It suits targets that the LR image
            decides, as a trained network's images are, and needs a discriminator `with_features`.
        sees: what the discriminator is shown: the `image`, or its `difference` from the LR image enlarged bicubically,
            times four: what was added alone, of about an image's contrast.
        unsharpened: where the network is trained towards sharpened images, take those before the sharpening for
            real, as the authors of Real-ESRGAN and MM-RealSR do.
    """

    def __init__(
        self,
        discriminator: nn.Module,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        weight: float = 0.1,
        kind: str = "vanilla",
        unsharpened: bool = False,
        feature_matching: float = 0.0,
        sees: str = "image",
    ) -> None:
        if not weight > 0:
            raise ValueError(
                f"adversarial.weight must be positive, got {weight}; leave the game out by adversarial=null"
            )
        if feature_matching < 0:
            raise ValueError(
                f"adversarial.feature_matching must be at least 0, got {feature_matching}; 0 leaves it out"
            )
        if feature_matching and not hasattr(discriminator, "with_features"):
            raise ValueError(
                f"adversarial.feature_matching={feature_matching} needs a discriminator that shows its features; "
                f"{type(discriminator).__name__} has no method with_features. Take UNetDiscriminator or "
                "PatchDiscriminator, or set it to 0"
            )
        if sees not in SEES:
            raise ValueError(f"adversarial.sees must be one of {', '.join(SEES)}; got {sees!r}")
        self.discriminator = discriminator.train()
        self.optimizer = optimizer(self.discriminator.parameters())
        self.rates = [group["lr"] for group in self.optimizer.param_groups]
        self.loss = AdversarialLoss(kind)
        self.weight = weight
        self.unsharpened = unsharpened
        self.feature_matching = feature_matching
        self.sees = sees
        self.discriminator.requires_grad_(False)

    def to(self, device: torch.device) -> None:
        """Bring the discriminator, and what its optimizer remembers of it, to `device`."""
        self.discriminator.to(device)
        self.optimizer.load_state_dict(self.optimizer.state_dict())  # casts its state to the parameters' device

    def generator_losses(self, sr_B3HW: Tensor, hr_B3HW: Tensor) -> dict[str, Tensor]:
        """The weighted terms that the generator minimises: `adversarial`, and `feature_matching` if it has a weight."""
        if not self.feature_matching:
            return {"adversarial": self.weight * self.loss.generator(self.discriminator(sr_B3HW))}
        logits, found = self.discriminator.with_features(sr_B3HW)  # type: ignore[operator]  # checked at the start
        with torch.no_grad():
            _, wanted = self.discriminator.with_features(hr_B3HW)  # type: ignore[operator]
        distances = [F.l1_loss(one.float(), other.float()) for one, other in zip(found, wanted, strict=True)]
        return {
            "adversarial": self.weight * self.loss.generator(logits),
            "feature_matching": self.feature_matching * torch.stack(distances).mean(),
        }

    def real_images(self, batch: SRBatch) -> Tensor:
        """What the discriminator takes for real, (B, 3, sH, sW)."""
        return batch.unsharpened if self.unsharpened and batch.unsharpened is not None else batch.hr

    def shown(self, image_B3HW: Tensor, lr_B3HW: Tensor) -> Tensor:
        """What the discriminator is given of an image and the LR image that it belongs to, (B, 3, sH, sW)."""
        if self.sees == "image":
            return image_B3HW
        height, width = image_B3HW.shape[-2:]
        return 4 * (image_B3HW - resize(lr_B3HW, size=(height, width)))

    def discriminator_backward(self, sr_B3HW: Tensor, hr_B3HW: Tensor, share: float = 1.0) -> dict[str, Tensor]:
        """Add the gradient of one batch to the discriminator's; `share` is the batch's part in the coming step.

        Returns, detached, its loss `discriminator` and the mean logits `logit_real` and `logit_fake`.
        """
        self.discriminator.requires_grad_(True)
        logits = self.discriminator(torch.cat([hr_B3HW.detach(), sr_B3HW.detach()]))
        real, fake = logits.split([len(hr_B3HW), len(sr_B3HW)])
        loss = self.loss.discriminator(real, fake)
        (share * loss).backward()
        self.discriminator.requires_grad_(False)
        return {
            "discriminator": loss.detach(),
            "logit_real": real.detach().float().mean(),
            "logit_fake": fake.detach().float().mean(),
        }

    @property
    def has_gradient(self) -> bool:
        """Whether there is anything to step on; a warm-up without images leaves nothing."""
        return any(parameter.grad is not None for parameter in self.discriminator.parameters())

    def step(self, largest_norm: float | None = None, rate: float = 1.0) -> Tensor:
        """Update the discriminator, its gradient averaged over all processes; returns the gradient's norm.

        `largest_norm` clips the gradient as Lightning clips the generator's. `rate` multiplies the learning rate: the
        generator's present one over its configured one, so that both follow one schedule.
        """
        for group, configured in zip(self.optimizer.param_groups, self.rates, strict=True):
            group["lr"] = rate * configured
        parameters = list(self.discriminator.parameters())
        if dist.is_available() and dist.is_initialized():
            for gradient in [parameter.grad for parameter in parameters if parameter.grad is not None]:
                dist.all_reduce(gradient)
                gradient /= dist.get_world_size()
        norm = nn.utils.clip_grad_norm_(parameters, largest_norm or torch.inf)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return norm

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint must hold for an exact resume."""
        return {"discriminator": self.discriminator.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state_dict()`; raises ValueError if the discriminator is another one."""
        load_state(self.discriminator, state["discriminator"], source="checkpoint's discriminator")
        self.optimizer.load_state_dict(state["optimizer"])

    def __deepcopy__(self, memo: dict[int, Any]) -> "AdversarialGame":
        return self  # a weight-averaged copy of the generator plays no game of its own
