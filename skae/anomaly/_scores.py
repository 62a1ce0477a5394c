"""Inference in chunks for anomaly scores: smoothed errors, and points for neighbor searches."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from skae._input.dtypes import as_ndarray
from skae._input.rows import chunk_slices
from skae._input.table_schema import EncodedTable
from skae.networks.layers import double_products

__all__ = [
    "MAX_STANDARDIZED_VALUE",
    "MeanSquaredErrors",
    "Scorer",
    "as_float64_rows",
    "evaluate",
    "fit_errors",
    "mean_scaled_errors",
    "pooling_kernels",
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

MAX_POOLED_SIDE = 16
"""Maximum height and width of pooled images, in which neighbors are searched."""

MAX_POOLED_LENGTH = 128
"""Maximum length of pooled signals, which are images of height or width 1."""

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
    size = _image_size(autoencoder, row_shape)
    if size is None:
        return None
    height, width, n_channels = size
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


def pooling_kernels(autoencoder, row_shape, kernels):
    """Compute the two matrices that smooth images and average blocks of pixels.

    Parameters
    ----------
    autoencoder : estimator
        Fitted autoencoder, as in `smoothing_kernels`.
    row_shape : tuple of int
        Shape of one sample.
    kernels : tuple of ndarray or None
        Result of `smoothing_kernels`.

    Returns
    -------
    kernels : tuple of ndarray or None
        Shapes (pooled_height, height) and (width * n_channels, pooled_width * n_channels). None:
        the samples are not images.
    """
    size = _image_size(autoencoder, row_shape)
    if size is None:
        return None
    height, width, n_channels = size
    max_side = MAX_POOLED_SIDE
    if min(height, width) == 1:
        max_side = MAX_POOLED_LENGTH
    vertical = _block_weights(height, max_side)
    horizontal = np.kron(_block_weights(width, max_side), np.eye(n_channels)).T
    if kernels is not None:
        vertical = vertical @ kernels[0]
        horizontal = kernels[1] @ horizontal
    return vertical, horizontal


def _image_size(autoencoder, row_shape):
    """Return height, width and the channels of one image, or None for other samples.

    If channels are first, each channel is a separate image.
    """
    image_shape = tuple(getattr(autoencoder, "image_shape_", row_shape))
    if len(image_shape) not in (2, 3):
        return None
    if getattr(autoencoder, "channel_axis_", None) == 1:
        height, width = image_shape[1:]
        return height, width, 1
    height, width = image_shape[:2]
    return height, width, math.prod(image_shape[2:])


def _block_weights(n_pixels, max_blocks):
    """Compute the weights (n_blocks, n_pixels) of the means of blocks of equal length."""
    length = math.ceil(n_pixels / max_blocks)
    blocks = np.arange(n_pixels) // length
    weights = (blocks == np.arange(blocks[-1] + 1)[:, None]).astype(np.float64)
    return weights / weights.sum(axis=1, keepdims=True)


def smooth(rows, kernels):
    """Smooth flattened images by the matrices of `smoothing_kernels` or `pooling_kernels`.

    Parameters
    ----------
    rows : ndarray or torch.Tensor of shape (n_samples, n_features)
        Flattened images, or rows of a table.
    kernels : tuple of two ndarray or torch.Tensor, or None
        Of the same kind as rows. None: rows are returned unchanged.

    Returns
    -------
    rows : ndarray or torch.Tensor of shape (n_samples, n_outputs)
        Smoothed rows.
    """
    if kernels is None:
        return rows
    vertical, horizontal = kernels
    lines = rows.reshape(-1, len(horizontal)) @ horizontal
    images = vertical @ lines.reshape(-1, vertical.shape[1], horizontal.shape[1])
    return images.reshape(rows.shape[0], -1)


def evaluate(autoencoder, rows, kernels):
    """Compute reconstructions and squared smoothed errors of one chunk.

    Parameters
    ----------
    autoencoder : estimator
        Fitted autoencoder.
    rows : ndarray, torch.Tensor, DataFrame or EncodedTable of shape (n_samples, ...)
        One chunk of the autoencoder's input.
    kernels : tuple of ndarray or None
        Result of `smoothing_kernels`.

    Returns
    -------
    reconstructions : ndarray of shape (n_samples, n_features)
        Not smoothed, float64.
    squared_errors : ndarray of shape (n_samples, n_features)
        Squares of smoothed errors, float64. The error of a missing value is NaN without smoothing,
        and 0 before smoothing.

    Raises
    ------
    ValueError
        If a reconstruction contains NaN.
    """
    with double_products():  # scores are float64
        if isinstance(rows, EncodedTable):
            reconstructions = as_float64_rows(autoencoder.reconstruct(rows))
        else:
            codes = autoencoder.transform(rows)
            reconstructions = as_float64_rows(autoencoder.inverse_transform(codes))
    if np.isnan(reconstructions).any():
        raise ValueError("Got a reconstruction with NaN. Check the autoencoder.")
    errors = reconstructions - as_float64_rows(rows)
    if kernels is not None:
        errors = smooth(np.where(np.isnan(errors), 0, errors), kernels)
    return reconstructions, np.square(errors)


class MeanSquaredErrors:
    """Mean squared error of each feature over the rows in which the feature has a value."""

    def __init__(self):
        self.sums = 0.0
        self.counts = 0.0

    def update(self, squared_errors):
        """Add squared errors of shape (n_samples, n_features)."""
        is_observed = ~np.isnan(squared_errors)
        self.sums = self.sums + np.where(is_observed, squared_errors, 0).sum(axis=0)
        self.counts = self.counts + is_observed.sum(axis=0)

    def means(self):
        """Compute the means, shape (n_features,)."""
        return self.sums / np.maximum(self.counts, 1)


def fit_errors(autoencoder, rows, kernels):
    """Compute the mean squared errors of a fitted autoencoder, and the variance of its output.

    Parameters
    ----------
    autoencoder : estimator
        Fitted autoencoder.
    rows : array-like or StreamedRows of shape (n_samples, ...)
        The autoencoder's input.
    kernels : tuple of ndarray or None
        Result of `smoothing_kernels`.

    Returns
    -------
    mean_squared_errors : ndarray of shape (n_features,)
        Mean squared smoothed error of each feature, float64.
    variance : float
        Total variance of the smoothed reconstructions.
    """
    errors = MeanSquaredErrors()
    origin = None
    n_samples, sums, squares = 0, 0.0, 0.0
    for chunk in score_chunks(rows):
        reconstructions, squared_errors = evaluate(autoencoder, rows[chunk], kernels)
        errors.update(squared_errors)
        reconstructions = smooth(reconstructions, kernels)
        if origin is None:
            # subtracting the mean of the first chunk preserves digits
            origin = reconstructions.mean(axis=0)
        reconstructions = reconstructions - origin
        n_samples += len(reconstructions)
        sums = sums + reconstructions.sum(axis=0)
        squares = squares + np.square(reconstructions).sum(axis=0)
    variances = squares / n_samples - np.square(sums / n_samples)
    return errors.means(), float(np.maximum(variances, 0).sum())


def mean_scaled_errors(squared_errors, error_scale):
    """Compute the mean over observed features of squared errors divided by their scale."""
    scaled = squared_errors / error_scale
    is_observed = ~np.isnan(scaled)
    n_observed = np.maximum(is_observed.sum(axis=1), 1)
    return np.where(is_observed, scaled, 0).sum(axis=1) / n_observed


@dataclass
class Scorer:
    """Points for the neighbor search and mean scaled errors of samples.

    Attributes
    ----------
    autoencoder : estimator
        Fitted autoencoder.
    kernels : tuple of ndarray or None
        Result of `smoothing_kernels`.
    pooling : tuple of ndarray or None
        Result of `pooling_kernels` for images. None: the points are the rows.
    error_scale : ndarray of shape (n_features,)
        Result of `error_scales`.
    scaler : StandardScaler or None
        Scaler of the autoencoder's input.
    """

    autoencoder: Any
    kernels: Any
    pooling: Any
    error_scale: NDArray[np.float64]
    scaler: Any

    def __call__(self, rows, inputs):
        """Compute points and mean scaled errors.

        Parameters
        ----------
        rows : ndarray, torch.Tensor or DataFrame of shape (n_samples, ...)
            Validated samples.
        inputs : ndarray, torch.Tensor or DataFrame of shape (n_samples, ...)
            Input of the autoencoder for these samples.

        Returns
        -------
        points : ndarray of shape (n_samples, n_dimensions)
            Smoothed and pooled images, or rows of a table, with imputed missing values, float64.
        errors : ndarray of shape (n_samples,)
            Mean scaled errors, float64.
        """
        reconstructions, squared_errors = evaluate(self.autoencoder, inputs, self.kernels)
        errors = mean_scaled_errors(squared_errors, self.error_scale)
        if self.pooling is not None:
            points = as_float64_rows(inputs)
            points = np.where(np.isnan(points), reconstructions, points)
            return smooth(points, self.pooling), errors
        points = as_float64_rows(rows)
        is_missing = np.isnan(points)
        if is_missing.any():
            if self.scaler is not None:
                reconstructions = self.scaler.inverse_transform(reconstructions)
            points = np.where(is_missing, reconstructions, points)
        return points, errors
