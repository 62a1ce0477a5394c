"""Schema of a table: its columns, and their encoding as standardized numbers and categories."""

from dataclasses import dataclass
from numbers import Integral

import numpy as np

from skae._input.cells import MAX_ABSOLUTE_VALUE, invalid_number
from skae._input.table_columns import (
    category_labels,
    column_dtype,
    column_kind,
    column_values,
    table_labels,
)
from skae._input.table_encoding import TableColumn, fit_categories, fit_numbers
from skae._input.tables import package_of

__all__ = ["HANDLE_UNKNOWN", "EncodedTable", "TableSchema", "fit_table_schema"]

HANDLE_UNKNOWN = ("error", "ignore", "infrequent_if_exist")
"""Values of the parameter `handle_unknown`, as in scikit-learn's OneHotEncoder."""


@dataclass(frozen=True)
class TableSchema:
    """Columns of the table of a fit.

    Attributes
    ----------
    package : str
        "pandas" or "polars"; empty for an array.
    columns : tuple of TableColumn
        Description of each column.
    handle_unknown : {"error", "ignore", "infrequent_if_exist"}
        Encoding of categories that fit did not see.
    axis_names : tuple of str
        Names of the levels of the columns in pandas; empty without names.
    """

    package: str
    columns: tuple
    handle_unknown: str = "error"
    axis_names: tuple = ()

    @property
    def has_categories(self):
        """Whether a column has categories. Only then the table is encoded."""
        return any(column.is_category for column in self.columns)

    @property
    def column_of_feature(self):
        """Index of the column of each encoded feature."""
        widths = [column.width for column in self.columns]
        return np.repeat(np.arange(len(widths)), widths)

    @property
    def slices(self):
        """Slice of the encoded features of each column."""
        stops = np.cumsum([column.width for column in self.columns]).tolist()
        starts = [0, *stops[:-1]]
        return [slice(start, stop) for start, stop in zip(starts, stops, strict=True)]

    @property
    def feature_names(self):
        """Names of the encoded features, such as "age" and "city=Rome"."""
        names = []
        for column in self.columns:
            if not column.is_category:
                names.append(str(column.label))
                continue
            names += [f"{column.label}={category}" for category in column.categories]
            if column.infrequent:
                names.append(f"{column.label}=infrequent")
        return names

    def encode(self, X, *, allow_nan):
        """Encode a table.

        Parameters
        ----------
        X : DataFrame or ndarray of shape (n_samples, n_columns)
            Table with the columns of fit.
        allow_nan : bool
            Whether missing values are accepted.

        Returns
        -------
        rows : ndarray of shape (n_samples, n_features)
            float32. All features of a column are NaN where its value is missing.

        Raises
        ------
        ValueError
            If a value is missing without `allow_nan`, infinite, not a number, or an unknown
            category.
        """
        labels = table_labels(X)
        rows = np.empty((len(X), sum(column.width for column in self.columns)), np.float32)
        for i, (column, features) in enumerate(zip(self.columns, self.slices, strict=True)):
            if column.is_category:
                rows[:, features] = self._encode_categories(X, i, allow_nan)
                continue
            values = column_values(X, i, labels)
            standardized = (values - column.mean) / column.scale
            is_invalid = ~(np.abs(standardized) <= MAX_ABSOLUTE_VALUE)
            if allow_nan:
                is_invalid &= ~np.isnan(values)
            if is_invalid.any():
                row = int(np.flatnonzero(is_invalid)[0])
                raise invalid_number(values[row], i, column.label, row, allow_nan=allow_nan)
            rows[:, features.start] = standardized
        return rows

    def _encode_categories(self, X, i, allow_nan):
        """Encode a column of categories as an array of shape (n_samples, width)."""
        column = self.columns[i]
        values, is_missing = category_labels(X, i)
        if is_missing.any() and not allow_nan:
            row = int(np.flatnonzero(is_missing)[0])
            raise invalid_number(np.nan, i, column.label, row, allow_nan=False)
        positions = {category: j for j, category in enumerate(column.categories)}
        positions.update(dict.fromkeys(column.infrequent, len(column.categories)))
        unknown = -1
        if self.handle_unknown == "infrequent_if_exist" and column.infrequent:
            unknown = len(column.categories)
        indices = np.array([positions.get(value, unknown) for value in values], dtype=np.int64)
        indices[is_missing] = -1
        is_unknown = (indices == -1) & ~is_missing
        if self.handle_unknown == "error" and is_unknown.any():
            row = int(np.flatnonzero(is_unknown)[0])
            raise ValueError(
                f"Got the unknown category {values[row]!r:.60} in column {i} ({column.label!r}), "
                f"row {row}, but fit got {_examples(column.categories)}. Set "
                "handle_unknown='ignore' to accept unknown categories."
            )
        indicators = np.zeros((len(values), column.width), np.float32)
        known = np.flatnonzero(indices >= 0)
        indicators[known, indices[known]] = 1 / column.scale
        indicators[is_missing] = np.nan
        return indicators

    def decode(self, rows):
        """Decode encoded rows.

        Parameters
        ----------
        rows : ndarray of shape (n_samples, n_features)
            Encoded rows, such as reconstructions.

        Returns
        -------
        columns : list of ndarray of shape (n_samples,)
            float64 for numbers. For categories, indices of `TableColumn.decoded`.
        """
        columns = []
        for column, features in zip(self.columns, self.slices, strict=True):
            if column.is_category:
                columns.append(rows[:, features].argmax(axis=1))
            else:
                values = rows[:, features.start].astype(np.float64)
                columns.append(values * column.scale + column.mean)
        return columns


class EncodedTable:
    """An encoded table, which autoencoders accept in place of the table.

    Meta-estimators pass it on, so that a table is encoded once. `reconstruct` then returns an
    array of encoded reconstructions.

    Parameters
    ----------
    rows : ndarray of shape (n_samples, n_features)
        Encoded rows, float32.
    schema : TableSchema
        Columns of the table.
    """

    ndim = 2

    def __init__(self, rows, schema):
        self.rows = rows
        self.schema = schema
        self.shape = rows.shape
        self.dtype = rows.dtype

    @property
    def columns(self):
        """Labels of the columns of the table."""
        return [column.label for column in self.schema.columns]

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        return EncodedTable(self.rows[index], self.schema)

    def __array__(self, dtype=None, copy=None):
        return np.array(self.rows, dtype=dtype, copy=copy)


def fit_table_schema(X, parameters, weights=None):
    """Describe the columns of a table, and estimate their encoding.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        Table. An `EncodedTable` has a schema already.
    parameters : estimator
        With `categorical_features`, `handle_unknown`, `min_frequency` and `max_categories`.
    weights : ndarray of shape (n_samples,), default=None
        Sample weights.

    Returns
    -------
    schema : TableSchema or None
        None for an array without categories.
    """
    if isinstance(X, EncodedTable):
        return X.schema
    package = ""
    if hasattr(X, "columns"):
        package = package_of(X)
    is_from_dtype = isinstance(parameters.categorical_features, str)
    if package == "" and (is_from_dtype or parameters.categorical_features is None):
        return None
    labels = table_labels(X)
    kinds = [column_kind(X, i) for i in range(len(labels))]
    is_selected = _selected_columns(labels, parameters.categorical_features)
    if is_from_dtype:
        is_selected = [kind in ("category", "text") for kind in kinds]
        if any(is_selected):
            is_selected = [kind != "number" for kind in kinds]
    encodes = any(is_selected)
    columns = []
    for i, label in enumerate(labels):
        dtype = column_dtype(X, i)
        if is_selected[i]:
            columns.append(fit_categories(X, i, label, dtype, kinds[i], parameters, weights))
        elif encodes:
            columns.append(fit_numbers(column_values(X, i, labels), label, dtype, weights))
        else:
            columns.append(TableColumn(label, dtype))
    axis_names = tuple(getattr(getattr(X, "columns", None), "names", ()))
    if not all(isinstance(name, str) for name in axis_names):
        axis_names = ()
    return TableSchema(package, tuple(columns), parameters.handle_unknown, axis_names)


def _selected_columns(labels, categorical_features):
    """Return for each column whether the user selected it; all false for "from_dtype" and None."""
    if categorical_features is None or isinstance(categorical_features, str):
        return [False] * len(labels)
    selected = np.asarray(categorical_features, dtype=object).ravel().tolist()
    if selected and all(isinstance(entry, (bool, np.bool_)) for entry in selected):
        if len(selected) != len(labels):
            raise ValueError(
                f"Got a mask of {len(selected)} values as categorical_features, but expected "
                f"{len(labels)}, the number of columns of X."
            )
        return [bool(entry) for entry in selected]
    is_selected = [False] * len(labels)
    for entry in selected:
        if isinstance(entry, str) and entry in labels:
            is_selected[labels.index(entry)] = True
        elif _is_index(entry, len(labels)):
            is_selected[entry] = True
        else:
            raise ValueError(
                f"Got {entry!r} in categorical_features, but expected names of columns, positions "
                f"from 0 to {len(labels) - 1}, or a boolean mask. Columns of X: {labels!r:.200}."
            )
    return is_selected


def _is_index(entry, n_columns):
    """Return whether an entry is the index of a column."""
    is_integer = isinstance(entry, Integral) and not isinstance(entry, bool)
    return is_integer and 0 <= entry < n_columns


def _examples(categories):
    """Return the first categories, for a message."""
    examples = ", ".join(f"{category!r:.40}" for category in categories[:5])
    if len(categories) > 5:
        examples += f", ... ({len(categories)} categories)"
    return examples
