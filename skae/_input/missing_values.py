"""Missing values: imputation by column means or by a normal distribution."""

import math

import torch

from skae._input.dtypes import to_tensor
from skae._input.factor_analysis import fit_factor_analysis
from skae._input.rows import RowSource, row_chunks, sample_indices, subset_rows, take_rows
from skae._warnings import warn_user
from skae.networks.dense import MAX_PRECISION_FEATURES
from skae.networks.imputation import (
    FactorCovariance,
    conditional_means,
    conditional_means_of_factors,
    n_imputation_factors,
)

__all__ = ["ImputedRows", "fit_gaussian", "warn_if_empty"]


class ImputedRows(RowSource):
    """Rows with imputed missing values, which are computed slice by slice.

    Missing values become column means, or conditional means under the distribution `gaussian`.

    Parameters
    ----------
    X : ndarray, torch.Tensor, StreamedRows or RowSubset of shape (n_samples, n_features)
        Rows with NaN for missing values.

    Attributes
    ----------
    means : torch.Tensor of shape (n_features,)
        Means of the observed values of each column, in the dtype of X; 0 for a column without any.
    empty_columns : list of int
        Columns without any observed value.
    gaussian : tuple or None
        Mean, and precision matrix or FactorCovariance of a normal distribution, float64.

    Raises
    ------
    ValueError
        If no column has an observed value.
    """

    def __init__(self, X):
        self.X = X
        self.shape = X.shape
        self.dtype = X.dtype
        self.means, self.empty_columns = _column_means(X)
        self.gaussian = None

    def set_gaussian(self, gaussian):
        """Impute by the conditional means of a normal distribution from now on."""
        self.gaussian = gaussian

    def __getitem__(self, chunk):
        return self._impute(self.X[chunk])

    def take(self, indices):
        """Read and impute rows by their sorted indices."""
        return self._impute(take_rows(self.X, indices))

    def _impute(self, rows):
        rows = to_tensor(rows)
        means = self.means.to(rows.device)
        if self.gaussian is not None:
            mean, matrix = self.gaussian
            deviations = rows.cpu().double() - mean
            if isinstance(matrix, FactorCovariance):
                expected = conditional_means_of_factors(deviations, matrix)
            else:
                expected = conditional_means(deviations, matrix)
            means = (mean + expected).to(rows)
        return torch.where(rows.isnan(), means, rows)


def _column_means(X):
    """Compute the mean of the observed values of each column, summed in float64.

    Returns
    -------
    means : torch.Tensor of shape (n_features,)
        In the dtype of X. 0 for columns without any observed value, as in the imputers of
        scikit-learn with ``keep_empty_features=True``.
    empty_columns : list of int
        These columns.
    """
    counts, sums = torch.zeros(2, X.shape[1], dtype=torch.float64)
    for chunk in row_chunks(*X.shape):
        rows = to_tensor(X[chunk]).cpu().double()
        counts += (~rows.isnan()).sum(0)
        sums += rows.nansum(0)
    if not counts.any():
        raise ValueError(
            f"Got only NaN in X of shape {tuple(X.shape)}, but expected observed values."
        )
    empty_columns = (counts == 0).nonzero()[:, 0].tolist()
    return (sums / counts.clamp(min=1)).to(to_tensor(X[:1]).dtype), empty_columns


def warn_if_empty(columns, names=None):
    """Warn of columns without any observed value.

    Parameters
    ----------
    columns : list of int
        Columns without any observed value.
    names : sequence of str, default=None
        Names of all columns.
    """
    if not columns:
        return
    labels = [str(i) for i in columns[:MAX_NAMED_COLUMNS]]
    if names is not None:
        labels = [f"{i} ({names[i]!r})" for i in columns[:MAX_NAMED_COLUMNS]]
    if len(columns) > MAX_NAMED_COLUMNS:
        labels.append("...")
    warn_user(
        f"Got only NaN in {len(columns)} column(s) of X: {', '.join(labels)}. They are kept and "
        "imputed by 0, and their reconstructions stay near 0 also if later samples have values. "
        "Remove these columns, or start with observed values in every column."
    )


MAX_NAMED_COLUMNS = 10
"""Most columns that a warning names."""

MAX_EM_ROWS = 4096
"""Most rows that a normal distribution is estimated from."""

MAX_FACTOR_ROWS = 2048
"""Most rows that factor analysis of a wide table is fitted on."""

MAX_EM_FLOPS = 3e8
"""Operations for the inverses in one iteration, one inverse for the missing values of each row.

The rows are reduced to fit this bound, but not below four times the number of columns.
"""

MAX_INVERSE_ELEMENTS = 2**18
"""Elements of the inverses that are computed at once, in float64: more would exceed the caches."""

N_EM_ITERATIONS = 10
"""Iterations of the EM algorithm: more overfit directions of small variance."""

MIN_COEFFICIENT_OF_VARIATION = 1e-12
"""Columns with a smaller standard deviation relative to their mean are constant up to rounding."""

MIN_RELATIVE_DEVIATION = 1e-15
"""Columns with a smaller standard deviation relative to the largest are treated as constant.

The square of its inverse has to be a float32.
"""

RIDGES = (0.01, 0.1, 0.3)
"""Candidates for the variance that is added to each standardized column as noise."""

HIDDEN_FRACTION = 0.1
"""Fraction of the observed values that is hidden to select the noise variance."""

MIN_HIDDEN = 100
"""With fewer hidden values, the noise variance is the first candidate."""


def fit_gaussian(X, means, weights, *, generator):
    """Estimate a normal distribution from rows with missing values by the EM algorithm [1]_.

    The covariance of more than `MAX_PRECISION_FEATURES` columns is that of factor analysis.

    Parameters
    ----------
    X : ndarray, torch.Tensor, StreamedRows or RowSubset of shape (n, d)
        Rows with NaN for missing values. If there are many rows, a sample of them is used.
    means : torch.Tensor of shape (d,)
        Column means of all rows. A column without observed values in the sample gets this mean.
    weights : ndarray of shape (n,) or None
        Sample weights.
    generator : torch.Generator
        Random number generator for the sample.

    Returns
    -------
    mean : torch.Tensor of shape (d,)
        float64.
    matrix : torch.Tensor of shape (d, d) or FactorCovariance
        Inverse of the covariance, or the low-rank covariance of a wide table, in squared units of
        X, float64.

    References
    ----------
    .. [1] A. P. Dempster, N. M. Laird and D. B. Rubin, "Maximum likelihood from incomplete data via
       the EM algorithm", Journal of the Royal Statistical Society B 39, 1977.
    """
    x, weights = _em_sample(X, weights, generator)
    center, scale = _center_and_scale(x, weights, means.cpu().double())
    if X.shape[1] > MAX_PRECISION_FEATURES:
        n_factors = n_imputation_factors(X.shape[1])
        mean, (loadings, noise) = fit_factor_analysis((x - center) / scale, weights, n_factors)
        covariance = FactorCovariance(loadings * scale.unsqueeze(1), noise * scale**2)
        return center + mean * scale, covariance
    standardized = (x - center) / scale
    ridge = _select_ridge(standardized, weights, generator)
    mean, precision = _expectation_maximization(standardized, weights, ridge)
    return center + mean * scale, precision / scale / scale[:, None]


def _em_sample(X, weights, generator):
    """Sample rows within the bounds above; return float64 rows and weights."""
    n, d = X.shape
    is_wide = d > MAX_PRECISION_FEATURES
    max_rows = MAX_FACTOR_ROWS if is_wide else MAX_EM_ROWS
    if n > max_rows:
        X, weights = subset_rows(X, weights, sample_indices(X, max_rows, generator))
    x = to_tensor(X[:]).cpu().double()
    w = torch.ones(len(x), dtype=torch.float64)
    if weights is not None:
        w = torch.from_numpy(weights)
    if is_wide:
        return x, w
    flops = float(x.isnan().sum(1).double().pow(3).sum())
    step = max(1, min(math.ceil(flops / MAX_EM_FLOPS), len(x) // (4 * d)))
    return x[::step], w[::step]


def _center_and_scale(x, weights, means):
    """Compute weighted means and standard deviations of columns with missing values.

    Parameters
    ----------
    x : torch.Tensor of shape (n, d)
        Rows with NaN for missing values, float64.
    weights : torch.Tensor of shape (n,)
        Sample weights.
    means : torch.Tensor of shape (d,)
        Means for columns without observed values.

    Returns
    -------
    center : torch.Tensor of shape (d,)
        Column means.
    scale : torch.Tensor of shape (d,)
        Standard deviations. Constant columns get the largest one, or 1 if all are constant.
    """
    counts = weights @ (~x.isnan()).double()
    center = torch.where(counts > 0, weights @ x.nan_to_num(0.0) / counts, means)
    variances = weights @ (x - center).square().nan_to_num(0.0) / counts.clamp(min=1e-300)
    scale = variances.sqrt()
    scale = torch.where(scale > MIN_COEFFICIENT_OF_VARIATION * center.abs(), scale, 0.0)
    largest = float(scale.max())
    if largest == 0:
        largest = 1.0
    return center, torch.where(scale > MIN_RELATIVE_DEVIATION * largest, scale, largest)


def _select_ridge(x, weights, generator):
    """Return the noise variance with the lowest squared error of hidden values."""
    is_hidden = torch.rand(x.shape, dtype=x.dtype, generator=generator) < HIDDEN_FRACTION
    is_hidden &= ~x.isnan()
    if int(is_hidden.sum()) < MIN_HIDDEN:
        return RIDGES[0]
    visible = torch.where(is_hidden, torch.nan, x)
    errors = {}
    for ridge in RIDGES:
        mean, precision = _expectation_maximization(visible, weights, ridge)
        expected = mean + conditional_means(visible - mean, precision)
        losses = torch.where(is_hidden, (expected - x).square(), 0.0)
        errors[ridge] = float(weights @ losses.sum(1))
    return min(errors, key=errors.get)


def _expectation_maximization(x, weights, ridge):
    """Estimate mean and precision of standardized rows (n, d) with missing values."""
    d = x.shape[1]
    known = ~x.isnan()
    imputed = x.nan_to_num(0.0)
    covariance_sum = (weights @ (~known).double()).diag()
    groups = _group_by_missing_count(~known)
    for _ in range(N_EM_ITERATIONS):
        mean, precision = _maximize(imputed, weights, covariance_sum, ridge)
        covariance_sum = torch.zeros_like(precision)
        for rows, columns, is_missing in groups:
            deviations = torch.where(known[rows], x[rows] - mean, 0.0)
            expected, covariance = _conditional_moments(
                deviations, columns, is_missing, mean, precision
            )
            values = imputed[rows]
            expected = torch.where(is_missing > 0, expected, values.gather(1, columns))
            imputed[rows] = values.scatter(1, columns, expected)
            cells = (columns.unsqueeze(-1) * d + columns.unsqueeze(-2)).flatten()
            weighted = (weights[rows, None, None] * covariance).flatten()
            covariance_sum += torch.bincount(cells, weighted, d * d).view(d, d)
    return _maximize(imputed, weights, covariance_sum, ridge)


def _maximize(imputed, weights, covariance_sum, ridge):
    """Compute mean and precision from imputed rows and the covariance of missing values."""
    total = weights.sum()
    mean = weights @ imputed / total
    deviations = imputed - mean
    noise = ridge * torch.eye(imputed.shape[1], dtype=torch.float64)
    covariance = ((deviations.T * weights) @ deviations + covariance_sum) / total + noise
    return mean, torch.linalg.inv(covariance)


def _conditional_moments(deviations, columns, is_missing, mean, precision):
    """Compute mean and covariance of missing values, conditional on the observed values.

    Parameters
    ----------
    deviations : torch.Tensor of shape (b, d)
        Rows minus their mean, zero for missing values.
    columns : torch.Tensor of shape (b, m)
        Columns of the missing values of each row.
    is_missing : torch.Tensor of shape (b, m)
        1, or 0 for columns that only fill up rows with fewer missing values.
    mean : torch.Tensor of shape (d,)
        Mean of the normal distribution.
    precision : torch.Tensor of shape (d, d)
        Inverse of its covariance.

    Returns
    -------
    expected : torch.Tensor of shape (b, m)
        Conditional means.
    covariance : torch.Tensor of shape (b, m, m)
        Conditional covariances, zero for columns that only fill up.
    """
    both_missing = is_missing.unsqueeze(-1) * is_missing.unsqueeze(-2)
    inverse = precision[columns.unsqueeze(-1), columns.unsqueeze(-2)] * both_missing
    inverse = inverse + (1 - is_missing).diag_embed()
    covariance = torch.cholesky_inverse(torch.linalg.cholesky(inverse)) * both_missing
    gradient = (deviations @ precision).gather(1, columns)
    return mean[columns] - (covariance @ gradient.unsqueeze(-1))[..., 0], covariance


def _group_by_missing_count(missing):
    """Group rows with similar numbers of missing values.

    Parameters
    ----------
    missing : torch.Tensor of shape (n, d)
        Mask of the missing values.

    Returns
    -------
    groups : list of (rows, columns, is_missing)
        Indices of b rows, (b,). Columns of their missing values, (b, m). A float64 mask, (b, m),
        which is 0 for columns that fill up a row with fewer than m missing values.
    """
    counts, order = missing.sum(1).sort(descending=True)
    groups = []
    start = 0
    while start < len(order):
        width = max(1, int(counts[start]))
        rows = order[start : start + max(1, MAX_INVERSE_ELEMENTS // width**2)]
        is_missing, columns = missing[rows].double().topk(width)
        groups.append((rows, columns, is_missing))
        start += len(rows)
    return groups
