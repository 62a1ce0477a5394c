"""Dtypes: arrays, tensors and tables of any real dtype, and the units that a dtype implies."""

import math

import numpy as np
import torch

from skae._input.rows import RowSource, row_chunks
from skae._input.sparse_rows import SparseRows
from skae.networks.layers import to_device

__all__ = [
    "ClippedRows",
    "as_ndarray",
    "as_supported",
    "check_bounds",
    "check_dtype_units",
    "dtype_name",
    "min_and_max",
    "round_to_dtype",
    "supported_dtype",
    "to_tensor",
]

NARROW_DTYPES = (torch.uint8, torch.int8, torch.int16, torch.float32)
"""Dtypes that are moved to the device unchanged."""

WIDE_DTYPES = (torch.int64, torch.float64)
"""Dtypes that are centered in their own precision, and then moved to the device as float32."""

MAX_ROUNDING = 1e-6
"""Part of the range between the bounds of a loss, by which values may exceed the bounds.

It is eight times the resolution of float32, since scalers round several times."""

MAX_INTEGER = 2**62
"""Bound from which integers become float64: the difference of two of them may exceed int64."""


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
    if not isinstance(rows, torch.Tensor):
        rows = _array_to_tensor(np.asarray(rows))
    if rows.dtype in WIDE_DTYPES:
        return rows
    if rows.dtype in NARROW_DTYPES:
        return to_device(rows, device)
    if rows.is_floating_point():
        return to_device(rows.float(), device)
    return rows.to(torch.int64)


def _array_to_tensor(rows):
    """Convert an array to a tensor that shares its memory where torch supports its layout."""
    if rows.dtype.kind in "iu" and rows.dtype.itemsize > 2:
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


def as_ndarray(X, dtype=None):
    """Convert a tensor or table to an array; bfloat16, which NumPy lacks, becomes float32."""
    if hasattr(X, "detach"):
        X = X.detach().cpu()
        if str(X.dtype) == "torch.bfloat16":
            X = X.float()
    return np.asarray(X, dtype=dtype)


def supported_dtype(dtype):
    """Return the nearest NumPy dtype that torch supports; raise an error unless it is real."""
    dtype = dtype.newbyteorder("=")
    if dtype.kind not in "biuf":
        raise ValueError(
            f"Got X of dtype {dtype}, but expected real numbers. Convert X to integers or floats."
        )
    if dtype.kind == "b" or dtype == np.float16:
        return np.dtype(np.float32)
    if dtype.kind == "f" and dtype.itemsize > 8:
        return np.dtype(np.float64)
    return dtype


def as_supported(X):
    """Convert an array to the nearest dtype that torch supports, or return it unchanged."""
    return X.astype(supported_dtype(X.dtype), copy=False)


def round_to_dtype(values, dtype):
    """Convert an array of numbers to a dtype of NumPy.

    Parameters
    ----------
    values : ndarray
        Finite numbers.
    dtype : numpy.dtype
        Integers are rounded and clipped to their range. Booleans are true above 0.5.
    """
    if dtype.kind == "b":
        return values > 0.5
    if dtype.kind == "f":
        return values.astype(dtype, copy=False)
    limits = np.iinfo(dtype)
    low, high = float(limits.min), float(limits.max)
    if dtype.itemsize == 8:
        high = np.nextafter(high, 0)  # float64 cannot hold the largest int of 64 bits
    return np.clip(np.rint(values.astype(np.float64)), low, high).astype(dtype)


def dtype_name(X):
    """Return the name of the dtype of an array or tensor, such as "uint8"."""
    return str(X.dtype).removeprefix("torch.")


def check_dtype_units(X, fit_dtype):
    """Raise an error if uint8, which stands for values in [0, 1], is mixed with other dtypes.

    Parameters
    ----------
    X : ndarray, torch.Tensor or RowSource
        Validated rows.
    fit_dtype : str
        Name of the dtype of X in fit.
    """
    dtype = dtype_name(X)
    if (dtype == "uint8") != (fit_dtype == "uint8"):
        raise ValueError(
            f"Got X of dtype {dtype}, but expected {fit_dtype} as in fit: uint8 is divided by 255, "
            f"and other dtypes are not. Pass X in the dtype and units of fit."
        )


def check_bounds(X, bounds, loss):
    """Clip rounding errors beyond the bounds of a loss; raise an error for values far beyond.

    Parameters
    ----------
    X : ndarray, torch.Tensor or RowSource
        Validated rows. uint8 stands for values in [0, 1].
    bounds : (float, float)
        Smallest and largest valid value.
    loss : object
        The parameter `loss`, for the message.

    Returns
    -------
    X : ndarray, torch.Tensor, ClippedRows or the same object
        A clipped copy if values are out of bounds by at most `MAX_ROUNDING` of their range. Rows
        of a `RowSource` are clipped when they are read, except for sparse rows.
    """
    if dtype_name(X) == "uint8":
        return X
    low, high = min_and_max(X)
    if low >= bounds[0] and high <= bounds[1]:
        return X
    margin = MAX_ROUNDING
    if math.isfinite(bounds[1] - bounds[0]):
        margin *= bounds[1] - bounds[0]
    if low < bounds[0] - margin or high > bounds[1] + margin:
        raise ValueError(
            f"Got loss={loss!r} with X between {low!r} and {high!r}, but expected values in "
            f"[{bounds[0]:g}, {bounds[1]:g}], or uint8. Scale X to this range, for example by "
            "MinMaxScaler(clip=True), or set loss='squared_error'."
        )
    if isinstance(X, np.ndarray):
        return np.clip(X, *bounds)
    if isinstance(X, SparseRows) and bounds[0] <= 0 <= bounds[1]:
        return X.clip(*bounds)
    if isinstance(X, torch.Tensor):
        return X.clamp(*bounds)
    return ClippedRows(X, bounds)


class ClippedRows(RowSource):
    """Rows that are clipped to bounds when they are read.

    Parameters
    ----------
    X : RowSource of shape (n_samples, ...)
        Rows that exceed the bounds by rounding errors.
    bounds : (float, float)
        Smallest and largest value.
    """

    def __init__(self, X, bounds):
        self.X = X
        self.bounds = bounds
        self.shape = X.shape
        self.dtype = X.dtype
        self.chunks = getattr(getattr(X, "source", None), "chunks", None)  # for efficient reads

    def __getitem__(self, chunk):
        return np.clip(self.X[chunk], *self.bounds)

    def take(self, indices):
        """Read rows by their sorted indices."""
        return np.clip(self.X.take(indices), *self.bounds)


def min_and_max(X):
    """Return the smallest and the largest value of X, read in chunks; NaN is ignored."""
    if isinstance(X, SparseRows):
        return X.min_and_max()
    low, high = math.inf, -math.inf
    for chunk in row_chunks(len(X), math.prod(X.shape[1:])):
        values = to_tensor(X[chunk])
        if values.is_floating_point():
            values = values[~values.isnan()]
        if len(values):
            low = min(low, float(values.min()))
            high = max(high, float(values.max()))
    return low, high
