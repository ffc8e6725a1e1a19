"""Training CRL-SR: L1 and two contrasts, with parts that exist in training alone.

Legend: B batch, C feature channels, P projected length, M places of an image, H and W the low-resolution size.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from realsr_mod.data.batch import SRBatch
from realsr_mod.methods.base import LossTerms, SRModule
from realsr_mod.methods.crlsr.loss import alignment, bidirectional_contrast, conditional_contrast, uniformity
from realsr_mod.methods.crlsr.network import CRLSRNet, Decoder, Encoder, FeatureExtractor, ProjectionHead, at_places
from realsr_mod.runtime.rng import derive_seed

_PLACES = 104  # keeps these seeds apart from those drawn for other purposes


class CRLSR(SRModule):
    """L1 + λ_bc L_bc + λ_cc L_cc + λ_rec L_rec. A term of weight 0 is neither computed nor are its parts trained.

    Beside the network (remover and restorer) this trains, as members of its own: `details_remover`, which reads HR,
    with the `projection` that both removers' features pass for L_bc; and `extractor` with `decoder` for L_cc and
    L_rec. They are in the training's checkpoint, not in the released model.

    Args:
        network: remover and restorer.
        bidirectional_weight: λ_bc, features of LR and HR agree where they are of one place.
        conditional_weight: λ_cc, features of SR come near those of HR, away from what LR and HR share.
        reconstruction_weight: λ_rec, L1 of the decoder's image of HR, made of the extractor's features.
        bidirectional_temperature, conditional_temperature: τ of the two contrasts.
        num_places: M, places of each image that are drawn for the contrasts; fewer where the image has fewer.
        projection_dim: P, length of the vectors that are compared.
        extractor_blocks: residual blocks of the extractor, and of the decoder.
        seed: decides which places are drawn.
        training: `optimizer`, `scheduler` and what else SRModule takes.
    """

    network: CRLSRNet

    def __init__(
        self,
        network: CRLSRNet,
        bidirectional_weight: float = 0.002,
        conditional_weight: float = 0.01,
        reconstruction_weight: float = 1.0,
        bidirectional_temperature: float = 0.07,
        conditional_temperature: float = 0.5,
        num_places: int = 256,
        projection_dim: int = 64,
        extractor_blocks: int = 2,
        seed: int = 0,
        **training: Any,
    ) -> None:
        super().__init__(network, **training)
        if not min(bidirectional_temperature, conditional_temperature) > 0:
            raise ValueError(
                f"temperatures must be positive, got bidirectional_temperature={bidirectional_temperature}, "
                f"conditional_temperature={conditional_temperature}"
            )
        if num_places < 2:
            raise ValueError(f"num_places must be at least 2, or there is nothing to contrast with; got {num_places}")
        self.weights = {
            "bidirectional": bidirectional_weight,
            "conditional": conditional_weight,
            "reconstruction": reconstruction_weight,
        }
        for name, weight in self.weights.items():
            if not weight >= 0:
                raise ValueError(f"{name}_weight must be at least 0, got {weight}")
        self.bidirectional_temperature = bidirectional_temperature
        self.conditional_temperature = conditional_temperature
        self.num_places, self.seed = num_places, seed
        scale, channels = network.scale, network.channels
        self.details_remover = Encoder(scale, channels, len(network.remover.body) - 1)
        self.projection = ProjectionHead(channels, projection_dim)
        self.extractor = FeatureExtractor(scale, channels, extractor_blocks, projection_dim)
        self.decoder = Decoder(scale, channels, extractor_blocks, projection_dim)

    def trainable_parameters(self) -> Iterable[nn.Parameter]:
        parts = (self.network, self.details_remover, self.projection, self.extractor, self.decoder)
        return [p for part in parts for p in part.parameters() if p.requires_grad]

    def forward_losses(self, batch: SRBatch) -> tuple[LossTerms, Tensor]:
        features_BCHW = self.network.remover(batch.lr)
        sr = self.network.restorer(features_BCHW).float()
        places_BM = self.draw_places(features_BCHW, batch.step)
        low_BMP = self.projection(at_places(features_BCHW, places_BM))
        terms = {"pixel": self.pixel_loss(sr, batch.hr)}
        if self.weights["bidirectional"]:
            high_BMP = self.projection(at_places(self.details_remover(batch.hr), places_BM))
            terms["bidirectional"] = bidirectional_contrast(low_BMP, high_BMP, self.bidirectional_temperature)
            self.log_collapse("encoding", lr=low_BMP, hr=high_BMP)
        if self.weights["conditional"] or self.weights["reconstruction"]:
            true_BPHW = self.extractor(batch.hr)
        if self.weights["conditional"]:
            restored_BMP, true_BMP = (at_places(z, places_BM) for z in (self.extractor(sr), true_BPHW))
            terms["conditional"] = conditional_contrast(
                restored_BMP, true_BMP, low_BMP.detach(), self.conditional_temperature
            )
            self.log_collapse("refinement", sr=restored_BMP, hr=true_BMP)
        if self.weights["reconstruction"]:
            terms["reconstruction"] = self.pixel_loss(self.decoder(true_BPHW).float(), batch.hr)
        return {name: self.weights.get(name, 1.0) * term for name, term in terms.items()}, sr

    def draw_places(self, features_BCHW: Tensor, step: int) -> Tensor:
        """The places (B, M) of this step, row-major, none twice in an image: by seed, rank and step."""
        batch, _, height, width = features_BCHW.shape
        device = features_BCHW.device
        rank = self.trainer.global_rank if self._trainer is not None else 0
        generator = torch.Generator(device).manual_seed(derive_seed(_PLACES, self.seed, rank, step))
        order_BL = torch.rand(batch, height * width, generator=generator, device=device).argsort(dim=1)
        return order_BL[:, : self.num_places]

    @torch.no_grad()
    def log_collapse(self, name: str, **pair_BMP: Tensor) -> None:
        """Log how near two features of one place are, and how far those of different places: 0 and 0 is collapse."""
        first_BMP, second_BMP = pair_BMP.values()
        values = {f"train/{name}_uniformity_{source}": uniformity(features) for source, features in pair_BMP.items()}
        values[f"train/{name}_alignment"] = alignment(first_BMP, second_BMP)
        self.log_dict(values, batch_size=len(first_BMP))
