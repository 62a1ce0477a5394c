"""Sequences of different lengths as one array with missing values at the end."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skae._typing import ArrayLike, MatrixLike
from skae.datasets._arrays import check_positive_int, to_real_array

__all__ = ["pad_sequences", "unpad_sequences"]


def pad_sequences(sequences: Sequence[MatrixLike], length: int | None = None) -> NDArray[Any]:
    """Pad sequences of different lengths at the end with NaN.

    An autoencoder with ``allow_nan=True`` ignores the padding: it is excluded from the loss.

    Parameters
    ----------
    sequences : list of array-like of shape (n_steps,) or (n_steps, n_channels)
        Sequences, with at least one time step each. The number of steps may differ.
    length : int, default=None
        Number of time steps of the result. None: that of the longest sequence. Use the length of
        the training data for further sequences.

    Returns
    -------
    X : ndarray of shape (n_sequences, length) or (n_sequences, length, n_channels)
        Padded sequences, float32 if it holds the values of all sequences, otherwise float64.

    Raises
    ------
    ValueError
        If there is no sequence, a sequence is empty or longer than `length`, or the numbers of
        channels differ.

    See Also
    --------
    unpad_sequences : The inverse, for reconstructions.

    Examples
    --------
    >>> import numpy as np
    >>> from skae.datasets import pad_sequences
    >>> pad_sequences([[1.0, 2.0, 3.0], [4.0]])
    array([[ 1.,  2.,  3.],
           [ 4., nan, nan]])
    """
    arrays = [
        to_real_array(sequence, f"a sequence at index {index}")
        for index, sequence in enumerate(sequences)
    ]
    if not arrays:
        raise ValueError("Got no sequence, but expected at least one.")
    shape = arrays[0].shape
    for index, array in enumerate(arrays):
        if array.ndim not in (1, 2) or len(array) == 0 or array.shape[1:] != shape[1:]:
            raise ValueError(
                f"Got sequences of shapes {shape} and {array.shape}, at index 0 and {index}, but "
                "expected (n_steps,) or (n_steps, n_channels) with equal numbers of channels, and "
                "at least one time step."
            )
    longest = max(len(array) for array in arrays)
    if length is None:
        length = longest
    length = check_positive_int(length, "length")
    if length < longest:
        raise ValueError(
            f"Got length={length}, but expected at least {longest}, the length of the longest "
            "sequence. Cut longer sequences, or use sliding windows."
        )
    dtype = np.result_type(np.float32, *(array.dtype for array in arrays))
    X = np.full((len(arrays), length, *shape[1:]), np.nan, dtype)
    for row, array in zip(X, arrays, strict=True):
        row[: len(array)] = array
    return X


def unpad_sequences(X: MatrixLike, lengths: ArrayLike) -> list[NDArray[Any]]:
    """Return the sequences without their padding.

    Parameters
    ----------
    X : array-like of shape (n_sequences, max_length, ...)
        Padded sequences, such as reconstructions.
    lengths : array-like of int of shape (n_sequences,)
        Number of time steps of each sequence.

    Returns
    -------
    sequences : list of ndarray of shape (length, ...)
        Views of X.

    Raises
    ------
    ValueError
        If the number of lengths is not that of X, or a length is not from 0 to `max_length`.

    Examples
    --------
    >>> from skae.datasets import unpad_sequences
    >>> unpad_sequences([[1.0, 2.0, 3.0], [4.0, 0.0, 0.0]], [3, 1])
    [array([1., 2., 3.]), array([4.])]
    """
    X = np.asarray(X)
    lengths = np.asarray(lengths)
    if X.ndim < 2 or lengths.shape != X.shape[:1] or lengths.dtype.kind not in "iu":
        raise ValueError(
            f"Got X of shape {X.shape} with lengths of shape {lengths.shape} and dtype "
            f"{lengths.dtype}, but expected one int for each sequence of X."
        )
    if lengths.min(initial=0) < 0 or lengths.max(initial=0) > X.shape[1]:
        raise ValueError(
            f"Got lengths from {lengths.min()} to {lengths.max()}, but expected 0 to {X.shape[1]}."
        )
    return [row[:length] for row, length in zip(X, lengths, strict=True)]
