"""Training SRResNet: L1 and nothing else, the baseline of every comparison."""

from torch import Tensor

from realsr_mod.data.batch import SRBatch
from realsr_mod.methods.base import LossTerms, SRModule


class PlainSR(SRModule):
    """L1 between the network's image and the truth. With `adversarial`, it is SRGAN. Takes any network."""

    def forward_losses(self, batch: SRBatch) -> tuple[LossTerms, Tensor]:
        sr = self.predict_sr(batch)
        return {"pixel": self.pixel_loss(sr, batch.hr)}, sr
