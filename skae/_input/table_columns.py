"""Columns of a data frame or array: their kind, their dtype, and their values."""

from typing import NamedTuple

import numpy as np
import torch

from skae._input.array_api import as_known_array
from skae._input.array_likes import as_numpy, as_plain
from skae._input.cells import numbers_of
from skae._input.tables import column_numbers, package_of

__all__ = [
    "TableColumnValues",
    "as_table",
    "category_labels",
    "column_dtype",
    "column_kind",
    "column_levels",
    "column_values",
    "table_labels",
]

TEXT_OF_PANDAS = ("string", "str", "large_string")
"""Beginnings of the names of pandas' dtypes of text."""

BOOLEAN_OF_PANDAS = ("bool", "boolean", "bool[pyarrow]")
"""Names of pandas' boolean dtypes."""


class TableColumnValues(NamedTuple):
    """Categories of one column, as they are in the table.

    Attributes
    ----------
    values : list
        One value for each row; missing values are undefined.
    is_missing : ndarray of bool of shape (n_samples,)
        Whether the value of a row is missing.
    """

    values: list
    is_missing: np.ndarray


def as_table(X, categorical_features):
    """Return X with columns that can have different dtypes, if it may have categories.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Data as given by the user.
    categorical_features : array-like, "from_dtype" or None
        Parameter of the estimator.

    Returns
    -------
    X : DataFrame, ndarray or the same object
        With columns that the user selects by index, lists become arrays of objects.
    """
    if hasattr(X, "columns"):
        return as_plain(X)
    X = as_known_array(X)
    if categorical_features is None or isinstance(categorical_features, str):
        return X
    if isinstance(X, torch.Tensor):
        return as_numpy(X)
    if hasattr(X, "toarray"):
        raise ValueError(
            "Got a sparse matrix with categorical_features, but sparse matrices have numbers only. "
            "Set categorical_features=None, or pass a data frame."
        )
    if not isinstance(X, np.ndarray):
        X = np.array(X, dtype=object)
    if X.ndim != 2:
        raise ValueError(
            f"Got X of shape {X.shape} with categorical_features, but expected a table of shape "
            "(n_samples, n_features)."
        )
    return X


def table_labels(X):
    """Return the labels of the columns of a data frame, or the indices of the columns."""
    if hasattr(X, "columns"):
        return list(getattr(X, "column_names", X.columns))
    return list(range(np.shape(X)[1]))


def column_kind(X, i):
    """Return the kind of values of a column.

    Parameters
    ----------
    X : DataFrame or ndarray of shape (n_samples, n_features)
        Table.
    i : int
        Index of the column.

    Returns
    -------
    kind : {"category", "text", "boolean", "number"}
        "number" also for values that are refused later, such as dates.
    """
    package = package_of(X)
    if package == "polars":
        return _polars_kind(X[:, i])
    if package == "pandas":
        return _pandas_kind(X.iloc[:, i])
    return "number"


def _pandas_kind(series):
    """Return the kind of values of a column of pandas."""
    name = str(series.dtype)
    if name == "category" or name.startswith("dictionary"):
        return "category"
    if name.startswith(TEXT_OF_PANDAS):
        return "text"
    if name in BOOLEAN_OF_PANDAS:
        return "boolean"
    if name == "object":
        return _kind_of_objects(series.to_numpy()[~series.isna().to_numpy()])
    return "number"


def _polars_kind(series):
    """Return the kind of values of a column of polars."""
    word = series.dtype.base_type().__name__
    if word in ("Categorical", "Enum"):
        return "category"
    if word in ("String", "Utf8"):
        return "text"
    if word == "Boolean":
        return "boolean"
    if word == "Object":
        return _kind_of_objects([value for value in series.to_list() if value is not None])
    return "number"


def _kind_of_objects(values):
    """Return "text" or "boolean" if all objects are such, and "number" otherwise."""
    types = set(map(type, values))
    if not types:
        return "number"
    if all(issubclass(value_type, str) for value_type in types):
        return "text"
    if types <= {bool, np.bool_}:
        return "boolean"
    return "number"


def category_labels(X, i):
    """Return the values of a column as categories.

    Parameters
    ----------
    X : DataFrame or ndarray of shape (n_samples, n_features)
        Table.
    i : int
        Index of the column.

    Returns
    -------
    column : TableColumnValues
        Values of Python: strings, numbers, booleans or other hashable objects.

    Raises
    ------
    ValueError
        If a value is a list, a dict or another container.
    """
    column = _category_values(X, i)
    for value_type in set(map(type, column.values)):
        if value_type.__hash__ is None:
            raise ValueError(
                f"Got {value_type.__name__} in column {i} ({table_labels(X)[i]!r}) of X, but "
                "expected categories. Use one column for each value."
            )
    return column


def _category_values(X, i):
    """Return the values of a column, and the mask of missing values."""
    package = package_of(X)
    if package == "polars":
        series = X[:, i]
        is_missing = series.is_null().to_numpy()
        if series.dtype.is_float():
            is_missing = is_missing | np.isnan(series.to_numpy())
        return TableColumnValues(series.to_list(), is_missing)
    if package == "pandas":
        series = X.iloc[:, i]
        return TableColumnValues(series.tolist(), series.isna().to_numpy(dtype=bool))
    values = np.asarray(X)[:, i].tolist()
    is_missing = [value is None or value != value for value in values]
    return TableColumnValues(values, np.array(is_missing, dtype=bool))


def column_values(X, i, labels):
    """Return a column of numbers as float64, NaN where values are missing.

    Parameters
    ----------
    X : DataFrame or ndarray of shape (n_samples, n_features)
        Table.
    i : int
        Index of the column.
    labels : list
        Labels of all columns, for messages.

    Returns
    -------
    values : ndarray of shape (n_samples,)
        float64.

    Raises
    ------
    ValueError
        If the column has text, dates or other values that are not numbers.
    """
    if package_of(X) in ("pandas", "polars"):
        return column_numbers(X, i, labels).astype(np.float64)
    return numbers_of(np.asarray(X)[:, i], "X", column=i, names=labels).astype(np.float64)


def column_dtype(X, i):
    """Return the name of the dtype of a column, from which the dtype can be created again."""
    package = package_of(X)
    if package == "pandas":
        dtype = X.dtypes.iloc[i]
        if str(dtype) == "string":
            return f"string[{dtype.storage}]"
        return str(dtype)
    if package == "polars":
        return X.dtypes[i].base_type().__name__
    return str(np.asarray(X).dtype)


def column_levels(X, i):
    """Return all categories of a column with a categorical dtype, in their order.

    Returns
    -------
    levels : tuple or None
        Categories; None for columns of another dtype, and for categories of polars that grow.
    levels_dtype : str
        Name of the dtype of the categories.
    is_ordered : bool
        Whether the categories are ordered.
    """
    package = package_of(X)
    if package == "pandas" and str(X.dtypes.iloc[i]) == "category":
        dtype = X.dtypes.iloc[i]
        return tuple(dtype.categories.tolist()), str(dtype.categories.dtype), bool(dtype.ordered)
    if package == "polars" and X.dtypes[i].base_type().__name__ == "Enum":
        return tuple(X.dtypes[i].categories.to_list()), "String", True
    return None, "", False
