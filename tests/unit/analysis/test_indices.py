import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import gennorm
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import calinski_harabasz_score, silhouette_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

from realsr_mod.analysis import indices

PHOTOS, CONDITIONS = 10, 3


@pytest.fixture
def labelled():
    """Features (60, 80) that know the condition well and the content a little; two contents per photo."""
    rng = np.random.default_rng(0)
    condition, content = np.repeat(np.arange(CONDITIONS), 20), np.tile(np.arange(20), CONDITIONS)
    features = 1.5 * rng.normal(size=(CONDITIONS, 80))[condition] + 0.5 * rng.normal(size=(20, 80))[content]
    return features + 2 * rng.normal(size=(60, 80)), condition, content, content // 2


def chi(points, labels):
    """tr(B) / (k - 1) over tr(W) / (n - k), from the definition."""
    groups = [points[labels == label] for label in np.unique(labels)]
    between = sum(len(g) * ((g.mean(0) - points.mean(0)) ** 2).sum() for g in groups)
    within = sum(((g - g.mean(0)) ** 2).sum() for g in groups)
    return between / (len(groups) - 1) / (within / (len(points) - len(groups)))


def test_indices_are_their_definitions_and_scikit_learns(labelled):
    points, condition, content, _ = labelled
    found = indices.separation(points, condition, content)
    assert found.chi_degradation == pytest.approx(chi(points, condition))
    assert found.chi_content == pytest.approx(chi(points, content))
    assert found.chi_degradation == calinski_harabasz_score(points, condition)
    assert found.silhouette_content == silhouette_score(points, content)
    assert found.chi_degradation > found.chi_content


def test_distance_from_clean_is_chi_of_two_groups(labelled):
    points, condition, *_ = labelled
    found = indices.chi_from_clean(points, condition, clean=1)
    assert np.isnan(found[1])
    assert found[2] == pytest.approx(chi(points[condition >= 1], condition[condition >= 1]))


@pytest.mark.parametrize("kind", ["linear", "knn"])
def test_probe_agrees_with_scikit_learn_used_directly(labelled, kind):
    features, condition, _, photo = labelled
    found = indices.probe(features, condition, photo, kind)
    expected = np.empty_like(condition)
    for left_out in indices.GroupKFold(5).split(features, condition, photo):
        train, test = left_out
        assert not set(photo[train]) & set(photo[test])
        reduce = PCA(47, random_state=0).fit(features[train])
        x, y = reduce.transform(features[train]), reduce.transform(features[test])
        if kind == "linear":
            scale = StandardScaler().fit(x)
            x, y, model = scale.transform(x), scale.transform(y), LogisticRegression(max_iter=2000)
        else:
            model = KNeighborsClassifier(5)
        expected[test] = model.fit(x, condition[train]).predict(y)
    assert np.array_equal(found.predicted_N, expected)
    assert found.accuracy == (expected == condition).mean() > 0.6
    assert found.chance == pytest.approx(1 / 3)
    assert found.confusion_KK.sum() == 60
    assert np.trace(found.confusion_KK) == round(60 * found.accuracy)
    assert found.confusion_KK.sum(1).tolist() == [20, 20, 20]


def test_probe_cannot_profit_from_remembering_photos():
    rng = np.random.default_rng(1)
    photo = np.arange(60) // 6
    condition = rng.integers(0, 2, 10)[photo] ^ (np.arange(60) % 6 == 0)  # nearly the same label all over a photo
    features = np.eye(10)[photo] + 0.01 * rng.normal(size=(60, 10))
    assert indices.probe(features, condition, photo, "knn").accuracy < 0.75
    remembered = KNeighborsClassifier(3).fit(features[::2], condition[::2]).predict(features[1::2])
    assert (remembered == condition[1::2]).mean() > 0.95


def test_generalized_gaussian_is_found_again():
    for alpha, beta in [(2.0, 0.7), (0.5, 1.0), (1.0, 2.0), (3.0, 5.0)]:
        values = gennorm.ppf((np.arange(20_000) + 0.5) / 20_000, beta, scale=alpha)
        assert indices.fit_generalized_gaussian(values) == pytest.approx((alpha, beta), rel=0.02)
    with pytest.raises(ValueError, match="all features are the same"):
        indices.fit_generalized_gaussian(np.zeros(4))


def test_divergence_is_the_integral():
    p, q = (1.0, 1.5), (0.8, 2.5)

    def integrand(x):
        log_p, log_q = (gennorm.logpdf(x, beta, scale=alpha) for alpha, beta in (p, q))
        return np.exp(log_p) * (log_p - log_q)

    assert indices.kl_generalized_gaussian(p, q) == pytest.approx(quad(integrand, -8, 8)[0], rel=1e-5)
    assert indices.kl_generalized_gaussian(p, p) == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("name", ["same", "weaker", "noisier", "other"])
def test_srga_equals_the_released_program(golden, name):
    tensors, _ = golden("srga_a")
    found = indices.srga(tensors["input.reference"].numpy(), tensors[f"input.{name}"].numpy(), components=128)
    assert found == pytest.approx(tensors[f"output.{name}"].item(), abs=1e-3)


def test_srga_grows_with_the_difference_from_clean():
    rng = np.random.default_rng(0)
    clean = rng.normal(size=(40, 60))
    assert indices.srga(clean, clean) == pytest.approx(0, abs=1e-6)
    wider = [indices.srga(clean, factor * clean) for factor in (1.1, 1.5, 3)]
    assert wider == sorted(wider)
    assert wider[0] > 2


def test_components_of_wide_features_are_those_of_pca():
    wide = np.random.default_rng(0).normal(size=(12, 300)) + 5
    found, expected = indices._own_components(wide, 20, 0), indices.pca(wide, 11)
    assert found.shape == (12, 11)  # the twelfth would be zero
    assert np.abs(found) == pytest.approx(np.abs(expected), abs=1e-9)


def test_outliers_are_cut():
    values = np.append(np.tile([-1.0, 1.0], 50), 40.0)
    assert indices._without_outliers(values.reshape(1, -1)).max() == 1
