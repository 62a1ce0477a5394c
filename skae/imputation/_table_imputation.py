"""Imputation of numeric tables: an autoencoder, corrected by kernel regression."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from skae._input.array_likes import as_plain
from skae._input.dtypes import as_ndarray
from skae.imputation._conditional_noise import ConditionalNoise
from skae.imputation._kernel_regression import MAX_REFERENCES, KernelRegression

__all__ = ["TableImputation", "reconstruct"]

HIDDEN_FRACTION = 0.1
"""Fraction of the observed values that is hidden in fit, and weights the two estimates."""

MIN_OBSERVED = 10
"""Columns with fewer observed values keep all of them in fit."""

PRIOR_WEIGHT = 0.5
"""Weight of the regression that the weight of all columns is shrunk to."""

PRIOR_CELLS = 100
"""The weight of all columns is shrunk to the prior weight as if by this many more hidden cells, and
the weight of a column to that of all columns. Few hidden cells with outliers are misleading."""


MIN_COEFFICIENT_OF_VARIATION = 1e-12
"""Columns with a smaller standard deviation relative to their mean are constant up to rounding."""

PRIOR_ERRORS = 10
"""The squared error of a column is shrunk to that of all columns as if by this many more cells."""


@dataclass
class ColumnScaling:
    """Selection and standardization of the columns with observed values.

    Attributes
    ----------
    kept : ndarray of shape (n_kept,)
        Indices of the columns with observed values.
    is_standardized : bool
        Whether the autoencoder gets standardized columns, and only those in `kept`.
    center, scale : ndarray of shape (n_kept,)
        Mean and standard deviation of the observed values.
    """

    kept: NDArray[np.intp]
    is_standardized: bool
    center: NDArray[np.float64]
    scale: NDArray[np.float64]

    def standardize(self, X):
        """Return the columns in `kept`, standardized, float64."""
        return (X[:, self.kept] - self.center) / self.scale

    def autoencoder_input(self, X):
        """Return the input of the autoencoder."""
        if self.is_standardized:
            return self.standardize(X)
        return X

    def estimate(self, autoencoder, X):
        """Return the autoencoder's estimates of the columns in `kept`, standardized."""
        X_hat = as_ndarray(reconstruct(autoencoder, self.autoencoder_input(X)), np.float64)
        if self.is_standardized:
            return X_hat
        return self.standardize(X_hat)


@dataclass
class TableImputation(ColumnScaling):
    """Fitted imputation of the numeric columns with observed values.

    Attributes
    ----------
    regression : KernelRegression
        Regression of each column on the other columns.
    weights : ndarray of shape (n_kept,)
        Weight of the regression, between 0 and 1; the autoencoder has the remaining weight.
    errors : ndarray of shape (n_kept,)
        Root mean squared error of hidden values, in standard deviations.
    noise : ConditionalNoise
        Distribution of the errors.
    """

    regression: KernelRegression
    weights: NDArray[np.float64]
    errors: NDArray[np.float64]
    noise: ConditionalNoise

    @classmethod
    def fit(
        cls,
        autoencoder: BaseEstimator,
        X: NDArray[np.floating],
        rng: np.random.Generator,
        *,
        is_frozen: bool,
    ) -> Self:
        """Fit the autoencoder in place, the regression, and their weights.

        Parameters
        ----------
        autoencoder : estimator
            Unfitted, except for a ``FrozenEstimator``.
        X : ndarray of shape (n_samples, n_features)
            Rows with NaN for missing values.
        rng : numpy.random.Generator
            Selects hidden values and reference rows.
        is_frozen : bool
            Whether the autoencoder is fitted, and takes all columns in their own units.
        """
        columns = _fit_scaling(X, is_standardized=not is_frozen)
        known = ~np.isnan(X[:, columns.kept])
        hidden = _hide(known, rng)
        X_visible = X.copy()
        X_visible[:, columns.kept] = np.where(hidden, np.nan, X[:, columns.kept])
        autoencoder.fit(columns.autoencoder_input(X_visible), None)

        rows = np.arange(len(X))
        if len(X) > MAX_REFERENCES:
            rows = np.sort(rng.choice(len(X), MAX_REFERENCES, replace=False))
        X, X_visible, known, hidden = X[rows], X_visible[rows], known[rows], hidden[rows]
        values = columns.standardize(X)
        estimates = columns.estimate(autoencoder, X_visible)
        visible = known & ~hidden
        completed = np.where(visible, values, estimates)
        regression = KernelRegression.fit(completed, visible)
        predicted = regression.predict(completed, ~visible)
        weights = _blend_weights(values, estimates, predicted, hidden)
        blended = estimates + weights * (predicted - estimates)
        errors = _column_errors(values - blended, hidden)

        completed = np.where(known, values, columns.estimate(autoencoder, X))
        return cls(
            **vars(columns),
            regression=KernelRegression.fit(completed, known),
            weights=weights,
            errors=errors,
            noise=ConditionalNoise.fit(completed, known, hidden, errors),
        )

    def impute(
        self,
        autoencoder: BaseEstimator,
        X: NDArray[np.floating],
        rng: np.random.Generator | None = None,
    ) -> NDArray[np.float64]:
        """Estimate the missing values of the columns in `kept`.

        Parameters
        ----------
        autoencoder : estimator
            The fitted autoencoder.
        X : ndarray of shape (n_samples, n_features)
            Rows with NaN for missing values.
        rng : numpy.random.Generator, default=None
            Source of draws from the conditional distribution. None: conditional means.

        Returns
        -------
        imputed : ndarray of shape (n_samples, n_kept)
            In units of X, float64. Observed values are those of X up to rounding.
        """
        missing = np.isnan(X[:, self.kept])
        completed = self.standardize(X)
        rows = missing.any(1)
        if rows.any():
            is_missing = missing[rows]
            estimates = self.estimate(autoencoder, X[rows])
            values = np.where(is_missing, estimates, completed[rows])
            predicted = self.regression.predict(values, is_missing)
            values += np.where(is_missing, self.weights * (predicted - values), 0.0)
            if rng is not None:
                values += self.noise.sample(is_missing, rng)
            completed[rows] = values
        return completed * self.scale + self.center


def _fit_scaling(X, *, is_standardized):
    """Compute mean and standard deviation of the columns with observed values."""
    kept = np.flatnonzero(~np.isnan(X).all(0))
    center = np.nanmean(X[:, kept], axis=0, dtype=np.float64)
    scale = np.nanstd(X[:, kept] - center, axis=0, dtype=np.float64)
    is_constant = scale <= MIN_COEFFICIENT_OF_VARIATION * np.abs(center)
    return ColumnScaling(kept, is_standardized, center, np.where(is_constant, 1.0, scale))


def reconstruct(autoencoder, X):
    """Reconstruct X by an autoencoder, or by an estimator without a method ``reconstruct``."""
    if hasattr(autoencoder, "reconstruct"):
        return as_plain(autoencoder.reconstruct(X))
    return as_plain(autoencoder.inverse_transform(autoencoder.transform(X)))


def _hide(known, rng):
    """Return a mask of observed values to hide, such that each column keeps most of its values."""
    hidden = known & (rng.random(known.shape) < HIDDEN_FRACTION)
    hidden[:, known.sum(0) < MIN_OBSERVED] = False
    return hidden


def _blend_weights(values, estimates, predicted, hidden):
    """Return the weight of the regression for each column, by least squares on hidden values.

    Parameters
    ----------
    values, estimates, predicted : ndarray of shape (n_samples, n_features)
        Standardized values, those of the autoencoder, and those of the regression.
    hidden : ndarray of shape (n_samples, n_features)
        Mask of the hidden values.
    """
    difference = np.where(hidden, predicted - estimates, 0.0)
    residual = np.where(hidden, values - estimates, 0.0)
    products = (difference * residual).sum(0)
    squares = (difference**2).sum(0)
    total = squares.sum()
    if total == 0:
        return np.full(len(squares), PRIOR_WEIGHT)
    prior = PRIOR_CELLS * total / hidden.sum()
    overall = (products.sum() + prior * PRIOR_WEIGHT) / (total + prior)
    return np.clip((products + prior * overall) / (squares + prior), 0.0, 1.0)


def _column_errors(residuals, hidden):
    """Return the root mean squared error of each column, shrunk to that of all columns."""
    squares = np.sum(residuals**2, axis=0, where=hidden)
    counts = hidden.sum(0)
    overall = 1.0
    if counts.any():
        overall = squares.sum() / counts.sum()
    return np.sqrt((squares + PRIOR_ERRORS * overall) / (counts + PRIOR_ERRORS))
