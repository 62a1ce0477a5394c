"""Tables of column probabilities: range, smoothing and basis functions."""

import math

import numpy as np

__all__ = [
    "basis_functions",
    "column_scales",
    "smoothed_probabilities",
    "table_range",
]

MAX_SYMBOLS = 1024
"""Values in a table; a value outside of it is coded as an escape symbol and an excess."""


def column_scales(values):
    """Return the standard deviation of each column, clipped to the range from 0.5 to 2**20."""
    return np.clip(values.std(0), 0.5, 2.0**20)


def table_range(column):
    """Return the lowest value in the table of a column, and the number of values."""
    margin = 1 + math.ceil(min(0.5 * column.std(), 100))
    low, high = int(column.min()) - margin, int(column.max()) + margin
    if high - low >= MAX_SYMBOLS:
        low, high = (int(quantile) for quantile in np.quantile(column, [0.001, 0.999]))
        middle = (low + high) // 2
        low = max(low, middle - MAX_SYMBOLS // 2)
        high = min(high, middle + MAX_SYMBOLS // 2 - 1)
    return low, high - low + 1


def smoothed_probabilities(column, low, size):
    """Estimate the probabilities of the values in a table, and of the escape after them.

    The estimate is a histogram smoothed by a Gaussian kernel, plus one row with wide tails.

    Parameters
    ----------
    column : ndarray of shape (n_samples,)
        Integers.
    low, size : int
        Lowest value in the table, and number of values.

    Returns
    -------
    probabilities : ndarray of shape (size + 1,)
        Probabilities that sum to 1, the escape's last.
    """
    inside = column[(column >= low) & (column < low + size)].astype(np.int64)
    counts = np.bincount(inside - low, minlength=size).astype(float)
    center, deviation = 0.0, 0.0
    if len(inside):
        center, deviation = inside.mean(), float(inside.std())
    deviation = max(deviation, 0.3)
    bandwidth = 0.9 * min(deviation, size) * max(1, len(inside)) ** -0.2  # Silverman's rule
    if bandwidth > 0.3:
        radius = math.ceil(4 * bandwidth)
        kernel = np.exp(-np.square(np.arange(-radius, radius + 1) / bandwidth) / 2)
        counts = np.convolve(counts, kernel / kernel.sum())[radius:][:size]
    distance = (np.arange(size) + low - center) / deviation
    tails = 1 / (1 + np.square(distance)) ** 2  # the weight of one row
    n_outside = len(column) - len(inside)
    counts = np.append(counts + tails / tails.sum(), n_outside + 0.25)
    return counts / counts.sum()


def basis_functions(x):
    """Compute smooth functions of values in units of their deviation.

    Parameters
    ----------
    x : ndarray of shape (n,)
        Deviations of values from the column's center, in units of its standard deviation.

    Returns
    -------
    basis : ndarray of shape (n, 6)
        Values of the basis functions.
    """
    x = np.clip(x, -4, 4)
    functions = [
        x,
        x * x / 2,
        np.tanh(2 * x),
        np.exp(-2 * x * x),
        np.tanh(3 * (x - 0.7)),
        np.tanh(3 * (x + 0.7)),
    ]
    return np.stack(functions, 1)
