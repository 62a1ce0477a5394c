"""Parts of batches: the samples of each batch that one of several processes computes."""

from dataclasses import dataclass

import numpy as np
import torch

from skae._input.batching import Batch, StreamedBatches
from skae.distributed._draws import WholeBatchDraws
from skae.distributed._shard import read_own

__all__ = ["BatchPart", "DividedStreamedBatches", "Partition", "ShardPartition"]


MIN_BLOCKS = 2
"""Smallest number of blocks of a buffer per process. Fewer blocks are divided."""


class BatchPart(Batch):
    """The samples of one process in a batch.

    A process without a sample in the batch gets one that does not count, since all processes have
    to draw the same random numbers.

    Attributes
    ----------
    n_samples : int
        Number of samples in the whole batch.
    positions : torch.Tensor of shape (b,)
        The places of the samples in the whole batch.
    is_padding : bool
        Whether the only sample does not count.
    """

    n_samples: int
    positions: torch.Tensor
    is_padding: bool

    @classmethod
    def of(cls, batch, n_samples, positions, *, is_padding):
        """Return the samples of a batch as a part."""
        part = cls(*batch)
        part.n_samples, part.positions, part.is_padding = n_samples, positions, is_padding
        return part


class Partition:
    """A partition of the samples of each batch among processes, in the order of the batch.

    Parameters
    ----------
    rank, size : int
        Number of this process, and of all processes.
    """

    def __init__(self, rank, size):
        self.rank = rank
        self.size = size

    def own_slice(self, n):
        """Return the slice of ``range(n)`` that belongs to this process."""
        return slice(n * self.rank // self.size, n * (self.rank + 1) // self.size)

    def own_blocks(self, blocks):
        """Return the slice of each block that belongs to this process; most are empty.

        Parameters
        ----------
        blocks : list of slice
            Blocks of a buffer. If there are few, each is divided.
        """
        own = []
        divides = len(blocks) < MIN_BLOCKS * self.size
        for i, block in enumerate(blocks):
            if divides:
                part = self.own_slice(block.stop - block.start)
                own.append(slice(block.start + part.start, block.start + part.stop))
            elif i % self.size == self.rank:
                own.append(block)
            else:
                own.append(slice(block.start, block.start))
        return own

    def read_block(self, X, block):
        """Read the rows of an own block."""
        return X[block]

    def read(self, dataset, order, chunk):
        """Read the samples of this process in a batch.

        Parameters
        ----------
        dataset : RowDataset or RandomCrops
            Samples. With a `generator`, random numbers are drawn for the whole batch.
        order : torch.Tensor or None
            Sample of each place in an epoch. None: samples are in order.
        chunk : slice
            The places of the batch.

        Returns
        -------
        part : BatchPart
            At least one sample.
        """
        n = chunk.stop - chunk.start
        own = self.own_slice(n)
        is_padding = own.start == own.stop
        if is_padding:
            own = slice(own.start, own.start + 1)
        index = slice(chunk.start + own.start, chunk.start + own.stop)
        if order is not None:
            index = order[index]
        positions = torch.arange(own.start, own.stop)
        with WholeBatchDraws(getattr(dataset, "generator", None), n, positions):
            batch = dataset[index]
        return BatchPart.of(batch, n, positions, is_padding=is_padding)


class ShardPartition(Partition):
    """A partition in which each process computes the rows that lie in it.

    Parameters
    ----------
    rank, size : int
        Number of this process, and of all processes.
    start, stop : int
        The rows that lie in this process.
    """

    def __init__(self, rank, size, start, stop):
        super().__init__(rank, size)
        self.start = start
        self.stop = stop

    def own_blocks(self, blocks):
        """Return the slice of each block that lies in this process."""
        own = []
        for block in blocks:
            start = min(max(block.start, self.start), block.stop)
            own.append(slice(start, max(start, min(block.stop, self.stop))))
        return own

    def read_block(self, X, block):
        """Read the rows of an own block, without the other processes."""
        return read_own(X, block)


class DividedStreamedBatches(StreamedBatches):
    """The samples of one process in batches of streamed rows.

    The batches are those of one process. Each process reads other blocks of a buffer, so that all
    together read each row once. The number of its samples therefore varies from batch to batch.

    Parameters
    ----------
    dataset, batch_size, shuffle, generator, val_indices
        As in `StreamedBatches`.
    partition : Partition
        Selects blocks.
    """

    def __init__(self, dataset, batch_size, *, partition, **settings):
        super().__init__(dataset, batch_size, **settings)
        self.partition = partition

    def __iter__(self):
        source = self.dataset.X
        rows = np.empty((0, *source.shape[1:]), source.dtype)
        indices = np.empty(0, np.int64)
        is_own = np.empty(0, bool)
        for new_rows, (new_indices, new_is_own) in self._shuffled_chunks(self._begin_epoch()):
            rows = np.concatenate([rows, new_rows])
            indices = np.concatenate([indices, new_indices])
            is_own = np.concatenate([is_own, new_is_own])
            size = self.batch_size
            if len(indices) >= size:
                n_own = int(is_own[:size].sum())
                self.n_batches += 1
                yield self._part(rows[:n_own], indices[:size], is_own[:size])
                rows, indices, is_own = rows[n_own:], indices[size:], is_own[size:]
        if len(indices) > 1:
            self.n_batches += 1
            yield self._part(rows, indices, is_own)

    def _part(self, rows, indices, is_own):
        """Return own rows as the part of a batch."""
        positions = np.flatnonzero(is_own)
        is_padding = len(positions) == 0
        if is_padding:
            positions = np.zeros(1, np.int64)
            rows = np.zeros((1, *self.dataset.X.shape[1:]), self.dataset.X.dtype)
        batch = self._batch(rows, indices[positions])
        return BatchPart.of(batch, len(indices), torch.from_numpy(positions), is_padding=is_padding)

    def _take(self, rows, indices, order):
        """Return own rows of a buffer in an order, and which of its rows are own ones."""
        own_rows = indices.row_of_index[order]
        is_own = own_rows >= 0
        return np.take(rows, own_rows[is_own], axis=0), (indices.indices[order], is_own)

    def _read(self, blocks):
        """Read the own training samples of blocks.

        Returns
        -------
        rows : ndarray of shape (n_own, ...)
            Own rows.
        indices : BufferIndices
            Of all rows of the buffer.
        """
        rows, indices, row_of_index = [], [], []
        n_own = 0
        for block, own in zip(blocks, self.partition.own_blocks(blocks), strict=True):
            numbers = block.start + np.flatnonzero(self.is_training[block])
            is_own = (numbers >= own.start) & (numbers < own.stop)
            if is_own.any():
                read = self.partition.read_block(self.dataset.X, own)
                rows.append(read[self.is_training[own]])
            row_numbers = np.full(len(numbers), -1)
            row_numbers[is_own] = n_own + np.arange(is_own.sum())
            n_own += int(is_own.sum())
            indices.append(numbers)
            row_of_index.append(row_numbers)
        source = self.dataset.X
        rows.append(np.empty((0, *source.shape[1:]), source.dtype))
        indices = BufferIndices(np.concatenate(indices), np.concatenate(row_of_index))
        return np.concatenate(rows), indices


@dataclass(frozen=True)
class BufferIndices:
    """The rows of a buffer in the order of their blocks.

    Attributes
    ----------
    indices : ndarray of shape (n,)
        Their indices in X.
    row_of_index : ndarray of shape (n,)
        The number of each own row among the own rows of the buffer; -1 for others.
    """

    indices: np.ndarray
    row_of_index: np.ndarray

    def __len__(self):
        return len(self.indices)
