"""The camera as a target: its low-resolution images, and how much each auxiliary task counts for it."""

from collections.abc import Iterator
from pathlib import Path

from torch import Tensor

from realsr_mod.images.find import find_images, image_folder
from realsr_mod.images.tensors import to_tensor
from realsr_mod.methods.drtl.network import RelationNetwork, relation_weights, target_embedding
from realsr_mod.weights.release import load_model


def camera_images(folder: str | Path) -> Iterator[Tensor]:
    """The LR images of a folder of pairs (those in its folder LR), or of any folder: (3, H, W) in [0, 1]."""
    folder = image_folder(folder)
    images = folder / "LR" if (folder / "LR").is_dir() else folder
    return (to_tensor(path, 1)[0] for path in find_images(images))


def load_relation(path: str | Path) -> RelationNetwork:
    """Load a relation network; a ValueError if the model is another one."""
    network = load_model(path)
    if not isinstance(network, RelationNetwork):
        raise ValueError(f"{path} is not a relation network; train one with experiment=drtl_relation")
    return network


def camera_weights(relation: str | Path, pairs: str | Path, scale: int, temperature: float) -> dict[str, float]:
    """Weight of each auxiliary task for the camera that took the pairs; they sum to 1."""
    network = load_relation(relation)
    if network.scale != scale:
        raise ValueError(
            f"the relation network at {relation} knows distortions at scale {network.scale}, the network to train has "
            f"scale {scale}; give relation=auto"
        )
    weights_K = relation_weights(network, target_embedding(network, camera_images(pairs)), temperature)
    return dict(zip(network.tasks, weights_K.tolist(), strict=True))
