"""DRTL's relation network: how is this image distorted, told by which auxiliary distortions it resembles.

Legend: B batch, H and W the low-resolution size, C feature channels, D embedding length, K auxiliary tasks.
"""

from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from realsr_mod.networks.base import Estimator
from realsr_mod.networks.blocks import conv3x3

PATCH_PX = 48  # of the target's images: as large as the LR images that the default training shows
DETAIL_GAIN = 8.0  # brings what is left after the local mean to the size of the image itself
PATCHES = 32  # of each image


class RelationNetwork(Estimator):
    """An encoder of LR images, and a memory bank with one learned vector per auxiliary distortion.

    Args:
        scale: HR size over LR size of the distortions that it tells apart.
        tasks: names of the distortions, in the order of their labels.
        channels: features of the first stage; two more stages, each at half the size, have 2C and 4C.
        embedding_dim: D, length of embeddings and of the memory's vectors.
        temperature: of the softmax over the cosines to the memory, in training and when it is read.
    """

    def __init__(
        self, scale: int, tasks: Sequence[str], channels: int = 16, embedding_dim: int = 64, temperature: float = 0.1
    ) -> None:
        super().__init__()
        if not temperature > 0:
            raise ValueError(f"temperature must be positive, got {temperature}")
        self.scale, self.tasks = scale, tuple(tasks)
        self.embedding_dim, self.temperature = embedding_dim, temperature
        c, activation = channels, nn.LeakyReLU(0.1)
        widths = [(6, c, 1), (c, c, 1), (c, 2 * c, 2), (2 * c, 2 * c, 1), (2 * c, 4 * c, 2)]
        layers = [(conv3x3(n_in, n, stride), nn.BatchNorm2d(n), activation) for n_in, n, stride in widths]
        self.features = nn.Sequential(*(layer for group in layers for layer in group))
        self.head = nn.Sequential(
            nn.BatchNorm1d(8 * c), nn.Linear(8 * c, 4 * c), activation, nn.Linear(4 * c, embedding_dim)
        )
        self.memory_KD = nn.Parameter(torch.randn(len(self.tasks), embedding_dim))

    def embed(self, lr_B3HW: Tensor, hr: Tensor | None = None) -> Tensor:
        """What the encoder makes of each image: (B, D), of length 1."""
        local_mean = F.avg_pool2d(F.pad(lr_B3HW, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
        detail = DETAIL_GAIN * (lr_B3HW - local_mean)  # where distortions are, without most of the content
        features = self.features(torch.cat([lr_B3HW - 0.5, detail], dim=1))
        spread = (features.var(dim=(2, 3)) + 1e-4).log()  # a distortion is a statistic: strength, not place
        return F.normalize(self.head(torch.cat([features.mean(dim=(2, 3)), spread], dim=1)), dim=1)

    def task_embeddings(self) -> Tensor:
        """The memory's vectors: (K, D), of length 1."""
        return F.normalize(self.memory_KD, dim=1)

    def logits(self, embedding_BD: Tensor) -> Tensor:
        """Cosines to the memory over the temperature: (B, K)."""
        return F.normalize(embedding_BD, dim=1) @ self.task_embeddings().mT / self.temperature

    def recall(self, embedding_BD: Tensor) -> Tensor:
        """Read the memory by attention: (B, D) to (B, D), a mixture of the tasks' vectors."""
        return self.logits(embedding_BD).softmax(1) @ self.task_embeddings()


@torch.no_grad()
def target_embedding(
    network: RelationNetwork, images_3HW: Iterable[Tensor], patch_px: int = PATCH_PX, patches: int = PATCHES
) -> Tensor:
    """Where a camera lies among the tasks: the mean of what the memory recalls for patches of its LR images, (D,).

    Args:
        network: a trained relation network.
        images_3HW: the camera's low-resolution images, float RGB in [0, 1].
        patch_px: side of a patch, as large as the LR images that the network was trained on.
        patches: from every image at most so many, evenly spread.
    """
    recalled = [network.recall(network.embed(spread_patches(image, patch_px, patches))) for image in images_3HW]
    return torch.cat(recalled).mean(0)


def spread_patches(image_3HW: Tensor, side: int, count: int) -> Tensor:
    """At most `count` squares of an image, spread evenly: (N, 3, side, side); the whole of a smaller image."""
    height, width = image_3HW.shape[1:]
    side_h, side_w = min(side, height), min(side, width)
    patches = image_3HW.unfold(1, side_h, side_h).unfold(2, side_w, side_w)
    patches = patches.permute(1, 2, 0, 3, 4).flatten(0, 1)
    return patches[torch.linspace(0, len(patches) - 1, min(count, len(patches))).round().long()]


def relation_weights(network: RelationNetwork, target_D: Tensor, temperature: float) -> Tensor:
    """How much each task counts for a target: softmax(cos(target, task k) / temperature), (K,), sum 1."""
    if not temperature > 0:
        raise ValueError(f"temperature must be positive, got {temperature}")
    return (F.normalize(target_D, dim=0) @ network.task_embeddings().mT / temperature).softmax(0).detach()
