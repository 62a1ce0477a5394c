"""Whole numbers of rows that have no neighbours, a block of them at a time: the weights of all symbols take memory."""

import numpy as np

from skae._stored import slices
from skae.compression.symbols import SymbolModel, choose_roughly

__all__ = ["choose", "learn", "lengths", "read", "write"]

BLOCK = 1024
"""Rows whose codes are written at once; part of the format."""


def choose(symbols, codes):
    """Turn codes into whole numbers.

    Parameters
    ----------
    symbols : SymbolModel
        The distribution.
    codes : ndarray of shape (n, k)
        In units of the step.

    Returns
    -------
    numbers : ndarray of shape (n, k)
        int64.
    """
    return np.concatenate([symbols.choose(codes[part], _nothing(codes[part])) for part in slices(len(codes), BLOCK)])


def write(symbols, writers, numbers):
    """Write the numbers of rows: all with one writer, or each with its own."""
    for part in slices(len(numbers), BLOCK):
        some = numbers[part]
        symbols.write(writers if len(writers) == 1 else writers[part], some, _nothing(some))


def read(symbols, reader, n):
    """Read what `write` wrote with one writer: ndarray of shape (n, k)."""
    sizes = [part.stop - part.start for part in slices(n, BLOCK)]
    return np.concatenate([symbols.read([reader], size, np.empty((size, 0))) for size in sizes])


def lengths(symbols, numbers):
    """Give the bits that rows take, shape (n,)."""
    return np.concatenate([symbols.lengths(numbers[part], _nothing(numbers[part])) for part in slices(len(numbers), BLOCK)])


def learn(codes, hidden, seed, price):
    """Learn the distribution of the numbers of rows.

    Parameters
    ----------
    codes : ndarray of shape (n, k)
        In units of the step.
    hidden : int
        Units of the network; 0 for none.
    seed : int
        Of the network.
    price : float
        What a bit is worth, as `SymbolModel` has it.

    Returns
    -------
    symbols : SymbolModel
    """
    return SymbolModel(choose_roughly(codes, price), _nothing(codes), hidden, seed, price=price)


def _nothing(rows):
    """Give the numbers known before rows that have no neighbours."""
    return np.empty((len(rows), 0))
