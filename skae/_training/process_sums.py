"""Sums over the rows of all processes, and values of the first process."""

import torch

from skae._input.rows import row_chunks
from skae.distributed._context import active_group
from skae.distributed._shard import own_range, read_own

__all__ = ["eigenvectors_of", "first_of_fit", "own_chunks", "sum_of_processes"]


def own_chunks(X, width):
    """Yield chunks of the rows that this process reads; without other processes, of all rows.

    Neighboring chunks belong to one process, so that disks are read in order.

    Parameters
    ----------
    X : ndarray, torch.Tensor or RowSource of shape (n, ...)
        Rows.
    width : int
        Numbers per row, as in `row_chunks`.

    Yields
    ------
    rows : ndarray or torch.Tensor
        The rows of a chunk.
    chunk : slice
        Their place in X.
    """
    group, own = active_group(), own_range(X)
    if own is not None:
        start, stop = own
        for chunk in row_chunks(stop - start, width):
            chunk = slice(start + chunk.start, start + chunk.stop)
            yield read_own(X, chunk), chunk
        return
    chunks = row_chunks(len(X), width)
    if group is not None:
        n = len(chunks)
        chunks = chunks[n * group.rank // group.size : n * (group.rank + 1) // group.size]
    for chunk in chunks:
        yield X[chunk], chunk


def sum_of_processes(values):
    """Return the sums over all processes, in float64; without other processes, the same values.

    Parameters
    ----------
    values : list of torch.Tensor or float
        Sums over the rows of this process.

    Returns
    -------
    sums : list of torch.Tensor or float
        In the dtypes and on the devices of the values.
    """
    group = active_group()
    if group is None:
        return values
    sums = []
    for value in values:
        if isinstance(value, torch.Tensor):
            tensor = value.cpu().to(torch.float64, copy=True).contiguous()
            sums.append(group.checked_sum(tensor).to(value.device, value.dtype))
        else:
            tensor = torch.tensor(value, dtype=torch.float64)
            sums.append(float(group.checked_sum(tensor)))
    return sums


def eigenvectors_of(matrix):
    """Return eigenvalues in ascending order, and eigenvectors, as the first process computes them.

    Parameters
    ----------
    matrix : torch.Tensor of shape (m, m)
        Symmetric.
    """
    group = active_group()
    if group is None or group.is_first:
        values, vectors = torch.linalg.eigh(matrix)
    else:
        values, vectors = torch.empty_like(matrix[0]), torch.empty_like(matrix)
    if group is not None:
        # eigh returns columns that are contiguous
        values, vectors = values.contiguous(), vectors.contiguous()
        group.share([values, vectors])
    return values, vectors


def first_of_fit():
    """Return whether this process shows progress and writes files; without others it does."""
    group = active_group()
    return group is None or group.is_first
