"""Input of a detector's autoencoder: validation and standardization of X."""

import math

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.utils import get_tags

from skae._input.image_layout import has_signals, infer_layout
from skae._input.scaling import fit_channels
from skae._input.streaming import StreamedRows
from skae._input.table_columns import as_table
from skae._input.table_schema import EncodedTable, fit_table_schema
from skae._input.validation import check_rows, encode_table
from skae._sklearn_compat import check_sample_weight
from skae._warnings import warn_user
from skae.anomaly._scores import MAX_STANDARDIZED_VALUE, as_float64_rows, score_chunks

__all__ = [
    "StandardizedRows",
    "accepts_missing_values",
    "autoencoder_input",
    "drop_zero_weights",
    "encode_if_table",
    "fit_channel_scaler",
    "fit_detector_table",
    "has_missing_values",
    "is_table",
    "select_rows",
    "validate_rows",
    "warn_unused_parameters",
]

MAX_CHANNEL_RATIO = 4.0
"""Ratio of the standard deviations of the channels of images above which their units are assumed to
differ. The colors of photographs differ by less."""

DEFAULT_NEIGHBORS = 5
"""Default of the parameter `n_neighbors`, which no warning is about."""

MIN_FIT_ROWS = 4
"""Minimum number of samples in fit: two for each half."""


class StandardizedRows:
    """Rows that are standardized when they are sliced.

    Parameters
    ----------
    rows : ndarray, torch.Tensor, DataFrame or StreamedRows of shape (n_samples, ...)
        Rows before standardization.
    scaler : StandardScaler
        Fitted scaler of flattened rows.
    """

    def __init__(self, rows, scaler):
        self.rows = rows
        self.scaler = scaler
        self.shape = tuple(rows.shape)
        self.ndim = len(self.shape)
        self.dtype = np.dtype(np.float32)

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, row_slice):
        start, stop, _ = row_slice.indices(len(self))
        n_features = math.prod(self.shape[1:])
        standardized = np.empty((stop - start, n_features), np.float32)
        for chunk in score_chunks(standardized):
            rows = as_float64_rows(self.rows[start + chunk.start : start + chunk.stop])
            standardized[chunk] = np.clip(
                self.scaler.transform(rows), -MAX_STANDARDIZED_VALUE, MAX_STANDARDIZED_VALUE
            )
        return standardized.reshape(-1, *self.shape[1:])


def _has_images(X):
    """Return whether X has more than two dimensions."""
    return getattr(X, "ndim", 2) > 2


def is_table(X, autoencoder):
    """Return whether X is a table: it has two dimensions, and the autoencoder is not for images."""
    return not _has_images(X) and not get_tags(autoencoder).input_tags.three_d_array


def accepts_missing_values(autoencoder):
    """Return whether NaN is a missing value for an autoencoder, or for the default autoencoder."""
    if autoencoder is None:
        return True
    if isinstance(autoencoder, FrozenEstimator):
        autoencoder = autoencoder.estimator
    return bool(getattr(autoencoder, "allow_nan", False))


def has_missing_values(rows):
    """Return whether rows in memory contain NaN. Rows on disk are not read."""
    if isinstance(rows, StreamedRows):
        return False
    return any(np.isnan(as_float64_rows(rows[chunk])).any() for chunk in score_chunks(rows))


def select_rows(rows, indices):
    """Return rows of an array, tensor or DataFrame by sorted indices."""
    if hasattr(rows, "iloc"):
        return rows.iloc[indices]
    return rows[indices]


def drop_zero_weights(X, sample_weight):
    """Validate sample weights, and remove the samples of weight 0.

    Parameters
    ----------
    X : array-like, torch.Tensor, DataFrame or StreamedRows of shape (n_samples, ...)
        Samples.
    sample_weight : array-like of shape (n_samples,)
        Weights as given by the user.

    Returns
    -------
    X : same type of shape (n_positive, ...)
        Samples with positive weights.
    weights : ndarray of shape (n_positive,)
        Their weights, scaled to a mean of 1, float64.

    Raises
    ------
    ValueError
        If a weight is negative, all are 0, or some are 0 and X is on disk.
    """
    if not hasattr(X, "shape"):
        X = np.asarray(X)
    weights = check_sample_weight(sample_weight, np.empty((len(X), 1)), dtype=np.float64)
    if weights.min() < 0 or weights.max() == 0:
        raise ValueError(
            f"Got sample_weight from {weights.min()} to {weights.max()}, but expected weights of "
            "at least 0, not all of them 0."
        )
    positive = np.flatnonzero(weights)
    if len(positive) < len(weights):
        if isinstance(X, StreamedRows):
            raise ValueError(
                "Got sample_weight=0 with X on disk, which cannot be subset. Pass X without these "
                "samples."
            )
        X = select_rows(X, positive)
        weights = weights[positive]
    return X, weights / weights.mean()


def fit_detector_table(X, autoencoder):
    """Describe the columns of X if X is a table with categories that the autoencoder accepts.

    Parameters
    ----------
    X : array-like, torch.Tensor, DataFrame or StreamedRows of shape (n_samples, ...)
        The user's data.
    autoencoder : estimator
        Not yet fitted, or a FrozenEstimator.

    Returns
    -------
    schema : TableSchema or None
        None without categories.
    """
    if isinstance(autoencoder, FrozenEstimator):
        schema = getattr(autoencoder, "_table", None)
    elif hasattr(autoencoder, "categorical_features") and not _has_images(X):
        schema = fit_table_schema(as_table(X, autoencoder.categorical_features), autoencoder)
    else:
        return None
    if schema is None or not schema.has_categories:
        return None
    return schema


def encode_if_table(detector, X, *, allow_nan, reset):
    """Encode X if the table of fit has categories; return other data unchanged."""
    schema = detector._table
    if schema is None:
        return X
    X = as_table(X, list(range(len(schema.columns))))
    return encode_table(detector, X, schema, allow_nan=allow_nan, reset=reset)


def validate_rows(detector, X, *, standardize, allow_nan, reset):
    """Validate X and its number of samples.

    Parameters
    ----------
    detector : ReconstructionDetector
        In fit, `n_features_in_` and `feature_names_in_` are set for tables, and checked otherwise.
    X : array-like, torch.Tensor, DataFrame or StreamedRows of shape (n_samples, ...)
        The user's data.
    standardize : bool
        Whether X is standardized as a table, which requires two dimensions.
    allow_nan : bool
        Whether NaN is a missing value.
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
    if isinstance(X, EncodedTable):
        rows = X.rows
    elif standardize or not _has_images(X):
        rows = check_rows(detector, X, reset=reset, allow_nan=allow_nan)
    min_samples = 1
    if reset:
        min_samples = MIN_FIT_ROWS
    if len(rows) < min_samples:
        raise ValueError(f"Got X of {len(rows)} sample(s), but expected at least {min_samples}.")
    return rows


def fit_channel_scaler(rows, autoencoder):
    """Fit a scaler of the channels of signals, or of images if their units differ.

    Parameters
    ----------
    rows : ndarray, torch.Tensor or StreamedRows of shape (n_samples, ...)
        Images or signals.
    autoencoder : estimator
        Unfitted autoencoder with the parameters `image_shape`, `channel_axis` and `signals`.

    Returns
    -------
    scaler : StandardScaler or None
        Scaler of flattened images, equal for all pixels of a channel. None: there is one channel,
        or the standard deviations of the channels of images differ by less than
        `MAX_CHANNEL_RATIO`.
    """
    names = ("image_shape", "channel_axis", "signals")
    if not all(hasattr(autoencoder, name) for name in names):
        return None
    layout = infer_layout(rows, *(getattr(autoencoder, name) for name in names))
    if layout.size[0] == 1:
        return None
    scaler, deviations = fit_channels(rows, layout)
    positive = deviations[deviations > 0]
    if len(positive) == 0:
        return None
    is_similar = positive.max() < MAX_CHANNEL_RATIO * positive.min()
    if is_similar and not has_signals(autoencoder.signals):
        return None
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


def _warn_of_frozen_units(autoencoder):
    """Warn if the channels of a fitted autoencoder of signals have different units.

    The input of a FrozenEstimator is in units of X, and so are errors and distances.
    """
    scales = getattr(autoencoder, "channel_scale_", np.ones(1))
    if scales.max() >= MAX_CHANNEL_RATIO * scales.min():
        warn_user(
            "Got a FrozenEstimator of signals with standard deviations of the channels from "
            f"{scales.min():.3g} to {scales.max():.3g}, which a detector does not standardize: "
            "anomalies in channels of small units are missed. Pass an unfitted autoencoder, or "
            "scale the channels before its fit."
        )


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
    if isinstance(autoencoder, FrozenEstimator):
        _warn_of_frozen_units(autoencoder.estimator)
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
