"""Does a network see the degradation or the content? The measures of DDR (arXiv 2108.00406).

Legend: N images, D the length of a feature, P principal components, K conditions.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln
from sklearn.decomposition import PCA, KernelPCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import calinski_harabasz_score, silhouette_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from realsr_mod.analysis.projection import COMPONENTS, pca

SRGA_COMPONENTS = 300
OUTLIER = 5  # standard deviations
FOLDS = 5
NEIGHBOURS = 5


@dataclass(frozen=True)
class Separation:
    """How far points of one label lie from those of others, once by degradation and once by content.

    `chi` is the Calinski–Harabasz index [tr(B) / (k - 1)] / [tr(W) / (n - k)] of the variance between and within the
    groups; 1 is what labels without meaning give. `silhouette` runs from -1 to 1; 0 means overlap.
    """

    chi_degradation: float
    chi_content: float
    silhouette_degradation: float
    silhouette_content: float


def separation(points_NP: np.ndarray, condition_N: np.ndarray, content_N: np.ndarray) -> Separation:
    """Both indices by both labels, by scikit-learn."""
    return Separation(
        float(calinski_harabasz_score(points_NP, condition_N)),
        float(calinski_harabasz_score(points_NP, content_N)),
        float(silhouette_score(points_NP, condition_N)),
        float(silhouette_score(points_NP, content_N)),
    )


def chi_from_clean(points_NP: np.ndarray, condition_N: np.ndarray, clean: int) -> np.ndarray:
    """CHI of each condition and the clean one, taken alone: (K,), NaN at the clean one.

    A network that treats a degradation as it treats clean images has a small value there.
    """
    values = np.full(condition_N.max() + 1, np.nan)
    for condition in np.unique(condition_N):
        if condition != clean:
            both = np.isin(condition_N, (condition, clean))
            values[condition] = calinski_harabasz_score(points_NP[both], condition_N[both])
    return values


@dataclass(frozen=True)
class Probe:
    """What a classifier says about images of photos that it was not trained on.

    `predicted_N` holds the condition that it takes each image for, `confusion_KK` how often (row: truth).
    """

    accuracy: float
    chance: float
    predicted_N: np.ndarray
    confusion_KK: np.ndarray


def classifier(kind: str, width: int, count: int, seed: int = 0) -> Pipeline:
    """PCA, then a linear (logistic) or nearest-neighbour ("knn") classifier, for features (count, width)."""
    reduce = PCA(min(COMPONENTS, width, count - 1), random_state=seed)  # the count-th would be rounding noise
    if kind == "linear":
        return make_pipeline(reduce, StandardScaler(), LogisticRegression(max_iter=2000))
    if kind == "knn":
        return make_pipeline(reduce, KNeighborsClassifier(min(NEIGHBOURS, count)))
    raise ValueError(f"a probe is linear or knn, got {kind!r}")


def probe(
    features_ND: np.ndarray, condition_N: np.ndarray, source_N: np.ndarray, kind: str = "linear", seed: int = 0
) -> Probe:
    """Identify the degradation of unseen photos: cross-validation in which whole photos are left out.

    Everything that learns, PCA included, sees the training photos alone.
    """
    folds = GroupKFold(min(FOLDS, len(np.unique(source_N))))
    smallest = min(len(train) for train, _ in folds.split(features_ND, condition_N, source_N))
    model = classifier(kind, features_ND.shape[1], smallest, seed)
    predicted = cross_val_predict(model, features_ND, condition_N, groups=source_N, cv=folds)
    names, counts = np.unique(condition_N, return_counts=True)
    confusion = np.zeros((len(names), len(names)), dtype=int)
    np.add.at(confusion, (np.searchsorted(names, condition_N), np.searchsorted(names, predicted)), 1)
    accuracy, chance = float((predicted == condition_N).mean()), float(counts.max() / len(condition_N))
    return Probe(accuracy, chance, predicted, confusion)


def fit_generalized_gaussian(values: np.ndarray) -> tuple[float, float]:
    """Scale and shape (alpha, beta) of a zero-mean generalized Gaussian with the values' mean deviation and mean x².

    The shape is the best of 0.2, 0.201 … 10, as in SRGA's program.
    """
    deviation = float(np.abs(values - values.mean()).mean())
    second = float(np.square(values, dtype=np.float64).mean())
    if not deviation > 0:
        raise ValueError("all features are the same; a generalized Gaussian cannot be fitted to them")
    shapes = np.arange(0.2, 10, 0.001)
    ratios = np.exp(gammaln(1 / shapes) + gammaln(3 / shapes) - 2 * gammaln(2 / shapes))
    beta = shapes[np.abs(ratios - second / deviation**2).argmin()]
    alpha = np.sqrt(second * np.exp(gammaln(1 / beta) - gammaln(3 / beta)))
    return float(alpha), float(beta)


def kl_generalized_gaussian(p: tuple[float, float], q: tuple[float, float]) -> float:
    """KL(p || q) of zero-mean generalized Gaussians, each (alpha, beta)."""
    (alpha_p, beta_p), (alpha_q, beta_q) = p, q
    constant = np.log(beta_p * alpha_q / (beta_q * alpha_p)) + gammaln(1 / beta_q) - gammaln(1 / beta_p)
    moment = (alpha_p / alpha_q) ** beta_q * np.exp(gammaln((beta_q + 1) / beta_p) - gammaln(1 / beta_p))
    return max(float(constant + moment - 1 / beta_p), 0.0)  # rounding can leave a tiny negative number


def srga(reference_ND: np.ndarray, test_ND: np.ndarray, components: int = SRGA_COMPONENTS, seed: int = 0) -> float:
    """SRGA (arXiv 2205.07019) of a network on test images: log10(KL(reference || test) + 1e-5) + 5; 0 if they agree.

    The smaller, the better the network generalises from the reference images (clean ones, or what it was trained for).
    As the authors' program does it: each set of features has principal components of its own, whose values beyond five
    standard deviations are cut; one zero-mean generalized Gaussian is fitted to all of the rest. There, features are
    those of the last layer at every position, of 800 patches.
    """
    reference, test = (
        fit_generalized_gaussian(_without_outliers(_own_components(features, components, seed)))
        for features in (reference_ND, test_ND)
    )
    return float(np.log10(kl_generalized_gaussian(reference, test) + 1e-5) + 5)


def _own_components(features_ND: np.ndarray, components: int, seed: int) -> np.ndarray:
    """The first principal components (N, P) of one set, without the N-th, which is zero."""
    count, width = features_ND.shape
    components = min(components, count - 1, width)
    if width <= count:
        return pca(features_ND, components, seed)
    centered_ND = features_ND - features_ND.mean(0)  # of wide features the same by products of their rows, far cheaper
    coordinates_NP: np.ndarray = KernelPCA(components, kernel="linear", eigen_solver="dense").fit_transform(centered_ND)
    return coordinates_NP


def _without_outliers(values: np.ndarray) -> np.ndarray:
    """The values within OUTLIER standard deviations of their mean, in one row."""
    inside: np.ndarray = values[np.abs(values - values.mean()) < OUTLIER * values.std()]
    return inside
