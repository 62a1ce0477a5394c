"""Batches of tensors: in order, shuffled, or shuffled while streamed rows are read."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import Dataset, Subset

from skae._input.dtypes import to_tensor
from skae._input.rows import chunk_slices, take_rows
from skae.networks.layers import to_device

__all__ = [
    "Batch",
    "Batches",
    "EpochPosition",
    "ResumableBatches",
    "RowDataset",
    "StreamedBatches",
]

BUFFER_BYTES = 2**26
"""Bytes of streamed rows that are shuffled together; two buffers are in memory at a time."""


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

    @property
    def total_weight(self):
        """Sum of the sample weights; without weights, the number of samples."""
        if self.weights is None:
            return self.X.shape[:-1].numel()
        return self.weights.sum()


def _rows_at(values, index, device=None):
    """Return the rows of an optional tensor at `index`, moved to `device` if one is given."""
    if values is None:
        return None
    values = values[index]
    if device is None:
        return values
    return to_device(values, device)


def _device(X):
    """Return the device of rows; rows outside of a tensor are on the CPU."""
    return getattr(X, "device", "cpu")


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
        self.weights = weights
        self.targets = targets
        self.device = torch.device(device)
        # on the device of the rows, so that no batch waits for another device
        if weights is not None:
            self.weights = torch.as_tensor(weights, dtype=torch.float32, device=_device(X))
        if targets is not None:
            self.targets = targets.to(_device(X))

    def __len__(self):
        return len(self.X)

    def __getitem__(self, index):
        """Return the batch of a slice, or of a tensor of row indices."""
        if isinstance(index, slice):
            return self.batch(self.X[index], index)
        return self.batch(take_rows(self.X, index), index)

    def batch(self, rows, index):
        """Return rows that have been read as a batch, with the weights and targets at `index`."""
        return Batch(
            to_tensor(rows, self.device),
            _rows_at(self.weights, index, self.device),
            _rows_at(self.targets, index, self.device),
        )


@dataclass(frozen=True)
class EpochPosition:
    """Position between two batches of an epoch, from which the epoch can be resumed.

    Attributes
    ----------
    n_batches : int
        Number of batches before the position.
    start, present : torch.Tensor
        States of the generator at the start of the epoch, and at the position.
    buffer : int
        For streamed rows, the number of the buffer that the next rows are in.
    buffer_state : torch.Tensor
        State of the generator before that buffer was shuffled.
    """

    n_batches: int
    start: torch.Tensor
    present: torch.Tensor
    buffer: int
    buffer_state: torch.Tensor


class ResumableBatches:
    """Base class of iterators of batches: an epoch can be resumed between two batches.

    Parameters
    ----------
    generator : torch.Generator or None
        Random number generator for the order. Other functions may use it between two batches.
    """

    def __init__(self, generator):
        self.generator = generator
        self.n_batches, self.buffer = 0, 0
        self.start = self.buffer_state = None
        self._resumed = None

    @property
    def position(self):
        """Position after the last batch."""
        return EpochPosition(
            self.n_batches, self.start, self.generator.get_state(), self.buffer, self.buffer_state
        )

    def resume_at(self, position):
        """Set the position at which the next epoch begins."""
        self._resumed = position

    def _begin_epoch(self):
        """Return the position at which an epoch is resumed, or None for a whole epoch."""
        resumed, self._resumed = self._resumed, None
        self.n_batches = 0
        if resumed is not None:
            self.n_batches = resumed.n_batches
            self.generator.set_state(resumed.start)
        if self.generator is not None:
            self.start = self.buffer_state = self.generator.get_state()
        return resumed


class Batches(ResumableBatches):
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
    partition : Partition, default=None
        Selects the samples of this process in each batch. None: all samples.
    """

    def __init__(self, dataset, batch_size, shuffle=False, generator=None, partition=None):
        super().__init__(generator)
        self.dataset = dataset
        self.partition = partition
        self.indices = None
        self.n_samples = len(dataset)
        if isinstance(dataset, Subset):
            self.dataset = dataset.dataset
            self.indices = torch.as_tensor(dataset.indices)
        self.batch_size = min(batch_size, self.n_samples)
        self.shuffle = shuffle

    def __len__(self):
        n_full, n_rest = divmod(self.n_samples, self.batch_size)
        return max(1, n_full + (n_rest > 1))

    def __iter__(self):
        resumed = self._begin_epoch()
        order = self._order()
        if resumed is not None:
            self.generator.set_state(resumed.present)
        for chunk in self.chunks()[self.n_batches :]:
            self.n_batches += 1
            if self.partition is not None:
                yield self.partition.read(self.dataset, order, chunk)
            elif order is None:
                yield self.dataset[chunk]
            else:
                yield self.dataset[order[chunk]]

    def chunks(self):
        """Return one slice of the order of an epoch for each batch."""
        chunks = chunk_slices(self.n_samples, self.batch_size)[: len(self)]
        return [*chunks[:-1], slice(chunks[-1].start, self.n_samples)]

    def _order(self):
        """Return the row indices of an epoch in order, or None for all rows as they are."""
        order = self.indices
        if self.shuffle:
            order = torch.randperm(self.n_samples, generator=self.generator)
            if self.indices is not None:
                order = self.indices[order]
        if order is None:
            return None
        return order.to(_device(self.dataset.X))


class StreamedBatches(Batches):
    """Shuffled batches of streamed rows, as skorch's ``iterator_train``.

    Each epoch reads blocks of neighboring rows in random order into a buffer and shuffles the
    buffer, while a thread reads the next one. Every row is read once. A last batch of one row
    is dropped.

    Parameters
    ----------
    dataset : RowDataset
        Dataset of `StreamedRows`.
    batch_size, generator
        As in `Batches`.
    shuffle : bool, default=True
        Ignored: batches are always shuffled.
    val_indices : torch.Tensor, default=None
        Indices of the validation samples, which are in no batch.
    """

    def __init__(self, dataset, batch_size, shuffle=True, generator=None, val_indices=None):
        super().__init__(dataset, batch_size, shuffle, generator)
        self.is_training = np.ones(len(dataset), bool)
        if val_indices is not None:
            self.is_training[val_indices.numpy()] = False
        self.n_samples = int(self.is_training.sum())
        self.batch_size = min(batch_size, self.n_samples)

    def __iter__(self):
        source = self.dataset.X
        rows = np.empty((0, *source.shape[1:]), source.dtype)
        indices = np.empty(0, np.int64)
        for new_rows, new_indices in self._shuffled_chunks(self._begin_epoch()):
            rows = np.concatenate([rows, new_rows])
            indices = np.concatenate([indices, new_indices])
            if len(rows) >= self.batch_size:
                self.n_batches += 1
                yield self._batch(rows[: self.batch_size], indices[: self.batch_size])
                rows = rows[self.batch_size :]
                indices = indices[self.batch_size :]
        if len(rows) > 1:
            self.n_batches += 1
            yield self._batch(rows, indices)

    def _batch(self, rows, indices):
        """Return rows that have been read as a batch."""
        return self.dataset.batch(rows, torch.from_numpy(indices))

    def _shuffled_chunks(self, resumed):
        """Yield rows and their indices in random order, at most a batch at a time.

        A resumed epoch begins in the buffer that was the last to be shuffled.
        """
        buffers = self._shuffled_buffers()
        first, n_skipped = 0, 0
        if resumed is not None:
            first = resumed.buffer
            n_before = sum(
                self.is_training[block].sum() for blocks in buffers[:first] for block in blocks
            )
            n_skipped = int(resumed.n_batches * self.batch_size - n_before)
            self.generator.set_state(resumed.buffer_state)
        with ThreadPoolExecutor(max_workers=1, thread_name_prefix="skae-read") as reader:
            pending = reader.submit(self._read, buffers[first])
            for self.buffer, next_buffer in enumerate([*buffers[first + 1 :], None], first):
                rows, indices = pending.result()
                if next_buffer is not None:
                    pending = reader.submit(self._read, next_buffer)
                order = self._shuffled(len(indices))
                if resumed is not None:
                    order = order[n_skipped:]
                    self.generator.set_state(resumed.present)
                    resumed = None
                for chunk in chunk_slices(len(order), self.batch_size):
                    yield self._take(rows, indices, order[chunk])

    def _take(self, rows, indices, order):
        """Return rows of a buffer, and their indices, in an order."""
        return np.take(rows, order, axis=0), indices[order]

    def _shuffled(self, n):
        """Return the order of the rows of a buffer, and remember the state before it was drawn."""
        if self.generator is not None:
            self.buffer_state = self.generator.get_state()
        return torch.randperm(n, generator=self.generator).numpy()

    def _shuffled_buffers(self):
        """Return one list of slices for each buffer: blocks of neighboring rows in random order."""
        source = self.dataset.X
        blocks = chunk_slices(len(source), source.block_size)
        order = torch.randperm(len(blocks), generator=self.generator)
        blocks = [blocks[i] for i in order]
        blocks_per_buffer = max(1, BUFFER_BYTES // (source.block_size * source.row_bytes))
        return [blocks[chunk] for chunk in chunk_slices(len(blocks), blocks_per_buffer)]

    def _read(self, blocks):
        """Read the training samples of blocks; return rows and row indices."""
        rows = [self.dataset.X[block][self.is_training[block]] for block in blocks]
        indices = [block.start + np.flatnonzero(self.is_training[block]) for block in blocks]
        return np.concatenate(rows), np.concatenate(indices)
