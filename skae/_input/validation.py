"""Validation of X, latent vectors, sample weights, layer sizes and seeds."""

import numbers
from functools import partial

import numpy as np
import torch
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_array, validate_data

from skae._input.array_likes import as_numpy
from skae._input.cells import MAX_ABSOLUTE_VALUE, invalid_number
from skae._input.dtypes import as_ndarray, as_supported, dtype_name, supported_dtype
from skae._input.rows import row_chunks
from skae._input.sparse_rows import SparseRows
from skae._input.streaming import StreamedRows, stream_if_large
from skae._input.table_schema import EncodedTable
from skae._input.tables import plain_table
from skae._sklearn_compat import check_sample_weight
from skae.distributed._context import active_group

__all__ = [
    "check_code_names",
    "check_codes",
    "check_finite",
    "check_n_rows",
    "check_reconstructions",
    "check_rows",
    "check_sizes",
    "check_weights",
    "encode_table",
    "resolve_seed",
]

MIN_RELATIVE_WEIGHT = 1e-15
"""Weights below this fraction of the largest count as zero: they change a sum by rounding only."""


def check_rows(estimator, X, *, reset, allow_nan=None, accept_sparse=False):
    """Validate a table, and return it in its own dtype.

    Parameters
    ----------
    estimator : estimator
        If `reset`, its ``n_features_in_`` and ``feature_names_in_`` are set. Otherwise X is
        compared with these.
    X : array-like, sparse matrix, torch.Tensor or StreamedRows of shape (n_samples, n_features)
        Data as given by the user.
    reset : bool
        Whether this is a fit.
    allow_nan : bool, default=None
        Whether NaN is a missing value. None: the parameter `allow_nan` of the estimator, if any.
    accept_sparse : bool, default=False
        Whether a sparse matrix is accepted.

    Returns
    -------
    X : ndarray, torch.Tensor, SparseRows or StreamedRows of shape (n_samples, n_features)
        Real and finite, in its own dtype. A tensor stays on its device. Streamed rows are checked
        when they are read.
    """
    X = stream_if_large(X)
    rows = _check_table(estimator, X, min_samples=1 + reset, accept_sparse=accept_sparse)
    if reset or not _is_array_as_in_fit(estimator, X):
        validate_data(estimator, X, reset=reset, skip_check_array=True)
    if allow_nan is None:
        allow_nan = getattr(estimator, "allow_nan", False)
    check_finite(rows, estimator=estimator, allow_nan=allow_nan)
    return rows


def _is_array_as_in_fit(estimator, X):
    """Return whether X is an array with as many columns as X of fit, which had no names.

    scikit-learn's check has the same result, but takes longer than a small network.
    """
    if type(X) is not np.ndarray or X.ndim != 2 or hasattr(estimator, "feature_names_in_"):
        return False
    return X.shape[1] == getattr(estimator, "n_features_in_", None)


def check_n_rows(estimator, X, min_samples):
    """Raise an error if a table has fewer rows than `min_samples`."""
    if len(X) < min_samples:
        raise ValueError(
            f"Found array with {len(X)} sample(s) (shape={X.shape}) while a minimum of "
            f"{min_samples} is required by {type(estimator).__name__}."
        )


def encode_table(estimator, X, schema, *, allow_nan, reset):
    """Validate a table with categories, and encode it.

    Parameters
    ----------
    estimator : estimator
        As in `check_rows`.
    X : DataFrame, ndarray or EncodedTable of shape (n_samples, n_columns)
        Table as given by the user.
    schema : TableSchema
        Columns of fit.
    allow_nan : bool
        Whether missing values are accepted.
    reset : bool
        Whether this is a fit.

    Returns
    -------
    X : EncodedTable
        Encoded table.
    """
    check_n_rows(estimator, X, 1 + reset)
    if not isinstance(X, EncodedTable):
        validate_data(estimator, X, reset=reset, skip_check_array=True)
        return EncodedTable(schema.encode(X, allow_nan=allow_nan), schema)
    if reset:
        estimator.n_features_in_ = len(schema.columns)
        if all(isinstance(label, str) for label in X.columns):
            estimator.feature_names_in_ = np.array(X.columns, dtype=object)
    check_finite(X.rows, estimator=estimator, allow_nan=allow_nan)
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
    Z = _check_table(None, stream_if_large(Z), min_samples=1)
    width = Z.shape[1]
    if width > n_components or (width < n_components and not shorter):
        expected = str(n_components)
        if shorter:
            expected = f"at most {n_components}"
        raise ValueError(
            f"Got latent vectors with {width} columns, but expected {expected}, the n_components_ "
            "of this fit. Pass the output of transform."
        )
    check_finite(Z)
    return Z


def check_reconstructions(X_hat):
    """Raise an error if reconstructions of finite latent vectors exceed their dtype.

    Parameters
    ----------
    X_hat : torch.Tensor of shape (n_samples, n_features)
        Reconstructions.
    """
    # the usual case, a finite sum, is the fastest to find
    if not torch.isfinite(X_hat.sum()) and not torch.isfinite(X_hat).all():
        raise ValueError(
            "Got latent vectors so large that their reconstructions exceed float32. Pass latent "
            "vectors in the units of transform."
        )


def check_code_names(Z, names):
    """Check the column names of a table of latent vectors, if skae has given them.

    Parameters
    ----------
    Z : DataFrame of shape (n_samples, n_components)
        Latent vectors. A table whose names have nothing in common with `names` is valid: its
        columns are used in their order.
    names : ndarray of str
        Output of ``get_feature_names_out``.

    Raises
    ------
    ValueError
        If names are in another order, or if some of them are others. The message is that of
        scikit-learn.
    """
    if set(names).isdisjoint(Z.columns):
        return
    decoder = BaseEstimator()
    decoder.feature_names_in_ = np.asarray(names[: Z.shape[1]], dtype=object)
    validate_data(decoder, Z, reset=False, skip_check_array=True)


def _check_table(estimator, X, *, min_samples, accept_sparse=False):
    """Check dtype and shape of a table, and convert it to an array unless it is a tensor or stream.

    scikit-learn's check would copy tensors and streams to memory. Values are not checked.
    """
    is_plain = type(X) is np.ndarray and X.dtype.kind in "biuf" and X.ndim == 2
    if is_plain and len(X) >= min_samples and X.shape[1] > 0:
        return as_supported(X)  # check_array would return X unchanged
    if not isinstance(X, (StreamedRows, torch.Tensor)):
        if hasattr(X, "columns"):
            X = plain_table(X)
        X = check_array(
            X,
            dtype="numeric",
            accept_sparse="csr" if accept_sparse else False,
            ensure_all_finite=False,
            ensure_min_samples=min_samples,
            estimator=estimator,
            input_name="X",
        )
        if issparse(X):
            return SparseRows.from_csr(X, supported_dtype(X.dtype))
        return as_supported(X)
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
    return X


def check_finite(X, *, estimator=None, first=0, allow_nan=False, name="X"):
    """Raise an error if X contains NaN, infinity, or a value too large for float32.

    Parameters
    ----------
    X : ndarray, torch.Tensor, SparseRows or StreamedRows of shape (n_samples, n_features)
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
    if not dtype_name(X).startswith("float"):
        return
    if isinstance(X, StreamedRows):
        X.check_on_read(partial(check_finite, estimator=estimator, allow_nan=allow_nan))
        return
    if isinstance(X, SparseRows):
        stored = np.flatnonzero(_is_invalid(X.matrix.data, allow_nan))
        if len(stored) == 0:
            return
        row = int(np.searchsorted(X.matrix.indptr, stored[0], side="right")) - 1
        X, first = X[row : row + 1], row
    for chunk in row_chunks(*X.shape):
        rows = X[chunk]
        # min and max propagate NaN and infinity, and need no array of the size of the rows
        low, high = float(rows.min()), float(rows.max())
        if low >= -MAX_ABSOLUTE_VALUE and high <= MAX_ABSOLUTE_VALUE:
            continue
        rows = as_ndarray(rows)
        invalid = _is_invalid(rows, allow_nan)
        if not invalid.any():
            continue
        row, column = (int(i) for i in np.argwhere(invalid)[0])
        names = getattr(estimator, "feature_names_in_", None)
        raise invalid_number(
            rows[row, column],
            column,
            None if names is None else names[column],
            first + chunk.start + row,
            allow_nan=getattr(estimator, "allow_nan", None),
            name=name,
        )


def _is_invalid(values, allow_nan):
    """Return a mask of the values that are not finite, or too large for float32."""
    invalid = ~(np.abs(values) <= MAX_ABSOLUTE_VALUE)
    if allow_nan:
        invalid &= ~np.isnan(values)
    return invalid


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
    first = sample_weight
    if isinstance(sample_weight, (list, tuple)) and sample_weight:
        first = sample_weight[0]
    if isinstance(first, str):
        raise ValueError(f"Got {first!r} in sample_weight, but expected numeric weights.")
    if isinstance(sample_weight, numbers.Number):
        sample_weight = as_numpy([sample_weight], "sample_weight")[0]
    else:
        sample_weight = as_numpy(sample_weight, "sample_weight")
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
        NumPy's global random state. In a fit of several processes, a seed that is no int of the
        user is that of the first process.

    Returns
    -------
    seed : int
        Seed.
    """
    is_int = isinstance(random_state, numbers.Integral)
    if is_int:
        seed = int(random_state)
    elif random_state is None:
        seed = int(np.random.default_rng().integers(np.iinfo(np.int32).max))
    else:
        seed = int(check_random_state(random_state).randint(np.iinfo(np.int32).max))
    group = active_group()
    if group is not None:
        seeds = group.gather_values(seed)  # also of ints, which other processes may not have
        if not is_int:
            seed = seeds[0]
    return seed
