"""Explanations: contributions of features, groups of columns, images and tables."""

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.datasets import load_iris, load_wine
from sklearn.decomposition import PCA

from skae import ConvAutoencoder, ReconstructionDetector

from ..cases import gray_images


@pytest.fixture(scope="module")
def iris():
    """Return training and test rows of the iris table, standardized."""
    X = load_iris().data
    X = (X - X.mean(0)) / X.std(0)
    return X[::2], X[1::2]


@pytest.fixture(scope="module")
def detector(iris):
    """Return a detector of irises."""
    return ReconstructionDetector(PCA(2), random_state=0).fit(iris[0])


@pytest.mark.parametrize("load", [load_iris, load_wine])
def test_the_faulty_cell_has_the_largest_contribution(load):
    """A shift of one column by six standard deviations is named in each column."""
    X = load().data
    X = (X - X.mean(0)) / X.std(0)
    detector = ReconstructionDetector(PCA(2), random_state=0).fit(X[::2])
    for column in range(X.shape[1]):
        faulty = X[1::2][:30].copy()
        faulty[:, column] += np.where(np.arange(30) % 2, 6, -6)
        named = detector.explain(faulty).contributions.argmax(axis=1)
        assert (named == column).mean() >= 0.9


def test_contributions_are_decreases_of_the_score(detector, iris):
    """With its expected value, a sample has a score that is better by the contribution."""
    faulty = iris[1][:5].copy()
    faulty[:, 2] += 5
    explanation = detector.explain(faulty)
    repaired = faulty.copy()
    repaired[:, 2] = explanation.expected[:, 2]
    scores = detector.score_samples(repaired)
    np.testing.assert_allclose(
        scores + explanation.anomaly_scores, explanation.contributions[:, 2], rtol=1e-6
    )
    np.testing.assert_array_equal(explanation.values, faulty)
    np.testing.assert_allclose(explanation.anomaly_scores, -detector.score_samples(faulty))
    assert np.abs(explanation.expected[:, 2] - iris[1][:5, 2]).mean() < 1
    assert (explanation.contributions >= 0).all()


def test_an_explanation_is_a_sorted_table(iris):
    """to_frame has the names of the columns, and the largest contribution first."""
    names = ["sepal length", "sepal width", "petal length", "petal width"]
    detector = ReconstructionDetector(PCA(2), random_state=0)
    detector.fit(pd.DataFrame(iris[0], columns=names))
    faulty = pd.DataFrame(iris[1][:3], columns=names)
    faulty["sepal width"] += 8
    frame = detector.explain(faulty).to_frame(1)
    assert frame.columns.tolist() == ["feature", "value", "expected", "contribution"]
    assert frame.feature[0] == "sepal width"
    assert frame.contribution.is_monotonic_decreasing


def test_groups_of_columns_are_one_feature():
    """The columns of a one-hot encoded category are replaced together."""
    rng = np.random.default_rng(0)
    color = rng.integers(0, 3, 300)
    size = 5.0 * color + rng.normal(size=300)
    X = np.column_stack([size, np.eye(3)[color], rng.normal(size=300)])
    detector = ReconstructionDetector(PCA(2), random_state=0).fit(X)
    wrong = X[:20].copy()
    wrong[:, 1:4] = np.eye(3)[(color[:20] + 1 + (color[:20] == 0)) % 3]
    wrong[:, 0] = 5.0 * color[:20] + 20 * (color[:20] == 0)
    explanation = detector.explain(wrong, groups={"color": [1, 2, 3]})
    assert explanation.feature_names == ["x0", "color", "x4"]
    assert explanation.contributions.shape == (20, 3)
    assert set(explanation.values[:, 1]) <= {"x1", "x2", "x3"}
    assert explanation.to_frame(0).shape == (3, 4)


def test_training_samples_are_explained_like_new_samples(detector, iris):
    """A training sample and a sample next to it have nearly the same contributions."""
    own = detector.explain(iris[0][:20])
    near = detector.explain(iris[0][:20] + 1e-6)
    np.testing.assert_allclose(own.contributions, near.contributions, atol=0.1)
    np.testing.assert_allclose(own.anomaly_scores, -detector.score_samples(iris[0][:20]))


def test_a_group_without_a_category_has_no_value():
    """The value of a one-hot group of zeros is None."""
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=100), np.eye(3)[rng.integers(0, 3, 100)]])
    detector = ReconstructionDetector(PCA(2), random_state=0).fit(X)
    explanation = detector.explain([[0.0, 0, 0, 0]], groups={"kind": [1, 2, 3]})
    assert explanation.values[0, 1] is None
    assert explanation.expected[0, 1] in ("x1", "x2", "x3")


@pytest.mark.parametrize(
    "groups",
    [
        {"a": []},
        {"a": [9]},
        {"a": ["unknown"]},
        {"a": [0, 1], "b": [1]},
        {"a": [0.5]},
        {"a": [True]},
        {"a": 0},
        {"x0": [1, 2]},
        ["x0", "x1"],
    ],
)
def test_invalid_groups_raise(detector, iris, groups):
    """A group that is empty, unknown, or shares a column is an error."""
    with pytest.raises(ValueError, match=r"Got (the column|the group|groups=)"):
        detector.explain(iris[1][:2], groups=groups)


def test_explanations_in_chunks_are_equal(detector, iris, monkeypatch):
    """The number of samples in a chunk changes nothing."""
    whole = detector.explain(iris[1][:9]).contributions
    monkeypatch.setattr("skae.anomaly._explanation.MAX_REPLACED_VALUES", 200)
    np.testing.assert_allclose(detector.explain(iris[1][:9]).contributions, whole)


def test_the_contribution_of_a_pixel_is_its_error():
    """For images, the damaged pixel has the largest contribution, and the maps their shape."""
    X = gray_images(80, 6, 5)
    autoencoder = ConvAutoencoder(3, n_filters=2, max_iter=2, early_stopping=False, random_state=0)
    detector = ReconstructionDetector(autoencoder, smoothing=0, random_state=0).fit(X)
    damaged = X[:4].astype(np.float64)
    damaged[:, 2, 3] += 20 * X.std()
    explanation = detector.explain(damaged)
    assert explanation.contributions.shape == explanation.expected.shape == damaged.shape
    assert (explanation.contributions.reshape(4, -1).argmax(1) == 2 * 5 + 3).all()
    with pytest.raises(ValueError, match="explanation of images"):
        explanation.to_frame()
    with pytest.raises(ValueError, match="images have no columns"):
        detector.explain(damaged, groups={"a": [0]})


@pytest.mark.parametrize("make", [pd.DataFrame, pl.DataFrame])
def test_an_autoencoder_fitted_with_names_gets_names(iris, make, recwarn):
    """Without a scaler, the autoencoder receives the column names of X, and does not warn."""
    names = ["a", "b", "c", "d"]
    table = make({name: iris[0][:, j] for j, name in enumerate(names)})
    detector = ReconstructionDetector(PCA(2), standardize=False, random_state=0).fit(table)
    explanation = detector.explain(table[:5])
    assert explanation.feature_names == names
    assert not recwarn.list
