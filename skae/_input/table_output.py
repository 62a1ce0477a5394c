"""Data frames as results: columns with the names, dtypes and categories of fit."""

import numpy as np

from skae._input.dtypes import round_to_dtype

__all__ = ["build_table", "table_of_numbers"]


def build_table(schema, columns, container, index=None):
    """Return decoded columns as a table like that of fit.

    Parameters
    ----------
    schema : TableSchema
        Columns of fit.
    columns : list of ndarray of shape (n_samples,)
        Numbers as float64, and categories as indices of `TableColumn.decoded`.
    container : {"pandas", "polars", ""}
        Package of the result; an array if empty.
    index : object, default=None
        Index of the rows in pandas.

    Returns
    -------
    table : DataFrame or ndarray of shape (n_samples, n_columns)
        Integers are rounded and clipped to their range. An array has dtype object if a category
        is not a number.
    """
    if container == "pandas":
        return _pandas_table(schema, columns, index)
    if container == "polars":
        return _polars_table(schema, columns)
    arrays = []
    for column, values in zip(schema.columns, columns, strict=True):
        arrays.append(_labels(column, values) if column.is_category else values)
    table = np.empty((len(arrays[0]), len(arrays)), dtype=object)
    for i, values in enumerate(arrays):
        table[:, i] = values
    if all(values.dtype.kind in "biuf" for values in arrays):
        return table.astype(np.float64)
    return table


def table_of_numbers(rows, names, container, index=None):
    """Return an array as a data frame.

    Parameters
    ----------
    rows : ndarray of shape (n_samples, n_features)
        Numbers.
    names : sequence of str
        Names of the columns.
    container : {"pandas", "polars"}
        Package of the result.
    index : object, default=None
        Index of the rows in pandas.
    """
    if container == "pandas":
        import pandas as pd

        return pd.DataFrame(rows, columns=list(names), index=index)
    import polars as pl

    return pl.DataFrame(rows, schema=list(names), orient="row")


def _labels(column, indices):
    """Return the categories of indices: an array of numbers if all are numbers, else of objects."""
    labels = np.array(column.decoded)
    if labels.dtype.kind in "biuf":
        return labels[indices]
    labels = np.empty(len(column.decoded), dtype=object)
    labels[:] = column.decoded
    return labels[indices]


def _pandas_table(schema, columns, index):
    """Return columns as a DataFrame of pandas."""
    import pandas as pd

    series = []
    for column, values in zip(schema.columns, columns, strict=True):
        if not column.is_category:
            series.append(pd.Series(_pandas_numbers(values, column.dtype), index=index))
            continue
        labels = np.empty(len(column.decoded), dtype=object)
        labels[:] = column.decoded
        cells = pd.Series(labels[values], index=index)
        if column.levels is not None:
            levels = pd.Index(list(column.levels))
            if schema.package == "pandas":
                levels = levels.astype(column.levels_dtype)
            cells = cells.astype(pd.CategoricalDtype(levels, ordered=column.is_ordered))
        elif schema.package == "pandas":
            cells = cells.astype(column.dtype)
        series.append(cells)
    table = pd.concat(series, axis=1)
    table.columns = pd.Index([column.label for column in schema.columns])
    if schema.axis_names:
        table.columns.names = list(schema.axis_names)
    return table


def _pandas_numbers(values, name):
    """Convert numbers to a dtype of pandas by its name; names of other packages stay float64."""
    import pandas as pd

    try:
        dtype = pd.api.types.pandas_dtype(name)
    except TypeError:
        return values
    numpy_dtype = getattr(dtype, "subtype", getattr(dtype, "numpy_dtype", dtype))
    if not isinstance(numpy_dtype, np.dtype) or numpy_dtype.kind not in "biuf":
        return values  # objects such as Decimal
    return pd.array(round_to_dtype(values, numpy_dtype), dtype=dtype)


def _polars_table(schema, columns):
    """Return columns as a DataFrame of polars."""
    import polars as pl

    series = []
    for column, values in zip(schema.columns, columns, strict=True):
        name = str(column.label)
        dtype = getattr(pl, column.dtype, None)
        if not isinstance(dtype, type) or not issubclass(dtype, pl.DataType):
            dtype = None
        if not column.is_category:
            series.append(pl.Series(name, _polars_numbers(values, column.dtype)))
            continue
        labels = [column.decoded[i] for i in values.tolist()]
        if column.levels is not None and column.dtype == "Enum":
            dtype = pl.Enum(list(column.levels))
        elif column.dtype == "category":  # of pandas
            labels = [str(label) for label in labels]
            dtype = pl.Categorical
        series.append(pl.Series(name, labels, dtype=dtype))
    return pl.DataFrame(series)


def _polars_numbers(values, name):
    """Convert numbers to the NumPy dtype of the name of a dtype, such as "Int64" or "float32"."""
    try:
        dtype = np.dtype({"Boolean": "bool"}.get(name, name.lower()))
    except TypeError:
        return values  # wider than 64 bits, or objects
    if dtype.kind not in "biuf":
        return values
    return round_to_dtype(values, dtype)
