"""Means and scales of features, and of the channels of images and signals, in chunks."""

import numpy as np
import torch
from sklearn.preprocessing import StandardScaler

from skae._input.dtypes import as_ndarray
from skae._input.rows import chunk_slices

__all__ = ["channel_feature_scale", "fit_channels", "fit_scaler"]

MAX_CHUNK_VALUES = 2**22
"""Maximum number of values in one chunk: 32 MiB in float64."""

MIN_RELATIVE_DEVIATION = 1e-14
"""Smallest standard deviation of a channel, relative to its mean. A smaller one is rounding."""

MIN_DEVIATION = float(np.finfo(np.float32).tiny)
"""Smallest standard deviation of a channel, the smallest float32 with all digits."""


def fit_scaler(rows, weights=None):
    """Fit a scaler of the features of rows in chunks.

    Parameters
    ----------
    rows : ndarray, torch.Tensor, DataFrame or RowSource of shape (n_samples, ...)
        Rows, which are flattened. Missing values are ignored.
    weights : ndarray of shape (n_samples,), default=None
        Sample weights.

    Returns
    -------
    scaler : StandardScaler
        The scale of a constant feature is 1. A feature without any value has the mean 0.
    """
    scaler = StandardScaler().set_output(transform="default")
    n_features = max(1, int(np.prod(rows.shape[1:])))
    for chunk in chunk_slices(len(rows), max(1, MAX_CHUNK_VALUES // n_features)):
        values = as_ndarray(rows[chunk])
        values = values.reshape(len(values), -1).astype(np.float64, copy=False)
        chunk_weights = None if weights is None else weights[chunk]
        with np.errstate(invalid="ignore"):  # of features without any value
            scaler.partial_fit(values, sample_weight=chunk_weights)
    is_empty = np.isnan(scaler.mean_)
    if is_empty.any():
        scaler.mean_[is_empty] = 0
        scaler.var_[is_empty] = 0
        scaler.scale_[is_empty] = 1
    return scaler


def fit_channels(rows, layout, weights=None):
    """Compute the mean and the standard deviation of each channel over all samples and positions.

    Parameters
    ----------
    rows : ndarray, torch.Tensor, DataFrame or RowSource of shape (n_samples, ...)
        Images or signals, flat or not. Missing values are ignored.
    layout : ImageLayout
        Layout of one image or signal.
    weights : ndarray of shape (n_samples,), default=None
        Sample weights.

    Returns
    -------
    scaler : StandardScaler
        Means and standard deviations, repeated for all features of a channel. The scale of a
        constant channel is 1.
    deviations : ndarray of shape (n_channels,)
        Standard deviations, 0 for a constant channel.
    """
    scaler = fit_scaler(rows, weights)
    channels = layout.channel_of_feature
    counts = np.broadcast_to(scaler.n_samples_seen_, channels.shape)
    totals = np.maximum(np.bincount(channels, counts), np.finfo(np.float64).tiny)
    means = np.bincount(channels, counts * scaler.mean_) / totals
    squares = scaler.var_ + np.square(scaler.mean_ - means[channels])
    deviations = np.sqrt(np.bincount(channels, counts * squares) / totals)
    min_deviations = np.maximum(MIN_RELATIVE_DEVIATION * np.abs(means), MIN_DEVIATION)
    deviations[deviations < min_deviations] = 0
    scales = np.where(deviations > 0, deviations, 1)
    scaler.mean_ = means[channels]
    scaler.var_ = np.square(deviations)[channels]
    scaler.scale_ = scales[channels]
    return scaler, deviations


def channel_feature_scale(rows, layout, weights=None):
    """Return the standard deviation of the channel of each feature.

    Parameters
    ----------
    rows, layout, weights
        As in `fit_channels`.

    Returns
    -------
    feature_scale : torch.Tensor of shape (n_features,)
        1 for a constant channel. float64, with the values of a float32, as in the network.
    """
    scaler, _ = fit_channels(rows, layout, weights)
    return torch.from_numpy(scaler.scale_.astype(np.float32).astype(np.float64))
