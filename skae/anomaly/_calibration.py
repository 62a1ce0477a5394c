"""Calibration of anomaly scores: errors of held-out samples, error scales, and thresholds."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import train_test_split

from skae._typing import MatrixLike
from skae.anomaly._scores import evaluate, score_chunks

__all__ = [
    "ROUNDING",
    "HeldOutHalf",
    "cross_fit",
    "error_scales",
    "held_out_errors",
    "mean_held_out_errors",
    "tukey_threshold",
]

ERROR_SMOOTHING = 0.2
"""Fraction of the mean squared error over all features that is added to that of each feature.
Features with a very small error would otherwise dominate the score."""

ROUNDING = 1e-8
"""Squared errors and distances below this fraction of the variance of X are rounding errors."""


@dataclass
class HeldOutHalf:
    """Half of the samples, with an autoencoder that was fitted on the other half."""

    autoencoder: BaseEstimator
    rows: MatrixLike
    indices: NDArray[np.int64]  # of the rows, in X


def cross_fit(autoencoder, rows, seed):
    """Fit an autoencoder on each random half of the rows.

    Parameters
    ----------
    autoencoder : estimator
        Unfitted autoencoder, which is cloned.
    rows : array-like or StreamedRows of shape (n_samples, ...)
        The autoencoder's input.
    seed : int
        Seed of the split.

    Returns
    -------
    halves : list of HeldOutHalf
        Both halves.
    """
    first_rows, second_rows, first_indices, second_indices = train_test_split(
        rows[:], np.arange(len(rows)), test_size=0.5, random_state=seed
    )
    fitted_on_first = clone(autoencoder).fit(first_rows, None)
    fitted_on_second = clone(autoencoder).fit(second_rows, None)
    return [
        HeldOutHalf(fitted_on_second, first_rows, first_indices),
        HeldOutHalf(fitted_on_first, second_rows, second_indices),
    ]


def held_out_errors(halves, kernels):
    """Compute the squared errors of held-out halves in chunks.

    Parameters
    ----------
    halves : list of HeldOutHalf
        Result of `cross_fit`.
    kernels : tuple of ndarray or None
        Result of `smoothing_kernels`.

    Yields
    ------
    indices : ndarray of shape (chunk_size,)
        Indices of the samples in X.
    squared_errors : ndarray of shape (chunk_size, n_features)
        Squares of smoothed errors, float64.
    """
    for half in halves:
        for chunk in score_chunks(half.rows):
            _, _, squared_errors = evaluate(half.autoencoder, half.rows[chunk], kernels)
            yield half.indices[chunk], squared_errors


def mean_held_out_errors(halves, kernels):
    """Compute the mean of `held_out_errors` over all samples, shape (n_features,)."""
    total = 0.0
    for _, squared_errors in held_out_errors(halves, kernels):
        total = total + squared_errors.sum(axis=0)
    return total / sum(len(half.rows) for half in halves)


def error_scales(mean_squared_errors, code_variance):
    """Compute the scales that divide squared errors, so that the mean scaled error is 1.

    Parameters
    ----------
    mean_squared_errors : ndarray of shape (n_features,)
        Mean squared error of each feature over normal samples.
    code_variance : float
        Total variance of the latent vectors in reconstruction space.

    Returns
    -------
    scales : ndarray of shape (n_features,)
        Positive, float64.
    """
    total_variance = code_variance + mean_squared_errors.sum()
    min_error = ROUNDING * total_variance / len(mean_squared_errors)
    if min_error == 0:
        min_error = 1.0
    mean_squared_errors = np.maximum(mean_squared_errors, min_error)
    scales = mean_squared_errors + ERROR_SMOOTHING * mean_squared_errors.mean()
    return scales * (mean_squared_errors / scales).mean()


def tukey_threshold(anomaly_scores):
    """Compute Tukey's upper fence of the logarithms of anomaly scores.

    Parameters
    ----------
    anomaly_scores : ndarray of shape (n_samples,)
        Non-negative scores; higher is more anomalous.

    Returns
    -------
    threshold : float
        ``exp(q3 + 1.5 * (q3 - q1))`` for quartiles q1 and q3 of ``log(anomaly_scores)``.
    """
    log_scores = np.log(np.maximum(anomaly_scores, ROUNDING))
    first_quartile, third_quartile = np.quantile(log_scores, [0.25, 0.75])
    fence = third_quartile + 1.5 * (third_quartile - first_quartile)
    return float(np.exp(fence))
