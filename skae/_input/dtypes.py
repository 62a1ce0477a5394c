"""Dtypes: arrays, tensors and tables of any real dtype, and the units that a dtype implies."""

import math

import numpy as np
import torch

from skae._input.rows import chunk_slices
from skae._warnings import warn_user

__all__ = [
    "as_array",
    "as_ndarray",
    "check_dtype_units",
    "check_unit_interval",
    "is_float",
    "is_nan",
    "min_and_max",
    "scan_slices",
    "supported_dtype",
    "to_tensor",
]

NARROW_DTYPES = (torch.uint8, torch.int8, torch.int16, torch.float32)
"""Dtypes that are moved to the device unchanged."""

WIDE_DTYPES = (torch.int64, torch.float64)
"""Dtypes that are centered in their own precision, and then moved to the device as float32."""

MAX_INTEGER = 2**62
"""Bound from which integers become float64: the difference of two of them may exceed int64."""

SCAN_BYTES = 2**24
"""Bytes of X that are checked at once, which bounds the memory of temporary arrays."""


def to_tensor(rows, device="cpu"):
    """Convert rows to a tensor of the same dtype, or of the nearest supported one.

    Parameters
    ----------
    rows : ndarray or torch.Tensor
        Real numbers. A read-only or reversed array is copied, since torch has no such tensors.
    device : str or torch.device, default="cpu"
        Device for narrow dtypes. int64 and float64 stay on their device: they are centered first,
        in their own precision, and moved as float32.

    Returns
    -------
    rows : torch.Tensor
        uint8, int8, int16, float32, or the wide int64 and float64.
    """
    rows = _supported_tensor(rows)
    if rows.dtype in WIDE_DTYPES:
        return rows
    return rows.to(device)


def _supported_tensor(rows):
    """Convert an array or tensor to a tensor; other dtypes than narrow and wide ones change."""
    if not isinstance(rows, torch.Tensor):
        return _array_to_tensor(np.asarray(rows))
    if rows.dtype in NARROW_DTYPES or rows.dtype in WIDE_DTYPES:
        return rows
    if rows.is_floating_point():
        return rows.to(torch.float32)
    return rows.to(torch.int64)


def _array_to_tensor(rows):
    """Convert an array to a tensor that shares its memory where torch supports its layout."""
    if not rows.dtype.isnative:
        rows = rows.astype(rows.dtype.newbyteorder("="))
    if rows.dtype.kind in "iu" and rows.dtype not in (np.uint8, np.int8, np.int16):
        rows = _wide_integers(rows)
    if not rows.flags.writeable or min(rows.strides, default=0) < 0:
        rows = rows.copy()
    return torch.from_numpy(rows)


def _wide_integers(rows):
    """Convert integers to int64, or to float64 if one of them is `MAX_INTEGER` or more."""
    if rows.dtype == np.uint64 and rows.max(initial=0) >= MAX_INTEGER:
        return rows.astype(np.float64)
    rows = rows.astype(np.int64, copy=False)
    if max(rows.max(initial=0), -1 - rows.min(initial=0)) >= MAX_INTEGER:
        return rows.astype(np.float64)
    return rows


def as_array(X):
    """Convert lists and similar containers to an array; return arrays and tables unchanged."""
    if hasattr(X, "ndim") or hasattr(X, "columns") or hasattr(X, "toarray"):
        return X
    if hasattr(X, "__array__") or isinstance(X, (list, tuple)):
        return np.asarray(X)
    return X


def as_ndarray(X, dtype=None):
    """Convert a tensor or table to an array; bfloat16, which NumPy lacks, becomes float32."""
    if hasattr(X, "detach"):
        X = X.detach().cpu()
        if str(X.dtype) == "torch.bfloat16":
            X = X.float()
    return np.asarray(X, dtype=dtype)


def supported_dtype(dtype):
    """Return the nearest NumPy dtype that torch supports; raise an error unless it is real."""
    if dtype.kind not in "biuf":
        raise ValueError(
            f"Got X of dtype {dtype}, but expected real numbers. Convert X to integers or floats."
        )
    if dtype.kind == "b" or dtype == np.float16:
        return np.dtype(np.float32)
    if dtype.kind == "f" and dtype.itemsize > 8:
        return np.dtype(np.float64)
    return dtype


def is_float(X):
    """Return whether an array or tensor has a floating-point dtype, so that it may contain NaN."""
    if isinstance(X, torch.Tensor):
        return X.is_floating_point()
    return X.dtype.kind == "f"


def is_nan(X):
    """Return the mask of NaN in an array or tensor of a floating-point dtype."""
    if isinstance(X, torch.Tensor):
        return X.isnan()
    return np.isnan(X)


def _dtype_name(dtype):
    """Return the name of a dtype of NumPy or torch, or of its name in either."""
    return str(dtype).removeprefix("torch.")


def check_dtype_units(X, fit_dtype, *, exact=False):
    """Check that the dtype and range of X agree with the units of X in fit.

    Parameters
    ----------
    X : ndarray, torch.Tensor or RowSource
        Validated rows.
    fit_dtype : str or dtype
        Dtype of X in fit.
    exact : bool, default=False
        Whether uint8 and other dtypes have different units, so that mixing them raises an error.
    """
    dtype = _dtype_name(X.dtype)
    fit_dtype = _dtype_name(fit_dtype)
    if (dtype == "uint8") == (fit_dtype == "uint8"):
        return
    if exact:
        raise ValueError(
            f"Got X of dtype {dtype}, but expected {fit_dtype} as in fit: uint8 is divided by 255, "
            f"and other dtypes are not. Pass X in the dtype and units of fit."
        )
    if fit_dtype == "uint8" and 0 < min_and_max(X)[1] <= 1:
        warn_user(
            f"Got X of dtype {dtype} without a value above 1, but fit was called with uint8 values "
            "from 0 to 255. If X was divided by 255, pass it undivided, as in fit."
        )


def check_unit_interval(X):
    """Raise an error for values outside [0, 1], as loss='log_loss' requires; uint8 is valid."""
    if _dtype_name(X.dtype) == "uint8":
        return
    low, high = min_and_max(X)
    if low < 0 or high > 1:
        raise ValueError(
            f"Got loss='log_loss' with X between {low:.6g} and {high:.6g}, but expected values in "
            "[0, 1], or uint8. Scale X to [0, 1], or set loss='squared_error'."
        )


def min_and_max(X):
    """Return the smallest and the largest value of X, read in chunks; NaN is ignored."""
    low, high = math.inf, -math.inf
    for chunk in scan_slices(X):
        values = X[chunk]
        if is_float(values):
            values = values[~is_nan(values)]
        if len(values):
            low = min(low, float(values.min()))
            high = max(high, float(values.max()))
    return low, high


def scan_slices(X):
    """Split the rows of X into slices of about `SCAN_BYTES`."""
    return chunk_slices(len(X), max(1, SCAN_BYTES // max(1, X.shape[1] * X.dtype.itemsize)))
