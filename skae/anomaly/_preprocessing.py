"""Input of a detector's autoencoder: validation and standardization of X."""

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.preprocessing import StandardScaler
from sklearn.utils import get_tags

from skae._input.streaming import StreamedRows
from skae._input.validation import check_rows
from skae._warnings import warn_user
from skae.anomaly._scores import MAX_STANDARDIZED_VALUE, as_float64_rows, score_chunks

__all__ = [
    "StandardizedRows",
    "autoencoder_input",
    "fit_scaler",
    "should_standardize",
    "validate_rows",
    "warn_unused_parameters",
]

DEFAULT_NEIGHBORS = 5
"""Default of the parameter `n_neighbors`, which no warning is about."""

MIN_FIT_ROWS = 4
"""Minimum number of samples in fit: two for each half."""


class StandardizedRows:
    """Table that standardizes its rows when it is sliced.

    Parameters
    ----------
    rows : ndarray, torch.Tensor, DataFrame or StreamedRows of shape (n_samples, n_features)
        Rows before standardization.
    scaler : StandardScaler
        Fitted scaler.
    """

    def __init__(self, rows, scaler):
        self.rows = rows
        self.scaler = scaler
        self.shape = tuple(rows.shape)
        self.ndim = 2
        self.dtype = np.dtype(np.float32)

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, row_slice):
        start, stop, _ = row_slice.indices(len(self))
        standardized = np.empty((stop - start, self.shape[1]), np.float32)
        for chunk in score_chunks(standardized):
            rows = as_float64_rows(self.rows[start + chunk.start : start + chunk.stop])
            standardized[chunk] = np.clip(
                self.scaler.transform(rows), -MAX_STANDARDIZED_VALUE, MAX_STANDARDIZED_VALUE
            )
        return standardized


def _has_images(X):
    """Return whether X has more than two dimensions."""
    return getattr(X, "ndim", 2) > 2


def should_standardize(X, autoencoder):
    """Return whether X is standardized by default: only tables, and only for a new fit."""
    if _has_images(X) or isinstance(autoencoder, FrozenEstimator):
        return False
    return not get_tags(autoencoder).input_tags.three_d_array


def validate_rows(detector, X, *, standardize, reset):
    """Validate X and its number of samples.

    Parameters
    ----------
    detector : ReconstructionDetector
        In fit, `n_features_in_` and `feature_names_in_` are set for tables, and checked otherwise.
    X : array-like, torch.Tensor, DataFrame or StreamedRows of shape (n_samples, ...)
        The user's data.
    standardize : bool
        Whether X is standardized, which requires a table.
    reset : bool
        Whether this is a fit.

    Returns
    -------
    rows : ndarray, torch.Tensor or StreamedRows of shape (n_samples, ...)
        Validated table. Images are returned unchanged, because the autoencoder validates them.

    Raises
    ------
    ValueError
        If X is invalid or has too few samples.
    """
    rows = X
    if standardize or not _has_images(X):
        rows = check_rows(detector, X, reset=reset)
    min_samples = 1
    if reset:
        min_samples = MIN_FIT_ROWS
    if len(rows) < min_samples:
        raise ValueError(f"Got X of {len(rows)} sample(s), but expected at least {min_samples}.")
    return rows


def fit_scaler(rows):
    """Fit a scaler in chunks."""
    scaler = StandardScaler().set_output(transform="default")
    for chunk in score_chunks(rows):
        scaler.partial_fit(as_float64_rows(rows[chunk]))
    return scaler


def autoencoder_input(X, rows, scaler):
    """Convert validated rows to the autoencoder's input.

    Parameters
    ----------
    X : array-like, torch.Tensor, DataFrame or StreamedRows of shape (n_samples, ...)
        The user's data.
    rows : ndarray, torch.Tensor or StreamedRows of shape (n_samples, ...)
        Result of `validate_rows`.
    scaler : StandardScaler or None
        Fitted scaler, or None without standardization.

    Returns
    -------
    rows : ndarray, torch.Tensor, DataFrame, StreamedRows or StandardizedRows
        Standardized on access if they are streamed. Without a scaler, a DataFrame remains one, so
        that the autoencoder can validate column names.
    """
    if scaler is not None:
        standardized = StandardizedRows(rows, scaler)
        if isinstance(rows, StreamedRows):
            return standardized
        return standardized[:]
    if hasattr(X, "columns"):
        return X
    return rows


def warn_unused_parameters(detector, rows, autoencoder):
    """Warn of each parameter that the user set, and that this fit does not use.

    Parameters
    ----------
    detector : ReconstructionDetector
        With valid parameters.
    rows : array-like of shape (n_samples, ...)
        Input of the autoencoder.
    autoencoder : estimator
        Not yet fitted, or a FrozenEstimator.
    """
    if detector.n_neighbors >= len(rows) and detector.n_neighbors != DEFAULT_NEIGHBORS:
        warn_user(
            f"Got n_neighbors={detector.n_neighbors} with {len(rows)} samples: the number of "
            f"neighbors is {len(rows) - 1}. Decrease n_neighbors."
        )
    smooths = not isinstance(detector.smoothing, str) and detector.smoothing > 0
    if smooths and not _has_images(rows) and not get_tags(autoencoder).input_tags.three_d_array:
        warn_user(
            f"Got smoothing={detector.smoothing!r} with a table, which is never smoothed: "
            "smoothing has no effect. Use a ConvAutoencoder, or set smoothing='auto'."
        )
    if detector.cross_fit is True and isinstance(autoencoder, FrozenEstimator):
        warn_user(
            "Got cross_fit=True with a FrozenEstimator, which is never fitted again: cross_fit has "
            "no effect. Set cross_fit='auto', or pass an estimator that is not frozen."
        )
