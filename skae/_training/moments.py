"""Mean and scale of X, in chunks, and principal directions in units of the scale."""

from typing import NamedTuple

import numpy as np
import torch
from sklearn.utils.sparsefuncs import mean_variance_axis

from skae._input.dtypes import to_tensor
from skae._input.sparse_rows import SparseRows
from skae._training.process_sums import own_chunks, sum_of_processes
from skae.networks.layers import to_device

__all__ = ["SMALLEST", "Eigenvectors", "Moments", "chunk_weights_of", "compute_moments"]

SMALLEST = 1e-300
"""Lower bound of divisors, so that no quotient is NaN."""


class Moments(NamedTuple):
    """Mean and scale of rows; the mean is a row and a shift, so that no digits are lost.

    Attributes
    ----------
    reference : torch.Tensor of shape (d,)
        A row near the mean, in the dtype of X.
    shift : torch.Tensor of shape (d,)
        The mean less `reference`, float64.
    scale : float
        Root of the mean variance of the features, in units of X or of `feature_scale`.
    feature_scale : torch.Tensor of shape (d,) or None
        Unit of each feature. None: the features have one unit.
    """

    reference: torch.Tensor
    shift: torch.Tensor
    scale: float
    feature_scale: torch.Tensor | None = None

    @property
    def divisor(self):
        """Scale of deviations from the mean in units of X, float64: one, or one per feature."""
        scale = torch.tensor(self.scale, dtype=torch.float64)
        if self.feature_scale is not None:
            scale = scale * self.feature_scale
        return scale

    @property
    def mean(self):
        """The mean, float64."""
        return self.reference.double() + self.shift

    def standardize(self, rows, device):
        """Center rows, and divide them by the scale.

        Dtypes of at most 32 bits are computed in float32 on the device, others first in float64.
        """
        if rows.dtype in (torch.int64, torch.float64):
            deviation = _subtract(rows, self.reference.to(rows.device))
            divisor = self.divisor.to(rows.device, torch.float64)
            standardized = (deviation - self.shift.to(rows.device)) / divisor
            return standardized.to(device, torch.float32)
        mean = self.mean
        high = mean.float()
        low = (mean - high.double()).float()
        rows, high, low = (to_device(values, device) for values in (rows, high, low))
        deviation = torch.sub(rows, high).sub_(low)
        return deviation.div_(self.divisor.to(device, torch.float32))


class Eigenvectors(NamedTuple):
    """Principal directions by decreasing variance, before any of them is left out.

    Attributes
    ----------
    moments : Moments
        Mean and scale of the rows.
    components : torch.Tensor of shape (m, d)
        Orthonormal rows.
    variances : torch.Tensor of shape (m,)
        Variances along the components, in squared units of the scale.
    total : float
        Sum of the variances of all features.
    """

    moments: Moments
    components: torch.Tensor
    variances: torch.Tensor
    total: float


def compute_moments(X, weights, feature_scale=None):
    """Compute mean and overall scale of rows in float64; for uint8 without float64 copies.

    Parameters
    ----------
    X : ndarray, torch.Tensor or RowSource of shape (n, d)
        Rows in any real dtype, which are read in chunks. Sparse rows remain sparse.
    weights : ndarray of shape (n,) or None
        Sample weights.
    feature_scale : torch.Tensor of shape (d,), default=None
        Unit of each feature of dense rows. None: the features have one unit.

    Returns
    -------
    moments : Moments
        Mean and scale.
    """
    n_features = X.shape[1]
    if isinstance(X, SparseRows):
        means, variances = mean_variance_axis(X.as_double(), axis=0, weights=weights)
        reference = torch.zeros(n_features, dtype=torch.float64)
        squares = np.square(means) + variances
        return _moments(reference, torch.from_numpy(means), variances.mean(), squares.mean())
    reference = to_tensor(X[:1])[0].cpu()
    total_weight = 0.0
    sums = torch.zeros(n_features, dtype=torch.float64)
    squares = torch.zeros(n_features, dtype=torch.float64)
    for values, chunk in own_chunks(X, 2 * n_features):
        rows = to_tensor(values).cpu()
        if rows.dtype == torch.uint8 and weights is None:
            deviation = rows.float().sub_(reference.float())
            total_weight += len(rows)
            sums += deviation.sum(0, dtype=torch.float64)
            squares += deviation.square_().sum(0, dtype=torch.float64)
            continue
        deviation = _subtract(rows, reference)
        chunk_weights = chunk_weights_of(weights, chunk, len(rows), "cpu", torch.float64)
        total_weight += float(chunk_weights.sum())
        sums += chunk_weights @ deviation
        squares += chunk_weights @ deviation.square_()
    sums, squares, total_weight = sum_of_processes([sums, squares, total_weight])
    total_weight = max(total_weight, SMALLEST)
    shift = sums / total_weight
    squares = squares / total_weight
    variances = (squares - shift.square()).clamp(min=0)
    if feature_scale is not None:
        squares = squares / feature_scale.square()
        variances = variances / feature_scale.square()
    variance, mean_square = float(variances.mean()), float(squares.mean())
    return _moments(reference, shift, variance, mean_square, feature_scale)


def _moments(reference, shift, variance, mean_square, feature_scale=None):
    """Return moments with the root of the mean variance as scale, or 1 for constant data."""
    # less than this remains of constant data by rounding
    negligible = 1e-24 * mean_square
    scale = 1.0
    if variance > negligible:
        scale = float(np.sqrt(variance))
    return Moments(reference, shift, scale, feature_scale)


def _subtract(rows, reference):
    """Return rows less a reference row as float64; 64-bit integers are subtracted as integers."""
    if rows.dtype == torch.int64 and reference.dtype == torch.int64:
        return (rows - reference).double()
    return rows.double() - reference.double()


def chunk_weights_of(weights, chunk, n_rows, device, dtype):
    """Return the weights of a chunk of rows as a tensor; ones without weights."""
    if weights is None:
        return torch.ones(n_rows, dtype=dtype, device=device)
    return torch.from_numpy(weights[chunk]).to(device, dtype)
