"""Tests of principal components, compared with those of scikit-learn and NumPy."""

from unittest import mock

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from skae._input.missing_values import ImputedRows, fit_gaussian
from skae._training import pca
from skae._training.pca import fit_pca

from ..cases import low_rank


def components_of(X, weights=None, n=512, **parameters):
    """Compute the principal components of X."""
    return fit_pca(X, weights, n, generator=torch.Generator().manual_seed(0), **parameters)


def mean_of(principal, origin=0):
    """Return the mean in units of X, less a constant, without loss of digits."""
    return (
        principal.reference.numpy().astype(np.longdouble)
        - np.longdouble(origin)
        + principal.shift.numpy()
    )


def assert_is_pca(principal, X, *, k=3, weights=None, rtol=1e-4):
    """Check that mean, variances and first directions equal those of NumPy's eigenvectors."""
    weights = np.ones(len(X)) if weights is None else weights
    deviation = X.astype(np.longdouble) - X[0]
    mean_deviation = np.average(deviation, axis=0, weights=weights)
    centred = (deviation - mean_deviation).astype(np.float64)
    unit = max(np.abs(centred).max(), 1e-300)
    centred /= unit
    covariance = (centred.T * weights) @ centred / weights.sum()
    variances, vectors = np.linalg.eigh(covariance)
    variances, vectors = variances[::-1], vectors[:, ::-1].T
    assert float(np.abs(mean_of(principal, X[0]) - mean_deviation).max()) <= 1e-6 * unit
    in_units = principal.variances.numpy() * (principal.scale / unit) ** 2
    np.testing.assert_allclose(in_units[:k], variances[:k], rtol=rtol, atol=1e-7 * variances[0])
    np.testing.assert_allclose(
        principal.total * (principal.scale / unit) ** 2, variances.sum(), rtol=rtol
    )
    together = np.abs(principal.components[:k].double().numpy() @ vectors[:k].T)
    np.testing.assert_allclose(together, np.eye(k), atol=1e-3)
    gram = principal.components.double() @ principal.components.double().T
    np.testing.assert_allclose(gram, np.eye(len(gram)), atol=1e-5)
    assert principal.scale == pytest.approx(unit * np.sqrt(variances.sum() / X.shape[1]), rel=1e-2)


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int64, np.uint8, np.int16])
@pytest.mark.parametrize(("n", "d"), [(200, 9), (30, 30), (12, 70), (3, 5)])
def test_tall_and_wide_data(n, d, kind):
    """Mean, variances and directions are those of PCA for any shape and dtype."""
    X = low_rank(n, d, low=0, high=250, dtype=kind)
    assert_is_pca(components_of(X), X, k=min(2, n - 1))
    assert components_of(X).rule == "pca"


@pytest.mark.parametrize("max_flops", [0, 1e12])
def test_covariance_of_many_features(max_flops, rng):
    """The blocks of a covariance of many features make a whole, in float32 and in float64."""
    d = 2 * pca.BLOCK_ROWS + 7
    X = low_rank(d + 20, d) + rng.normal(size=(d + 20, d)).astype(np.float32) / 50
    weights = rng.uniform(0.5, 2, len(X))
    with mock.patch.object(pca, "MAX_DOUBLE_FLOPS", max_flops):
        assert_is_pca(components_of(X, weights), X, k=2, weights=weights)


def test_against_scikit_learn():
    """Components and variances equal those of scikit-learn's PCA, including signs."""
    X = low_rank(80, 12)
    reference = PCA(4, svd_solver="full").fit(X)
    principal = components_of(X)
    np.testing.assert_allclose(principal.components[:4].numpy(), reference.components_, atol=1e-3)
    expected = reference.explained_variance_ * (79 / 80)
    np.testing.assert_allclose(
        principal.variances[:4].numpy() * principal.scale**2, expected, rtol=1e-4
    )


@pytest.mark.parametrize(("n", "d"), [(150, 9), (12, 70)])
def test_weights_are_repetitions(n, d, rng):
    """A sample of weight 3 is equivalent to three samples."""
    X = low_rank(n, d)
    weights = rng.integers(1, 4, n).astype(np.float64)
    assert_is_pca(components_of(X, weights), X, k=2, weights=weights)
    assert_is_pca(components_of(np.repeat(X, weights.astype(int), axis=0)), X, k=2, weights=weights)


@pytest.mark.parametrize("unit", [1e-30, 1e-10, 1, 1e10, 1e30])
@pytest.mark.parametrize(("n", "d"), [(100, 6), (8, 30)])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_any_unit(n, d, unit, kind):
    """Units from 1e-30 to 1e30 change the scale alone."""
    X = (low_rank(n, d) * unit).astype(kind)
    assert_is_pca(components_of(X), X, k=2)


@pytest.mark.parametrize("kind", [np.int64, np.uint64])
def test_time_stamps(kind, rng):
    """64-bit integers near 1.7e18 that differ by small steps keep their differences."""
    steps = np.rint(low_rank(300, 4) * 1000).astype(np.int64)
    steps -= steps.min()
    principal = components_of((steps + 1_700_000_000_000_000_000).astype(kind))
    assert_is_pca(principal, (steps + 1_700_000_000_000_000_000), k=2)
    plain = components_of(steps)
    assert principal.scale == pytest.approx(plain.scale, rel=1e-6)


def test_the_whole_range_of_integers():
    """The whole range of 64-bit integers neither overflows nor leads to NaN."""
    low, high = np.iinfo(np.int64).min, np.iinfo(np.int64).max
    X = np.array([[low, 0], [high, 1], [low, 2], [high, 3]])
    principal = components_of(X)
    assert np.isfinite(principal.scale)
    assert abs(float(principal.components[0, 0])) == pytest.approx(1)
    assert principal.scale == pytest.approx(2**63 / np.sqrt(2), rel=1e-6)


@pytest.mark.parametrize("offset", [1e3, 1e6, 1e9])
def test_far_from_zero(offset):
    """A mean far larger than the standard deviation loses no precision of float64 data."""
    X = low_rank(200, 6) + offset
    assert_is_pca(components_of(X), X)


@pytest.mark.parametrize("step", [10_000, 9_000])
def test_sorted_data(step):
    """The components are those of all rows, also if the first rows are constant."""
    X = np.zeros((20_000, 3), dtype=np.float64)
    X[step:] = low_rank(20_000 - step, 3) * 5
    assert_is_pca(components_of(X), X, k=2)


def test_one_outlier_among_many_rows():
    """A single outlier is included although the first estimate uses a sample of rows."""
    X = low_rank(20_000, 3)
    X[12_345] += 1e6
    assert_is_pca(components_of(X), X, k=1)


@pytest.mark.parametrize("value", [0.0, 7.0, 1e30, 0.1])
@pytest.mark.parametrize(("n", "d"), [(20, 3), (4, 9)])
def test_constant_data(n, d, value):
    """Constant data have their mean, zero variance and a scale of 1, without NaN."""
    principal = components_of(np.full((n, d), value))
    np.testing.assert_allclose(mean_of(principal).astype(np.float64), value)
    assert principal.scale == 1
    assert float(principal.variances.sum()) == pytest.approx(0, abs=1e-12)
    assert torch.isfinite(principal.components).all()
    np.testing.assert_allclose(principal.components.norm(dim=1), 1, rtol=1e-5)


@pytest.mark.parametrize(("n", "d"), [(40, 5), (5, 40)])
def test_constant_columns_and_duplicates(n, d):
    """Directions are zero in a constant column, and duplicate rows change nothing."""
    X = low_rank(n, d)
    X[:, 1] = 3
    principal = components_of(np.repeat(X, 3, axis=0))
    np.testing.assert_allclose(principal.components[:2, 1], 0, atol=1e-6)
    assert_is_pca(principal, X, k=2)


def test_number_of_components_is_bounded():
    """There are at most n_coordinates, n - 1 and rank(X) components, and at least one."""
    assert len(components_of(low_rank(50, 9), n=4).components) == 4
    assert len(components_of(low_rank(5, 9)).components) == 4
    rank_two = np.outer(np.arange(20.0), np.ones(6)) + np.outer(
        np.arange(20.0) ** 2, np.arange(6.0)
    )
    assert len(components_of(rank_two).components) == 2
    assert len(components_of(np.ones((9, 4))).components) == 1


def test_components_of_a_view():
    """With a view, the components are those of the viewed features."""
    X = low_rank(60, 8)
    principal = components_of(X, view=lambda x: x.unflatten(-1, (4, 2)).mean(-1))
    means = X.reshape(60, 4, 2).mean(2)
    assert principal.components.shape[1] == 4
    expected = PCA(2).fit(means).components_
    np.testing.assert_allclose(
        np.abs(principal.components[:2].numpy() @ expected.T), np.eye(2), atol=1e-3
    )
    assert principal.rule != "pca"
    np.testing.assert_allclose(mean_of(principal).astype(np.float64), X.mean(0), rtol=1e-6)


def test_rule_has_the_number_of_sampled_rows(monkeypatch):
    """If the Gram matrix of all rows is too large, rows are sampled; `rule` has their number."""
    monkeypatch.setattr(pca, "MAX_COVARIANCE_FEATURES", 10)
    monkeypatch.setattr(pca, "MAX_SAMPLES", 50)
    X = low_rank(400, 30)
    principal = components_of(X, n=5)
    assert "50 rows" in principal.rule
    expected = PCA(3).fit(X).components_
    overlap = np.linalg.svd(principal.components[:3].double().numpy() @ expected.T)[1]
    assert overlap.min() > 0.9


def test_tensors_are_equivalent_to_arrays():
    """A tensor has the components of its array, and is not changed."""
    X = low_rank(50, 6)
    tensor = torch.tensor(X)
    weights = np.linspace(0.5, 1.5, 50)
    a, b = components_of(X, weights), components_of(tensor, weights)
    np.testing.assert_array_equal(a.components.numpy(), b.components.numpy())
    np.testing.assert_array_equal(tensor.numpy(), X)


def test_chunks_do_not_change_the_components(monkeypatch):
    """The components do not depend on the size of chunks."""
    X = low_rank(500, 6)
    weights = np.linspace(0.5, 1.5, 500)
    whole = components_of(X, weights)
    monkeypatch.setattr(
        pca, "row_chunks", lambda n, width: [slice(i, min(i + 64, n)) for i in range(0, n, 64)]
    )
    parts = components_of(X, weights)
    np.testing.assert_allclose(
        parts.components[:3].numpy(), whole.components[:3].numpy(), atol=1e-4
    )
    np.testing.assert_allclose((mean_of(parts) - mean_of(whole)).astype(np.float64), 0, atol=1e-9)
    assert parts.scale == pytest.approx(whole.scale)


# --------------------------------------------------------------------------------------------------- missing values


def gaussian(X, weights=None):
    """Estimate mean and precision, as arrays."""
    result = fit_gaussian(
        X, ImputedRows(X).means, weights, generator=torch.Generator().manual_seed(0)
    )
    return [part.numpy() for part in result]


def test_gaussian_of_complete_rows():
    """Without missing values mean and covariance equal NumPy's, with 1% added to each variance."""
    X = low_rank(60, 6) * np.geomspace(1e-6, 1e6, 6)
    mean, precision = gaussian(X)
    np.testing.assert_allclose(mean, X.mean(0), rtol=1e-9)
    covariance = np.cov(X.T, bias=True) + 0.01 * np.diag(X.var(0))
    together = precision @ covariance
    units = X.std(0)
    np.testing.assert_allclose(together * units[:, None] / units, np.eye(6), atol=1e-7)


def test_gaussian_of_rows_with_missing_values():
    """With a third of the values missing, the covariance differs by less than 0.1."""
    X = np.random.default_rng(0).normal(size=(3000, 2)) @ [[1.0, 0.5, 0.2], [0.0, 1.0, -1.0]]
    X += 0.5 * np.random.default_rng(1).normal(size=X.shape) + 3
    gaps = np.where(np.random.default_rng(2).random(X.shape) < 0.33, np.nan, X)
    (mean, precision), (whole_mean, whole) = gaussian(gaps), gaussian(X)
    np.testing.assert_allclose(mean, whole_mean, atol=0.05)
    np.testing.assert_allclose(np.linalg.inv(precision), np.linalg.inv(whole), atol=0.1)


def test_weights_are_repetitions_with_missing_values():
    """A sample of weight 2 is equivalent to two samples."""
    X = np.where(np.random.default_rng(0).random((40, 5)) < 0.2, np.nan, low_rank(40, 5))
    twice = np.arange(40) < 15
    for one, other in zip(
        gaussian(X, 1.0 + twice), gaussian(np.concatenate([X, X[twice]])), strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-8)


def test_gaussian_uses_all_rows_if_few_values_are_missing():
    """Up to 4,096 rows of 100 columns are used if few of their values are missing."""
    X = np.random.default_rng(0).normal(size=(3000, 100))
    mean, _ = gaussian(np.where(np.random.default_rng(1).random(X.shape) < 0.05, np.nan, X))
    np.testing.assert_allclose(
        mean, X.mean(0), atol=0.02
    )  # a third of the rows would be off by 0.06


def test_gaussian_does_not_depend_on_chunks(monkeypatch):
    """The size of chunks does not change mean and precision, also with a constant column."""
    X = np.where(np.random.default_rng(0).random((50, 5)) < 0.3, np.nan, low_rank(50, 5))
    X[:, 2] = np.where(np.isnan(X[:, 2]), np.nan, 7)
    expected = gaussian(X)
    monkeypatch.setattr("skae._input.missing_values.MAX_INVERSE_ELEMENTS", 75)
    for one, other in zip(gaussian(X), expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-8)
