"""One network at one tap: its features, where they lie, and what can be read off them.

Legend: N images, D the length of a feature, P principal components, K conditions.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from realsr_mod.analysis.grid import DegradedImages
from realsr_mod.analysis.indices import Probe, Separation, chi_from_clean, probe, separation, srga
from realsr_mod.analysis.projection import pca, to_plane

AXES = {"tsne": "t-SNE", "umap": "UMAP", "pca": "PCA"}
MOST_COLUMNS = 256  # of an embedding in a table; longer ones are given by their principal components


@dataclass(frozen=True)
class Study:
    """Everything that was found out about the features at one tap.

    Args:
        model: what the network is called.
        tap: where its features come from.
        images: what it looked at.
        features_ND, coordinates_NP, plane_N2: the features, their principal components, and their places on a plane.
        axes: what the plane's two axes are.
        by_coordinates: indices of the principal components, which have no randomness and no free choice.
        by_plane: indices of what is seen in the plane.
        linear, knn: distortion identification on unseen photos.
        chi_K: CHI of each condition against clean images; srga_K: its SRGA score. NaN at clean; None without clean.
        sees_hr: the network is a teacher, which was shown the truth as well.
    """

    model: str
    tap: str
    images: DegradedImages
    features_ND: np.ndarray
    coordinates_NP: np.ndarray
    plane_N2: np.ndarray
    axes: tuple[str, str]
    by_coordinates: Separation
    by_plane: Separation
    linear: Probe
    knn: Probe
    chi_K: np.ndarray | None
    srga_K: np.ndarray | None
    sees_hr: bool = False

    def figures(self) -> dict[str, Any]:
        """The numbers, as plain JSON values."""
        figures = {"model": self.model, "tap": self.tap, "length": self.features_ND.shape[1], "sees_hr": self.sees_hr}
        figures |= asdict(self.by_coordinates)
        figures |= {f"plane_{name}": value for name, value in asdict(self.by_plane).items()}
        figures |= {"linear": self.linear.accuracy, "knn": self.knn.accuracy, "chance": self.linear.chance}
        figures["confusion"] = self.linear.confusion_KK.tolist()
        figures["conditions"] = self.images.condition_names
        for name, values in (("chi_from_clean", self.chi_K), ("srga", self.srga_K)):
            figures[name] = None if values is None else [None if np.isnan(value) else float(value) for value in values]
        return figures

    def rows(self) -> Iterator[dict[str, Any]]:
        """One row per image for a table: what it is, what the probe takes it for, its place, its features."""
        images, names = self.images, self.images.condition_names
        short = self.features_ND.shape[1] <= MOST_COLUMNS
        values, letter = (self.features_ND, "e") if short else (self.coordinates_NP, "pc")
        for n in range(len(images)):
            condition = images.conditions[images.condition_N[n]]
            yield {
                "content": images.contents.names[images.content_N[n]],
                "photo": int(images.source_N[n]),
                "condition": str(condition),
                **{kind: level for kind, level in condition.levels.items()},
                "taken_for": names[self.linear.predicted_N[n]],
                "x": float(self.plane_N2[n, 0]),
                "y": float(self.plane_N2[n, 1]),
                **{f"{letter}{i}": float(value) for i, value in enumerate(values[n])},
            }


def study(
    model: str,
    tap: str,
    features_ND: np.ndarray,
    images: DegradedImages,
    projection: str = "tsne",
    seed: int = 0,
    names: tuple[str, ...] = (),
    sees_hr: bool = False,
) -> Study:
    """Find out what features know about degradation and about content; the same seed gives the same result.

    Args:
        model, tap: what to call them.
        features_ND: one row per image.
        images: what the rows are features of.
        projection: how to get to a plane; see `to_plane`. Two-dimensional features are shown as they are.
        seed: of everything random.
        names: what the features' entries are called, if they have names, for example ("blur", "noise").
        sees_hr: the network is a teacher.
    """
    if not np.isfinite(features_ND).all():
        raise ValueError(f"{model} puts out NaN or infinite values at {tap}; its training has diverged")
    coordinates = pca(features_ND, seed=seed)
    as_they_are = features_ND.shape[1] <= 2
    plane = to_plane(features_ND if as_they_are else coordinates, projection, seed)
    first, second, *_ = names if as_they_are and names else (f"{AXES[projection]} 1", f"{AXES[projection]} 2")
    condition, content, clean = images.condition_N, images.content_N, images.clean
    return Study(
        model,
        tap,
        images,
        features_ND,
        coordinates,
        plane,
        (first, second),
        separation(coordinates, condition, content),
        separation(plane, condition, content),
        probe(features_ND, condition, images.source_N, "linear", seed),
        probe(features_ND, condition, images.source_N, "knn", seed),
        None if clean is None else chi_from_clean(coordinates, condition, clean),
        None if clean is None else srga_from_clean(features_ND, condition, clean, seed),
        sees_hr,
    )


def srga_from_clean(features_ND: np.ndarray, condition_N: np.ndarray, clean: int, seed: int = 0) -> np.ndarray:
    """SRGA score of each condition: (K,), NaN at the clean one."""
    values = np.full(condition_N.max() + 1, np.nan)
    reference = features_ND[condition_N == clean]
    for condition in np.unique(condition_N):
        if condition != clean:
            values[condition] = srga(reference, features_ND[condition_N == condition], seed=seed)
    return values
