"""Data frames of pandas, polars and other packages: columns as numbers, or an error by name."""

import numpy as np

from skae._input.cells import check_no_units, numbers_of, refuse

__all__ = ["column_numbers", "missing_cells", "package_of", "plain_table"]

KINDS_OF_PANDAS = (
    ("category", "categories"),
    ("period", "dates"),
    ("datetime", "dates"),
    ("timestamp", "dates"),
    ("date", "dates"),
    ("time", "dates"),
    ("interval", "intervals"),
    ("duration", "durations"),
    ("string", "text"),
    ("large_string", "text"),
    ("str", "text"),
    ("binary", "text"),
    ("dictionary", "categories"),
)
"""Kinds of values by the beginning of the name of an extension dtype of pandas."""

KINDS_OF_POLARS = {
    "String": "text",
    "Utf8": "text",
    "Binary": "text",
    "Categorical": "categories",
    "Enum": "categories",
    "Date": "dates",
    "Datetime": "dates",
    "Time": "dates",
    "Duration": "durations",
}
"""Kinds of values by the name of a dtype of polars."""

WIDE_POLARS = ("Decimal", "Int128", "UInt128", "Float16")
"""Numeric dtypes of polars that become float64."""


def plain_table(X, name="X"):
    """Convert a data frame to an array of numbers, unless all columns have plain dtypes.

    Parameters
    ----------
    X : DataFrame
        Table of pandas, polars, or another package with ``columns``.
    name : str, default="X"
        Name of X in messages.

    Returns
    -------
    X : ndarray of shape (n_samples, n_features) or the same DataFrame
        Missing values of nullable columns are NaN. Sparse columns are dense.

    Raises
    ------
    ValueError
        If a column has text, dates, durations, categories, complex numbers or units. The message
        names the column.
    """
    package = package_of(X)
    if package == "polars":
        return _plain_polars(X, name)
    if package == "pandas":
        return _plain_pandas(X, name)
    values = np.asarray(X)
    if values.dtype.kind in "biuf":
        return X
    names = getattr(X, "column_names", X.columns)
    return numbers_of(values, name, names=list(names))


def package_of(X):
    """Return "pandas" or "polars" for their data frames, and an empty string for other objects."""
    packages = {base.__module__.partition(".")[0] for base in type(X).__mro__}
    for package in ("polars", "pandas"):
        if package in packages:
            return package
    return ""


def column_numbers(X, column, names, name="X"):
    """Return a column of a data frame of pandas or polars as an array of numbers.

    Parameters
    ----------
    X : DataFrame of shape (n_samples, n_features)
        Table.
    column : int
        Index of the column.
    names : list
        Labels of all columns, for messages.
    name : str, default="X"
        Name of X in messages.

    Returns
    -------
    values : ndarray of shape (n_samples,)
        Missing values of nullable columns are NaN.
    """
    if package_of(X) == "polars":
        _check_polars_dtype(X.dtypes[column], column, names, name)
        return _polars_column(X[:, column], column, name, names)
    return _pandas_column(X.iloc[:, column], column, name, names)


def _plain_pandas(X, name):
    """Convert a DataFrame of pandas, unless all columns have real dtypes of NumPy."""
    if X.shape[1] == 0:
        return np.empty(X.shape)
    if all(isinstance(dtype, np.dtype) and dtype.kind in "biuf" for dtype in set(X.dtypes)):
        return X
    names = X.columns.tolist()
    columns = range(X.shape[1])
    return np.column_stack([_pandas_column(X.iloc[:, i], i, name, names) for i in columns])


def _pandas_column(series, column, name, names):
    """Return a column of pandas as an array of numbers."""
    dtype = series.dtype
    if isinstance(dtype, np.dtype):
        return numbers_of(series.to_numpy(), name, column=column, names=names)
    place = f" in column {column} ({names[column]!r})"
    if hasattr(dtype, "fill_value"):  # pandas.SparseDtype
        return numbers_of(np.asarray(series), name, column=column, names=names)
    for beginning, kind in KINDS_OF_PANDAS:
        if str(dtype).startswith(beginning):
            raise refuse(kind, name, place, f" (dtype {dtype!s:.60})")
    check_no_units(dtype, name, place)
    if dtype.kind not in "biuf":
        return numbers_of(np.asarray(series, dtype=object), name, column=column, names=names)
    if not series.isna().any():
        return series.to_numpy(dtype=dtype.numpy_dtype)
    if dtype.numpy_dtype == np.float32:
        return series.to_numpy(dtype=np.float32, na_value=np.nan)
    return series.to_numpy(dtype=np.float64, na_value=np.nan)


def _plain_polars(X, name):
    """Convert a DataFrame of polars, unless all columns have plain numeric dtypes."""
    names = list(X.columns)
    is_plain = True
    for column, dtype in enumerate(X.dtypes):
        _check_polars_dtype(dtype, column, names, name)
        is_plain &= dtype.is_numeric() and dtype.base_type().__name__ not in WIDE_POLARS
    if is_plain:
        return X
    return np.column_stack([_polars_column(X[:, i], i, name, names) for i in range(X.shape[1])])


def _check_polars_dtype(dtype, column, names, name):
    """Raise an error if a column of polars has no numbers."""
    word = dtype.base_type().__name__
    place = f" in column {column} ({names[column]!r})"
    if word in KINDS_OF_POLARS:
        raise refuse(KINDS_OF_POLARS[word], name, place, f" (dtype {dtype!s:.60})")
    if word not in ("Boolean", "Null", "Object") and not dtype.is_numeric():
        raise ValueError(
            f"Got nested values{place} of {name} (dtype {dtype!s:.60}), but expected real "
            "numbers. Use one column for each value, for example by X.unnest or "
            "Expr.list.to_struct."
        )


def _polars_column(series, column, name, names):
    """Return a column of polars as an array of numbers, NaN where values are null."""
    word = series.dtype.base_type().__name__
    is_plain = series.dtype.is_numeric() and word not in WIDE_POLARS
    if is_plain or (word == "Boolean" and not series.null_count()):
        return series.to_numpy()
    values = np.empty(len(series), dtype=object)
    values[:] = series.to_list()
    return numbers_of(values, name, column=column, names=names)


def missing_cells(X):
    """Return the mask of the missing values of a data frame, of shape (n_samples, n_features)."""
    if hasattr(X, "isna"):  # pandas
        return X.isna().to_numpy(dtype=bool)
    columns = []
    for series in X.get_columns():
        missing = series.is_null()
        if series.dtype.is_float():
            missing = missing | series.is_nan().fill_null(value=False)
        columns.append(missing.to_numpy())
    return np.column_stack(columns)
