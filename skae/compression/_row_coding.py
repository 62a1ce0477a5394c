"""Quantization and entropy coding of rows without neighbors, in blocks of rows.

Blocks bound the memory: the weights of all symbols are held for one block at a time.
"""

import numpy as np

from skae._input.rows import chunk_slices
from skae.compression._context_model import ContextModel, quantize_with_tables

__all__ = ["fit_context_model", "quantize", "rate", "read", "write"]

BLOCK = 1024
"""Rows that are coded at once: part of the message format."""


def fit_context_model(codes, n_hidden, seed, lambda_rd):
    """Fit the context model of rows.

    Parameters
    ----------
    codes : ndarray of shape (n, k)
        Codes in units of the step.
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
    quantized = quantize_with_tables(codes, lambda_rd)
    return ContextModel(quantized, _no_neighbors(codes), n_hidden, seed, lambda_rd=lambda_rd)


def quantize(model, codes):
    """Quantize the codes of rows.

    Parameters
    ----------
    model : ContextModel
        The fitted context model.
    codes : ndarray of shape (n, k)
        Codes in units of the step.

    Returns
    -------
    quantized : ndarray of shape (n, k)
        The rounded codes, int64.
    """
    blocks = [codes[block] for block in chunk_slices(len(codes), BLOCK)]
    return np.concatenate([model.quantize(block, _no_neighbors(block)) for block in blocks])


def write(model, writers, quantized):
    """Encode quantized rows: all by one writer, or each row by its own writer."""
    for block in chunk_slices(len(quantized), BLOCK):
        block_writers = writers
        if len(writers) > 1:
            block_writers = writers[block]
        model.write(block_writers, quantized[block], _no_neighbors(quantized[block]))


def read(model, reader, n):
    """Decode `n` rows that `write` encoded by one writer; return an ndarray of shape (n, k)."""
    blocks = []
    for block in chunk_slices(n, BLOCK):
        size = block.stop - block.start
        blocks.append(model.read([reader], size, np.empty((size, 0))))
    return np.concatenate(blocks)


def rate(model, quantized):
    """Return the bits of each quantized row, shape (n,)."""
    blocks = [quantized[block] for block in chunk_slices(len(quantized), BLOCK)]
    return np.concatenate([model.rate(block, _no_neighbors(block)) for block in blocks])


def _no_neighbors(rows):
    """Return the neighbor values of rows that have no neighbors, shape (n, 0)."""
    return np.empty((len(rows), 0))
