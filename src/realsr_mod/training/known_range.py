"""Which embeddings a trained network knows: what it makes of photos under the degradation of its training."""

import pytorch_lightning as pl
import torch

from realsr_mod.data.datamodule import SRDataModule
from realsr_mod.networks.base import EmbeddingRange, Estimator

MOST_PHOTOS = 64


@torch.no_grad()
def measured_range(
    network: Estimator, datamodule: pl.LightningDataModule, device: torch.device | str = "cpu"
) -> EmbeddingRange | None:
    """The range of `network`'s embeddings over at most 64 photos of its training and validation, eight times each.

    None for a network without embedding, and for data that are not this package's.
    """
    if not network.embedding_dim or not isinstance(datamodule, SRDataModule):
        return None
    network = network.to(device).eval()
    files = [*datamodule.val_files, *datamodule.train_files][:MOST_PHOTOS]
    batches = datamodule.repeated_degradations(files, device)
    found = [network.embed(batch.lr, batch.hr).float().cpu() for batch in batches]
    return EmbeddingRange.around(torch.cat(found))
