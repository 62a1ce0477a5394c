"""Sparse rows: every kind of sparse matrix has the values of its dense array, and is not changed."""

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from numpy.testing import assert_array_equal

from skae import DenseAutoencoder
from skae._input.dtypes import check_bounds
from skae._input.rows import RowSubset, row_subset, take_rows
from skae._input.sparse_rows import ProjectedRows, SparseRows, can_center_products
from skae._input.units import measure_units
from skae._input.validation import check_rows
from skae._training.fit_digest import digest_rows


def counts(n=40, d=12, seed=0, dtype=np.float64):
    """Return a table with about a quarter of nonzero values, an empty row and an empty column."""
    rng = np.random.default_rng(seed)
    X = rng.poisson(0.3, (n, d)).astype(dtype)
    X[3], X[:, 5] = 0, 0
    return X


def checked(X, **parameters):
    """Return X as an autoencoder reads it."""
    return check_rows(DenseAutoencoder(**parameters), X, reset=True, accept_sparse=True)


def doubled(X):
    """Return X as a sparse array that holds each value as two halves, in no order."""
    n, d = X.shape
    halves = np.hstack([X, X[:, ::-1]]) / 2
    columns = np.tile(np.r_[np.arange(d), np.arange(d)[::-1]], n)
    return sp.csr_array((halves.ravel(), columns, np.arange(n + 1) * 2 * d), shape=X.shape)


def large_indices(X):
    """Return X as a sparse matrix with indices of 64 bits."""
    matrix = sp.csr_matrix(X)
    matrix.indices, matrix.indptr = matrix.indices.astype("i8"), matrix.indptr.astype("i8")
    return matrix


FORMATS = {
    **{f"{name} matrix": getattr(sp, f"{name}_matrix") for name in ("csr", "csc", "coo", "lil")},
    **{f"{name} array": getattr(sp, f"{name}_array") for name in ("csr", "dok", "bsr", "dia")},
    "duplicates": doubled,
    "large indices": large_indices,
    "explicit zeros": lambda X: sp.csr_array(X + 1).multiply(1.0) - sp.csr_array(np.ones(X.shape)),
}


@pytest.mark.parametrize("name", FORMATS)
def test_formats(name):
    """Slices, indices, units and digests are those of CSR without duplicates; X is not changed."""
    X = counts()
    matrix = FORMATS[name](X)
    before = matrix.copy()
    rows = checked(matrix)
    assert isinstance(rows, SparseRows)
    assert (rows.shape, len(rows)) == (X.shape, len(X))
    assert_array_equal(rows[5:9], X[5:9])
    assert_array_equal(take_rows(rows, torch.tensor([7, 0, 7])), X[[7, 0, 7]])
    assert_array_equal(rows.subset(torch.tensor([1, 3]))[:], X[[1, 3]])
    assert_array_equal(row_subset(rows, torch.tensor([1, 3]))[:1], X[[1]])
    assert measure_units(rows) == measure_units(X)
    assert rows.min_and_max() == (0, X.max())
    assert matrix.nnz == before.nnz
    assert (matrix != before).nnz == 0


def test_digest_depends_on_values_and_places():
    """The dtype of the indices has no part in the digest; values, places and shape do."""
    X = counts()
    digest = digest_rows(checked(sp.csr_array(X)))
    assert digest_rows(checked(large_indices(X))) == digest
    moved = np.roll(X, 1, axis=1)
    for other in (2 * X, moved, X[:-1], np.hstack([X, 0 * X]), X.astype(np.float32)):
        assert digest_rows(checked(sp.csr_array(other))) != digest


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [("?", "f4"), ("u1", "u1"), ("i8", "i8"), ("f4", "f4"), ("f8", "f8"), (np.longdouble, "f8")],
)
def test_dtypes(dtype, expected):
    """Sparse rows have the same dtype as rows of an array."""
    X = counts(dtype=np.float64).clip(0, 1).astype(dtype)
    rows = checked(sp.csr_array(X))
    assert rows.dtype == np.dtype(expected)
    assert rows[:].dtype == np.dtype(expected) == checked(X).dtype
    assert_array_equal(rows[:], X)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.nan, r"Input X contains NaN in column 7, row 4\. Set allow_nan=True"),
        (np.inf, r"infinity in column 7, row 4"),
        (1e300, r"too large for float32 \(1e\+300.*in column 7, row 4"),
    ],
)
def test_invalid_values(value, message):
    """The first invalid value is named, also after empty rows."""
    X = counts()
    X[4, 7] = X[6, 1] = value
    with pytest.raises(ValueError, match=message):
        checked(sp.csr_array(X))


def test_missing_values():
    """With allow_nan, an explicit NaN is a missing value, and other absent values are 0."""
    X = counts()
    X[4, 7] = np.nan
    rows = checked(sp.csr_array(X), allow_nan=True)
    assert_array_equal(rows[:], X)
    assert rows.min_and_max() == (0, np.nanmax(X))
    assert measure_units(rows) == measure_units(X)


def test_complex_numbers_and_dimensions():
    """Complex numbers and sparse arrays of one dimension are refused."""
    with pytest.raises(ValueError, match="Complex data not supported"):
        checked(sp.csr_array(counts() * 1j))
    with pytest.raises(TypeError, match=r"sparse array of shape \(3,\)"):
        checked(sp.coo_array(np.ones(3)))
    with pytest.raises(ValueError, match="0 sample"):
        checked(sp.csr_array((0, 3)))


def test_bounds():
    """Rounding errors are clipped in the sparse values, and values out of bounds are refused."""
    X = counts().clip(0, 1)
    X[0, 0] = 1 + 1e-9
    clipped = check_bounds(SparseRows(sp.csr_array(X)), (0.0, 1.0), "log_loss")
    assert isinstance(clipped, SparseRows)
    assert clipped[:].max() == 1 < X.max()
    with pytest.raises(ValueError, match=r"with X between 0\.0 and 2\.0, but expected values in"):
        check_bounds(SparseRows(sp.csr_array(2 * counts().clip(0, 1))), (0.0, 1.0), "log_loss")
    with pytest.raises(ValueError, match=r"between 0\.0 and 1"):  # zeros are values, too
        check_bounds(SparseRows(sp.csr_array(counts().clip(0, 1))), (0.5, 1.0), "own")


def test_min_and_max_without_zeros():
    """Absent values take part only if there are any."""
    assert SparseRows(sp.csr_array(np.array([[2.0, 3.0]]))).min_and_max() == (2, 3)
    assert SparseRows(sp.csr_array(np.array([[-2.0, 0.0]]))).min_and_max() == (-2, 0)
    assert SparseRows(sp.csr_array((2, 3))).min_and_max() == (0, 0)


def test_subset_of_a_subset():
    """Subsets of other sources remain RowSubset."""
    X = counts()
    subset = row_subset(row_subset(X, torch.arange(10)), torch.tensor([2, 4]))
    assert isinstance(subset, RowSubset)
    assert_array_equal(subset[:], X[[2, 4]])


def test_projected_rows():
    """Principal coordinates equal those of dense rows, in float64 to float32's resolution."""
    X = counts(200, 30)
    network = DenseAutoencoder(2, max_iter=1, random_state=0).fit(X).net_.module_
    expected = network.prepare(torch.from_numpy(X)).numpy()
    rows = checked(sp.csr_array(X))
    for dtype, tolerance in ((np.float64, 2e-6), (np.float32, 1e-5)):
        projected = ProjectedRows(rows, network, dtype)
        assert projected.shape == expected.shape
        np.testing.assert_allclose(projected[3:9], expected[3:9], atol=tolerance)
        indices = torch.tensor([5, 1])
        np.testing.assert_allclose(projected.take(indices), expected[[5, 1]], atol=tolerance)


def test_products_are_not_centered_with_large_means():
    """Sparse products serve means of up to 31 standard deviations; dense rows have no products."""
    rows = SparseRows(sp.csr_array(np.eye(3)))
    assert can_center_products(rows, np.full(3, 31.0), 1.0)
    assert not can_center_products(rows, np.full(3, 32.0), 1.0)
    assert not can_center_products(np.eye(3), np.zeros(3), 1.0)


def test_half_precision_is_refused():
    """SciPy creates matrices of float16 from their parts, and cannot compute with them."""
    matrix = sp.csr_array(np.eye(3, dtype=np.float32))
    matrix.data = matrix.data.astype(np.float16)
    with pytest.raises(ValueError, match="dtype float16, which SciPy does not support"):
        DenseAutoencoder(1).fit(matrix)
