"""Inference in chunks for anomaly scores: latent vectors and smoothed reconstruction errors."""

import math

import numpy as np

from skae._input.dtypes import as_ndarray
from skae._input.rows import chunk_slices
from skae.networks.layers import double_products

__all__ = [
    "MAX_STANDARDIZED_VALUE",
    "as_float64_rows",
    "evaluate",
    "score_chunks",
    "smooth",
    "smoothing_kernels",
]

MAX_CHUNK_VALUES = 2**22
"""Maximum number of values of X in one chunk: 32 MiB in float64."""

MAX_STANDARDIZED_VALUE = 1e15
"""Maximum absolute standardized value, so that activations of networks stay finite in float32."""

RELATIVE_SMOOTHING = 1 / 28
"""Default standard deviation of the smoothing, relative to the shorter side of an image.
Reconstructed edges are usually displaced by about this distance."""

MIN_SMOOTHING = 0.1
"""Minimum standard deviation of the smoothing, in pixels. With a smaller one, the weights of
neighboring pixels are below rounding, but the matrices would still grow with the squared side."""


def score_chunks(rows):
    """Split rows into slices of at most `MAX_CHUNK_VALUES` values, or of one row."""
    n_values = max(1, math.prod(rows.shape[1:]))
    return chunk_slices(len(rows), max(1, MAX_CHUNK_VALUES // n_values))


def as_float64_rows(rows):
    """Convert an array, a tensor or a table to float64 rows of shape (n_samples, n_features)."""
    return as_ndarray(rows).reshape(len(rows), -1).astype(np.float64, copy=False)


def smoothing_kernels(autoencoder, row_shape, smoothing):
    """Compute the two matrices that smooth images along their height and along their width.

    Parameters
    ----------
    autoencoder : estimator
        Fitted autoencoder. Its `image_shape_` and `channel_axis_` are used if they exist.
    row_shape : tuple of int
        Shape of one sample, used without an `image_shape_`. Channels are last.
    smoothing : float or "auto"
        Standard deviation in pixels.

    Returns
    -------
    kernels : tuple of ndarray or None
        Shapes (height, height) and (width * n_channels, width * n_channels), float64. If channels
        are first, each channel is smoothed as a separate image. None: no smoothing.
    """
    image_shape = tuple(getattr(autoencoder, "image_shape_", row_shape))
    if len(image_shape) not in (2, 3):
        return None
    if getattr(autoencoder, "channel_axis_", None) == 1:
        height, width = image_shape[1:]
        n_channels = 1
    else:
        height, width = image_shape[:2]
        n_channels = math.prod(image_shape[2:])
    if isinstance(smoothing, str):
        smoothing = RELATIVE_SMOOTHING * min(height, width)
    if smoothing < MIN_SMOOTHING:
        return None
    horizontal = _gaussian_weights(width, smoothing)
    return _gaussian_weights(height, smoothing), np.kron(horizontal, np.eye(n_channels)).T


def _gaussian_weights(n_pixels, smoothing):
    """Compute Gaussian weights (n_pixels, n_pixels), one row per output pixel, with sum 1."""
    positions = np.arange(n_pixels)
    deviations = positions[:, None] - positions
    weights = np.exp(-0.5 * np.square(deviations / smoothing))
    return weights / weights.sum(axis=1, keepdims=True)


def smooth(rows, kernels):
    """Smooth flattened images by the matrices of `smoothing_kernels`.

    Parameters
    ----------
    rows : ndarray or torch.Tensor of shape (n_samples, n_features)
        Flattened images, or rows of a table.
    kernels : tuple of two ndarray or torch.Tensor, or None
        Of the same kind as rows. None: rows are returned unchanged.

    Returns
    -------
    rows : ndarray or torch.Tensor of shape (n_samples, n_features)
        Smoothed rows.
    """
    if kernels is None:
        return rows
    vertical, horizontal = kernels
    lines = rows.reshape(-1, len(horizontal)) @ horizontal
    images = vertical @ lines.reshape(-1, len(vertical), len(horizontal))
    return images.reshape(rows.shape)


def evaluate(autoencoder, rows, kernels):
    """Compute latent vectors, reconstructions and squared smoothed errors of one chunk.

    Parameters
    ----------
    autoencoder : estimator
        Fitted autoencoder.
    rows : ndarray, torch.Tensor or DataFrame of shape (n_samples, ...)
        One chunk of the autoencoder's input.
    kernels : tuple of ndarray or None
        Result of `smoothing_kernels`.

    Returns
    -------
    codes : ndarray of shape (n_samples, n_components)
        Latent vectors, float64.
    reconstructions : ndarray of shape (n_samples, n_features)
        Not smoothed, float64.
    squared_errors : ndarray of shape (n_samples, n_features)
        Squares of smoothed errors, float64.

    Raises
    ------
    ValueError
        If X or its reconstruction contains NaN.
    """
    with double_products():  # scores are float64
        codes = autoencoder.transform(rows)
        reconstructions = as_float64_rows(autoencoder.inverse_transform(codes))
    errors = reconstructions - as_float64_rows(rows)
    squared_errors = np.square(smooth(errors, kernels))
    # the autoencoder validates images, and with allow_nan=True it accepts missing values
    if np.isnan(squared_errors).any():
        raise ValueError(
            "Got NaN in X or in its reconstruction, but ReconstructionDetector does not accept "
            "missing values, because their errors are undefined. Impute them first."
        )
    return as_float64_rows(codes), reconstructions, squared_errors
