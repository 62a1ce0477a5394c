"""Calibration of anomaly scores: errors of held-out samples, error scales, and thresholds."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import train_test_split
from sklearn.utils.validation import has_fit_parameter

from skae._typing import MatrixLike
from skae.anomaly._scores import MeanSquaredErrors, evaluate, score_chunks
from skae.anomaly._tail_probability import weighted_quantiles

__all__ = [
    "ROUNDING",
    "HeldOutHalf",
    "conformal_p_values",
    "conformal_threshold",
    "contamination_threshold",
    "cross_fit",
    "error_scales",
    "extrapolated_threshold",
    "fit_with_weights",
    "held_out_errors",
    "mean_held_out_errors",
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


def fit_with_weights(autoencoder, rows, weights):
    """Fit an autoencoder, with sample weights if there are any and its fit accepts them."""
    if weights is None or not has_fit_parameter(autoencoder, "sample_weight"):
        return autoencoder.fit(rows, None)
    return autoencoder.fit(rows, None, sample_weight=weights)


def cross_fit(autoencoder, rows, weights, seed):
    """Fit an autoencoder on each random half of the rows.

    Parameters
    ----------
    autoencoder : estimator
        Unfitted autoencoder, which is cloned.
    rows : array-like or StreamedRows of shape (n_samples, ...)
        The autoencoder's input.
    weights : ndarray of shape (n_samples,) or None
        Sample weights.
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
    first_weights = second_weights = None
    if weights is not None:
        first_weights, second_weights = weights[first_indices], weights[second_indices]
    fitted_on_first = fit_with_weights(clone(autoencoder), first_rows, first_weights)
    fitted_on_second = fit_with_weights(clone(autoencoder), second_rows, second_weights)
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
            _, squared_errors = evaluate(half.autoencoder, half.rows[chunk], kernels)
            yield half.indices[chunk], squared_errors


def mean_held_out_errors(halves, kernels):
    """Compute the mean of `held_out_errors` over all samples, shape (n_features,)."""
    errors = MeanSquaredErrors()
    for _, squared_errors in held_out_errors(halves, kernels):
        errors.update(squared_errors)
    return errors.means()


def error_scales(mean_squared_errors, variance):
    """Compute the scales that divide squared errors, so that the mean scaled error is 1.

    Parameters
    ----------
    mean_squared_errors : ndarray of shape (n_features,)
        Mean squared error of each feature over normal samples.
    variance : float
        Total variance of the reconstructions.

    Returns
    -------
    scales : ndarray of shape (n_features,)
        Positive, float64.
    """
    total_variance = variance + mean_squared_errors.sum()
    min_error = ROUNDING * total_variance / len(mean_squared_errors)
    if min_error == 0:
        min_error = 1.0
    mean_squared_errors = np.maximum(mean_squared_errors, min_error)
    scales = mean_squared_errors + ERROR_SMOOTHING * mean_squared_errors.mean()
    return scales * (mean_squared_errors / scales).mean()


def conformal_threshold(scores, weights, rate):
    """Compute the threshold below which new normal samples fall with at most a given probability.

    Parameters
    ----------
    scores : ndarray of shape (n_samples,)
        Scores of normal samples, in ascending order.
    weights : ndarray of shape (n_samples,)
        Positive weights of the samples.
    rate : float
        Probability of a false alarm.

    Returns
    -------
    threshold : float
        Scores below it have `conformal_p_values` of at most `rate`. Minus infinity if no score has.
    """
    mean_weight = weights.mean()
    lower_weights = np.cumsum(weights) - weights
    p_values = (mean_weight + lower_weights) / (mean_weight + weights.sum())
    is_low = p_values <= rate
    if not is_low.any():
        return -np.inf
    return float(scores[np.flatnonzero(is_low)[-1]])


def contamination_threshold(scores, weights, contamination):
    """Compute the threshold below which at most a given fraction of the samples falls.

    Parameters
    ----------
    scores : ndarray of shape (n_samples,)
        Scores of the training samples.
    weights : ndarray of shape (n_samples,)
        Positive weights of the samples.
    contamination : float
        Fraction of the total weight, less than 1.

    Returns
    -------
    threshold : float
        Between two different scores, or the lowest score.
    """
    order = np.argsort(scores, kind="stable")
    scores = scores[order]
    fractions = np.cumsum(weights[order]) / weights.sum()
    n_below = int((fractions <= contamination * (1 + ROUNDING)).sum())
    if n_below == 0:
        return float(scores[0])
    # equal scores are all above, so that the fraction is never exceeded
    lower, upper = scores[n_below - 1], scores[n_below]
    if lower == upper:
        return float(upper)
    return float(lower + (upper - lower) / 2)


def conformal_p_values(scores, calibration_scores, weights):
    """Compute the p-values of scores: the fraction of normal scores that are not higher.

    Parameters
    ----------
    scores : ndarray of shape (n_samples,)
        Scores of new samples.
    calibration_scores : ndarray of shape (n_calibration,)
        Scores of normal samples, in ascending order.
    weights : ndarray of shape (n_calibration,)
        Positive weights of the normal samples.

    Returns
    -------
    p_values : ndarray of shape (n_samples,)
        In (0, 1]. The new sample counts as one more normal sample.
    """
    cumulative = np.concatenate([[0.0], np.cumsum(weights)])
    n_lower = np.searchsorted(calibration_scores, scores, side="right")
    return (weights.mean() + cumulative[n_lower]) / (weights.mean() + cumulative[-1])


def extrapolated_threshold(anomaly_scores, weights, rate):
    """Extrapolate a tail probability from the median and the third quartile.

    The tail of the scores is assumed to be exponential. Outliers among the samples hardly change
    the quartiles.

    Parameters
    ----------
    anomaly_scores : ndarray of shape (n_samples,)
        Scores; higher is more anomalous.
    weights : ndarray of shape (n_samples,)
        Positive weights of the samples.
    rate : float
        Tail probability, less than 0.25.

    Returns
    -------
    threshold : float
        ``q3 + (q3 - q2) * log(0.25 / rate) / log(2)`` for the median q2 and the quartile q3.
    """
    median, third_quartile = weighted_quantiles(anomaly_scores, weights, np.array([0.5, 0.75]))
    slope = (third_quartile - median) / np.log(2)
    return float(third_quartile + slope * np.log(0.25 / rate))
