"""Many-dimensional features on a plane: PCA, then t-SNE or UMAP.

Legend: N images, D the length of a feature, P principal components.
"""

import numpy as np
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

COMPONENTS = 50  # before t-SNE, and for the indices, as DDR has it
METHODS = ("tsne", "umap", "pca")


def pca(features_ND: np.ndarray, components: int = COMPONENTS, seed: int = 0) -> np.ndarray:
    """The first principal components (N, P); P is less than asked for where N or D is."""
    components = min(components, *features_ND.shape)
    coordinates_NP: np.ndarray = PCA(components, random_state=seed).fit_transform(features_ND)
    return coordinates_NP


def to_plane(coordinates_NP: np.ndarray, method: str = "tsne", seed: int = 0) -> np.ndarray:
    """Place N points on a plane (N, 2) such that neighbours stay neighbours; two dimensions are left as they are.

    Args:
        coordinates_NP: principal components.
        method: tsne, umap (needs umap-learn), or pca, which takes the first two components.
        seed: the same seed gives the same plane.
    """
    if method not in METHODS:
        raise ValueError(f"projection must be one of {', '.join(METHODS)}, got {method!r}")
    count, width = coordinates_NP.shape
    if width < 2:
        return np.column_stack([coordinates_NP, np.zeros(count)])
    if width == 2 or method == "pca":
        return coordinates_NP[:, :2]
    neighbours = min(30, (count - 1) // 3)
    plane_N2: np.ndarray
    if method == "tsne":
        plane_N2 = TSNE(perplexity=max(neighbours, 1), init="pca", random_state=seed).fit_transform(coordinates_NP)
        return plane_N2
    try:
        from umap import UMAP
    except ModuleNotFoundError as error:
        if error.name != "umap":
            raise
        raise ValueError(
            "projection=umap needs an extra: pip install 'realsr-mod[umap]'; or take projection=tsne"
        ) from error
    plane_N2 = UMAP(n_neighbors=max(neighbours // 2, 2), random_state=seed, n_jobs=1).fit_transform(coordinates_NP)
    return plane_N2
