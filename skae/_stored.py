"""Rows that are kept on disk, or behind anything else that gives slices: read piece by piece, checked as they are read."""

import math
import os
from itertools import pairwise

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

__all__ = ["Stored", "plain_dtype", "refuse_names", "slices", "stored"]

STREAMED_BYTES = 2**28
"""What takes no more than this is read at once, and is then an array like any other."""

BLOCK_BYTES = 2**18
"""How much is read in one go at least, so that disks are not asked for single rows."""

MOST_BLOCK_BYTES = 2**24
"""And at the most, also where the chunks of a file are larger."""

STRETCHES = 64
"""From so many places of the data come the rows that stand for all."""


def slices(n, size):
    """Cut ``range(n)`` into slices of `size`: scikit-learn's ``gen_batches`` without checks that take as long as a network."""
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


def plain_dtype(dtype):
    """Give the nearest dtype that torch and arithmetic can take; raise an error for what are no real numbers."""
    if dtype.kind not in "biuf":
        raise ValueError(f"Got X of dtype {dtype}, but expected real numbers.")
    if dtype.kind == "b" or dtype == np.float16:
        return np.dtype(np.float32)
    return np.dtype(np.float64) if dtype.kind == "f" and dtype.itemsize > 8 else dtype


def stored(X):
    """Wrap what is to be streamed, read what is small, and give everything else back.

    Parameters
    ----------
    X : object
        Memory maps and any object with `shape`, `dtype` and slices, such as datasets of h5py and arrays of zarr, are meant.

    Returns
    -------
    X : Stored, ndarray or the same object
        A memory map stays one if it is small: the system reads it as needed.

    Raises
    ------
    TypeError
        For datasets of torch, which have neither shape nor slices, and for names of files.
    """
    refuse_names(X)
    if isinstance(X, np.ndarray):
        return Stored(X) if isinstance(X, np.memmap) and X.nbytes > STREAMED_BYTES and X.ndim > 1 else X
    if isinstance(X, (Stored, torch.Tensor)) or any(hasattr(X, name) for name in ("columns", "toarray", "todense")):
        return X
    # arrays of other libraries, which are in memory, and columns of a table, which have one dimension, go the usual way
    lazy = all(hasattr(X, name) for name in ("shape", "dtype", "__getitem__")) and not hasattr(X, "__array_namespace__")
    if not lazy and isinstance(X, (Dataset, DataLoader)):
        raise TypeError(
            f"Got X as a {type(X).__name__} of torch, but expected an array or what has shape, dtype and slices: "
            "skae.datasets.from_torch(dataset) gives it these."
        )
    if not lazy or len(X.shape) < 2:
        return X
    whole = Stored(X)
    return whole if math.prod(X.shape) * whole.dtype.itemsize > STREAMED_BYTES else np.asarray(X[:])


def refuse_names(X):
    """Tell who gives names of files in place of numbers what reads them."""
    name = X[0] if isinstance(X, (list, tuple)) and X else X
    if isinstance(name, (str, os.PathLike)):
        raise TypeError(
            f"Got {str(name)!r} as X, but expected numbers: skae.datasets.ImageFolder reads folders and files of images, and "
            "np.load with mmap_mode='r' those of arrays."
        )


class Stored:
    """A table that gives slices as arrays.

    Parameters
    ----------
    source : object
        With `shape`, `dtype` and slices along the first dimension.
    shape : tuple of int, default=None
        To see the rows of the source in; None for the shape that they have.
    look : callable, default=None
        ``(rows, number of the first) -> None``, called with every slice that is read, to raise an error.

    Attributes
    ----------
    dtype : numpy.dtype
        Of what is given: that of the source, but for the few that torch doesn't have.
    """

    def __init__(self, source, shape=None, look=None):
        self.source = source
        self.look = look
        self.shape = tuple(source.shape) if shape is None else tuple(shape)
        self.ndim = len(self.shape)
        self.dtype = plain_dtype(np.dtype(source.dtype)).newbyteorder("=")

    def __len__(self):
        return self.shape[0]

    @property
    def row_bytes(self):
        """What a row takes in memory."""
        return max(1, math.prod(self.shape[1:]) * self.dtype.itemsize)

    def reshape(self, *shape):
        """See the same rows in another shape."""
        shape = shape[0] if len(shape) == 1 else shape
        if shape[0] != len(self) or math.prod(shape) != math.prod(self.shape):
            raise ValueError(f"Got the shape {shape}, but expected one of {len(self)} rows like {self.shape}.")
        return Stored(self.source, shape, self.look)

    def __getitem__(self, piece):
        """Read a slice, and look whether it is all there."""
        start, stop, step = piece.indices(len(self))
        if step != 1:
            raise ValueError(f"Got a step of {step}, but expected slices of neighbouring rows.")
        self._look_at_file(start, stop)
        rows = self.source[start:stop]
        if np.ma.is_masked(rows):
            raise ValueError(f"Got masked numbers in rows {start} to {stop - 1} of X, but expected all of them to be there.")
        rows = np.asarray(rows)
        expected = (stop - start, *self.source.shape[1:])
        if len(rows) < stop - start:
            raise ValueError(
                f"Got {len(rows)} rows from X where rows {start} to {stop - 1} were asked for: it has become shorter than "
                f"{len(self)} rows."
            )
        if rows.shape != expected:
            raise ValueError(
                f"Got an array of shape {rows.shape} for rows {start} to {stop - 1} of X, but expected {expected}."
            )
        if not np.can_cast(rows.dtype, self.dtype, "same_kind"):
            raise ValueError(
                f"Got rows {start} to {stop - 1} of X as {rows.dtype}, but expected {self.dtype}: the dtype of X isn't that of "
                "its slices. Wrap it in an object that says which dtype its slices have."
            )
        rows = rows.reshape(len(rows), *self.shape[1:]).astype(self.dtype, copy=False)
        if self.look is not None:
            self.look(rows, start)
        return rows

    def _look_at_file(self, start, stop):
        """Refuse to read a memory map beyond the end of its file, which would end the process."""
        whole = self.source
        while isinstance(getattr(whole, "base", None), np.memmap):
            whole = whole.base
        if not isinstance(whole, np.memmap) or whole.filename is None:
            return
        # of what is mapped, which may have lost its name since
        expected, found = whole.offset + whole.nbytes, whole._mmap.size()
        if found < expected:
            raise ValueError(
                f"Got a memory map of {expected} bytes whose file has become shorter, {found} bytes, while rows {start} to "
                f"{stop - 1} were read: write {os.fspath(whole.filename)} anew."
            )

    @property
    def block(self):
        """Say how many neighbouring rows are read in one go: whole chunks, where the source is in chunks that aren't large."""
        least = max(1, BLOCK_BYTES // self.row_bytes)
        kept = getattr(self.source, "chunks", None)
        chunk = kept[0] if kept and isinstance(kept[0], int) else 1
        most = max(1, MOST_BLOCK_BYTES // self.row_bytes)
        return min(len(self), most, math.ceil(least / chunk) * chunk)

    def some(self, count, generator=None):
        """Choose rows, evenly spread or at random, in stretches: their numbers, rising."""
        length = max(1, min(count // STRETCHES, self.block))
        places = len(self) // length
        number = min(places, math.ceil(count / length))
        if generator is None:
            firsts = torch.linspace(0, places - 1, number).round().long().unique()
        else:
            firsts = torch.randperm(places, generator=generator)[:number].sort().values
        return (firsts[:, None] * length + torch.arange(length)).flatten()[:count]

    def take(self, numbers):
        """Read rows by their rising numbers, a block at a time: with the few between them, or each run of neighbours."""
        numbers = np.asarray(numbers)
        out = np.empty((len(numbers), *self.shape[1:]), self.dtype)
        for start, stop in _runs(numbers // self.block, 0):
            part = numbers[start:stop]
            near = part[-1] - part[0] < 2 * len(part)
            for first, last in [(0, len(part))] if near else _runs(part, 1):
                rows = self[int(part[first]) : int(part[last - 1]) + 1]
                out[start + first : start + last] = rows[part[first:last] - part[first]]
        return out


def _runs(numbers, step):
    """Cut rising numbers where they don't rise by `step`: the first place of each run, and that behind it."""
    edges = [0, *(np.flatnonzero(np.diff(numbers) != step) + 1), len(numbers)]
    return [pair for pair in pairwise(edges) if pair[0] < pair[1]]
