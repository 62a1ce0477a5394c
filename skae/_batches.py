"""Rows become tensor batches: pieces in order for looking at all of X, shuffled ones for training."""

import math
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import Dataset, Subset

from skae._stored import Stored, slices
from skae.networks.blocks import conditional_means

__all__ = [
    "Batch",
    "Batches",
    "Filled",
    "Rows",
    "Selected",
    "StoredBatches",
    "choose",
    "chunks",
    "padded",
    "select",
    "to_tensor",
]

CHUNK_BYTES = 2**23
"""About how much a piece takes as float32. With less, threads wait for each other more often; more leaves the caches."""

BUFFER_BYTES = 2**26
"""How much of what is streamed is shuffled together; two buffers are held at a time."""

MULTIPLE = 8
"""Pieces have a multiple of so many rows."""


def to_tensor(rows, device="cpu"):
    """Give rows to torch in their own dtype.

    Parameters
    ----------
    rows : ndarray or torch.Tensor
        Real numbers. A read-only or reversed array is copied, since torch has no such tensors.
    device : str or torch.device, default="cpu"
        Where narrow numbers go. Integers of 64 bits and float64 stay where they are: they are centred first, in their own
        precision, and travel as float32.

    Returns
    -------
    rows : torch.Tensor
        uint8, int8, int16, float32, or the wide int64 and float64.
    """
    if not isinstance(rows, torch.Tensor):
        rows = np.asarray(rows)
        if not rows.dtype.isnative:
            rows = rows.astype(rows.dtype.newbyteorder("="))
        if rows.dtype.kind in "iu" and rows.dtype not in (np.uint8, np.int8, np.int16, np.int64):
            rows = rows.astype(np.float64 if rows.dtype == np.uint64 and rows.max(initial=0) >= 2**62 else np.int64)
        if rows.dtype == np.int64 and max(rows.max(initial=0), -1 - rows.min(initial=0)) >= 2**62:
            rows = rows.astype(np.float64)  # the difference of two such integers might not fit into one
        ready = rows.flags.writeable and min(rows.strides, default=0) >= 0
        rows = torch.from_numpy(rows if ready else rows.copy())
    elif rows.dtype not in (torch.uint8, torch.int8, torch.int16, torch.float32, torch.float64, torch.int64):
        rows = rows.to(torch.int64 if not rows.is_floating_point() else torch.float32)
    return rows if rows.dtype in (torch.float64, torch.int64) else rows.to(device)


def chunks(n_samples, width):
    """Cut ``range(n_samples)`` into slices of about `CHUNK_BYTES` for rows of `width` float32 numbers."""
    size = max(MULTIPLE, CHUNK_BYTES // (4 * max(1, width)) // MULTIPLE * MULTIPLE)
    return slices(n_samples, size)


def padded(rows):
    """Fill up with rows of zeros to a multiple of 8.

    Convolutions of one image, or of a few, run through other kernels than those of many.
    """
    missing = -len(rows) % MULTIPLE
    return torch.cat([rows, rows.new_zeros(missing, *rows.shape[1:])]) if missing else rows


def choose(X, count, generator=None):
    """Choose rows that stand for all: at random, or evenly spread without a generator.

    Parameters
    ----------
    X : ndarray, torch.Tensor or Stored of shape (n_samples, ...)
        Of what is stored, short stretches are chosen, which take fewer readings.
    count : int
        About how many.
    generator : torch.Generator, default=None
        Where the choice comes from.

    Returns
    -------
    numbers : torch.Tensor
        Of the rows, rising.
    """
    n = len(X)
    if isinstance(X, Stored):
        return X.some(min(count, n), generator)
    if generator is None:
        return torch.arange(0, n, max(1, n // count))
    return torch.randperm(n, generator=generator)[:count].sort().values


def select(X, numbers):
    """Give the rows of rising `numbers`, a tensor, in the kind of array that X is."""
    if isinstance(X, torch.Tensor):
        return X.index_select(0, numbers.to(X.device))
    if isinstance(X, Selected):
        return select(X.X, X.numbers[numbers])
    return X.take(numbers.numpy()) if isinstance(X, (Stored, Filled)) else np.take(X, numbers.numpy(), axis=0)


class Selected:
    """Some of the rows of X, which are taken from it slice by slice.

    Parameters
    ----------
    X : ndarray, torch.Tensor, Stored or Selected of shape (n_samples, ...)
        All rows.
    numbers : torch.Tensor
        Rising, those of the rows wanted.
    """

    def __init__(self, X, numbers):
        self.X, self.numbers = (X.X, X.numbers[numbers]) if isinstance(X, Selected) else (X, numbers)
        self.shape, self.dtype = (len(numbers), *X.shape[1:]), X.dtype

    def __len__(self):
        return len(self.numbers)

    def __getitem__(self, piece):
        return select(self.X, self.numbers[piece])


class Filled:
    """Rows whose gaps are filled slice by slice: with the means of their columns, or with what `normal` expects of each row.

    Parameters
    ----------
    X : ndarray, torch.Tensor, Stored or Selected of shape (n_samples, n_features)
        Rows in which NaN marks what is missing.

    Attributes
    ----------
    normal : tuple of torch.Tensor or None
        Mean and precision of a normal distribution, float64.

    Raises
    ------
    ValueError
        If a column has nothing but gaps.
    """

    def __init__(self, X):
        self.X, self.shape, self.dtype = X, X.shape, X.dtype
        counts, total = torch.zeros(2, X.shape[1], dtype=torch.float64)
        for piece in chunks(*X.shape):
            rows = to_tensor(X[piece]).cpu().double()
            counts += (~rows.isnan()).sum(0)
            total += rows.nansum(0)
        if not counts.all():
            column = int((counts == 0).nonzero()[0])
            raise ValueError(f"Got nothing but NaN in column {column} of X, but expected some numbers in every column.")
        self.means = (total / counts).to(to_tensor(X[:1]).dtype)
        self.normal = None

    def __len__(self):
        return len(self.X)

    def __getitem__(self, piece):
        return self._filled(self.X[piece])

    def take(self, numbers):
        """Give rows by their rising numbers."""
        return self._filled(select(self.X, torch.as_tensor(numbers)))

    def _filled(self, rows):
        rows = to_tensor(rows)
        means = self.means.to(rows.device)
        if self.normal is not None:
            mean, precision = self.normal
            means = (mean + conditional_means(rows.cpu().double() - mean, precision)).to(rows)
        return torch.where(rows.isnan(), means, rows)


class Batch(NamedTuple):
    """Some rows, and what belongs to them.

    Attributes
    ----------
    X : torch.Tensor of shape (b, ...)
        Rows.
    weights : torch.Tensor of shape (b,) or None
        None counts all rows the same.
    targets : torch.Tensor of shape (b, n_outputs) or None
        What a head on the codes is to guess; NaN where nothing is known.
    """

    X: torch.Tensor
    weights: torch.Tensor | None = None
    targets: torch.Tensor | None = None

    def part(self, piece):
        """Give a slice of it."""
        return Batch(*(None if one is None else one[piece] for one in self))


class Rows(Dataset):
    """The rows of a fit, their weights and their targets.

    Parameters
    ----------
    X : ndarray, torch.Tensor or Stored of shape (n_samples, ...)
        Kept as they are: uint8 stays uint8. What is stored gives slices only.
    weights : ndarray of shape (n_samples,), default=None
        None counts all rows the same.
    device : torch.device, default="cpu"
        Where a batch is wanted.
    targets : torch.Tensor of shape (n_samples, n_outputs), default=None
        None where nothing is to be guessed.
    """

    def __init__(self, X, weights=None, device="cpu", targets=None):
        self.X = X
        beside = X.device if isinstance(X, torch.Tensor) else "cpu"  # so that no batch waits for another device
        self.weights = None if weights is None else torch.as_tensor(weights, dtype=torch.float32, device=beside)
        self.targets = None if targets is None else targets.to(beside)
        self.device = torch.device(device)

    def __len__(self):
        return len(self.X)

    def __getitem__(self, index):
        """Give the batch of `index`, a slice or a tensor of row numbers."""
        if isinstance(self.X, torch.Tensor):
            rows = self.X[index] if isinstance(index, slice) else self.X.index_select(0, index)
        else:
            rows = self.X[index] if isinstance(index, slice) else np.take(self.X, index.numpy(), axis=0)
        return self.batch(rows, index)

    def batch(self, rows, index):
        """Put rows that are there together with what belongs to them."""
        index = index if isinstance(index, slice) else torch.as_tensor(index)
        more = (None if one is None else one[index].to(self.device) for one in (self.weights, self.targets))
        return Batch(to_tensor(rows, self.device), *more)


class Batches:
    """Shuffled batches of tensors, as skorch's ``iterator_train``.

    In place of a DataLoader, which would take every row by itself. A last batch of one row is joined to the one before it.

    Parameters
    ----------
    dataset : Rows or torch.utils.data.Subset of Rows
        What to cut up.
    batch_size : int
        Rows per batch.
    shuffle : bool, default=False
        Whether to draw a new order at every pass.
    generator : torch.Generator, default=None
        Where the order comes from.
    """

    def __init__(self, dataset, batch_size, shuffle=False, generator=None):
        self.index = None
        if isinstance(dataset, Subset):
            dataset, self.index = dataset.dataset, torch.as_tensor(dataset.indices)
        self.rows = dataset
        self.n_samples = len(dataset) if self.index is None else len(self.index)
        self.batch_size = min(batch_size, self.n_samples)
        self.shuffle = shuffle
        self.generator = generator

    def __len__(self):
        full, rest = divmod(self.n_samples, self.batch_size)
        return max(1, full + (rest > 1))

    def __iter__(self):
        order = torch.randperm(self.n_samples, generator=self.generator) if self.shuffle else None
        if self.index is not None:
            order = self.index if order is None else self.index[order]
        if order is not None and isinstance(self.rows.X, torch.Tensor):
            order = order.to(self.rows.X.device)
        for i in range(len(self)):
            start = i * self.batch_size
            stop = self.n_samples if i == len(self) - 1 else start + self.batch_size
            yield self.rows[slice(start, stop) if order is None else order[start:stop]]


class StoredBatches:
    """Batches of rows that are streamed, as skorch's ``iterator_train``.

    A pass takes blocks of neighbouring rows in random order, fills a buffer with them and shuffles what is in it, while a
    thread fills the next. So it reads everything once, in long stretches, and holds two buffers.

    Parameters
    ----------
    dataset : Rows
        Whose rows are `Stored`.
    batch_size : int
        Rows per batch. A last batch of one row is left out.
    shuffle : bool, default=True
        Always true.
    generator : torch.Generator, default=None
        Where the order comes from.
    left_out : torch.Tensor, default=None
        Numbers of rows that take no part. Those without weight take none either.
    """

    def __init__(self, dataset, batch_size, shuffle=True, generator=None, left_out=None):
        self.rows = dataset
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.generator = generator
        self.kept = np.ones(len(dataset), bool) if dataset.weights is None else dataset.weights.numpy() > 0
        if left_out is not None:
            self.kept[left_out.numpy()] = False
        self.n_samples = int(self.kept.sum())

    def __len__(self):
        full, rest = divmod(self.n_samples, self.batch_size)
        return max(1, full + (rest > 1))

    def __iter__(self):
        rows, numbers, given = None, None, 0
        for more, theirs in self._shuffled():
            rows = more if rows is None else np.concatenate([rows, more])
            numbers = theirs if numbers is None else np.concatenate([numbers, theirs])
            if len(rows) >= self.batch_size:
                yield self.rows.batch(rows[: self.batch_size], numbers[: self.batch_size])
                rows, numbers, given = rows[self.batch_size :], numbers[self.batch_size :], given + 1
        if given < len(self):
            yield self.rows.batch(rows, numbers)

    def _shuffled(self):
        """Give rows and their numbers in random order, at most a batch at a time."""
        source = self.rows.X
        size = source.block
        order = torch.randperm(math.ceil(len(source) / size), generator=self.generator).tolist()
        blocks = [slice(i * size, min(len(source), (i + 1) * size)) for i in order]
        together = max(1, BUFFER_BYTES // (size * source.row_bytes))
        buffers = [blocks[piece] for piece in slices(len(blocks), together)]
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="skae-read") as reader:
            coming = reader.submit(self._read, buffers[0])
            for following in [*buffers[1:], None]:
                rows, numbers = coming.result()
                coming = None if following is None else reader.submit(self._read, following)
                order = torch.randperm(len(rows), generator=self.generator).numpy()
                for piece in slices(len(rows), self.batch_size):
                    yield np.take(rows, order[piece], axis=0), numbers[order[piece]]

    def _read(self, blocks):
        """Fill a buffer: the rows of some blocks that take part, and their numbers."""
        source = self.rows.X
        kept = [np.flatnonzero(self.kept[block]) for block in blocks]
        out, filled = np.empty((sum(map(len, kept)), *source.shape[1:]), source.dtype), 0
        for block, inside in zip(blocks, kept, strict=True):
            np.take(source[block], inside, axis=0, out=out[filled : filled + len(inside)])
            filled += len(inside)
        return out, np.concatenate([block.start + inside for block, inside in zip(blocks, kept, strict=True)])
