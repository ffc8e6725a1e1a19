"""Training CRL-SR: L1 and two contrasts, with parts that exist in training alone.

Legend: B batch, C feature channels, P projected length, M places of an image, H and W the low-resolution size.
"""

from collections.abc import Iterable
from typing import Any, Literal

import torch
from torch import Tensor, nn

from realsr_mod.data.batch import SRBatch
from realsr_mod.degradations.resize import resize
from realsr_mod.methods.base import LossTerms, SRModule
from realsr_mod.methods.crlsr.loss import (
    alignment,
    bidirectional_contrast,
    conditional_contrast,
    degraded_contrast,
    near_places,
    uniformity,
    without_local_mean,
)
from realsr_mod.methods.crlsr.network import CRLSRNet, Decoder, Encoder, FeatureExtractor, ProjectionHead, at_places
from realsr_mod.methods.crlsr.two_draws import DRAWS
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
        conditional_negatives: what L_cc leaves: "encoded", projected features of LR at all places, the published form;
            or "degraded", the extractor's features of the enlarged LR at the same place, under every draw of the
            degradation that the batch has.
        local_mean_px: side of the window, in LR pixels, whose mean is taken from the removers' features before they are
            projected, odd; None: the features as they are, which is the published form.
        neighborhood_px: a place is contrasted in L_bc with those at most so many LR pixels away; None: with all of its
            image, which is the published form.
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
        conditional_negatives: Literal["encoded", "degraded"] = "encoded",
        local_mean_px: int | None = None,
        neighborhood_px: int | None = None,
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
        if conditional_negatives not in ("encoded", "degraded"):
            raise ValueError(f"conditional_negatives must be encoded or degraded, got {conditional_negatives!r}")
        if local_mean_px is not None and (local_mean_px < 3 or local_mean_px % 2 == 0):
            raise ValueError(
                f"local_mean_px must be odd and at least 3, or null to leave the mean in; got {local_mean_px}"
            )
        if neighborhood_px is not None and neighborhood_px < 1:
            raise ValueError(f"neighborhood_px must be at least 1, or null for the whole image; got {neighborhood_px}")
        self.conditional_negatives = conditional_negatives
        self.local_mean_px, self.neighborhood_px = local_mean_px, neighborhood_px
        self.num_places, self.seed = num_places, seed
        scale, channels = network.scale, network.channels
        self.details_remover = Encoder(scale, channels, len(network.remover.body) - 1)
        self.projection = ProjectionHead(channels, projection_dim)
        self.extractor = FeatureExtractor(scale, channels, extractor_blocks, projection_dim)
        self.decoder = Decoder(scale, channels, extractor_blocks, projection_dim)

    def trainable_parameters(self) -> Iterable[nn.Parameter]:
        parts = (self.network, self.details_remover, self.projection, self.extractor, self.decoder)
        return [p for part in parts for p in part.parameters() if p.requires_grad]

    @property
    def trains_in_parts(self) -> bool:
        return not (self.weights["bidirectional"] and self.weights["reconstruction"])

    def forward_losses(self, batch: SRBatch) -> tuple[LossTerms, Tensor]:
        features_BCHW = self.network.remover(batch.lr)
        sr = self.network.restorer(features_BCHW).float()
        places_BM = self.draw_places(features_BCHW, batch.step, draws=self.draws(batch))
        low_BMP = self.projected(features_BCHW, places_BM)
        terms = {"pixel": self.pixel_loss(sr, batch.hr)}
        if self.weights["bidirectional"]:
            high_BMP = self.projected(self.details_remover(batch.hr), places_BM)
            near_BMM = self.near(features_BCHW.shape[-1], places_BM)
            terms["bidirectional"] = self.bidirectional_loss(low_BMP, high_BMP, near_BMM, self.draws(batch))
            self.log_collapse("encoding", lr=low_BMP, hr=high_BMP)
        if self.weights["conditional"] or self.weights["reconstruction"]:
            true_BPHW = self.extractor(batch.hr)
        if self.weights["conditional"]:
            restored_BMP, true_BMP = (at_places(z, places_BM) for z in (self.extractor(sr), true_BPHW))
            terms["conditional"] = self.conditional_loss(batch, places_BM, restored_BMP, true_BMP, low_BMP)
            self.log_collapse("refinement", sr=restored_BMP, hr=true_BMP)
        if self.weights["reconstruction"]:
            terms["reconstruction"] = self.pixel_loss(self.decoder(true_BPHW).float(), batch.hr)
        return {name: self.weights.get(name, 1.0) * term for name, term in terms.items()}, sr

    @staticmethod
    def draws(batch: SRBatch) -> int:
        """How many neighboring rows are one photo under several draws of the degradation."""
        return len(DRAWS) if batch.versions == DRAWS else 1

    def projected(self, features_BCHW: Tensor, places_BM: Tensor) -> Tensor:
        """A remover's features at places as L_bc compares them, (B, M, P)."""
        if self.local_mean_px is not None:
            features_BCHW = without_local_mean(features_BCHW, self.local_mean_px)
        projected_BMP: Tensor = self.projection(at_places(features_BCHW, places_BM))
        return projected_BMP

    def bidirectional_loss(self, low_BMP: Tensor, high_BMP: Tensor, near_BMM: Tensor | None, draws: int) -> Tensor:
        """L_bc of LR and HR; where there are two draws, its mean with L_bc of one draw's LR and the other's."""
        low_to_high = bidirectional_contrast(low_BMP, high_BMP, self.bidirectional_temperature, near_BMM)
        if draws == 1:
            return low_to_high
        near_of_one = None if near_BMM is None else near_BMM[::2]
        low_to_low = bidirectional_contrast(low_BMP[::2], low_BMP[1::2], self.bidirectional_temperature, near_of_one)
        return (low_to_high + low_to_low) / 2

    def conditional_loss(
        self, batch: SRBatch, places_BM: Tensor, restored_BMP: Tensor, true_BMP: Tensor, low_BMP: Tensor
    ) -> Tensor:
        """L_cc: SR's features to HR's, and away from what `conditional_negatives` says."""
        temperature = self.conditional_temperature
        if self.conditional_negatives == "encoded":
            return conditional_contrast(restored_BMP, true_BMP, low_BMP.detach(), temperature)
        with torch.no_grad():
            enlarged = resize(batch.lr, scale=self.network.scale).clamp(0, 1)
            degraded_BMP = at_places(self.extractor(enlarged), places_BM)
            draws = self.draws(batch)  # of each photo; all of them are what its SR should leave
            degraded_BMNP = degraded_BMP.unflatten(0, (-1, draws)).transpose(1, 2).repeat_interleave(draws, dim=0)
        return degraded_contrast(restored_BMP, true_BMP, degraded_BMNP, temperature)

    def near(self, width: int, places_BM: Tensor) -> Tensor | None:
        """Which places L_bc contrasts with which, (B, M, M), on a grid of `width` columns; None: all."""
        return None if self.neighborhood_px is None else near_places(places_BM, width, self.neighborhood_px)

    def draw_places(self, features_BCHW: Tensor, step: int, draws: int = 1) -> Tensor:
        """The places (B, M) of this step, row-major, none twice in an image: by seed, rank and step.

        `draws` neighboring rows are of one photo and get the same places.
        """
        batch, _, height, width = features_BCHW.shape
        device = features_BCHW.device
        rank = self.trainer.global_rank if self._trainer is not None else 0
        generator = torch.Generator(device).manual_seed(derive_seed(_PLACES, self.seed, rank, step))
        order_BL = torch.rand(batch // draws, height * width, generator=generator, device=device).argsort(dim=1)
        return order_BL[:, : self.num_places].repeat_interleave(draws, dim=0)

    @torch.no_grad()
    def log_collapse(self, name: str, **pair_BMP: Tensor) -> None:
        """Log how near two features of one place are, and how far those of different places: 0 and 0 is collapse."""
        first_BMP, second_BMP = pair_BMP.values()
        values = {f"train/{name}_uniformity_{source}": uniformity(features) for source, features in pair_BMP.items()}
        values[f"train/{name}_alignment"] = alignment(first_BMP, second_BMP)
        self.log_dict(values, batch_size=len(first_BMP))
