"""Random draws of missing values around their conditional means."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["ConditionalNoise"]

MAX_CALIBRATION_ROWS = 200
"""Most rows for the calibration of the conditional variances."""

RIDGE = 0.01
"""Variance that is added to each standardized column."""


@dataclass
class ConditionalNoise:
    r"""Gaussian noise of the missing values, given the observed values.

    The missing values m of a row have the covariance :math:`D_m (P_{mm})^{-1} D_m`, with the
    precision matrix P of the completed table. The diagonal matrix D scales the standard deviation
    of each column to the error of hidden values.

    Attributes
    ----------
    precision : ndarray of shape (n_features, n_features)
        Inverse covariance matrix of standardized columns, float64.
    factors : ndarray of shape (n_features,)
        Diagonal of D.
    """

    precision: NDArray[np.float64]
    factors: NDArray[np.float64]

    @classmethod
    def fit(
        cls,
        completed: NDArray[np.float64],
        known: NDArray[np.bool_],
        hidden: NDArray[np.bool_],
        errors: NDArray[np.float64],
    ) -> Self:
        """Estimate the precision matrix, and scale the variances to the errors of hidden values.

        Parameters
        ----------
        completed : ndarray of shape (n_samples, n_features)
            Standardized rows with imputed missing values.
        known, hidden : ndarray of shape (n_samples, n_features)
            Masks of the observed values, and of those that were hidden.
        errors : ndarray of shape (n_features,)
            Root mean squared error of the hidden values of each column.
        """
        covariance = np.atleast_2d(np.cov(completed, rowvar=False, bias=True))
        imputed_variance = (1 - known.mean(0)) * errors**2  # the spread that imputation removes
        covariance = covariance + np.diag(imputed_variance + RIDGE)
        precision = np.asarray(np.linalg.inv(covariance), np.float64)
        sums, counts = np.zeros((2, completed.shape[1]))
        for row_known, row_hidden in zip(
            known[:MAX_CALIBRATION_ROWS], hidden[:MAX_CALIBRATION_ROWS], strict=True
        ):
            missing = np.flatnonzero(~row_known | row_hidden)
            inverse = np.linalg.inv(precision[np.ix_(missing, missing)])
            sums[missing] += inverse.diagonal()
            counts[missing] += 1
        variances = np.where(counts > 0, sums / counts.clip(min=1), 1 / precision.diagonal())
        return cls(precision, errors / np.sqrt(variances))

    def sample(self, missing: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.float64]:
        """Draw noise for the missing values of each row, in standard deviations of the columns."""
        noise = np.zeros(missing.shape)
        normal = rng.standard_normal(missing.shape)
        for i, row in enumerate(missing):
            columns = np.flatnonzero(row)
            factor = np.linalg.cholesky(self.precision[np.ix_(columns, columns)])
            draw = np.linalg.solve(factor.T, normal[i, columns])
            noise[i, columns] = draw * self.factors[columns]
        return noise
