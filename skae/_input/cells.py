"""Cells of X that are not plain numbers: text, dates, categories, units, masks and objects."""

import datetime
import decimal
import inspect
import numbers

import numpy as np

__all__ = [
    "MAX_ABSOLUTE_VALUE",
    "check_no_units",
    "fill_mask",
    "invalid_number",
    "numbers_of",
    "refuse",
    "type_name",
]

ADVICE = {
    "text": (
        "A DenseAutoencoder accepts it as categories in a data frame with "
        "categorical_features='from_dtype'. Otherwise encode it first, for example by "
        "OneHotEncoder in a ColumnTransformer."
    ),
    "categories": (
        "A DenseAutoencoder accepts them in a data frame with categorical_features='from_dtype'. "
        "Otherwise encode them first, for example by OneHotEncoder in a ColumnTransformer."
    ),
    "dates": (
        "Convert them to numbers first, such as days since a date, for example by "
        "FunctionTransformer in a ColumnTransformer."
    ),
    "durations": (
        "Convert them to numbers first, such as seconds, for example by FunctionTransformer in a "
        "ColumnTransformer."
    ),
    "complex numbers": "Pass real and imaginary parts as separate features.",
    "intervals": (
        "Convert them to numbers first, such as their midpoints, for example by "
        "FunctionTransformer in a ColumnTransformer."
    ),
    "fields": "Convert it by numpy.lib.recfunctions.structured_to_unstructured(X).",
}
"""Advice for each kind of values that are not numbers."""

DTYPE_KINDS = {
    "U": "text",
    "S": "text",
    "T": "text",
    "M": "dates",
    "m": "durations",
    "c": "complex numbers",
    "V": "fields",
}
"""Kinds of values by the kind of a NumPy dtype."""

TYPE_KINDS = (
    ((str, bytes), "text"),
    ((datetime.date, datetime.time, np.datetime64), "dates"),
    ((datetime.timedelta, np.timedelta64), "durations"),
    ((complex, np.complexfloating), "complex numbers"),
)
"""Kinds of values by the type of an object. Timestamps of pandas are dates of `datetime`."""

NAMED_KINDS = {"NaTType": "dates", "Period": "dates", "Interval": "intervals"}
"""Kinds of values by the name of the type of an object; pandas is not imported for them."""

MISSING_TYPES = ("NoneType", "NAType", "MaskedConstant")
"""Types of objects that stand for a missing value."""

MAX_ABSOLUTE_VALUE = float(np.finfo(np.float32).max) / 4
"""Largest value of X, a quarter of the largest float32: latents and reconstructions are float32."""

DIMENSIONLESS = ("", "1", "dimensionless")
"""Names of the unit of plain numbers."""


def type_name(value):
    """Return the name of the type of a value with its package, such as "pint.Quantity"."""
    package = type(value).__module__.partition(".")[0]
    if package == "builtins":
        return type(value).__name__
    return f"{package}.{type(value).__name__}"


def refuse(kind, name, place="", detail=""):
    """Return the error for values that are not numbers.

    Parameters
    ----------
    kind : str
        Key of `ADVICE`.
    name : str
        Name of X in the message.
    place : str, default=""
        Column or index, such as ``" in column 2 ('city')"``.
    detail : str, default=""
        Dtype or example, such as ``" (datetime64[ns])"``.

    Returns
    -------
    error : ValueError
        The error to raise.
    """
    opening = f"Got {kind}{place} of {name}{detail}, but expected real numbers."
    if kind == "complex numbers":
        opening = f"Complex data not supported. {opening}"
    return ValueError(f"{opening} {ADVICE[kind]}")


def check_no_units(X, name, place=""):
    """Raise an error if X has a physical unit, as arrays of pint, astropy and unyt have.

    Parameters
    ----------
    X : object
        An array-like or one cell.
    name : str
        Name of X in the message.
    place : str, default=""
        Column or index for the message.
    """
    for attribute in ("unit", "units"):
        unit = getattr(X, attribute, None)
        if unit is None or inspect.isroutine(unit):
            continue
        if str(unit) not in DIMENSIONLESS:
            raise ValueError(
                f"Got {name}{place} in units of {str(unit)!r} ({type_name(X)}), but expected plain "
                "numbers: reconstructions would have no unit. Convert X to a fixed unit, and pass "
                "its numbers, such as X.value or X.magnitude."
            )


def fill_mask(X):
    """Convert a masked array to an array with NaN for masked values.

    Parameters
    ----------
    X : numpy.ma.MaskedArray
        Real numbers, or values that `numbers_of` refuses.

    Returns
    -------
    X : ndarray
        Floats with NaN if a value is masked. Otherwise the data, without a copy.
    """
    if not np.ma.is_masked(X):
        return np.asarray(X)
    if X.dtype.kind == "O":
        values = np.array(X.data, dtype=object)
        values[np.ma.getmaskarray(X)] = None
        return values
    if X.dtype.kind not in "biuf":
        return np.asarray(X)
    dtype = np.dtype(np.float64)
    if X.dtype.kind == "f":
        dtype = X.dtype
    return X.astype(dtype).filled(np.nan)


def numbers_of(values, name, *, column=None, names=None):
    """Return an array of real numbers, converted from objects if necessary.

    Parameters
    ----------
    values : ndarray
        Array of any dtype.
    name : str
        Name of X in messages.
    column : int, default=None
        Column that the values belong to. None: the second index of the values.
    names : sequence, default=None
        Names of the columns.

    Returns
    -------
    values : ndarray
        The same array if its dtype is real. Objects become float64, and None, NA and masked
        constants become NaN.

    Raises
    ------
    ValueError
        If a value is text, a date, complex or has a unit. The message names its column.
    TypeError
        If an object is no number.
    """
    kind = values.dtype.kind
    if kind in "biuf":
        return values
    if kind == "O":
        return _numbers_of_objects(values, name, column, names)
    if kind == "V" and not issubclass(
        values.dtype.type, np.void
    ):  # bfloat16 and float8 of ml_dtypes
        return values.astype(np.float32)
    place = ""
    if column is not None:
        place = _place((0,), column, names)
    raise refuse(DTYPE_KINDS[kind], name, place, f" (dtype {values.dtype})")


def _numbers_of_objects(values, name, column, names):
    """Convert an array of objects to float64."""
    cells = values.ravel().tolist()
    missing = set()
    for cell_type in set(map(type, cells)):
        if cell_type.__name__ in MISSING_TYPES:
            missing.add(cell_type)
        elif not _is_real(cell_type):
            first = next(i for i, cell in enumerate(cells) if type(cell) is cell_type)
            place = _place(np.unravel_index(first, values.shape), column, names)
            _check_cell(cells[first], name, place)
    if missing:
        cells = [float("nan") if type(cell) in missing else cell for cell in cells]
    try:
        return np.array(cells, dtype=np.float64).reshape(values.shape)
    except OverflowError as error:
        first = next(i for i, cell in enumerate(cells) if _overflows(cell))
        place = _place(np.unravel_index(first, values.shape), column, names)
        raise ValueError(
            f"Got a number above 1.8e308{place} of {name}, but expected numbers that float64 "
            "holds. Scale the data."
        ) from error


def _overflows(cell):
    """Return whether an integer or a fraction is too large for float64."""
    try:
        float(cell)
    except OverflowError:
        return True
    return False


def _is_real(cell_type):
    """Return whether a type is that of real numbers without a unit."""
    if issubclass(cell_type, np.timedelta64):  # a subclass of NumPy's signed integers
        return False
    reals = (numbers.Real, np.bool_, np.integer, np.floating, decimal.Decimal)
    return issubclass(cell_type, reals)


def _check_cell(cell, name, place):
    """Raise an error unless a cell is a number without a unit."""
    kind = NAMED_KINDS.get(type(cell).__name__)
    for types, kind_of_types in TYPE_KINDS:
        if kind is None and isinstance(cell, types):
            kind = kind_of_types
    if kind is not None:
        raise refuse(kind, name, place, f", such as {cell!r:.40}")
    check_no_units(cell, name, place)
    if isinstance(cell, (list, tuple)) or getattr(cell, "ndim", 0) > 0:
        raise ValueError(
            f"Got {type_name(cell)}{place} of {name}, but expected a number. Use one column for "
            "each value."
        )
    try:
        float(cell)
    except TypeError as error:
        raise TypeError(
            f"Got {type_name(cell)}{place} of {name}, but expected a number: {error}."
        ) from error


def _place(index, column, names):
    """Return a column with its name, or the index of a value, for a message."""
    index = tuple(int(i) for i in index)
    row = ""
    if column is None and len(index) == 2:
        column = index[1]
        row = f", row {index[0]}"
    if column is None:
        if len(index) == 1:
            return f" at index {index[0]}"
        return f" at index {index}"
    label = ""
    if names is not None:
        label = f" ({names[column]!r})"
    return f" in column {column}{label}{row}"


def invalid_number(value, column, label, row, *, allow_nan, name="X"):
    """Return the error for NaN, infinity, or a number that is too large for float32.

    Parameters
    ----------
    value : float
        The invalid number.
    column, row : int
        Its position.
    label : object
        Name of the column; None without a name.
    allow_nan : bool or None
        Parameter of the estimator, or None if it has none.
    name : str, default="X"
        Name of X in the message.

    Returns
    -------
    error : ValueError
        The error to raise.
    """
    kind = f"a value too large for float32 ({value}, more than {MAX_ABSOLUTE_VALUE:.3g})"
    action = "Scale the data."
    if np.isnan(value):
        kind = "NaN"
        action = "Impute missing values first."
        if allow_nan is False:
            action = "Set allow_nan=True to accept NaN as missing values, or impute them first."
    elif np.isinf(value):
        kind = "infinity"
        action = "Replace infinite values by finite ones."
    place = f"column {column}"
    if label is not None and label != column:
        place = f"column {column} ({label!r})"
    return ValueError(f"Input {name} contains {kind} in {place}, row {row}. {action}")
