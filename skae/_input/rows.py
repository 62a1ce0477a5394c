"""Row sources: rows that are read in slices, subsets of rows, and chunks."""

from typing import Any, Protocol

import numpy as np
import torch

__all__ = [
    "CHUNK_BYTES",
    "RowSource",
    "RowSubset",
    "chunk_slices",
    "pad_rows",
    "row_chunks",
    "row_subset",
    "sample_indices",
    "subset_rows",
    "take_rows",
]

CHUNK_BYTES = 2**23
"""Bytes of a chunk as float32.

Smaller chunks synchronize threads more often, and larger ones exceed the CPU caches.
"""

CHUNK_MULTIPLE = 8
"""Number that divides the rows of every chunk but the last, so that chunks use equal kernels."""


class RowSource(Protocol):
    """Rows that are read in slices, wherever they are: on disk, a subset of other rows, or imputed.

    Arrays and tensors in memory need no such class: `take_rows` and `sample_indices` accept both.

    Attributes
    ----------
    shape : tuple of int
        Shape ``(n_samples, ...)``.
    dtype : numpy.dtype or torch.dtype
        Dtype of the rows.
    """

    shape: tuple[int, ...]
    dtype: Any

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, chunk):
        """Read a slice of neighboring rows."""
        ...

    def take(self, indices):
        """Read rows by their sorted indices, a tensor."""
        ...

    def subset(self, indices):
        """Return a subset of the rows by sorted indices, a tensor."""
        return RowSubset(self, indices)

    def sample(self, n, generator=None):
        """Return sorted indices of about `n` rows: random, or evenly spaced without a generator."""
        return _uniform_indices(len(self), n, generator)


class RowSubset(RowSource):
    """A subset of the rows of X, which are read slice by slice.

    Parameters
    ----------
    X : ndarray, torch.Tensor or RowSource of shape (n_samples, ...)
        All rows.
    indices : torch.Tensor
        Sorted indices of the rows in the subset.
    """

    def __init__(self, X, indices):
        self.X = X
        self.indices = indices
        if isinstance(X, RowSubset):
            self.X = X.X
            self.indices = X.indices[indices]
        self.shape = (len(indices), *X.shape[1:])
        self.dtype = X.dtype

    def __getitem__(self, chunk):
        return take_rows(self.X, self.indices[chunk])

    def take(self, indices):
        """Read rows by their sorted indices within the subset."""
        return take_rows(self.X, self.indices[indices])


def take_rows(X, indices):
    """Return the rows of X at sorted `indices`, a tensor, as the same kind of array."""
    if isinstance(X, torch.Tensor):
        return X.index_select(0, indices.to(X.device))
    if isinstance(X, np.ndarray):
        return np.take(X, indices.numpy(), axis=0)
    return X.take(indices)


def sample_indices(X, n, generator=None):
    """Sample about `n` rows that represent all rows of X.

    Parameters
    ----------
    X : ndarray, torch.Tensor or RowSource of shape (n_samples, ...)
        All rows. Streamed rows are sampled in runs of neighbors, which need fewer reads.
    n : int
        Approximate number of rows.
    generator : torch.Generator, default=None
        Random number generator. None returns evenly spaced rows.

    Returns
    -------
    indices : torch.Tensor
        Sorted row indices.
    """
    if isinstance(X, (np.ndarray, torch.Tensor)):
        return _uniform_indices(len(X), n, generator)
    return X.sample(n, generator)


def _uniform_indices(n_samples, n, generator):
    """Return sorted indices below `n_samples`: `n` random ones, or about `n` evenly spaced ones."""
    if generator is None:
        return torch.arange(0, n_samples, max(1, n_samples // n))
    return torch.randperm(n_samples, generator=generator)[:n].sort().values


def subset_rows(X, weights, indices):
    """Return a subset of rows and weights by sorted indices; no row is copied before it is read."""
    if len(indices) == len(X):
        return X, weights
    if weights is not None:
        weights = weights[indices.numpy()]
    return row_subset(X, indices), weights


def row_subset(X, indices):
    """Return a subset of rows by sorted indices; dense rows are not copied before they are read."""
    if isinstance(X, (np.ndarray, torch.Tensor)):
        return RowSubset(X, indices)
    return X.subset(indices)


def row_chunks(n_samples, width):
    """Split ``range(n_samples)`` into slices of about `CHUNK_BYTES` of `width` float32 values."""
    n_rows = CHUNK_BYTES // (4 * max(1, width)) // CHUNK_MULTIPLE * CHUNK_MULTIPLE
    return chunk_slices(n_samples, max(CHUNK_MULTIPLE, n_rows))


def chunk_slices(n, size):
    """Split ``range(n)`` into slices of `size`.

    scikit-learn's ``gen_batches`` does the same, but its checks take as long as a small network.
    """
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


def pad_rows(rows):
    """Pad rows with zeros to a multiple of 8 rows.

    Convolutions of fewer images run through other kernels, which round differently.
    """
    n_missing = -len(rows) % CHUNK_MULTIPLE
    if n_missing == 0:
        return rows
    return torch.cat([rows, rows.new_zeros(n_missing, *rows.shape[1:])])
