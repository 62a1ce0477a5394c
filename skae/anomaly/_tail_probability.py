"""Tail probabilities of non-negative scores, estimated from the scores of normal samples."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["TailProbability", "weighted_quantiles"]

MAX_KNOTS = 64
"""Number of knots of the interpolation, which bounds its size in files."""

MIN_TAIL_SAMPLES = 10
"""Number of normal samples above the last knot. Fewer do not determine the slope of the tail."""

TAIL_FRACTION = 0.05
"""Fraction of normal samples above the last knot, if it has `MIN_TAIL_SAMPLES` samples."""

MIN_SCORE = 1e-3
"""Score, relative to a typical score, below which logarithms are those of this score. Differences
of smaller scores are rounding errors if reconstructions are exact."""

MAX_TAIL_SLOPE = 100.0
"""Largest slope of the tail. Scores that are nearly equal would otherwise have infinite slopes."""


@dataclass
class TailProbability:
    """Negative logarithms of tail probabilities.

    The tail probability of a score is the probability of a higher score of a normal sample. Its
    logarithm is interpolated between quantiles of normal scores, as a function of the logarithm of
    the score. Above the highest knot it is linear, which is a Pareto tail with the slope of Hill's
    estimator [1]_.

    Attributes
    ----------
    log_scores : ndarray of shape (n_knots,)
        Logarithms of scores in ascending order, float64.
    values : ndarray of shape (n_knots,)
        Negative logarithms of the tail probabilities, non-decreasing, float64.
    slope : float
        Slope above the highest knot.
    min_score : float
        Smaller scores count as this one.

    References
    ----------
    .. [1] B. M. Hill, "A simple general approach to inference about the tail of a distribution",
       Annals of Statistics 3, 1975.
    """

    log_scores: NDArray[np.float64]
    values: NDArray[np.float64]
    slope: float
    min_score: float

    @classmethod
    def fit(cls, scores, weights, typical_score=None) -> Self:
        """Estimate the tail probabilities.

        Parameters
        ----------
        scores : ndarray of shape (n_samples,)
            Non-negative scores of normal samples.
        weights : ndarray of shape (n_samples,)
            Positive weights of the samples.
        typical_score : float, default=None
            Expected mean of the scores. None: their weighted mean.

        Returns
        -------
        tail : TailProbability
            With at most `MAX_KNOTS` knots.
        """
        if typical_score is None:
            typical_score = float(np.average(scores, weights=weights))
        if typical_score == 0:
            typical_score = 1.0
        min_score = MIN_SCORE * typical_score
        log_scores = np.log(np.maximum(scores, min_score))
        tail_fraction = max(TAIL_FRACTION, MIN_TAIL_SAMPLES / (len(scores) + 1))
        tail_fraction = min(tail_fraction, 0.5)
        n_knots = min(MAX_KNOTS, max(2, len(scores) // 2))
        values = np.linspace(0, -np.log(tail_fraction), n_knots)
        knots = weighted_quantiles(log_scores, weights, 1 - np.exp(-values))
        excess = np.maximum(log_scores - knots[-1], 0)
        mean_excess = np.average(excess, weights=weights) / tail_fraction
        slope = float(min(MAX_TAIL_SLOPE, 1 / max(mean_excess, 1 / MAX_TAIL_SLOPE)))
        # of equal scores, the highest probability counts
        is_first = np.concatenate([[True], np.diff(knots) > 0])
        return cls(knots[is_first], values[is_first], slope, min_score)

    def __call__(self, scores):
        """Compute the negative logarithms of the tail probabilities.

        Parameters
        ----------
        scores : ndarray of shape (n_samples,)
            Non-negative scores.

        Returns
        -------
        values : ndarray of shape (n_samples,)
            Of normal samples, the mean is about 1, float64.
        """
        log_scores = np.log(np.maximum(scores, self.min_score))
        values = np.interp(log_scores, self.log_scores, self.values)
        excess = np.maximum(log_scores - self.log_scores[-1], 0)
        return values + self.slope * excess


def weighted_quantiles(values, weights, levels):
    """Compute quantiles of weighted values by interpolation between their cumulative weights.

    Parameters
    ----------
    values : ndarray of shape (n_samples,)
        Values.
    weights : ndarray of shape (n_samples,)
        Positive weights.
    levels : ndarray of shape (n_levels,)
        Probabilities in [0, 1].

    Returns
    -------
    quantiles : ndarray of shape (n_levels,)
        Float64.
    """
    order = np.argsort(values, kind="stable")
    cumulative = np.cumsum(weights[order])
    centers = (cumulative - 0.5 * weights[order]) / cumulative[-1]
    return np.interp(levels, centers, values[order])
