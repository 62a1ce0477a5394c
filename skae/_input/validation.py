"""Validation of X, latent vectors, sample weights, layer sizes and seeds."""

import numbers

import numpy as np
import torch
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_array, validate_data

from skae._input.dtypes import is_float, scan_slices, supported_dtype
from skae._input.streaming import StreamedRows, stream_if_large
from skae._sklearn_compat import check_sample_weight

__all__ = [
    "check_codes",
    "check_finite",
    "check_rows",
    "check_sizes",
    "check_weights",
    "resolve_seed",
]

MIN_RELATIVE_WEIGHT = 1e-15
"""Weights below this fraction of the largest count as zero: they change a sum by rounding only."""

MAX_ABSOLUTE_VALUE = float(np.finfo(np.float32).max) / 4
"""Largest value of X, a quarter of the largest float32: latents and reconstructions are float32."""


def check_rows(estimator, X, *, reset):
    """Validate a table, and return it in its own dtype.

    Parameters
    ----------
    estimator : estimator
        If `reset`, its ``n_features_in_`` and ``feature_names_in_`` are set. Otherwise X is
        compared with these.
    X : array-like, torch.Tensor or StreamedRows of shape (n_samples, n_features)
        Data as given by the user.
    reset : bool
        Whether this is a fit.

    Returns
    -------
    X : ndarray, torch.Tensor or StreamedRows of shape (n_samples, n_features)
        Real and finite, in its own dtype. A tensor stays on its device. Streamed rows are checked
        when they are read.
    """
    min_samples = 1
    if reset:
        min_samples = 2
    X = stream_if_large(X)
    if isinstance(X, (StreamedRows, torch.Tensor)):
        X = _check_stream_or_tensor(estimator, X, min_samples)
        validate_data(estimator, X, reset=reset, skip_check_array=True)
    else:
        X = validate_data(
            estimator,
            X,
            reset=reset,
            dtype="numeric",
            ensure_all_finite=False,
            ensure_min_samples=min_samples,
        )
        X = X.astype(supported_dtype(X.dtype), copy=False)
    check_finite(X, estimator=estimator, allow_nan=getattr(estimator, "allow_nan", False))
    return X


def check_codes(Z, n_components, *, shorter=False):
    """Validate the input of ``inverse_transform``: finite latent vectors.

    Parameters
    ----------
    Z : array-like or torch.Tensor of shape (n_samples, n_components)
        Latent vectors.
    n_components : int
        Latent dimensions of the decoder.
    shorter : bool, default=False
        Whether fewer latent dimensions, the first ones, are accepted as well.

    Returns
    -------
    Z : ndarray, torch.Tensor or StreamedRows of shape (n_samples, n_components)
        Latent vectors in their own dtype.
    """
    Z = stream_if_large(Z)
    if isinstance(Z, (StreamedRows, torch.Tensor)):
        Z = _check_stream_or_tensor(None, Z, 1)
    else:
        Z = check_array(Z, dtype="numeric", ensure_all_finite=False)
        Z = Z.astype(supported_dtype(Z.dtype), copy=False)
    _check_n_components(Z.shape[1], n_components, shorter)
    check_finite(Z)
    return Z


def _check_n_components(width, n_components, shorter):
    """Check the number of latent dimensions against that of the fit."""
    if width == n_components or (shorter and width < n_components):
        return
    expected = str(n_components)
    if shorter:
        expected = f"at most {n_components}"
    raise ValueError(
        f"Got latent vectors with {width} columns, but expected {expected}, the n_components_ of "
        "this fit. Pass the output of transform."
    )


def _check_stream_or_tensor(estimator, X, min_samples):
    """Check dtype, dimensions and rows of input that scikit-learn's checks would copy to memory."""
    if isinstance(X, torch.Tensor):
        X = X.detach()
        if X.is_complex():
            raise ValueError(
                f"Complex data not supported. Got a tensor of dtype {X.dtype}, but expected real "
                "numbers."
            )
        if X.layout != torch.strided:
            raise TypeError(
                f"Got a sparse tensor of layout {X.layout}, but expected a dense tensor. Convert "
                "it with X.to_dense()."
            )
        if X.dtype in (torch.bool, torch.float16, torch.bfloat16):
            X = X.float()
    _check_shape(estimator, X, min_samples)
    return X


def _check_shape(estimator, X, min_samples):
    """Check that X is two-dimensional and not empty."""
    name = "the decoder"
    if estimator is not None:
        name = type(estimator).__name__
    if X.ndim != 2:
        raise ValueError(
            f"Got X of shape {tuple(X.shape)}, but {name} expected a 2D array of shape (n_samples, "
            f"n_features). Reshape X, for example with X.reshape(len(X), -1)."
        )
    if len(X) < min_samples or X.shape[1] < 1:
        raise ValueError(
            f"Found array with {len(X)} sample(s) (shape={tuple(X.shape)}) while a minimum of "
            f"{min_samples} sample(s) and 1 feature(s) is required by {name}."
        )


def check_finite(X, *, estimator=None, first=0, allow_nan=False, name="X"):
    """Raise an error if X contains NaN, infinity, or a value too large for float32.

    Parameters
    ----------
    X : ndarray, torch.Tensor or StreamedRows of shape (n_samples, n_features)
        Rows to check. Streamed rows are checked whenever they are read.
    estimator : estimator, default=None
        Estimator for the message, and for its ``feature_names_in_``.
    first : int, default=0
        Index of the first row, if X is a part of longer data.
    allow_nan : bool, default=False
        Whether NaN is accepted as a missing value.
    name : str, default="X"
        Name of X in the message.
    """
    if not is_float(X):
        return
    if isinstance(X, StreamedRows):
        X.check_on_read(
            lambda rows, first: check_finite(
                rows, estimator=estimator, first=first, allow_nan=allow_nan
            )
        )
        return
    for chunk in scan_slices(X):
        rows = X[chunk]
        # min and max propagate NaN and infinity, and need no array of the size of the rows
        low, high = float(rows.min()), float(rows.max())
        if low >= -MAX_ABSOLUTE_VALUE and high <= MAX_ABSOLUTE_VALUE:
            continue
        if isinstance(rows, torch.Tensor):
            rows = rows.cpu().numpy()
        invalid = ~(np.abs(rows) <= MAX_ABSOLUTE_VALUE)
        if allow_nan:
            invalid &= ~np.isnan(rows)
        if not invalid.any():
            continue
        row, column = (int(i) for i in np.argwhere(invalid)[0])
        kind, action = _invalid_value(rows[row, column], estimator)
        raise ValueError(
            f"Input {name} contains {kind} in column {column}{_feature_name(estimator, column)}, "
            f"row {first + chunk.start + row}. {action}"
        )


def _invalid_value(value, estimator):
    """Return the kind of an invalid value and an action, for a message."""
    if np.isnan(value):
        action = "Impute missing values first."
        if not getattr(estimator, "allow_nan", True):
            action = "Set allow_nan=True to accept NaN as missing values, or impute them first."
        return "NaN", action
    if np.isinf(value):
        return "infinity", "Replace infinite values by finite ones."
    kind = f"a value too large for float32 ({value}, more than {MAX_ABSOLUTE_VALUE:.3g})"
    return kind, "Scale the data."


def _feature_name(estimator, column):
    """Return the name of a column for a message, or an empty string."""
    names = getattr(estimator, "feature_names_in_", None)
    if names is None:
        return ""
    return f" ({names[column]!r})"


def check_weights(sample_weight, X):
    """Validate and normalize sample weights.

    Parameters
    ----------
    sample_weight : array-like of shape (n_samples,), number or None
        Sample weights. None weights all rows equally.
    X : ndarray, torch.Tensor or StreamedRows of shape (n_samples, n_features)
        Rows.

    Returns
    -------
    sample_weight : ndarray of shape (n_samples,) or None
        float64, with a mean of 1 over the positive weights. Weights below `MIN_RELATIVE_WEIGHT`
        times the largest become zero.
    """
    if sample_weight is None:
        return None
    rows = np.empty((len(X), 0))
    weights = check_sample_weight(sample_weight, rows, dtype=np.float64, ensure_non_negative=True)
    if not weights.any():
        raise ValueError(
            "Got a sample_weight of zero for all rows, but expected at least one positive weight. "
            "Pass sample_weight=None to weight all rows equally."
        )
    weights = weights / weights.max()  # first, so that the sum of huge weights does not overflow
    weights[weights < MIN_RELATIVE_WEIGHT] = 0
    return weights / weights[weights > 0].mean()


def check_sizes(sizes, name):
    """Validate the widths of hidden layers, one int or several.

    Parameters
    ----------
    sizes : int or array-like of int
        Widths as given by the user.
    name : str
        Name of the parameter in the message.

    Returns
    -------
    sizes : tuple of int
        Widths of at least 1.
    """
    widths = sizes
    if isinstance(sizes, numbers.Integral):
        widths = (sizes,)
    widths = tuple(widths)
    if not all(isinstance(width, numbers.Integral) and width >= 1 for width in widths):
        raise ValueError(f"Got {name}={sizes!r}, but expected an int >= 1, or a sequence of these.")
    return tuple(int(width) for width in widths)


def resolve_seed(random_state):
    """Return the integer seed of all random number generators of a fit.

    Parameters
    ----------
    random_state : int, numpy.random.RandomState or None
        An int is returned unchanged. None returns a new seed from the operating system, without
        NumPy's global random state.

    Returns
    -------
    seed : int
        Seed.
    """
    if random_state is None:
        return int(np.random.default_rng().integers(np.iinfo(np.int32).max))
    if isinstance(random_state, numbers.Integral):
        return int(random_state)
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
