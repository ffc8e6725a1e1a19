"""The adversarial game's losses, on logits of any shape."""

import torch.nn.functional as F
from torch import Tensor, nn

KINDS = ("vanilla", "hinge", "lsgan")


class AdversarialLoss(nn.Module):
    """What generator and discriminator minimise; means over all logits, in float32.

    With r and f the logits of real and restored images:
        vanilla: generator softplus(-f); discriminator softplus(-r) + softplus(f)   (non-saturating cross-entropy)
        hinge:   generator -f;           discriminator relu(1 - r) + relu(1 + f)
        lsgan:   generator (f - 1)^2;    discriminator (r - 1)^2 + f^2
    """

    def __init__(self, kind: str = "vanilla") -> None:
        super().__init__()
        if kind not in KINDS:
            raise ValueError(f"adversarial loss must be one of {', '.join(KINDS)}; got {kind!r}")
        self.kind = kind

    def generator(self, fake: Tensor) -> Tensor:
        """Low where the discriminator takes restored images for real."""
        fake = fake.float()
        if self.kind == "hinge":
            return -fake.mean()
        return self._real(fake)

    def discriminator(self, real: Tensor, fake: Tensor) -> Tensor:
        """Low where it tells them apart."""
        return self._real(real.float()) + self._fake(fake.float())

    def _real(self, logits: Tensor) -> Tensor:
        if self.kind == "vanilla":
            return F.softplus(-logits).mean()
        if self.kind == "hinge":
            return F.relu(1 - logits).mean()
        return (logits - 1).square().mean()

    def _fake(self, logits: Tensor) -> Tensor:
        if self.kind == "vanilla":
            return F.softplus(logits).mean()
        if self.kind == "hinge":
            return F.relu(1 + logits).mean()
        return logits.square().mean()
