"""Lazy arrays, which read their items when they are indexed."""

import copy
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from numbers import Integral
from typing import Any

import numpy as np

__all__ = ["LazyArray"]


class LazyArray(ABC):
    """Array-like sequence of items that are read when they are indexed.

    An int returns one item, and a slice a range of items; both read the items. An array of ints or
    a mask, as in scikit-learn's splits and searches, returns a smaller lazy array and reads
    nothing.

    Parameters
    ----------
    shape : tuple of int
        Number of items, and the shape of one item.
    dtype : numpy.dtype
        Dtype of the items.
    """

    def __init__(self, shape, dtype):
        self.shape = tuple(shape)
        self.dtype = np.dtype(dtype)

    @abstractmethod
    def _read_item(self, index):
        """Read one item, an array of shape ``self.shape[1:]`` and dtype ``self.dtype``."""

    def _subset(self, indices):
        """Return a lazy array of the same class with the items at `indices`, in this order."""
        subset = copy.copy(self)
        subset.shape = (len(indices), *self.shape[1:])
        return subset

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any, /) -> Any:
        if isinstance(index, tuple) and len(index) == 2 and index[1] is Ellipsis:
            index = index[0]  # scikit-learn's indexing is X[indices, ...]
        if isinstance(index, slice):
            return self._read_items(range(*index.indices(len(self))))
        if isinstance(index, Integral) and not isinstance(index, bool):
            return self._read_items(self._resolve_indices(np.array([index])))[0]
        indices = np.asarray(index)
        if indices.size == 0:
            indices = indices.astype(np.intp)
        if indices.dtype == bool and indices.shape == (len(self),):
            indices = np.flatnonzero(indices)
        if indices.ndim != 1 or indices.dtype.kind not in "iu":
            raise IndexError(
                f"Got index {index!r}, but expected an int, a slice, an array of ints, or a mask "
                f"of {len(self)} booleans."
            )
        return self._subset(self._resolve_indices(indices))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError(
                "Got copy=False, but expected True or None: items are read into a new array."
            )
        if dtype is None:
            dtype = self.dtype
        return self[:].astype(dtype, copy=False)

    def _resolve_indices(self, indices):
        """Convert negative indices, and raise an IndexError if one is out of bounds."""
        indices = indices.astype(np.intp)
        is_outside = (indices < -len(self)) | (indices >= len(self))
        if is_outside.any():
            raise IndexError(
                f"Got index {indices[is_outside][0]}, which is out of bounds for {len(self)} items."
            )
        return np.where(indices < 0, indices + len(self), indices)

    def _n_threads(self):
        """Return the number of threads that may read items at the same time."""
        return 1

    def _read_items(self, indices):
        """Read items into one array, by several threads if they are faster."""
        items = np.empty((len(indices), *self.shape[1:]), self.dtype)

        def read(position):
            items[position] = self._read_item(indices[position])

        n_threads = min(self._n_threads(), len(indices))
        if n_threads < 2:
            for position in range(len(indices)):
                read(position)
            return items
        with ThreadPoolExecutor(n_threads, thread_name_prefix="skae-items") as pool:
            list(pool.map(read, range(len(indices))))  # raises the first error of a thread
        return items
