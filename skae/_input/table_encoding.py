"""Encoding of one column of a table: standardized numbers, or indicators of categories."""

from collections import Counter
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np

from skae._input.table_columns import category_labels, column_levels

__all__ = ["TableColumn", "fit_categories", "fit_numbers"]

MAX_CATEGORIES = 255
"""Most categories of a column without `max_categories`, as in HistGradientBoostingClassifier."""

MIN_REPEATED_CATEGORIES = 20
"""Number of distinct strings from which a column has to repeat each of them twice on average."""

MIN_COEFFICIENT_OF_VARIATION = 1e-12
"""Columns with a smaller standard deviation relative to their mean are constant up to rounding."""


@dataclass(frozen=True)
class TableColumn:
    """Description of one column.

    A column of numbers is encoded as one standardized column. A column of categories is encoded
    as one indicator for each category, divided by the total standard deviation of the indicators.
    Each column thus has a total variance of 1.

    Attributes
    ----------
    label : object
        Name of the column, or its index in an array.
    dtype : str
        Name of the dtype of the data frame.
    is_category : bool
        Whether the column has categories.
    mean : float
        Mean of a column of numbers.
    scale : float
        Standard deviation of the numbers, or total standard deviation of the indicators.
    categories : tuple
        Categories with an indicator of their own.
    frequencies : tuple of float
        Relative frequency of each indicator.
    infrequent : tuple
        Categories that share the last indicator, the most frequent one first.
    levels : tuple or None
        All categories of a categorical dtype. None for other dtypes.
    levels_dtype : str
        Name of the dtype of the levels.
    is_ordered : bool
        Whether the categorical dtype is ordered.
    """

    label: Any
    dtype: str
    is_category: bool = False
    mean: float = 0.0
    scale: float = 1.0
    categories: tuple = ()
    frequencies: tuple = ()
    infrequent: tuple = ()
    levels: tuple | None = None
    levels_dtype: str = ""
    is_ordered: bool = False

    @property
    def width(self):
        """Number of encoded columns."""
        return max(1, len(self.frequencies))

    @property
    def decoded(self):
        """Category of each indicator; the most frequent one for infrequent categories."""
        return (*self.categories, *self.infrequent[:1])


def fit_numbers(values, label, dtype, weights):
    """Return the description of a column of numbers.

    Parameters
    ----------
    values : ndarray of shape (n_samples,)
        float64, NaN where values are missing.
    label : object
        Name of the column.
    dtype : str
        Name of its dtype.
    weights : ndarray of shape (n_samples,) or None
        Sample weights.

    Returns
    -------
    column : TableColumn
        With a mean of 0 and a scale of 1 if no value is known.
    """
    mean, scale = _mean_and_deviation(values, weights)
    return TableColumn(label, dtype, mean=mean, scale=scale)


def _mean_and_deviation(values, weights):
    """Return mean and standard deviation of the known values; 0 and 1 if there are none."""
    known = np.isfinite(values)
    if weights is not None:
        known &= weights > 0
        weights = weights[known]
    values = values[known]
    if len(values) == 0:
        return 0.0, 1.0
    mean = float(np.average(values, weights=weights))
    deviation = float(np.sqrt(np.average(np.square(values - mean), weights=weights)))
    if deviation <= MIN_COEFFICIENT_OF_VARIATION * abs(mean):
        return mean, 1.0
    return mean, deviation


def fit_categories(X, i, label, dtype, kind, parameters, weights):
    """Return the description of a column of categories.

    Parameters
    ----------
    X : DataFrame or ndarray of shape (n_samples, n_columns)
        Table.
    i : int
        Index of the column.
    label : object
        Name of the column.
    dtype : str
        Name of its dtype.
    kind : {"category", "text", "boolean", "number"}
        Kind of its values.
    parameters : estimator
        With `min_frequency` and `max_categories`.
    weights : ndarray of shape (n_samples,) or None
        Sample weights.

    Returns
    -------
    column : TableColumn
        Categories and their frequencies.

    Raises
    ------
    ValueError
        If all values are missing, or if there are too many different values.
    """
    values, is_missing = category_labels(X, i)
    if weights is None:
        weights = np.ones(len(values))
    counts, totals = Counter(), Counter()
    for value, missing, weight in zip(values, is_missing, weights.tolist(), strict=True):
        if not missing and weight > 0:
            counts[value] += 1
            totals[value] += weight
    levels, levels_dtype, is_ordered = column_levels(X, i)
    categories = _sorted_categories(counts, levels)
    _check_cardinality(counts, i, label, kind, parameters)
    frequent, infrequent = _split_infrequent(categories, counts, parameters)
    numbers = [totals[category] for category in frequent]
    if infrequent:
        numbers.append(sum(totals[category] for category in infrequent))
    frequencies = np.array(numbers) / max(sum(numbers), 1e-300)
    variance = float((frequencies * (1 - frequencies)).sum())
    return TableColumn(
        label,
        dtype,
        is_category=True,
        scale=float(np.sqrt(variance)) if variance > 0 else 1.0,
        categories=tuple(frequent),
        frequencies=tuple(frequencies.tolist()),
        infrequent=tuple(infrequent),
        levels=levels,
        levels_dtype=levels_dtype,
        is_ordered=is_ordered,
    )


def _sorted_categories(counts, levels):
    """Return the observed categories in the order of the dtype, or sorted if possible."""
    if levels is not None:
        return [level for level in levels if level in counts]
    try:
        return sorted(counts)
    except TypeError:  # such as 1 and "a"
        return list(counts)


def _check_cardinality(counts, i, label, kind, parameters):
    """Raise an error if a column has too many distinct values for categories."""
    n_categories, n_values = len(counts), sum(counts.values())
    place = f"column {i} ({label!r})"
    if n_categories == 0:
        raise ValueError(
            f"Got only missing values in {place} of X, but expected categories. Remove the column."
        )
    if parameters.max_categories is not None or parameters.min_frequency is not None:
        return
    action = (
        "Remove the column, encode it as numbers, or set max_categories to combine rare values."
    )
    if n_categories > MAX_CATEGORIES:
        raise ValueError(
            f"Got {n_categories} categories in {place} of X, but expected at most "
            f"{MAX_CATEGORIES}. {action}"
        )
    if kind == "text" and n_categories > MIN_REPEATED_CATEGORIES and 2 * n_categories > n_values:
        raise ValueError(
            f"Got text with {n_categories} distinct values in {n_values} rows in {place} of X, but "
            f"expected categories that repeat. {action}"
        )


def _split_infrequent(categories, counts, parameters):
    """Split categories in frequent ones, in their order, and infrequent ones, by frequency.

    The parameters are those of scikit-learn's OneHotEncoder: `min_frequency` is a number of rows
    or a fraction of them, and `max_categories` counts the shared indicator.
    """
    min_count = parameters.min_frequency
    if min_count is None:
        min_count = 0
    elif not isinstance(min_count, Integral):
        min_count = min_count * sum(counts.values())
    ranked = sorted(categories, key=lambda category: -counts[category])
    frequent = [category for category in ranked if counts[category] >= min_count]
    limit = parameters.max_categories
    if limit is not None and len(frequent) + (len(frequent) < len(ranked)) > limit:
        frequent = frequent[: limit - 1]
    kept = set(frequent)
    infrequent = [category for category in ranked if category not in kept]
    return [category for category in categories if category in kept], infrequent
