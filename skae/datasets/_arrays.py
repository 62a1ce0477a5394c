"""Conversion of series and sequences to arrays of real numbers."""

import numpy as np

__all__ = ["check_positive_int", "to_real_array"]


def to_real_array(values, name):
    """Convert an array-like to an array of real numbers; masked values are NaN.

    Parameters
    ----------
    values : array-like
        Array, memory map, DataFrame, tensor or list.
    name : str
        Name in the message.

    Returns
    -------
    array : ndarray
        A view where possible. A memory map remains one.
    """
    if isinstance(values, np.ma.MaskedArray):
        values = values.astype(np.result_type(values.dtype, np.float32)).filled(np.nan)
    array = values
    if not isinstance(values, np.memmap):
        array = np.asarray(values)
    if array.dtype.kind not in "biuf":
        raise ValueError(f"Got {name} of dtype {array.dtype}, but expected real numbers.")
    return array


def check_positive_int(value, name):
    """Validate a positive int, and return it as an int."""
    is_int = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not is_int or value < 1:
        raise ValueError(f"Got {name}={value!r}, but expected an int >= 1.")
    return int(value)
