"""Batches of tensors: chunks in order for inference, and shuffled batches for training."""

from typing import NamedTuple

import torch
from torch.utils.data import Dataset, Subset

from skae._input.dtypes import to_tensor
from skae._input.rows import take_rows

__all__ = ["Batch", "Batches", "RowDataset"]


class Batch(NamedTuple):
    """A batch of rows with their weights and targets.

    Attributes
    ----------
    X : torch.Tensor of shape (b, ...)
        Rows.
    weights : torch.Tensor of shape (b,) or None
        Sample weights. None weights all rows equally.
    targets : torch.Tensor of shape (b, n_outputs) or None
        Targets of supervised latents, NaN where missing.
    """

    X: torch.Tensor
    weights: torch.Tensor | None = None
    targets: torch.Tensor | None = None

    def chunk(self, index):
        """Return a slice of the batch."""
        return Batch(*(_rows_at(values, index) for values in self))


def _rows_at(values, index, device=None):
    """Return the rows of an optional tensor at `index`, moved to `device` if one is given."""
    if values is None:
        return None
    return values[index].to(device)


class RowDataset(Dataset):
    """Rows of a fit with their weights and targets.

    Parameters
    ----------
    X : ndarray, torch.Tensor or StreamedRows of shape (n_samples, ...)
        Rows in their own dtype: uint8 stays uint8.
    weights : ndarray of shape (n_samples,), default=None
        Sample weights. None weights all rows equally.
    device : torch.device, default="cpu"
        Device of the batches.
    targets : torch.Tensor of shape (n_samples, n_outputs), default=None
        Targets of supervised latents.
    """

    def __init__(self, X, weights=None, device="cpu", targets=None):
        self.X = X
        storage = "cpu"
        if isinstance(X, torch.Tensor):
            storage = X.device  # beside the rows, so that no batch waits for another device
        if weights is not None:
            weights = torch.as_tensor(weights, dtype=torch.float32, device=storage)
        if targets is not None:
            targets = targets.to(storage)
        self.weights = weights
        self.targets = targets
        self.device = torch.device(device)

    def __len__(self):
        return len(self.X)

    def __getitem__(self, index):
        """Return the batch of a slice, or of a tensor of row indices."""
        if isinstance(index, slice):
            return self.batch(self.X[index], index)
        return self.batch(take_rows(self.X, index), index)

    def batch(self, rows, index):
        """Return rows that have been read as a batch, with the weights and targets at `index`."""
        if not isinstance(index, slice):
            index = torch.as_tensor(index)
        return Batch(
            to_tensor(rows, self.device),
            _rows_at(self.weights, index, self.device),
            _rows_at(self.targets, index, self.device),
        )


class Batches:
    """Batches of tensors, as skorch's ``iterator_train``.

    A DataLoader would read every row by itself. A last batch of one row is merged with the batch
    before it.

    Parameters
    ----------
    dataset : RowDataset or torch.utils.data.Subset of RowDataset
        Dataset to split into batches.
    batch_size : int
        Rows per batch.
    shuffle : bool, default=False
        Whether to shuffle the rows in every epoch.
    generator : torch.Generator, default=None
        Random number generator for the order.
    """

    def __init__(self, dataset, batch_size, shuffle=False, generator=None):
        self.index = None
        if isinstance(dataset, Subset):
            self.index = torch.as_tensor(dataset.indices)
            dataset = dataset.dataset
        self.rows = dataset
        self.n_samples = len(dataset)
        if self.index is not None:
            self.n_samples = len(self.index)
        self.batch_size = min(batch_size, self.n_samples)
        self.shuffle = shuffle
        self.generator = generator

    def __len__(self):
        n_full, n_rest = divmod(self.n_samples, self.batch_size)
        return max(1, n_full + (n_rest > 1))

    def __iter__(self):
        order = self._order()
        for i in range(len(self)):
            start = i * self.batch_size
            stop = start + self.batch_size
            if i == len(self) - 1:
                stop = self.n_samples
            if order is None:
                yield self.rows[start:stop]
            else:
                yield self.rows[order[start:stop]]

    def _order(self):
        """Return the row indices of an epoch in order, or None for all rows as they are."""
        order = self.index
        if self.shuffle:
            order = torch.randperm(self.n_samples, generator=self.generator)
            if self.index is not None:
                order = self.index[order]
        if order is not None and isinstance(self.rows.X, torch.Tensor):
            order = order.to(self.rows.X.device)
        return order
