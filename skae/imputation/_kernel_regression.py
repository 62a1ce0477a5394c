"""Kernel regression of each column of a table on all other columns."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["KernelRegression"]

MAX_REFERENCES = 1000
"""Most rows that a regression is fitted on: the time of fit grows with their cube."""

MAX_COLUMN_KERNELS = 128
"""Most columns with a kernel for each column. Wider tables have one kernel for all columns."""

SQUARED_LENGTH_SCALE = 2.0
"""Squared distance at which the kernel decreases to 1/e. The metric has unit norm, so 2 is the mean
squared distance of two rows with standardized columns."""

LINEAR_WEIGHT = 0.1
"""Weight of the linear kernel, beside the Gaussian kernel of weight 1."""

MIN_CORRELATION = 0.1
"""Weight of an uncorrelated column in the metric, relative to a column with a correlation of 1."""

MAX_DEVIATION = 4.0
"""Standardized values are clipped to this distance from the mean in the Gaussian kernel."""

NOISE_VARIANCES = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)
"""Candidates for the noise variance of a column, relative to the Gaussian kernel."""

MAX_CHUNK_ELEMENTS = 2**22
"""Kernel elements that are computed at once."""


@dataclass
class KernelRegression:
    r"""Kernel ridge regression of each column on all other columns.

    For column j, with the metric weights :math:`w_j` and the references :math:`x_i`,

    .. math::

        f_j(x) = b_j + \sum_i \alpha_{ij} k_j(x, x_i), \qquad
        k_j(x, x') = e^{-\|w_j \odot (x - x')\|^2 / 2} + 0.1 \, \langle w_j \odot x, w_j \odot x'
        \rangle

    Attributes
    ----------
    references : ndarray of shape (n_references, n_features)
        Standardized rows without missing values, float64.
    metric : ndarray of shape (n_features, n_features) or (1, n_features)
        Weights of the columns for each target column. One row is one metric for all target
        columns. Its kernel has no linear part.
    coefficients : ndarray of shape (n_references, n_features)
        Zero where the target column of a reference is missing.
    intercepts : ndarray of shape (n_features,)
        Means of the target columns.
    """

    references: NDArray[np.float64]
    metric: NDArray[np.float64]
    coefficients: NDArray[np.float64]
    intercepts: NDArray[np.float64]

    @classmethod
    def fit(cls, completed: NDArray[np.float64], known: NDArray[np.bool_]) -> Self:
        """Fit the regression of every column.

        Parameters
        ----------
        completed : ndarray of shape (n_samples, n_features)
            Standardized rows with imputed missing values.
        known : ndarray of shape (n_samples, n_features)
            Mask of the values that are targets.
        """
        n_features = completed.shape[1]
        intercepts = np.array(
            [column[k].mean() for column, k in zip(completed.T, known.T, strict=True)]
        )
        if n_features > MAX_COLUMN_KERNELS:
            metric = np.full((1, n_features), n_features**-0.5)
            coefficients = _fit_shared(
                _kernel(completed, completed, metric[0], 0.0), completed, known, intercepts
            )
            return cls(completed, metric, coefficients, intercepts)
        metric = _correlation_metric(completed)
        coefficients = np.zeros_like(completed)
        for j in range(n_features):
            rows = known[:, j]
            points = completed[rows]
            kernel = _kernel(points, points, metric[j], LINEAR_WEIGHT)
            targets = points[:, j] - intercepts[j]
            coefficients[rows, j] = _ridge_coefficients(kernel, targets)
        return cls(completed, metric, coefficients, intercepts)

    def predict(
        self, completed: NDArray[np.float64], missing: NDArray[np.bool_]
    ) -> NDArray[np.float64]:
        """Predict the missing values of rows.

        Parameters
        ----------
        completed : ndarray of shape (n_samples, n_features)
            Standardized rows with imputed missing values.
        missing : ndarray of shape (n_samples, n_features)
            Mask of the values to predict.

        Returns
        -------
        predicted : ndarray of shape (n_samples, n_features)
            The predictions. Values that are not missing are those of `completed`.
        """
        predicted = completed.copy()
        size = max(1, MAX_CHUNK_ELEMENTS // len(self.references))
        for start in range(0, len(completed), size):
            chunk = slice(start, start + size)
            self._predict_chunk(completed[chunk], missing[chunk], predicted[chunk])
        return predicted

    def _predict_chunk(self, completed, missing, predicted):
        """Write the predictions of some rows into `predicted`."""
        if len(self.metric) == 1:
            kernel = _kernel(completed, self.references, self.metric[0], 0.0)
            values = kernel @ self.coefficients + self.intercepts
            predicted[missing] = values[missing]
            return
        for j in np.flatnonzero(missing.any(0)):
            rows = missing[:, j]
            kernel = _kernel(completed[rows], self.references, self.metric[j], LINEAR_WEIGHT)
            predicted[rows, j] = kernel @ self.coefficients[:, j] + self.intercepts[j]


def _correlation_metric(completed):
    """Return the metric of each column: correlations with the others, with a norm of 1."""
    with np.errstate(invalid="ignore", divide="ignore"):
        correlations = np.corrcoef(completed, rowvar=False)
    correlations = np.nan_to_num(np.atleast_2d(correlations))
    metric = np.abs(correlations) + MIN_CORRELATION
    np.fill_diagonal(metric, 0.0)
    norms = np.linalg.norm(metric, axis=1, keepdims=True)
    return metric / np.where(norms > 0, norms, 1.0)


def _kernel(a, b, weights, linear_weight):
    """Compute the kernel of two sets of rows, of shape (n_a, n_b)."""
    clipped_a = np.clip(a, -MAX_DEVIATION, MAX_DEVIATION) * weights
    clipped_b = np.clip(b, -MAX_DEVIATION, MAX_DEVIATION) * weights
    distances = np.square(clipped_a).sum(1)[:, None] + np.square(clipped_b).sum(1)
    distances -= 2 * clipped_a @ clipped_b.T
    kernel = np.exp(-distances.clip(min=0) / SQUARED_LENGTH_SCALE)
    if linear_weight:
        kernel += linear_weight * (a * weights) @ (b * weights).T
    return kernel


def _ridge_coefficients(kernel, targets):
    """Return the coefficients with the noise variance of the lowest leave-one-out error.

    The leave-one-out residual of sample i is ``alpha_i / inverse_ii`` for the coefficients alpha
    and the inverse of the kernel matrix with noise.
    """
    eigenvalues, vectors = np.linalg.eigh(kernel)
    projected = vectors.T @ targets
    squared = vectors**2
    best_error, best = np.inf, None
    for noise in NOISE_VARIANCES:
        inverse = 1 / (eigenvalues.clip(min=0) + noise)
        coefficients = vectors @ (inverse * projected)
        error = np.mean((coefficients / (squared @ inverse)) ** 2)
        if best is None or error < best_error:
            best_error, best = error, coefficients
    return best


def _fit_shared(kernel, completed, known, intercepts):
    """Return the coefficients of all columns for one kernel.

    Missing targets have their imputed values, and no part in the leave-one-out error.
    """
    eigenvalues, vectors = np.linalg.eigh(kernel)
    projected = vectors.T @ (completed - intercepts)
    squared = vectors**2
    counts = known.sum(0)
    lowest = np.full(completed.shape[1], np.inf)
    best = np.zeros_like(completed)
    for noise in NOISE_VARIANCES:
        inverse = 1 / (eigenvalues.clip(min=0) + noise)
        coefficients = vectors @ (inverse[:, None] * projected)
        residuals = coefficients / (squared @ inverse)[:, None]
        errors = np.sum(residuals**2, axis=0, where=known) / counts
        is_lower = errors < lowest
        lowest[is_lower] = errors[is_lower]
        best[:, is_lower] = coefficients[:, is_lower]
    return best
