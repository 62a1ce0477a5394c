"""Streamed rows: data on disk, or in any object with slices, that is read in blocks."""

import math
import mmap
import os
from itertools import pairwise

import numpy as np
import torch
from scipy.sparse import issparse

from skae._input.array_api import as_known_array
from skae._input.array_likes import as_plain, check_not_file_names
from skae._input.cells import check_no_units, fill_mask
from skae._input.dtypes import supported_dtype
from skae._input.rows import RowSource
from skae._input.sparse_rows import SparseRows
from skae.distributed._shard import read_slice

__all__ = [
    "StreamedRows",
    "check_not_file_names",
    "dense_or_streamed",
    "stream_if_large",
]

STREAMED_BYTES = 2**28
"""Data of at most this many bytes is read into memory at once."""

BLOCK_BYTES = 2**18
"""Smallest read in bytes, so that disks do not read single rows."""

MAX_BLOCK_BYTES = 2**24
"""Largest read in bytes, also where the chunks of a file are larger."""

IN_MEMORY_ATTRIBUTES = ("columns", "toarray", "todense", "__array_namespace__")
"""Attributes of data frames, of sparse matrices, and of arrays of the array API."""

MAX_SAMPLE_RUNS = 64
"""Number of runs of neighboring rows that a sample of all rows consists of."""


def stream_if_large(X, name="X"):
    """Wrap large data as `StreamedRows` if it is not in memory; convert other data to an array.

    Parameters
    ----------
    X : object
        Any input. Memory maps and objects with `shape`, `dtype` and slices, such as datasets of
        h5py and arrays of zarr, are streamed. Other array-likes are converted by `as_plain`.
    name : str, default="X"
        Name of X in messages.

    Returns
    -------
    X : StreamedRows, ndarray, torch.Tensor or the same object
        Arrays of real numbers, plain tensors, tables and sparse matrices are returned unchanged. A
        small memory map is, too: the operating system reads it as needed.

    Raises
    ------
    TypeError
        For datasets of torch, which have neither shape nor slices, for generators, and for file
        names.
    ValueError
        If X has units, text, dates or complex numbers, or images of different shapes.
    """
    X = as_known_array(X)
    if not _is_lazy(X):
        if isinstance(X, StreamedRows):
            return X
        return as_plain(X, name)
    _check_no_units_of_source(X, name)
    streamed = StreamedRows(X)
    if math.prod(X.shape) * streamed.dtype.itemsize > STREAMED_BYTES:
        return streamed
    if isinstance(X, np.memmap):
        return X
    return as_plain(np.asanyarray(read_slice(X, 0, X.shape[0])), name)


def dense_or_streamed(X, name="X"):
    """Convert X as `stream_if_large` does, and a sparse matrix to an array.

    A sparse matrix of more than `STREAMED_BYTES` as an array becomes dense in chunks, when they are
    read.
    """
    X = stream_if_large(X, name)
    if not issparse(X):
        return X
    rows = SparseRows.from_csr(X.tocsr(), supported_dtype(X.dtype))
    if math.prod(rows.shape) * rows.dtype.itemsize > STREAMED_BYTES:
        return StreamedRows(rows)
    return rows[:]


def _is_lazy(X):
    """Return whether X has at least two dimensions, and is read from elsewhere by slices."""
    if isinstance(X, np.memmap):
        return X.ndim > 1
    if isinstance(X, (np.ndarray, torch.Tensor, StreamedRows)):
        return False
    in_memory = any(hasattr(X, name) for name in IN_MEMORY_ATTRIBUTES)
    has_slices = all(hasattr(X, name) for name in ("shape", "dtype", "__getitem__"))
    return not in_memory and has_slices and len(X.shape) > 1


def _check_no_units_of_source(X, name):
    """Raise an error if a source has units, except for labels of variables of netCDF and xarray."""
    if not isinstance(getattr(X, "units", None), str):
        check_no_units(X, name)


class StreamedRows(RowSource):
    """Rows of a source on disk or elsewhere, which are read in slices.

    Parameters
    ----------
    source : object
        Object with `shape`, `dtype` and slices along the first dimension.
    shape : tuple of int, default=None
        Shape of the rows, ``(n_samples, ...)``. None uses the shape of the source.
    check : callable, default=None
        Function ``(rows, *, first) -> None`` that raises an error for invalid rows. It is called
        with every slice that is read and the index of its first row.

    Attributes
    ----------
    dtype : numpy.dtype
        Dtype of the rows: that of the source, or the nearest one that torch supports.
    """

    def __init__(self, source, shape=None, check=None):
        self.source = source
        self.check = check
        if shape is None:
            shape = source.shape
        self.shape = tuple(shape)
        self.ndim = len(self.shape)
        self.dtype = supported_dtype(np.dtype(source.dtype))

    @property
    def row_bytes(self):
        """Bytes of a row in memory."""
        return max(1, math.prod(self.shape[1:]) * self.dtype.itemsize)

    @property
    def block_size(self):
        """Rows per read: a multiple of the source's chunks, unless these are large."""
        min_rows = max(1, BLOCK_BYTES // self.row_bytes)
        max_rows = max(1, MAX_BLOCK_BYTES // self.row_bytes)
        chunks = getattr(self.source, "chunks", None)
        chunk = 1
        if chunks and isinstance(chunks[0], int):
            chunk = chunks[0]
        return min(len(self), max_rows, math.ceil(min_rows / chunk) * chunk)

    def check_on_read(self, check):
        """Set the function ``(rows, *, first) -> None`` that checks every slice that is read."""
        self.check = check

    def reshape(self, *shape):
        """Return the same rows in another shape, with as many values in each row."""
        return StreamedRows(self.source, shape, self.check)

    def __getitem__(self, chunk):
        """Read a slice of neighboring rows, and check it."""
        start, stop, step = chunk.indices(len(self))
        if step != 1:
            raise ValueError(f"Got a slice with step {step}, but expected a step of 1.")
        self._check_file_size(start, stop)
        rows = read_slice(self.source, start, stop)
        if np.ma.is_masked(rows):
            rows = self._fill_mask(rows, start)
        rows = np.asarray(rows)
        self._check_slice(rows, start, stop)
        rows = rows.reshape(len(rows), *self.shape[1:]).astype(self.dtype, copy=False)
        if self.check is not None:
            self.check(rows, first=start)
        return rows

    def _fill_mask(self, rows, start):
        """Return masked rows with NaN, which integers do not have."""
        if self.dtype.kind == "f":
            return fill_mask(rows)
        raise ValueError(
            f"Got masked values in rows {start} to {start + len(rows) - 1} of X of dtype "
            f"{self.dtype}, but expected integers without a mask. Pass X as float32 or float64, in "
            "which masked values are NaN, with allow_nan=True."
        )

    def _check_slice(self, rows, start, stop):
        """Check rows, shape and dtype of a slice against those of the source."""
        if len(rows) < stop - start:
            raise ValueError(
                f"Got {len(rows)} rows for rows {start} to {stop - 1} of X: X has become shorter "
                f"than {len(self)} rows since it was passed. Leave X unchanged while it is read."
            )
        expected = (stop - start, *self.source.shape[1:])
        if rows.shape != expected:
            raise ValueError(
                f"Got an array of shape {rows.shape} for rows {start} to {stop - 1} of X, but "
                f"expected {expected} according to X.shape."
            )
        if not np.can_cast(rows.dtype, self.dtype, "same_kind"):
            raise ValueError(
                f"Got rows {start} to {stop - 1} of X as {rows.dtype}, but expected {self.dtype} "
                "according to X.dtype. Wrap X in an object with the dtype of its slices."
            )

    def _check_file_size(self, start, stop):
        """Raise an error for a truncated memory map, since reading it would end the process."""
        if not isinstance(self.source, np.ndarray):
            return
        base = self.source
        while base is not None and not isinstance(base, np.memmap):
            base = getattr(base, "base", None)
        if base is None or base.filename is None:
            return
        # a view reads a part of the map, and the samples of a sliding window overlap
        steps = [
            (n - 1) * stride
            for n, stride in zip(self.source.shape, self.source.strides, strict=True)
        ]
        end = self.source.ctypes.data + sum(step for step in steps if step > 0)
        start_of_map = np.frombuffer(base._mmap, np.uint8).ctypes.data
        first_byte = base.offset - base.offset % mmap.ALLOCATIONGRANULARITY
        expected = first_byte + end + self.source.itemsize - start_of_map
        size = base._mmap.size()  # of the mapped file, which may have been renamed since
        if size < expected:
            raise ValueError(
                f"Got a memory map of {expected} bytes, but its file has become shorter, {size} "
                f"bytes, while rows {start} to {stop - 1} were read. Write "
                f"{os.fspath(base.filename)} again."
            )

    def sample(self, n, generator=None):
        """Return sorted indices of about `n` rows: random or evenly spaced runs of neighbors."""
        n = min(n, len(self))
        length = max(1, min(n // MAX_SAMPLE_RUNS, self.block_size))
        n_places = len(self) // length
        n_runs = min(n_places, math.ceil(n / length))
        if generator is None:
            places = torch.linspace(0, n_places - 1, n_runs).round().long().unique()
        else:
            places = torch.randperm(n_places, generator=generator)[:n_runs].sort().values
        return (places[:, None] * length + torch.arange(length)).flatten()[:n]

    def take(self, indices):
        """Read rows by their sorted indices, block by block.

        Where most rows of a block are wanted, the rows between them are read as well; elsewhere
        each run of neighbors is read by itself.
        """
        indices = indices.numpy()
        out = np.empty((len(indices), *self.shape[1:]), self.dtype)
        for start, stop in _runs(indices // self.block_size, 0):
            within = indices[start:stop]
            reads = [(0, len(within))]
            if within[-1] - within[0] >= 2 * len(within):
                reads = _runs(within, 1)
            for first, last in reads:
                rows = self[int(within[first]) : int(within[last - 1]) + 1]
                out[start + first : start + last] = rows[within[first:last] - within[first]]
        return out


def _runs(numbers, step):
    """Split numbers where their difference is not `step`; return (start, stop) of each run."""
    edges = [0, *(np.flatnonzero(np.diff(numbers) != step) + 1), len(numbers)]
    return [(start, stop) for start, stop in pairwise(edges) if start < stop]
