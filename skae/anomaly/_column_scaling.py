"""Scalings of the columns of a table for distances between neighbors."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from sklearn.preprocessing import QuantileTransformer, StandardScaler

from skae.anomaly._scores import MAX_STANDARDIZED_VALUE

__all__ = ["NormalScores", "Standardization"]

MAX_QUANTILES = 256
"""Number of quantiles of a column, which bounds the size of normal scores in files."""

MAX_NORMAL_SCORE = 4.0
"""Largest absolute normal score. QuantileTransformer maps the minimum and the maximum of a column
to 5.2 standard deviations, far from all other values."""


@dataclass
class Standardization:
    """Standardize each column.

    Attributes
    ----------
    mean, scale : ndarray of shape (n_features,)
        Mean and standard deviation of each column, float64. The scale of a constant column is 1.
    """

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]

    @classmethod
    def fit(cls, rows, weights=None) -> Self:
        """Estimate means and standard deviations of rows of shape (n_samples, n_features)."""
        scaler = StandardScaler().fit(rows, sample_weight=weights)
        return cls(scaler.mean_, scaler.scale_)

    def transform(self, rows):
        """Standardize rows of shape (n_samples, n_features)."""
        standardized = (rows - self.mean) / self.scale
        return np.clip(standardized, -MAX_STANDARDIZED_VALUE, MAX_STANDARDIZED_VALUE)


@dataclass
class NormalScores:
    """Map the quantiles of each column to those of a normal distribution.

    Distances then depend on the ranks of the values, so that outliers and skewed columns do not
    dominate them.

    Attributes
    ----------
    quantiles : ndarray of shape (n_quantiles, n_features)
        Ascending quantiles of each column, float64.
    scores : ndarray of shape (n_quantiles, n_features)
        Normal scores of the quantiles, divided by their standard deviation, float64.
    """

    quantiles: NDArray[np.float64]
    scores: NDArray[np.float64]

    @classmethod
    def fit(cls, rows) -> Self:
        """Estimate the quantiles of rows of shape (n_samples, n_features)."""
        transformer = QuantileTransformer(
            n_quantiles=min(MAX_QUANTILES, len(rows)), output_distribution="normal", subsample=None
        )
        transformed = transformer.fit_transform(rows)
        scale = np.clip(transformed, -MAX_NORMAL_SCORE, MAX_NORMAL_SCORE).std(axis=0)
        scale = np.where(scale > 0, scale, 1)
        scores = transformer.transform(transformer.quantiles_)
        return cls(
            transformer.quantiles_,
            np.clip(scores, -MAX_NORMAL_SCORE, MAX_NORMAL_SCORE) / scale,
        )

    def transform(self, rows):
        """Compute the normal scores of rows of shape (n_samples, n_features)."""
        scores = np.empty(rows.shape)
        for j in range(rows.shape[1]):
            scores[:, j] = np.interp(rows[:, j], self.quantiles[:, j], self.scores[:, j])
        return scores
