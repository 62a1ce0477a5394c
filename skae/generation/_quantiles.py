"""Quantile matching: samples with the distribution of each column or pixel in fit."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from skae._input.dtypes import as_ndarray
from skae._input.rows import sample_indices, take_rows
from skae._input.streaming import stream_if_large
from skae._input.tables import plain_table

__all__ = ["QuantileMatch", "n_class_samples"]

MAX_ROWS = 20_000
"""Maximum number of rows in fit, and of samples of all classes, from which the distributions of the
columns are estimated."""

MAX_ROW_NUMBERS = 2**24
"""Maximum number of values of these rows, 128 MB."""

MIN_CLASS_SAMPLES = 200
"""Minimum number of samples of each class."""

MAX_QUANTILES = 1_000
"""Maximum number of quantiles of a column and class, as in scikit-learn's QuantileTransformer."""

MAX_NUMBERS = 2**19
"""Maximum number of stored quantiles of all columns and classes, 4 MB."""

MIN_QUANTILES = 20
"""Minimum number of quantiles."""

MIN_CLASS_ROWS = 20
"""Minimum number of rows of a class for distributions of its own. A class with fewer rows has the
distributions of all classes, because its samples would repeat the values of these rows."""

MAX_DECIMALS = 6
"""Maximum number of decimals to which a column is rounded. float32 has about 7 digits."""


@dataclass
class QuantileMatch:
    """Monotonic map of each column of samples to the distribution of the column in fit [1]_.

    With the distribution functions F of samples and G of rows in fit, a value x becomes
    ``G^-1(F(x))``. The value is then rounded to the decimals of the column in fit.

    Attributes
    ----------
    sampled : ndarray of shape (n_classes, n_quantiles, n_columns)
        Quantiles of decoded samples, at levels ``(i + 0.5) / n_quantiles``.
    observed : ndarray of shape (n_classes, n_quantiles, n_columns)
        Quantiles of rows in fit, at the same levels. NaN for a column without values.
    decimals : ndarray of shape (n_columns,)
        Decimals of each column; `MAX_DECIMALS` + 1 if the column is not rounded.

    References
    ----------
    .. [1] M. Déqué, "Frequency of precipitation and temperature extremes over France in an
       anthropogenic scenario", Global and Planetary Change 57, 2007.
    """

    sampled: NDArray[np.float64]
    observed: NDArray[np.float64]
    decimals: NDArray[np.int64]

    @classmethod
    def fit(cls, X, classes, X_new, new_classes, n_classes, seed):
        """Compute the quantiles of each column, of rows in fit and of samples.

        Parameters
        ----------
        X : array-like, DataFrame, sparse array or torch.Tensor of shape (n_samples, ...)
            Table or images in fit. NaN is a missing value.
        classes : ndarray of shape (n_samples,)
            Index of the class of each row.
        X_new : ndarray or DataFrame of shape (n_new, ...)
            Decoded samples, the same number of each class.
        new_classes : ndarray of shape (n_new,)
            Index of the class of each sample.
        n_classes : int
            Number of classes.
        seed : int
            Seed of the random choice of at most `MAX_ROWS` rows.

        Returns
        -------
        match : QuantileMatch
            Fitted map.
        """
        positions = _numeric_positions(X_new)
        rows, indices = _observed_rows(X, positions, seed)
        samples = _numeric_values(X_new, positions)
        row_classes = classes[indices]
        n_quantiles = MAX_NUMBERS // (n_classes * max(1, rows.shape[1]))
        n_quantiles = max(MIN_QUANTILES, min(n_quantiles, MAX_QUANTILES, len(rows)))
        levels = (np.arange(n_quantiles) + 0.5) / n_quantiles
        counts = np.bincount(row_classes, minlength=n_classes)
        sampled, observed = [], []
        for index in range(n_classes):
            class_rows = rows[row_classes == index]
            class_samples = samples[new_classes == index]
            if len(class_rows) < MIN_CLASS_ROWS:
                class_rows = rows
                class_samples = _with_frequencies(samples, new_classes, counts)
            observed.append(_quantiles(class_rows, levels))
            sampled.append(_quantiles(class_samples, levels))
        return cls(np.stack(sampled), np.stack(observed), _decimals(rows))

    def apply(self, X_new, classes):
        """Map samples to the distributions of the columns.

        Parameters
        ----------
        X_new : ndarray or DataFrame of shape (n_samples, ...)
            Decoded samples.
        classes : ndarray of shape (n_samples,)
            Index of the class of each sample.

        Returns
        -------
        matched : ndarray or DataFrame of shape (n_samples, ...)
            Values between the smallest and the largest of the column in fit. A column without
            values in fit is unchanged, as are columns of a data frame that are not numeric.
        """
        positions = _numeric_positions(X_new)
        values = _numeric_values(X_new, positions)
        for index in np.unique(classes):
            is_class = classes == index
            for j in range(values.shape[1]):
                if not np.isnan(self.observed[index, 0, j]):
                    values[is_class, j] = self._match_column(values[is_class, j], index, j)
        return _replace_values(X_new, positions, values)

    def _match_column(self, values, index, j):
        """Map the values of one column of samples of one class."""
        observed = self.observed[index, :, j]
        ranks = _ranks(self.sampled[index, :, j], values)
        matched = np.interp(ranks, np.arange(len(observed)), observed)
        if self.decimals[j] > MAX_DECIMALS:
            return matched
        return matched.round(self.decimals[j]) + 0.0  # not -0.0


def _ranks(quantiles, values):
    """Return the fractional indices of values among sorted quantiles.

    A value between two quantiles is interpolated. A value that equals several quantiles has their
    mean index.
    """
    first = np.searchsorted(quantiles, values, side="left")
    stop = np.searchsorted(quantiles, values, side="right")
    ranks = np.interp(values, quantiles, np.arange(len(quantiles)))
    return np.where(stop > first, (first + stop - 1) / 2, ranks)


def n_class_samples(n_columns, n_classes):
    """Return the number of decoded samples of each class from which quantiles are estimated."""
    return max(MIN_CLASS_SAMPLES, n_estimation_rows(n_columns) // n_classes)


def n_estimation_rows(n_columns):
    """Return the maximum number of rows from which quantiles are estimated."""
    return max(1, min(MAX_ROWS, MAX_ROW_NUMBERS // max(1, n_columns)))


def _with_frequencies(samples, new_classes, counts):
    """Return samples of all classes, with the frequencies of the classes in fit."""
    share = counts / counts.max()
    chosen = []
    for index, part in enumerate(share):
        of_class = np.flatnonzero(new_classes == index)
        chosen.append(of_class[: math.ceil(part * len(of_class))])
    return samples[np.concatenate(chosen)]


def _quantiles(rows, levels):
    """Return the quantiles of each column, which are values of the column; NaN without values."""
    ordered = np.sort(rows, axis=0)  # NaN last
    n_known = np.isfinite(ordered).sum(axis=0)
    indices = np.ceil(levels[:, None] * n_known).astype(np.intp) - 1
    return np.take_along_axis(ordered, np.maximum(indices, 0), axis=0)


def _decimals(rows):
    """Return the number of decimals of each column, or `MAX_DECIMALS` + 1 if there are more."""
    decimals = np.full(rows.shape[1], MAX_DECIMALS + 1)
    for j, column in enumerate(rows.T):
        known = column[~np.isnan(column)]
        rounding_error = 1e-6 * np.abs(known)  # of float32
        for n in range(MAX_DECIMALS + 1):
            tolerance = np.minimum(rounding_error, 0.05 * 10.0**-n)
            if (np.abs(known - known.round(n)) <= tolerance).all():
                decimals[j] = n
                break
    return decimals


def _observed_rows(X, positions, seed):
    """Return rows of a table in fit, or images as rows, at most `MAX_ROWS`.

    Parameters
    ----------
    X : array-like, DataFrame, sparse array or torch.Tensor of shape (n_samples, ...)
        Table or images.
    positions : list of int or None
        Positions of the columns; None for all.
    seed : int
        Seed of the random choice of rows.

    Returns
    -------
    rows : ndarray of shape (n_rows, n_columns)
        float64.
    indices : ndarray of shape (n_rows,)
        Sorted indices of the rows.
    """
    if positions is not None and hasattr(X, "iloc"):
        X = X.iloc[:, positions]
    elif positions is not None:
        X = X[:, positions]
    rows = stream_if_large(X)
    if hasattr(rows, "columns"):
        rows = as_ndarray(plain_table(rows))
    n_rows, n_columns = rows.shape[0], math.prod(rows.shape[1:])
    max_rows = n_estimation_rows(n_columns)
    if hasattr(rows, "toarray"):
        indices = np.sort(np.random.default_rng(seed).permutation(n_rows)[:max_rows])
        return rows.tocsr()[indices].toarray().astype(np.float64), indices
    generator = torch.Generator().manual_seed(seed)
    indices = sample_indices(rows, max_rows, generator)
    rows = as_ndarray(take_rows(rows, indices), np.float64)
    return rows.reshape(len(rows), -1), indices.numpy()


def _numeric_positions(X_new):
    """Return the positions of the numeric columns of a data frame, or None for an array."""
    if not hasattr(X_new, "columns"):
        return None
    columns = [np.asarray(X_new[name]) for name in X_new.columns]
    return [position for position, column in enumerate(columns) if column.dtype.kind in "iuf"]


def _numeric_values(X_new, positions):
    """Return the numeric columns or the pixels of samples as a 2D array, float64."""
    if positions is None:
        return as_ndarray(X_new, np.float64).reshape(len(X_new), -1)
    names = [X_new.columns[position] for position in positions]
    return np.column_stack([np.asarray(X_new[name], np.float64) for name in names])


def _replace_values(X_new, positions, values):
    """Return samples with other values in the numeric columns, in the dtypes of the samples."""
    if positions is None:
        return values.astype(X_new.dtype).reshape(X_new.shape)
    if hasattr(X_new, "iloc"):
        X_new = X_new.copy()
        for position, column in zip(positions, values.T, strict=True):
            series = X_new.iloc[:, position]
            matched = type(series)(column, index=X_new.index).astype(series.dtype)
            X_new.isetitem(position, matched)
        return X_new
    columns = {name: X_new[name] for name in X_new.columns}
    for position, column in zip(positions, values.T, strict=True):
        name = X_new.columns[position]
        columns[name] = column.astype(np.asarray(X_new[name]).dtype)
    return type(X_new)(columns)
