"""Items that are read one by one, seen as an array."""

from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from numbers import Integral
from typing import Any

import numpy as np

__all__ = ["Items"]


class Items(ABC):
    """Something that gives items by their numbers, as an array whose first dimension counts them.

    A number gives an item, and a slice those of a range; both read. Several numbers, or a mask, as scikit-learn's splits and
    searches use them, give a selection that has read nothing yet.

    Parameters
    ----------
    shape : tuple of int
        How many items there are, and the shape of each.
    dtype : numpy.dtype
        Of each.
    """

    def __init__(self, shape, dtype):
        self.shape = tuple(shape)
        self.dtype = np.dtype(dtype)

    @abstractmethod
    def _item(self, number):
        """Read one item: an array of the shape and dtype announced."""

    @abstractmethod
    def _chosen(self, numbers):
        """Give the same kind of object with some of the items, in the order of `numbers`."""

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return len(self.shape)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: Any, /) -> Any:
        if isinstance(index, tuple) and len(index) == 2 and index[1] is Ellipsis:
            index = index[0]  # scikit-learn writes X[numbers, ...]
        if isinstance(index, slice):
            return self._read(range(*index.indices(len(self))))
        if isinstance(index, Integral) and not isinstance(index, bool):
            return self._read(self._places(np.array([index])))[0]
        numbers = np.asarray(index)
        if numbers.size == 0:
            numbers = numbers.astype(np.intp)
        if numbers.dtype == bool and numbers.shape == (len(self),):
            numbers = np.flatnonzero(numbers)
        if numbers.ndim != 1 or numbers.dtype.kind not in "iu":
            raise IndexError(
                f"Got the index {index!r}, but expected a number, a slice, several numbers, or a mask of {len(self)} booleans."
            )
        return self._chosen(self._places(numbers))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("Got copy=False, but expected True or None: items are read into a new array.")
        return self[:].astype(self.dtype if dtype is None else dtype, copy=False)

    def _places(self, numbers):
        """Count negative numbers from the end, and refuse those that are too large."""
        numbers = numbers.astype(np.intp)
        wrong = (numbers < -len(self)) | (numbers >= len(self))
        if wrong.any():
            raise IndexError(f"Got the index {numbers[wrong][0]}, but expected one below {len(self)}: so many there are.")
        return np.where(numbers < 0, numbers + len(self), numbers)

    def _threads(self):
        """Say how many threads may read items at the same time."""
        return 1

    def _read(self, numbers):
        """Read items into one array."""
        out = np.empty((len(numbers), *self.shape[1:]), self.dtype)

        def fill(places):
            for place in places:
                out[place] = self._item(numbers[place])

        places, threads = range(len(numbers)), min(self._threads(), len(numbers))
        if threads < 2:
            fill(places)
            return out
        with ThreadPoolExecutor(threads, thread_name_prefix="skae-items") as pool:
            for done in [pool.submit(fill, places[i::threads]) for i in range(threads)]:
                done.result()
        return out
