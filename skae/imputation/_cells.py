"""Missing cells of arrays and data frames: masks, and results that keep all other cells."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from skae._input.dtypes import round_to_dtype
from skae._input.tables import package_of

__all__ = ["fill_array", "fill_table", "is_numeric", "is_table"]


def is_table(X: Any) -> bool:
    """Return whether X is a data frame of pandas or polars."""
    return hasattr(X, "columns") and package_of(X) != ""


def is_numeric(X: Any) -> bool:
    """Return whether all columns of a data frame are numbers or booleans."""
    return all(map(_is_numeric_dtype, X.dtypes))


def _is_numeric_dtype(dtype):
    """Return whether a dtype of pandas or polars stands for numbers or booleans."""
    if hasattr(dtype, "is_numeric"):  # polars
        return dtype.is_numeric() or dtype.base_type().__name__ in ("Boolean", "Null")
    return dtype.kind in "biuf"


def fill_array(
    X: NDArray[Any], missing: NDArray[np.bool_], values: NDArray[np.floating]
) -> NDArray[Any]:
    """Return a copy of an array with its missing cells filled.

    Parameters
    ----------
    X : ndarray of shape (n_samples, ...)
        Any real dtype. Integers become float64 if a cell is missing.
    missing : ndarray of the shape of X
        Mask of the missing cells.
    values : ndarray of the shape of X
        Values of the missing cells.
    """
    dtype = X.dtype
    if dtype.kind != "f":
        dtype = np.float64
    filled = X.astype(dtype, copy=True)
    filled[missing] = values[missing]
    return filled


def fill_table(X: Any, missing: NDArray[np.bool_], values: Any, kept: NDArray[np.intp]) -> Any:
    """Return a copy of a data frame with its missing cells filled column by column.

    Parameters
    ----------
    X : DataFrame of pandas or polars
        Table with missing cells.
    missing : ndarray of shape (n_samples, n_features)
        Mask of the missing cells.
    values : ndarray or DataFrame of shape (n_samples, n_features)
        Values of the missing cells. Values of integer columns are rounded, and values of boolean
        columns are compared with 0.5, unless they have the dtype of the column.
    kept : ndarray of shape (n_kept,)
        Indices of the columns of the result.

    Returns
    -------
    filled : DataFrame of the package of X
        With the index, names and dtypes of X.
    """
    is_pandas = hasattr(X, "iloc")
    if is_pandas:
        filled = X.iloc[:, kept].copy()
    else:
        filled = X[:, kept.tolist()]
    for position, column in enumerate(kept):
        rows = np.flatnonzero(missing[:, column])
        if len(rows) == 0:
            continue
        if is_pandas:
            series = X.iloc[:, column].copy()
            series.iloc[rows] = _suited(_column(values, column, rows), series.dtype)
            filled.isetitem(position, series)
        else:
            series = X.to_series(int(column))
            new = _suited(_column(values, column, rows), series.dtype)
            filled = filled.with_columns(series.scatter(rows, new.tolist()))
    return filled


def _column(values, column, rows):
    """Return some values of a column of an array or of a data frame, as an array."""
    if hasattr(values, "iloc"):
        return values.iloc[:, column].to_numpy()[rows]
    if hasattr(values, "to_series"):
        return values.to_series(int(column)).to_numpy()[rows]
    return values[rows, column]


def _suited(values, dtype):
    """Convert imputed numbers to the kind of a column: rounded integers, booleans or floats."""
    if values.dtype.kind != "f":
        return values
    kind = _kind(dtype)
    if kind == "b":
        return round_to_dtype(values, np.dtype(bool))
    if kind in "iu":
        return round_to_dtype(values, _integer_dtype(dtype))
    return values.astype(getattr(dtype, "numpy_dtype", _float_dtype(dtype)))


def _kind(dtype):
    """Return the kind of a dtype of pandas or polars, as a letter of NumPy."""
    if hasattr(dtype, "kind"):
        return dtype.kind
    if dtype.is_integer():
        return "i"
    if dtype.base_type().__name__ == "Boolean":
        return "b"
    return "f"


def _float_dtype(dtype):
    """Return the dtype of imputed numbers in a column that has neither integers nor booleans."""
    if isinstance(dtype, np.dtype) and dtype.kind == "f":
        return dtype
    return np.float64


def _integer_dtype(dtype):
    """Return the integer dtype of NumPy for a dtype of pandas or polars."""
    plain = getattr(dtype, "numpy_dtype", dtype)  # of nullable dtypes
    if isinstance(plain, np.dtype):
        return plain
    return np.dtype(plain.base_type().__name__.lower())
