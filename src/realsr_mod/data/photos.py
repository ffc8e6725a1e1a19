"""Photos that are on every machine: they ship inside the packages of scikit-image and scikit-learn.

The split is fixed; validation photos are never trained on. Only everyday photographs that are sharp at full size are
used; the two packages also hold drawings, masks, scans, stars and images from medicine.
"""

from importlib.util import find_spec
from pathlib import Path

TRAINING_PHOTOS = (
    "skimage/data/astronaut.png",
    "skimage/data/brick.png",
    "skimage/data/camera.png",
    "skimage/data/coins.png",
    "skimage/data/grass.png",
    "skimage/data/gravel.png",
    "skimage/data/motorcycle_left.png",
    "skimage/data/rocket.jpg",
    "sklearn/datasets/images/china.jpg",
    "sklearn/datasets/images/flower.jpg",
)
VALIDATION_PHOTOS = (
    "skimage/data/chelsea.png",
    "skimage/data/coffee.png",
)

_DISTRIBUTIONS = {"skimage": "scikit-image", "sklearn": "scikit-learn"}


def embedded_photos() -> tuple[list[Path], list[Path]]:
    """Paths of the training and of the validation photos.

    They are read from the packages' folders, not through their loaders, which may download.
    Raises FileNotFoundError if a package came without its photos.
    """
    return [_locate(name) for name in TRAINING_PHOTOS], [_locate(name) for name in VALIDATION_PHOTOS]


def _locate(name: str) -> Path:
    package, _, inside = name.partition("/")
    spec = find_spec(package)
    path = Path(spec.origin).parent / inside if spec and spec.origin else None
    if path is None or not path.is_file():
        distribution = _DISTRIBUTIONS[package]
        raise FileNotFoundError(
            f"the embedded photo {name} is not in the installed {distribution}; "
            f"reinstall it (pip install --force-reinstall {distribution}) or train on your own photos "
            "(data=folder data.root=...)"
        )
    return path
