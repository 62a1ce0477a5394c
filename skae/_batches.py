"""Rows become tensor batches: pieces in order for looking at all of X, shuffled ones for training."""

import numpy as np
import torch
from sklearn.utils import gen_batches
from torch.utils.data import Dataset, Subset

__all__ = ["Batches", "Rows", "chunks", "padded", "to_tensor"]

CHUNK_BYTES = 2**24
"""About how much a piece takes as float32."""

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
    return gen_batches(n_samples, size)


def padded(rows):
    """Fill up with rows of zeros to a multiple of 8.

    Matrix products of one row, or of a few, run through other kernels than those of many. With this a row comes out the same
    whatever else is in the call.
    """
    missing = -len(rows) % MULTIPLE
    return torch.cat([rows, rows.new_zeros(missing, *rows.shape[1:])]) if missing else rows


class Rows(Dataset):
    """The rows of a fit, and their weights.

    Parameters
    ----------
    X : ndarray or torch.Tensor of shape (n_samples, ...)
        Kept as they are: uint8 stays uint8.
    weights : ndarray of shape (n_samples,), default=None
        None counts all rows the same.
    device : torch.device, default="cpu"
        Where a batch is wanted.
    """

    def __init__(self, X, weights=None, device="cpu"):
        self.X = X
        self.weights = None if weights is None else torch.as_tensor(weights, dtype=torch.float32)
        self.device = torch.device(device)

    def __len__(self):
        return len(self.X)

    def __getitem__(self, index):
        """Give the rows of `index` (a slice, or a tensor of row numbers) and their weights or None."""
        weights = (
            None if self.weights is None else self.weights[index if isinstance(index, slice) else index.cpu()].to(self.device)
        )
        if isinstance(self.X, torch.Tensor):
            rows = self.X[index] if isinstance(index, slice) else self.X.index_select(0, index)
        else:
            rows = self.X[index] if isinstance(index, slice) else np.take(self.X, index.numpy(), axis=0)
        return to_tensor(rows, self.device), weights


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
