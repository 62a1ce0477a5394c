"""Rows that lie in several processes, each of which has some of them."""

import math
import threading
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

__all__ = ["Shard", "ShardedRows", "own_range", "read_own", "whole_arguments"]

MAX_GATHERED_BYTES = 2**28
"""Up to this many bytes in all shards, each process gets all rows."""

WRAPPED = ("source", "X")
"""Attributes with the rows that other rows are computed from."""

reading = threading.local()
"""Whether this thread reads rows of its own process."""


class Shard:
    """Rows that only this process has, as the X of ``fit``.

    The fit is that of one process on the rows of all shards, in the order of the processes. `y` and
    `sample_weight` belong to the rows of the shard.

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
            X = X.detach().cpu().numpy()
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
            return np.asarray(self._X[start - self.start : stop - self.start])
        rows = np.zeros((stop - start, *self.shape[1:]), self.dtype)
        own_start, own_stop = max(start, self.start), min(stop, self.stop)
        # other processes wait for a check before the sum
        if own_start < own_stop:
            own = self._X[own_start - self.start : own_stop - self.start]
            rows[own_start - start : own_stop - start] = np.asarray(own)
        if rows.size:
            # bytes, since zero plus minus zero is another number
            self.group.checked_sum(torch.from_numpy(rows.view(np.uint8).reshape(-1)))
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
        own |= {"n": len(rows), "shape": list(rows.shape[1:]), "dtype": np.dtype(rows.dtype).str}
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
    own = None
    if values is not None:
        own = np.asarray(values)
        if len(own) != sizes[group.rank]:
            raise ValueError(
                f"Got {name} with {len(own)} values, but the shard of this process has "
                f"{sizes[group.rank]} rows."
            )
        if own.dtype.kind not in "biufUOS" or (
            own.dtype.kind == "O"
            and not all(
                one is None or isinstance(one, (str, int, float, bool)) for one in own.ravel()
            )
        ):
            raise TypeError(f"Got {name} of dtype {own.dtype}, but expected numbers or texts.")
        array, content = own, None
        if own.ndim < 2 or own.dtype.kind not in "biuf":
            content = own.tolist()
        own = [own.dtype.str, own.shape[1:], content]
    described = group.gather_values(own)
    if all(one is None for one in described):
        return None
    if any(one is None for one in described):
        raise ValueError(f"Got {name} in some processes only.")
    if any(one[2] is None for one in described):
        if any(one != described[0] for one in described):
            raise ValueError(f"Got {name} of different shapes or dtypes in the processes.")
        return ShardedRows(array, group, sizes)[:]
    return np.concatenate(
        [
            np.array(content, dtype="O" if dtype == "|O" else dtype).reshape(-1, *shape)
            for dtype, shape, content in described
        ]
    )
