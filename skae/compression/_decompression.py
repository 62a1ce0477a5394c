"""Decompression in chunks: memory is bounded before it is taken, and is at most twice the result.

A message of a few bytes may announce many rows, because rows that the context model expects need
few bits. Its header is read first, and compared with `max_bytes`.
"""

import math

import numpy as np

from skae._input.dtypes import round_to_dtype
from skae.compression._quantization import decode
from skae.compression._tiles import join

__all__ = ["MAX_BYTES", "Decoder", "decompress", "dequantize"]

MAX_BYTES = 2**30
"""Default maximum size of decoded data: 1 GiB."""

MAX_CHUNK_VALUES = 2**20
"""Maximum number of values that are decoded at once, each of which takes up to 30 bytes."""


def _check_size(n_rows, row_shape, dtype, max_bytes):
    """Raise a ValueError if decoded data would exceed `max_bytes`."""
    n_bytes = n_rows * math.prod(row_shape) * dtype.itemsize
    if max_bytes is not None and n_bytes > max_bytes:
        raise ValueError(
            f"Got a message of {n_rows} rows or tiles, which need {n_bytes} bytes, but expected at "
            f"most max_bytes={max_bytes}. Increase max_bytes if the origin of the message is known."
        )


def dequantize(contents, to_codes, n_codes, max_bytes):
    """Decode the codes of messages.

    Parameters
    ----------
    contents : Contents
        Contents of the messages.
    to_codes : callable
        Function that converts quantized codes to codes.
    n_codes : int
        k, the number of codes of a row.
    max_bytes : int or None
        Maximum size of the codes.

    Returns
    -------
    codes : ndarray of shape (n_rows, k)
        Codes, float64.
    """
    _check_size(contents.n_rows, (n_codes,), np.dtype(np.float64), max_bytes)
    return _concatenate(map(to_codes, contents.blocks), contents.n_rows)


def decompress(contents, decoder, tile, max_bytes):
    """Decode messages to data.

    Parameters
    ----------
    contents : Contents
        Contents of the messages.
    decoder : Decoder
        Conversion of quantized codes to data.
    tile : int or None
        Side of a tile in pixels; None for rows.
    max_bytes : int or None
        Maximum size of the result.

    Returns
    -------
    X : ndarray of shape (n_rows, ...), or list of ndarray with `tile`
        Decoded data.
    """
    _check_size(contents.n_rows, decoder.row_shape, decoder.dtype, max_bytes)
    chunks = decoder.decode_chunks(contents.blocks)
    if tile is None:
        return _concatenate(chunks, contents.n_rows)
    # tiles of a few pixels may have more codes than pixels
    _check_size(contents.n_rows, (decoder.n_codes,), np.dtype(np.int64), max_bytes)
    return list(join(chunks, contents.sizes, tile))


def _concatenate(chunks, n_rows):
    """Concatenate chunks of a known total number of rows, of which one is held at a time."""
    X = None
    start = 0
    for chunk in chunks:
        if X is None:
            X = np.empty((n_rows, *chunk.shape[1:]), chunk.dtype)
        X[start : start + len(chunk)] = chunk
        start += len(chunk)
    return X


class Decoder:
    """Conversion of quantized codes to data, in chunks.

    Parameters
    ----------
    autoencoder : estimator
        The fitted autoencoder.
    to_codes : callable
        Function that converts quantized codes to codes.
    n_codes : int
        k, the number of codes of a row.
    dtype : numpy.dtype
        Dtype of the data.

    Attributes
    ----------
    row_shape : tuple of int
        Shape of one row of data.
    """

    def __init__(self, autoencoder, to_codes, n_codes, dtype):
        self.autoencoder = autoencoder
        self.to_codes = to_codes
        self.n_codes = n_codes
        self.dtype = dtype
        self.row_shape = self._decode([np.zeros((1, n_codes), np.int64)]).shape[1:]

    def _decode(self, blocks):
        """Decode blocks of quantized codes at once."""
        codes = self.to_codes(np.concatenate(blocks))
        return round_to_dtype(decode(self.autoencoder, codes), self.dtype)

    def decode_chunks(self, blocks):
        """Yield decoded rows of consecutive blocks, of at most `MAX_CHUNK_VALUES` values or a row.

        Parameters
        ----------
        blocks : iterator of ndarray of shape (n, k)
            Quantized codes. Small blocks are decoded together.

        Yields
        ------
        X : ndarray of shape (n, ...)
            Decoded data.
        """
        max_rows = max(1, MAX_CHUNK_VALUES // math.prod(self.row_shape))
        waiting, n_waiting = [], 0
        for block in blocks:
            start = 0
            while start < len(block):
                rows = block[start : start + max_rows - n_waiting]
                start += len(rows)
                waiting.append(rows)
                n_waiting += len(rows)
                if n_waiting == max_rows:
                    yield self._decode(waiting)
                    waiting, n_waiting = [], 0
        if waiting:
            yield self._decode(waiting)
