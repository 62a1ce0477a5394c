"""Streamed rows: data on disk, or behind any object with slices, that is read in blocks."""

import math
import os
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from skae._input.dtypes import supported_dtype
from skae._input.rows import RowSource, chunk_slices

__all__ = [
    "StreamedBatches",
    "StreamedRows",
    "check_not_file_names",
    "stream_if_large",
]

BUFFER_BYTES = 2**26
"""Bytes of streamed rows that are shuffled together; two buffers are in memory at a time."""

STREAMED_BYTES = 2**28
"""Data of at most this many bytes is read into memory at once."""

BLOCK_BYTES = 2**18
"""Smallest read in bytes, so that disks do not read single rows."""

MAX_BLOCK_BYTES = 2**24
"""Largest read in bytes, also where the chunks of a file are larger."""

MAX_SAMPLE_RUNS = 64
"""Number of runs of neighboring rows that a sample of all rows consists of."""


class StreamedBatches:
    """Shuffled batches of streamed rows, as skorch's ``iterator_train``.

    Each epoch reads blocks of neighboring rows in random order into a buffer and shuffles the
    buffer, while a thread reads the next one. Every row is read once. Two buffers are in memory.

    Parameters
    ----------
    dataset : RowDataset
        Dataset of `StreamedRows`.
    batch_size : int
        Rows per batch. A last batch of one row is dropped.
    shuffle : bool, default=True
        Ignored: batches are always shuffled.
    generator : torch.Generator, default=None
        Random number generator for the order.
    left_out : torch.Tensor, default=None
        Indices of rows to exclude, such as the validation set. Rows of zero weight are excluded
        as well.
    """

    def __init__(self, dataset, batch_size, shuffle=True, generator=None, left_out=None):
        self.rows = dataset
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.generator = generator
        if dataset.weights is None:
            self.included = np.ones(len(dataset), bool)
        else:
            self.included = dataset.weights.numpy() > 0
        if left_out is not None:
            self.included[left_out.numpy()] = False
        self.n_samples = int(self.included.sum())

    def __len__(self):
        n_full, n_rest = divmod(self.n_samples, self.batch_size)
        return max(1, n_full + (n_rest > 1))

    def __iter__(self):
        rows, indices = None, None
        n_batches = 0
        for chunk, chunk_indices in self._shuffled_chunks():
            if rows is None:
                rows, indices = chunk, chunk_indices
            else:
                rows = np.concatenate([rows, chunk])
                indices = np.concatenate([indices, chunk_indices])
            if len(rows) >= self.batch_size:
                yield self.rows.batch(rows[: self.batch_size], indices[: self.batch_size])
                rows = rows[self.batch_size :]
                indices = indices[self.batch_size :]
                n_batches += 1
        if n_batches < len(self):
            yield self.rows.batch(rows, indices)

    def _shuffled_chunks(self):
        """Yield rows and their indices in random order, at most a batch at a time."""
        buffers = self._shuffled_buffers()
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="skae-read") as reader:
            pending = reader.submit(self._read, buffers[0])
            for next_buffer in [*buffers[1:], None]:
                rows, indices = pending.result()
                if next_buffer is not None:
                    pending = reader.submit(self._read, next_buffer)
                order = torch.randperm(len(rows), generator=self.generator).numpy()
                for chunk in chunk_slices(len(rows), self.batch_size):
                    yield np.take(rows, order[chunk], axis=0), indices[order[chunk]]

    def _shuffled_buffers(self):
        """Return one list of slices for each buffer: blocks of neighboring rows in random order."""
        source = self.rows.X
        size = source.block_size
        order = torch.randperm(math.ceil(len(source) / size), generator=self.generator).tolist()
        blocks = [slice(i * size, min(len(source), (i + 1) * size)) for i in order]
        blocks_per_buffer = max(1, BUFFER_BYTES // (size * source.row_bytes))
        return [blocks[chunk] for chunk in chunk_slices(len(blocks), blocks_per_buffer)]

    def _read(self, blocks):
        """Read the included rows of blocks into one array; return rows and row indices."""
        source = self.rows.X
        included = [np.flatnonzero(self.included[block]) for block in blocks]
        rows = np.empty((sum(map(len, included)), *source.shape[1:]), source.dtype)
        indices = np.empty(len(rows), np.int64)
        start = 0
        for block, within in zip(blocks, included, strict=True):
            stop = start + len(within)
            np.take(source[block], within, axis=0, out=rows[start:stop])
            indices[start:stop] = block.start + within
            start = stop
        return rows, indices


def stream_if_large(X):
    """Wrap large data that is not in memory as `StreamedRows`, and read small data into memory.

    Parameters
    ----------
    X : object
        Any input. Memory maps and objects with `shape`, `dtype` and slices, such as datasets of
        h5py and arrays of zarr, are streamed.

    Returns
    -------
    X : StreamedRows, ndarray or the same object
        A small memory map is returned unchanged: the operating system reads it as needed.

    Raises
    ------
    TypeError
        For datasets of torch, which have neither shape nor slices, and for file names.
    """
    check_not_file_names(X)
    if isinstance(X, np.memmap):
        if X.nbytes > STREAMED_BYTES and X.ndim > 1:
            return StreamedRows(X)
        return X
    if isinstance(X, (np.ndarray, StreamedRows, torch.Tensor)) or _is_table_or_sparse(X):
        return X
    if not _has_slices(X):
        _check_not_torch_dataset(X)
        return X
    if len(X.shape) < 2:  # such as a column of a table
        return X
    streamed = StreamedRows(X)
    if math.prod(X.shape) * streamed.dtype.itemsize > STREAMED_BYTES:
        return streamed
    return np.asarray(X[:])


def _is_table_or_sparse(X):
    """Return whether X is a data frame or a sparse matrix."""
    return any(hasattr(X, name) for name in ("columns", "toarray", "todense"))


def _has_slices(X):
    """Return whether X has shape, dtype and slices, and is not an array of the array API."""
    has_all = all(hasattr(X, name) for name in ("shape", "dtype", "__getitem__"))
    return has_all and not hasattr(X, "__array_namespace__")


def _check_not_torch_dataset(X):
    """Raise an error for a dataset of torch, which skae.datasets.from_torch wraps."""
    if isinstance(X, (Dataset, DataLoader)):
        raise TypeError(
            f"Got X as a torch {type(X).__name__}, but expected an array, or an object with shape, "
            "dtype and slices. Wrap a dataset with skae.datasets.from_torch(dataset)."
        )


def check_not_file_names(X):
    """Raise an error for file names in place of numbers, with the functions that read files."""
    name = X
    if isinstance(X, (list, tuple)) and X:
        name = X[0]
    if isinstance(name, (str, os.PathLike)):
        raise TypeError(
            f"Got {str(name)!r} as X, but expected numbers. Read a folder of images with "
            "skae.datasets.ImageFolder, and a .npy file with np.load(path, mmap_mode='r')."
        )


class StreamedRows(RowSource):
    """Rows of a source on disk or elsewhere, which are read in slices.

    Parameters
    ----------
    source : object
        Object with `shape`, `dtype` and slices along the first dimension.
    shape : tuple of int, default=None
        Shape of the rows, ``(n_samples, ...)``. None uses the shape of the source.
    check : callable, default=None
        Function ``(rows, first) -> None`` that raises an error for invalid rows. It is called with
        every slice that is read and the index of its first row.

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
        self.dtype = supported_dtype(np.dtype(source.dtype)).newbyteorder("=")

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
        """Set the function ``(rows, first) -> None`` that checks every slice that is read."""
        self.check = check

    def reshape(self, *shape):
        """Return the same rows in another shape, given as integers or as one tuple."""
        if len(shape) == 1:
            shape = shape[0]
        if shape[0] != len(self) or math.prod(shape) != math.prod(self.shape):
            raise ValueError(
                f"Got the shape {shape}, but expected {len(self)} rows with as many values as in "
                f"{self.shape}."
            )
        return StreamedRows(self.source, shape, self.check)

    def __getitem__(self, chunk):
        """Read a slice of neighboring rows, and check it."""
        start, stop, step = chunk.indices(len(self))
        if step != 1:
            raise ValueError(f"Got a slice with step {step}, but expected a step of 1.")
        self._check_file_size(start, stop)
        rows = self.source[start:stop]
        if np.ma.is_masked(rows):
            raise ValueError(
                f"Got masked values in rows {start} to {stop - 1} of X, but expected an array "
                "without a mask. Fill them first, for example with NaN and allow_nan=True."
            )
        rows = np.asarray(rows)
        self._check_slice(rows, start, stop)
        rows = rows.reshape(len(rows), *self.shape[1:]).astype(self.dtype, copy=False)
        if self.check is not None:
            self.check(rows, start)
        return rows

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
        base = self.source
        while isinstance(getattr(base, "base", None), np.memmap):
            base = base.base
        if not isinstance(base, np.memmap) or base.filename is None:
            return
        expected = base.offset + base.nbytes
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
        indices = np.asarray(indices)
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
