"""Sparse rows: a sparse matrix as a row source, and its rows in principal coordinates."""

import numpy as np
import torch
from scipy.sparse import csr_array

from skae._input.rows import RowSource

__all__ = ["ProjectedRows", "SparseRows", "can_center_products", "can_project", "mean_and_scale"]

MAX_SQUARED_OFFSET = 1e3
"""Largest squared length of the mean, relative to the total variance, for sparse products.

The mean is subtracted from the products, with a relative error of 1e-16 times this ratio in float64
and 1e-7 times its root in float32. Columns such as time stamps exceed it.
"""


class SparseRows(RowSource):
    """Rows of a sparse matrix, which are dense when they are read.

    Parameters
    ----------
    matrix : csr_array of shape (n_samples, n_features)
        Without duplicates, in a dtype that torch supports. It is not copied.
    """

    def __init__(self, matrix):
        self.matrix = matrix
        self.shape = matrix.shape
        self.ndim = 2
        self.dtype = matrix.dtype

    @classmethod
    def from_csr(cls, matrix, dtype):
        """Create rows of another dtype from any matrix in CSR format, which is not changed."""
        matrix = csr_array(matrix)
        if not matrix.has_canonical_format:
            matrix = matrix.copy()
            matrix.sum_duplicates()
        return cls(matrix.astype(dtype, copy=False))

    def __getitem__(self, chunk):
        return self.matrix[chunk].toarray()

    def take(self, indices):
        """Read rows by their indices, in any order, as a dense array."""
        return self.matrix[indices.numpy()].toarray()

    def subset(self, indices):
        """Return a subset of the rows, still sparse."""
        return SparseRows(self.matrix[indices.numpy()])

    def clip(self, low, high):
        """Return the same rows with all values within bounds that contain 0."""
        return SparseRows(self._with_values(np.clip(self.matrix.data, low, high)))

    def as_double(self):
        """Return the matrix in float64."""
        return self._with_values(self.matrix.data.astype(np.float64, copy=False))

    def _with_values(self, values):
        """Return a matrix with other values at the same places."""
        return csr_array((values, self.matrix.indices, self.matrix.indptr), shape=self.shape)

    def min_and_max(self):
        """Return the smallest and the largest value as floats; NaN is ignored."""
        values = self.matrix.data
        values = values[~np.isnan(values)]
        low, high = np.inf, -np.inf
        if self.matrix.nnz < len(self) * self.shape[1]:
            low = high = 0.0
        if len(values):
            low = min(low, float(values.min()))
            high = max(high, float(values.max()))
        return low, high

    def max_abs_of_rows(self):
        """Return the largest absolute value of each row as a float64 tensor; NaN counts as 0."""
        magnitudes = np.abs(np.nan_to_num(self.matrix.data.astype(np.float64)))
        maxima = self._with_values(magnitudes).max(axis=1)
        return torch.from_numpy(maxima.toarray().ravel())


class ProjectedRows(RowSource):
    """Standardized sparse rows in principal coordinates, which are computed when they are read.

    The product with the components is sparse, and the product of the mean is subtracted:
    ``u = (x @ C.T - mean @ C.T) / scale``.

    Parameters
    ----------
    rows : SparseRows of shape (n_samples, d)
        Rows in units of X.
    network : skae.networks.dense.DenseNetwork
        Its `components` of shape (m, d), mean and scale are copied.
    dtype : numpy.dtype, default=numpy.float64
        Dtype of the products. float32 is five times faster, and precise enough for training. The
        result of a row does not depend on other rows in either case.
    """

    def __init__(self, rows, network, dtype=np.float64):
        self.rows = rows
        self.shape = (len(rows), len(network.components))
        self.dtype = np.dtype(np.float32)
        mean, self.scale = mean_and_scale(network)
        components = network.components.cpu().numpy().T.astype(np.float64)  # (d, m)
        self.offset = mean @ components  # (m,)
        self.components = np.ascontiguousarray(components, dtype)

    def project(self, matrix):
        """Compute the principal coordinates of a sparse matrix (b, d), as float64 (b, m)."""
        products = matrix.astype(self.components.dtype, copy=False) @ self.components
        return (products - self.offset) / self.scale

    def __getitem__(self, chunk):
        return self.project(self.rows.matrix[chunk]).astype(self.dtype)

    def take(self, indices):
        """Read rows by their indices, in any order."""
        return self.project(self.rows.matrix[indices.numpy()]).astype(self.dtype)


def mean_and_scale(network):
    """Return the mean (d,) and the scale that a network subtracts and divides by, as float64."""
    mean = network.centre.mean.double().sum(0)
    return mean.cpu().numpy(), float(network.centre.scale)


def can_center_products(rows, mean, scale):
    """Return whether rows are sparse, and the mean is small enough to be subtracted from products.

    Parameters
    ----------
    rows : SparseRows or other rows
        Checked rows.
    mean : ndarray of shape (d,)
        Mean of the features, float64.
    scale : float
        Root of the mean variance of the features.
    """
    if not isinstance(rows, SparseRows):
        return False
    return float(mean @ mean) <= MAX_SQUARED_OFFSET * len(mean) * scale**2


def can_project(rows, network):
    """Return whether rows are sparse, and principal coordinates are all that a network reads."""
    if not isinstance(rows, SparseRows) or not network.reads_coordinates:
        return False
    return can_center_products(rows, *mean_and_scale(network))
