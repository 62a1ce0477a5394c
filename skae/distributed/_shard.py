"""Rows that lie in several processes, each of which has some of them."""

import math
import threading
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

__all__ = ["Shard", "ShardedRows", "own_range", "read_own", "read_slice", "whole_arguments"]

MAX_GATHERED_BYTES = 2**28
"""Up to this many bytes in all shards, each process gets all rows."""

WRAPPED = ("source", "X")
"""Attributes with the rows that other rows are computed from."""

reading = threading.local()
"""Whether this thread reads rows of its own process."""


class Shard:
    """Rows that only this process has, as the X of ``fit``.

    The fit is that of one process on the rows of all shards, in the order of the processes. `y` and
    `sample_weight` belong to the rows of the shard. Other methods, such as ``transform``, take
    arrays.

    Parameters
    ----------
    X : ndarray, torch.Tensor, or object with shape, dtype and slices
        Rows of this process, such as a memory map. The number of rows may differ between processes,
        and may be zero.

    See Also
    --------
    start : Join the processes of ``torchrun``.

    Examples
    --------
    Without other processes a shard contains all rows:

    >>> from sklearn.datasets import load_iris
    >>> from skae import DenseAutoencoder, distributed
    >>> shard = distributed.Shard(load_iris().data)
    >>> DenseAutoencoder(2, random_state=0).fit(shard).n_features_in_
    4
    """

    def __init__(self, X: Any) -> None:
        if isinstance(X, torch.Tensor):
            X = X.detach().cpu()
            if X.dtype == torch.bfloat16:  # which NumPy does not have
                X = X.float()
            X = X.numpy()
        has_slices = all(hasattr(X, name) for name in ("shape", "dtype", "__getitem__"))
        if not has_slices or hasattr(X, "columns") or hasattr(X, "toarray") or len(X.shape) < 2:
            raise TypeError(
                f"Got Shard of {type(X).__name__}, but expected an array of numbers of at least "
                "two dimensions, or an object with shape, dtype and slices. Convert data frames by "
                "to_numpy(), and sparse matrices by toarray()."
            )
        if np.dtype(X.dtype).kind not in "biuf":
            raise TypeError(f"Got Shard of dtype {X.dtype}, but expected real numbers.")
        self.X = X


class ShardedRows:
    """The rows of all shards, which are read by slices.

    All processes read the same slices in the same order. In a block of `own_reads` a process reads
    rows of its own shard, without the others.

    Parameters
    ----------
    X : array-like of shape (n_own, ...)
        Rows of this process.
    group : Group
        All processes.
    sizes : list of int
        Number of rows in each process.
    """

    def __init__(self, X, group, sizes):
        self._X = X
        self.group = group
        self.start = sum(sizes[: group.rank])
        self.stop = self.start + sizes[group.rank]
        self.shape = (sum(sizes), *X.shape[1:])
        self.dtype = np.dtype(X.dtype)

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, chunk):
        """Read a slice of neighboring rows."""
        start, stop, _ = chunk.indices(len(self))
        if getattr(reading, "is_own", False):
            return self._read(start - self.start, stop - self.start)
        rows = np.zeros((stop - start, *self.shape[1:]), self.dtype)
        own_start, own_stop = max(start, self.start), min(stop, self.stop)
        # other processes wait for a check before the sum
        if own_start < own_stop:
            own = self._read(own_start - self.start, own_stop - self.start)
            rows[own_start - start : own_stop - start] = own
        if rows.size:
            # bytes, since zero plus minus zero is another number
            self.group.checked_sum(torch.from_numpy(rows.view(np.uint8).reshape(-1)))
        return rows

    def _read(self, start, stop):
        """Read rows of the shard; masked values are NaN."""
        rows = read_slice(self._X, start, stop)
        if not np.ma.is_masked(rows):
            return np.asarray(rows)
        if self.dtype.kind == "f":
            return rows.filled(np.nan)
        raise ValueError(
            f"Got masked values in a Shard of dtype {self.dtype}, but expected integers without a "
            "mask. Pass floats, in which masked values are NaN, with allow_nan=True."
        )


def read_slice(source, start, stop):
    """Read neighboring rows of a source; NumPy would drop the mask of a masked array of dask."""
    rows = source[start:stop]
    if hasattr(rows, "compute"):
        rows = rows.compute()
    return rows


@contextmanager
def own_reads():
    """Read rows of this process within a block."""
    reading.is_own = True
    try:
        yield
    finally:
        reading.is_own = False


def read_own(X, chunk):
    """Return a slice of rows that lie in this process; see `own_range`."""
    with own_reads():
        return X[chunk]


def own_range(X):
    """Return (start, stop) of the rows of X that lie in this process; None if each has all rows.

    Parameters
    ----------
    X : ndarray, torch.Tensor, ShardedRows or RowSource
        Rows, or rows that are computed from others.
    """
    if isinstance(X, ShardedRows):
        return X.start, X.stop
    if isinstance(X, (np.ndarray, torch.Tensor)):
        return None
    for name in WRAPPED:
        inner = getattr(X, name, None)
        rows = None
        if inner is not None:
            rows = own_range(inner)
        if rows is None:
            continue
        indices = getattr(X, "indices", None)
        if indices is None:
            return rows
        start, stop = torch.searchsorted(indices, torch.tensor(rows)).tolist()
        return start, stop
    return None


def whole_arguments(group, X, y, sample_weight, *, needs_all_rows=False):
    """Return X, y and sample weights of all processes, in the order of the processes.

    Parameters
    ----------
    group : Group or None
        None without other processes.
    X : Shard or object
        Without a shard all arguments are returned as they are.
    y, sample_weight : array-like of shape (n_own, ...) or None
        Of the rows of this process.
    needs_all_rows : bool, default=False
        Whether shards that are too large to be gathered are an error.
    """
    if not isinstance(X, Shard):
        if group is not None:
            _check_all_shards(group, False, None)
        return X, y, sample_weight
    rows = X.X
    if group is None:
        return rows, y, sample_weight
    described = _check_all_shards(group, True, rows)
    sizes = [one["n"] for one in described]
    y = _gather_array(group, y, "y", sizes)
    sample_weight = _gather_array(group, sample_weight, "sample_weight", sizes)
    whole = ShardedRows(rows, group, sizes)
    n_bytes = math.prod(whole.shape) * whole.dtype.itemsize
    if n_bytes <= MAX_GATHERED_BYTES:
        whole = whole[:]
    elif needs_all_rows:
        raise ValueError(
            f"Got shards of {n_bytes:,} bytes, but this estimator needs all rows in each process, "
            f"and up to {MAX_GATHERED_BYTES:,} bytes are copied. Pass the same X in each process, "
            "such as a memory map."
        )
    return whole, y, sample_weight


def _check_all_shards(group, is_shard, rows):
    """Return shape and dtype of all shards, after a check that all processes pass one, or none."""
    own = {"is_shard": is_shard}
    if is_shard:
        own |= {
            "n": rows.shape[0],
            "shape": list(rows.shape[1:]),
            "dtype": np.dtype(rows.dtype).str,
        }
    described = group.gather_values(own)
    kinds = [{key: value for key, value in one.items() if key != "n"} for one in described]
    if any(kind != kinds[0] for kind in kinds):
        raise ValueError(
            "The processes passed shards that differ in shape or dtype, or not all passed a Shard: "
            + "; ".join(f"process {i}: {kind}" for i, kind in enumerate(kinds))
        )
    return described


def _gather_array(group, values, name, sizes):
    """Return an array with the values of all processes, or None if no process has any."""
    kind = None
    if values is not None:
        values = np.asarray(values)
        _check_own_values(values, name, sizes[group.rank])
        kind = [values.dtype.str, list(values.shape[1:])]
    kinds = group.gather_values(kind)
    if all(one is None for one in kinds):
        return None
    if any(one is None for one in kinds):
        raise ValueError(f"Got {name} in some processes only.")
    # an empty list has another dtype and another shape
    kinds = [one for one, size in zip(kinds, sizes, strict=True) if size > 0] or kinds[:1]
    shape = kinds[0][1]
    if any(one[1] != shape for one in kinds):
        raise ValueError(f"Got {name} of different shapes in the processes.")
    values = values.reshape(-1, *shape)
    dtypes = [np.dtype(one[0]) for one in kinds]
    if all(dtype.kind in "biuf" for dtype in dtypes):
        values = values.astype(np.result_type(*dtypes))
        return ShardedRows(values, group, sizes)[:]
    gathered = [cell for cells in group.gather_values(_plain_cells(values)) for cell in cells]
    texts = np.empty(len(gathered), object)
    texts[:] = gathered
    if not any(dtype.kind == "O" for dtype in dtypes):
        texts = texts.astype(str)
    return texts.reshape(-1, *shape)


def _check_own_values(values, name, n_rows):
    """Raise an error unless there is a number or text, or a row of these, for each own row."""
    if values.ndim == 0 or len(values) != n_rows:
        raise ValueError(
            f"Got {name} of shape {values.shape}, but the shard of this process has {n_rows} rows."
        )
    is_plain = values.dtype.kind in "biufU"
    if values.dtype.kind == "O":
        types = (type(None), str, int, float)
        is_plain = all(isinstance(cell, types) for cell in _plain_cells(values))
    if not is_plain:
        raise TypeError(f"Got {name} of dtype {values.dtype}, but expected numbers or texts.")


def _plain_cells(values):
    """Return the values of an array as a flat list, with None for NA of pandas."""
    cells = []
    for cell in values.ravel().tolist():
        if isinstance(cell, np.generic):
            cell = cell.item()
        elif type(cell).__name__ == "NAType":
            cell = None
        cells.append(cell)
    return cells
