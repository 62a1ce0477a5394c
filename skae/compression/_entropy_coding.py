"""Quantization and entropy coding of the rows of a table or the tiles of an image, in batches.

A decoder knows all earlier batches. Tiles are coded one diagonal at a time, so that it knows the
tiles to the left and above, which are the neighbors of a tile. Rows have no neighbors.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from skae._input.rows import chunk_slices
from skae.compression._context_model import ContextModel

__all__ = [
    "CodingOrder",
    "fit_context_model",
    "quantize",
    "rate",
    "read",
    "row_order",
    "row_orders",
    "tile_order",
    "write",
]

MAX_BATCH_ROWS = 1024
"""Rows that are coded at once, since the weights of their symbols are held in memory. This number
is part of the message format."""


@dataclass
class CodingOrder:
    """Order in which rows or tiles are coded, and their neighbors."""

    batches: list[slice] | list[NDArray[np.intp]]  # indices
    neighbors: NDArray[np.intp]  # (n, n_neighbors): indices, -1 for a missing neighbor


def row_order(n):
    """Return the coding order of `n` rows without neighbors."""
    return CodingOrder(chunk_slices(n, MAX_BATCH_ROWS), np.empty((n, 0), np.intp))


def row_orders(n):
    """Yield the coding orders of consecutive batches of `n` rows, each by itself."""
    for chunk in chunk_slices(n, MAX_BATCH_ROWS):
        yield row_order(chunk.stop - chunk.start)


def tile_order(rows, columns):
    """Return the coding order of tiles in row-major order: by diagonals, from the upper left."""
    indices = np.full((rows + 1, columns + 1), -1)
    indices[1:, 1:] = np.arange(rows * columns).reshape(rows, columns)
    left, above = indices[1:, :-1], indices[:-1, 1:]
    batches = []
    for diagonal in range(rows + columns - 1):
        row = np.arange(max(0, diagonal - columns + 1), min(rows, diagonal + 1))
        batches.append(row * columns + diagonal - row)
    return CodingOrder(batches, np.stack([left.ravel(), above.ravel()], axis=1))


def fit_context_model(groups, n_hidden, seed, lambda_rd, split=None):
    """Quantize codes, and fit a context model to them.

    Parameters
    ----------
    groups : list of (codes, order)
        Codes in units of the step and coding order: of all rows, or of the tiles of each image.
    n_hidden : int
        Hidden units of the network; 0 for no network.
    seed : int
        Seed of the network.
    lambda_rd : float
        Weight of the rate, as in `ContextModel`.
    split : ndarray of shape (n_samples,), default=None
        Training and validation rows, as in `ContextModel`.

    Returns
    -------
    model : ContextModel
        The fitted model.
    """
    all_codes = np.concatenate([codes for codes, _ in groups])
    # quantized by tables of the nearest integers, without a network
    no_neighbors = np.empty((len(all_codes), 0), np.int64)
    nearest = np.rint(all_codes).astype(np.int64)
    tables = ContextModel(nearest, no_neighbors, 0, seed, lambda_rd=lambda_rd)
    quantized = tables.quantize(all_codes, no_neighbors)
    neighbors = []
    start = 0
    for codes, order in groups:
        stop = start + len(codes)
        neighbors.append(_neighbor_values(quantized[start:stop], order))
        start = stop
    return ContextModel(quantized, np.concatenate(neighbors), n_hidden, seed, split, lambda_rd)


def quantize(model, codes, order):
    """Quantize codes.

    Parameters
    ----------
    model : ContextModel
        The fitted context model.
    codes : ndarray of shape (n, k)
        Codes in units of the step.
    order : CodingOrder
        Coding order.

    Returns
    -------
    quantized : ndarray of shape (n, k)
        The rounded codes, int64.
    """
    quantized = np.zeros((len(codes) + 1, codes.shape[1]), np.int64)  # the last: no neighbor
    for batch in order.batches:
        neighbors = quantized[order.neighbors[batch]]  # (b, n_neighbors, k)
        quantized[batch] = model.quantize(codes[batch], neighbors.reshape(len(neighbors), -1))
    return quantized[:-1]


def write(model, writer, quantized, order):
    """Encode quantized codes by a `Writer`."""
    neighbors = _neighbor_values(quantized, order)
    for batch in order.batches:
        model.write([writer], quantized[batch], neighbors[batch])


def read(model, reader, order):
    """Decode quantized codes by a `Reader`; return an int64 ndarray of shape (n, k)."""
    quantized = np.zeros((len(order.neighbors) + 1, len(model.order)), np.int64)
    for batch in order.batches:
        neighbors = quantized[order.neighbors[batch]]
        quantized[batch] = model.read(reader, neighbors.reshape(len(neighbors), -1))
    return quantized[:-1]


def rate(model, quantized, order):
    """Return the bits of each row or tile, shape (n,)."""
    neighbors = _neighbor_values(quantized, order)
    chunks = chunk_slices(len(quantized), MAX_BATCH_ROWS)
    return np.concatenate([model.rate(quantized[chunk], neighbors[chunk]) for chunk in chunks])


def _neighbor_values(quantized, order):
    """Return the values of the neighbors, zeros if one is missing, shape (n, n_neighbors * k)."""
    padded = np.vstack([quantized, np.zeros_like(quantized[:1])])
    return padded[order.neighbors].reshape(len(quantized), -1)
