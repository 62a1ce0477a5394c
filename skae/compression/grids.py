"""Whole numbers of the tiles of an image, diagonal by diagonal: each tile is foreseen from those to its left and above."""

import numpy as np

from skae.compression.symbols import SymbolModel, choose_roughly
from skae.compression.tiles import before, diagonals

__all__ = ["choose", "learn", "lengths", "read", "write"]


def choose(symbols, codes, shape):
    """Turn the codes of the tiles of an image into whole numbers.

    Parameters
    ----------
    symbols : SymbolModel
        The distribution.
    codes : ndarray of shape (rows * columns, k)
        In units of the step, row by row.
    shape : tuple of int
        Rows and columns of tiles.

    Returns
    -------
    numbers : ndarray of shape (rows * columns, k)
        int64.
    """
    numbers = np.zeros((len(codes) + 1, codes.shape[1]), np.int64)  # the last is what lies outside
    for here, left, above in diagonals(*shape):
        numbers[here] = symbols.choose(codes[here], np.hstack([numbers[left], numbers[above]]))
    return numbers[:-1]


def write(symbols, writer, numbers, shape):
    """Write the numbers of the tiles of an image."""
    around = before(numbers, *shape)
    for here, _, _ in diagonals(*shape):
        symbols.write([writer], numbers[here], around[here])


def read(symbols, reader, shape):
    """Read what `write` wrote."""
    rows, columns = shape
    numbers = np.zeros((rows * columns + 1, len(symbols.low)), np.int64)
    for here, left, above in diagonals(rows, columns):
        numbers[here] = symbols.read([reader], len(here), np.hstack([numbers[left], numbers[above]]))
    return numbers[:-1]


def lengths(symbols, numbers, shape):
    """Give the bits that the tiles of an image take, shape (rows * columns,)."""
    return symbols.lengths(numbers, before(numbers, *shape))


def learn(parts, hidden, seed, price):
    """Learn the distribution of the numbers of tiles.

    Parameters
    ----------
    parts : list of (codes, shape, role)
        Of images, or parts of them: as `choose` has them, and whether each tile is learned from, as `tiles.shifted` says it.
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
    codes, shapes, roles = zip(*parts, strict=True)
    numbers = choose_roughly(np.concatenate(codes), price)
    each = np.split(numbers, np.cumsum([len(part) for part in codes])[:-1])
    around = np.concatenate([before(part, *shape) for part, shape in zip(each, shapes, strict=True)])
    return SymbolModel(numbers, around, hidden, seed, np.concatenate(roles), price)
