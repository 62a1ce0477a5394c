"""Principal components against scikit-learn's and NumPy's."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from skae import _principal
from skae._batches import Filled
from skae._principal import normal_with_gaps, principal_components

from .cases import low_rank


def found(X, weights=None, n=512, **parameters):
    """Components of X by the function under test."""
    return principal_components(X, weights, n, generator=torch.Generator().manual_seed(0), **parameters)


def mean_of(principal, origin=0):
    """The mean that was found, in units of X, less a row: so that digits are kept which no float holds."""
    return principal.reference.numpy().astype(np.longdouble) - np.longdouble(origin) + principal.shift.numpy()


def assert_is_pca(principal, X, *, k=3, weights=None, rtol=1e-4):
    """Compare mean, variances and the directions of most variance with NumPy's eigenvectors."""
    weights = np.ones(len(X)) if weights is None else weights
    away = X.astype(np.longdouble) - X[0]
    mean_away = np.average(away, axis=0, weights=weights)
    centred = (away - mean_away).astype(np.float64)
    unit = max(np.abs(centred).max(), 1e-300)
    centred /= unit
    covariance = (centred.T * weights) @ centred / weights.sum()
    variances, vectors = np.linalg.eigh(covariance)
    variances, vectors = variances[::-1], vectors[:, ::-1].T
    assert float(np.abs(mean_of(principal, X[0]) - mean_away).max()) <= 1e-6 * unit
    in_units = principal.variances.numpy() * (principal.scale / unit) ** 2
    np.testing.assert_allclose(in_units[:k], variances[:k], rtol=rtol, atol=1e-7 * variances[0])
    np.testing.assert_allclose(principal.total * (principal.scale / unit) ** 2, variances.sum(), rtol=rtol)
    together = np.abs(principal.components[:k].double().numpy() @ vectors[:k].T)
    np.testing.assert_allclose(together, np.eye(k), atol=1e-3)
    gram = principal.components.double() @ principal.components.double().T
    np.testing.assert_allclose(gram, np.eye(len(gram)), atol=1e-5)
    assert principal.scale == pytest.approx(unit * np.sqrt(variances.sum() / X.shape[1]), rel=1e-2)


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int64, np.uint8, np.int16])
@pytest.mark.parametrize(("n", "d"), [(200, 9), (30, 30), (12, 70), (3, 5)])
def test_tall_and_wide_data(n, d, kind):
    """Mean, variances and directions are PCA's, whatever the shape and dtype."""
    X = low_rank(n, d, low=0, high=250, dtype=kind)
    assert_is_pca(found(X), X, k=min(2, n - 1))
    assert found(X).rule == "pca"


def test_against_scikit_learn():
    """Scores and variances are those of scikit-learn's PCA, signs too."""
    X = low_rank(80, 12)
    pca = PCA(4, svd_solver="full").fit(X)
    principal = found(X)
    np.testing.assert_allclose(principal.components[:4].numpy(), pca.components_, atol=1e-3)
    expected = pca.explained_variance_ * (79 / 80)
    np.testing.assert_allclose(principal.variances[:4].numpy() * principal.scale**2, expected, rtol=1e-4)


@pytest.mark.parametrize(("n", "d"), [(150, 9), (12, 70)])
def test_weights_are_repetitions(n, d, rng):
    """A row of weight three is three rows."""
    X = low_rank(n, d)
    weights = rng.integers(1, 4, n).astype(np.float64)
    assert_is_pca(found(X, weights), X, k=2, weights=weights)
    assert_is_pca(found(np.repeat(X, weights.astype(int), axis=0)), X, k=2, weights=weights)


@pytest.mark.parametrize("unit", [1e-30, 1e-10, 1, 1e10, 1e30])
@pytest.mark.parametrize(("n", "d"), [(100, 6), (8, 30)])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_any_unit(n, d, unit, kind):
    """Units from 1e-30 to 1e30 change nothing but the scale."""
    X = (low_rank(n, d) * unit).astype(kind)
    assert_is_pca(found(X), X, k=2)


@pytest.mark.parametrize("kind", [np.int64, np.uint64])
def test_time_stamps(kind, rng):
    """64-bit integers near 1.7e18 that differ by small steps keep their differences."""
    steps = np.rint(low_rank(300, 4) * 1000).astype(np.int64)
    steps -= steps.min()
    principal = found((steps + 1_700_000_000_000_000_000).astype(kind))
    assert_is_pca(principal, (steps + 1_700_000_000_000_000_000), k=2)
    plain = found(steps)
    assert principal.scale == pytest.approx(plain.scale, rel=1e-6)


def test_integers_from_end_to_end():
    """The whole range of 64-bit integers neither wraps nor gives NaN."""
    low, high = np.iinfo(np.int64).min, np.iinfo(np.int64).max
    X = np.array([[low, 0], [high, 1], [low, 2], [high, 3]])
    principal = found(X)
    assert np.isfinite(principal.scale)
    assert abs(float(principal.components[0, 0])) == pytest.approx(1)
    assert principal.scale == pytest.approx(2**63 / np.sqrt(2), rel=1e-6)


@pytest.mark.parametrize("offset", [1e3, 1e6, 1e9])
def test_far_from_zero(offset):
    """A mean far larger than the spread costs float64 data no precision."""
    X = low_rank(200, 6) + offset
    assert_is_pca(found(X), X)


@pytest.mark.parametrize("step", [10_000, 9_000])
def test_sorted_data(step):
    """Rows whose first part is constant give the components of all rows."""
    X = np.zeros((20_000, 3), dtype=np.float64)
    X[step:] = low_rank(20_000 - step, 3) * 5
    assert_is_pca(found(X), X, k=2)


def test_one_far_row_among_many():
    """A single row far away is not missed by a first estimate from some of the rows."""
    X = low_rank(20_000, 3)
    X[12_345] += 1e6
    assert_is_pca(found(X), X, k=1)


@pytest.mark.parametrize("value", [0.0, 7.0, 1e30, 0.1])
@pytest.mark.parametrize(("n", "d"), [(20, 3), (4, 9)])
def test_constant_data(n, d, value):
    """Constant data have that mean, no variance and a scale of one, and no number is NaN."""
    principal = found(np.full((n, d), value))
    np.testing.assert_allclose(mean_of(principal).astype(np.float64), value)
    assert principal.scale == 1
    assert float(principal.variances.sum()) == pytest.approx(0, abs=1e-12)
    assert torch.isfinite(principal.components).all()
    np.testing.assert_allclose(principal.components.norm(dim=1), 1, rtol=1e-5)


@pytest.mark.parametrize(("n", "d"), [(40, 5), (5, 40)])
def test_constant_columns_and_duplicates(n, d):
    """A constant column has no part in any direction, and duplicate rows change nothing."""
    X = low_rank(n, d)
    X[:, 1] = 3
    principal = found(np.repeat(X, 3, axis=0))
    np.testing.assert_allclose(principal.components[:2, 1], 0, atol=1e-6)
    assert_is_pca(principal, X, k=2)


def test_no_more_directions_than_asked_for_or_known():
    """At most n_coordinates, n - 1 and the rank of X directions, at least one."""
    assert len(found(low_rank(50, 9), n=4).components) == 4
    assert len(found(low_rank(5, 9)).components) == 4
    rank_two = np.outer(np.arange(20.0), np.ones(6)) + np.outer(np.arange(20.0) ** 2, np.arange(6.0))
    assert len(found(rank_two).components) == 2
    assert len(found(np.ones((9, 4))).components) == 1


def test_a_view_shows_part_of_a_row():
    """With a view, the directions are those of what it shows."""
    X = low_rank(60, 8)
    principal = found(X, view=lambda x: x.unflatten(-1, (4, 2)).mean(-1))
    means = X.reshape(60, 4, 2).mean(2)
    assert principal.components.shape[1] == 4
    expected = PCA(2).fit(means).components_
    np.testing.assert_allclose(np.abs(principal.components[:2].numpy() @ expected.T), np.eye(2), atol=1e-3)
    assert principal.rule != "pca"
    np.testing.assert_allclose(mean_of(principal).astype(np.float64), X.mean(0), rtol=1e-6)


def test_the_rule_says_when_not_all_rows_took_part(monkeypatch):
    """Where the products of all rows don't fit, some rows are drawn, and the rule says how many."""
    monkeypatch.setattr(_principal, "MOST_FEATURES", 10)
    monkeypatch.setattr(_principal, "SAMPLE", 50)
    X = low_rank(400, 30)
    principal = found(X, n=5)
    assert "50 rows" in principal.rule
    expected = PCA(3).fit(X).components_
    overlap = np.linalg.svd(principal.components[:3].double().numpy() @ expected.T)[1]
    assert overlap.min() > 0.9


def test_tensors_are_as_arrays():
    """A tensor gives what its array gives, and isn't changed."""
    X = low_rank(50, 6)
    tensor = torch.tensor(X)
    weights = np.linspace(0.5, 1.5, 50)
    a, b = found(X, weights), found(tensor, weights)
    np.testing.assert_array_equal(a.components.numpy(), b.components.numpy())
    np.testing.assert_array_equal(tensor.numpy(), X)


def test_several_pieces_are_one(monkeypatch):
    """Rows that come in many pieces give what they give in one."""
    X = low_rank(500, 6)
    weights = np.linspace(0.5, 1.5, 500)
    whole = found(X, weights)
    monkeypatch.setattr(_principal, "chunks", lambda n, width: [slice(i, min(i + 64, n)) for i in range(0, n, 64)])
    parts = found(X, weights)
    np.testing.assert_allclose(parts.components[:3].numpy(), whole.components[:3].numpy(), atol=1e-4)
    np.testing.assert_allclose((mean_of(parts) - mean_of(whole)).astype(np.float64), 0, atol=1e-9)
    assert parts.scale == pytest.approx(whole.scale)


# --------------------------------------------------------------------------------------------------- rows with gaps


def normal(X, weights=None):
    """Mean and precision by the function under test, as arrays."""
    found = normal_with_gaps(X, Filled(X).means, weights, generator=torch.Generator().manual_seed(0))
    return [part.numpy() for part in found]


def test_without_gaps_the_normal_distribution_is_that_of_the_rows():
    """Mean and covariance are NumPy's, but for a hundredth of each variance, whatever the units of the columns."""
    X = low_rank(60, 6) * np.geomspace(1e-6, 1e6, 6)
    mean, precision = normal(X)
    np.testing.assert_allclose(mean, X.mean(0), rtol=1e-9)
    covariance = np.cov(X.T, bias=True) + 0.01 * np.diag(X.var(0))
    together = precision @ covariance
    units = X.std(0)
    np.testing.assert_allclose(together * units[:, None] / units, np.eye(6), atol=1e-7)


def test_a_normal_distribution_is_found_in_spite_of_gaps():
    """With a third of the numbers gone, what links the columns is found nearly as well as with all of them."""
    X = np.random.default_rng(0).normal(size=(3000, 2)) @ [[1.0, 0.5, 0.2], [0.0, 1.0, -1.0]]
    X += 0.5 * np.random.default_rng(1).normal(size=X.shape) + 3
    gaps = np.where(np.random.default_rng(2).random(X.shape) < 0.33, np.nan, X)
    (mean, precision), (whole_mean, whole) = normal(gaps), normal(X)
    np.testing.assert_allclose(mean, whole_mean, atol=0.05)
    np.testing.assert_allclose(np.linalg.inv(precision), np.linalg.inv(whole), atol=0.1)


def test_weights_count_as_rows_do_where_there_are_gaps():
    """A row with a weight of two is as good as the row twice."""
    X = np.where(np.random.default_rng(0).random((40, 5)) < 0.2, np.nan, low_rank(40, 5))
    twice = np.arange(40) < 15
    for one, other in zip(normal(X, 1.0 + twice), normal(np.concatenate([X, X[twice]])), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-8)


def test_wide_rows_with_few_gaps_all_take_part():
    """Up to 4,096 rows of 100 columns say what the normal distribution is, as long as few of their numbers are gone."""
    X = np.random.default_rng(0).normal(size=(3000, 100))
    mean, _ = normal(np.where(np.random.default_rng(1).random(X.shape) < 0.05, np.nan, X))
    np.testing.assert_allclose(mean, X.mean(0), atol=0.02)  # a third of the rows would be off by 0.06


def test_many_rows_with_gaps_are_taken_in_parts(monkeypatch):
    """However many rows are looked at in one go, the normal distribution is the same; a constant column is no trouble."""
    X = np.where(np.random.default_rng(0).random((50, 5)) < 0.3, np.nan, low_rank(50, 5))
    X[:, 2] = np.where(np.isnan(X[:, 2]), np.nan, 7)
    expected = normal(X)
    monkeypatch.setattr(_principal, "GAPPY_NUMBERS", 75)
    for one, other in zip(normal(X), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-8)
