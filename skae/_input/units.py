"""Units of X: the range of the values in fit, and the dtype of results in these units."""

from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np
import torch

from skae._input.dtypes import dtype_name, min_and_max, to_tensor
from skae._input.rows import row_chunks, sample_indices, take_rows
from skae._input.sparse_rows import SparseRows
from skae._warnings import warn_user

__all__ = [
    "MAX_UNIT_RATIO",
    "computing_dtype",
    "measure_units",
    "output_dtype",
    "result_dtype",
    "to_dtype",
    "warn_if_other_units",
    "without_unit_warnings",
]

MAX_UNIT_RATIO = 50
"""Ratio of the largest absolute values of X and of `fit` above which the units seem to differ.
Images of uint8 and images in [0, 1] differ by a factor of 255."""

MAX_CHANCE = 1e-3
"""Largest probability of a warning of too small values for rows like those of fit."""

MAX_MEASURED_ROWS = 4096
"""The most streamed rows that are read to measure the units in fit."""

MAX_CHECKED_ROWS = 64
"""The most streamed rows that are read to compare the units with those of fit."""

MAX_FLOAT32_OFFSET = 100
"""Largest mean of a feature, in units of the scale of X, for which float32 is precise enough.

Rounding then is at most 6e-6 of the scale, which changes a score by 1e-11.
"""

PRECISE_DTYPES = ("float32", "uint8", "int8")
"""Dtypes of X with values that float32 holds, or that are rounded less than to whole numbers."""


_is_silent: ContextVar[bool] = ContextVar("is_silent", default=False)


@contextmanager
def without_unit_warnings(enabled=True):
    """Issue no warning of `warn_if_other_units` in a block, in which X is no input of the user.

    Parameters
    ----------
    enabled : bool, default=True
        If False, the block has no effect.
    """
    token = _is_silent.set(enabled or _is_silent.get())
    try:
        yield
    finally:
        _is_silent.reset(token)


def measure_units(rows):
    """Measure the largest absolute value of X, and the share of rows with small values only.

    Parameters
    ----------
    rows : ndarray, torch.Tensor or StreamedRows of shape (n_samples, d)
        Rows of fit. Of streamed rows, a sample is read.

    Returns
    -------
    max_abs : float
        Largest absolute value; NaN is ignored.
    small_share : float
        Share of the rows without a value above ``max_abs / MAX_UNIT_RATIO``.
    """
    if isinstance(rows, SparseRows):
        maxima = rows.max_abs_of_rows()
    else:
        maxima = _max_abs_of_rows(rows)
    max_abs = float(maxima.max())
    small_share = float((maxima * MAX_UNIT_RATIO <= max_abs).double().mean())
    return max_abs, small_share


def _max_abs_of_rows(rows):
    """Return the largest absolute value of each row, or of each of a sample of streamed rows."""
    if not isinstance(rows, (np.ndarray, torch.Tensor)):
        rows = take_rows(rows, sample_indices(rows, MAX_MEASURED_ROWS))
    row_maxima = []
    for chunk in row_chunks(*rows.shape):
        values = to_tensor(rows[chunk])
        if values.is_floating_point():
            values = values.nan_to_num(0.0)
        row_maxima.append(torch.maximum(values.amax(1).double(), -values.amin(1).double()).cpu())
    return torch.cat(row_maxima)


def warn_if_other_units(rows, max_abs, *, small_share=0.0, dtype=None):
    """Warn if the values of X seem to be in other units than in fit, such as 0 to 255 and 0 to 1.

    Parameters
    ----------
    rows : ndarray, torch.Tensor or StreamedRows of shape (n_samples, ...)
        Checked values.
    max_abs, small_share : float
        Result of `measure_units` in fit. With a `max_abs` of 0 nothing is compared.
    dtype : str, default=None
        Name of the dtype of X in fit. A change from or to uint8 warns at smaller ratios.
    """
    if max_abs == 0 or _is_silent.get():
        return
    largest = _max_abs(rows)
    is_too_large = largest > MAX_UNIT_RATIO * max_abs
    is_too_small = 0 < MAX_UNIT_RATIO * largest < max_abs
    is_too_small = is_too_small and small_share ** len(rows) < MAX_CHANCE
    if dtype is not None and (dtype == "uint8") != (dtype_name(rows) == "uint8"):
        is_too_large |= dtype != "uint8" and max_abs <= 1 < largest
        is_too_small |= dtype == "uint8" and 0 < largest <= 1 < max_abs
    if is_too_large or is_too_small:
        warn_user(
            f"The largest absolute value of X is {largest:.6g}, but it was {max_abs:.6g} in fit. "
            "Pass X in the units of fit."
        )


def _max_abs(rows):
    """Return the largest absolute value of rows, or of a sample of streamed rows."""
    if isinstance(rows, np.ndarray):
        # the usual case, in two calls: a row takes microseconds
        largest = max(float(rows.max()), -float(rows.min()))
        if largest == largest:
            return largest
    elif not isinstance(rows, (torch.Tensor, SparseRows)):
        rows = take_rows(rows, sample_indices(rows, MAX_CHECKED_ROWS))
    low, high = min_and_max(rows)
    return max(high, -low)


def result_dtype(mean, scale, dtype):
    """Return the name of the dtype that holds reconstructions: float32, or float64.

    Parameters
    ----------
    mean : torch.Tensor of shape (d,)
        Mean of X, float64.
    scale : float
        Overall standard deviation of X.
    dtype : str
        Name of the dtype of X.
    """
    if dtype in PRECISE_DTYPES or float(mean.abs().max()) <= MAX_FLOAT32_OFFSET * scale:
        return "float32"
    return "float64"


def output_dtype(wanted, dtype, result):
    """Return the torch dtype of reconstructions for the user.

    Parameters
    ----------
    wanted : {"auto", "input"}
        Parameter `output_dtype` of the estimator.
    dtype : str
        Name of the dtype of X in fit.
    result : str
        "float32" or "float64", as `result_dtype` decided in fit.
    """
    if wanted == "input":
        return getattr(torch, dtype)
    return getattr(torch, result)


def computing_dtype(dtype, result):
    """Return the torch dtype in which reconstructions are computed before they are rounded."""
    is_wide = dtype == torch.float64 or (not dtype.is_floating_point and dtype.itemsize > 2)
    if is_wide or result == "float64":
        return torch.float64
    return torch.float32


def to_dtype(values, dtype):
    """Convert a tensor to a dtype; integers are rounded and clipped to their range."""
    if dtype.is_floating_point:
        return values.to(dtype)
    limits = torch.iinfo(dtype)
    low, high = float(limits.min), float(limits.max)
    if dtype.itemsize == 8:
        high = np.nextafter(high, 0)  # float64 can't hold the largest int of 64 bits
    return values.round().clamp(low, high).to(dtype)
