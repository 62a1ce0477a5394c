"""Quantization and entropy coding of the tiles of an image.

Tiles are coded one diagonal at a time. The neighbors of a tile are those to the left and above.
"""

import numpy as np

from skae.compression._context_model import ContextModel, quantize_with_tables
from skae.compression._tiles import diagonals, neighbor_values

__all__ = ["fit_context_model", "quantize", "rate", "read", "write"]


def fit_context_model(grids, n_hidden, seed, lambda_rd):
    """Fit the context model of tiles.

    Parameters
    ----------
    grids : list of (codes, shape, split)
        Codes and grid shapes of images as in `quantize`, and `split` of `shifted_grids`.
    n_hidden : int
        Hidden units of the network; 0 for no network.
    seed : int
        Seed of the network.
    lambda_rd : float
        Weight of the rate, as in `ContextModel`.

    Returns
    -------
    model : ContextModel
        The fitted model.
    """
    all_codes, shapes, splits = zip(*grids, strict=True)
    quantized = quantize_with_tables(np.concatenate(all_codes), lambda_rd)
    ends = np.cumsum([len(codes) for codes in all_codes])
    neighbors = []
    for values, shape in zip(np.split(quantized, ends[:-1]), shapes, strict=True):
        neighbors.append(neighbor_values(values, *shape))
    return ContextModel(
        quantized, np.concatenate(neighbors), n_hidden, seed, np.concatenate(splits), lambda_rd
    )


def quantize(model, codes, shape):
    """Quantize the codes of the tiles of an image.

    Parameters
    ----------
    model : ContextModel
        The fitted context model.
    codes : ndarray of shape (rows * columns, k)
        Codes in units of the step, in row-major order.
    shape : tuple of int
        Rows and columns of tiles.

    Returns
    -------
    quantized : ndarray of shape (rows * columns, k)
        The rounded codes, int64.
    """
    # the last row is the neighbor of tiles at the border
    quantized = np.zeros((len(codes) + 1, codes.shape[1]), np.int64)
    for indices, left, above in diagonals(*shape):
        neighbors = np.hstack([quantized[left], quantized[above]])
        quantized[indices] = model.quantize(codes[indices], neighbors)
    return quantized[:-1]


def write(model, writer, quantized, shape):
    """Encode the quantized tiles of an image."""
    neighbors = neighbor_values(quantized, *shape)
    for indices, _, _ in diagonals(*shape):
        model.write([writer], quantized[indices], neighbors[indices])


def read(model, reader, shape):
    """Decode the quantized tiles of an image, shape (rows * columns, k)."""
    rows, columns = shape
    quantized = np.zeros((rows * columns + 1, len(model.low)), np.int64)
    for indices, left, above in diagonals(rows, columns):
        neighbors = np.hstack([quantized[left], quantized[above]])
        quantized[indices] = model.read([reader], len(indices), neighbors)
    return quantized[:-1]


def rate(model, quantized, shape):
    """Return the bits of each quantized tile of an image, shape (rows * columns,)."""
    return model.rate(quantized, neighbor_values(quantized, *shape))
