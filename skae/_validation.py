"""X in, checked array out; also the device, the seed and the weights of the rows.

The only file with private imports from scikit-learn: whatever moves there is mended here.
"""

import math
import numbers
from collections.abc import Callable

import numpy as np
import torch
from sklearn.base import _fit_context
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import HasMethods, Interval, Options, RealNotInt, StrOptions
from sklearn.utils._set_output import _get_output_config
from sklearn.utils.validation import (
    _check_sample_weight,
    check_array,
    validate_data,
)

from skae._stored import Stored, plain_dtype, slices, stored
from skae._typing import Function
from skae._warning import advise

__all__ = [
    "HasMethods",
    "Interval",
    "Options",
    "RealNotInt",
    "StrOptions",
    "check_codes",
    "check_finite",
    "check_rows",
    "check_shares",
    "check_sizes",
    "check_units",
    "check_weights",
    "extremes",
    "fit_context",
    "resolve_device",
    "seeded",
    "visual_block",
    "wants_tensor",
]

CHUNK_BYTES = 2**24
"""How much of X is looked at in one go when it is checked, in bytes."""

NOTHING = 1e-15
"""A weight of less, as a share of the largest, is as good as none: what it adds to a sum is rounding."""


def fit_context(*, prefer_skip_nested_validation: bool) -> Callable[[Function], Function]:
    """Check parameters before a fit, and take down callbacks after it; what is decorated keeps its signature."""
    return _fit_context(prefer_skip_nested_validation=prefer_skip_nested_validation)


def check_rows(estimator, X, *, reset):
    """Check a table and give it back in its own dtype.

    Parameters
    ----------
    estimator : estimator
        Gets ``n_features_in_`` and ``feature_names_in_`` if `reset`, and is compared with them if not.
    X : array-like, torch.Tensor or Stored of shape (n_samples, n_features)
        The data as the user gave it.
    reset : bool
        Whether this is a fit.

    Returns
    -------
    X : ndarray, torch.Tensor or Stored of shape (n_samples, n_features)
        Real and finite, in its own dtype; a tensor stays on its device. What is stored is checked when it is read.
    """
    least = 2 if reset else 1
    X = stored(X)
    if isinstance(X, Stored):
        _check_shape(estimator, X, least=least)
        validate_data(estimator, X, reset=reset, skip_check_array=True)
    elif isinstance(X, torch.Tensor):
        X = _check_tensor(estimator, X, least=least)
        validate_data(estimator, X, reset=reset, skip_check_array=True)
    else:
        X = validate_data(estimator, X, reset=reset, dtype="numeric", ensure_all_finite=False, ensure_min_samples=least)
        X = X.astype(plain_dtype(X.dtype), copy=False)
    check_finite(X, estimator=estimator, allow_nan=getattr(estimator, "allow_nan", False))
    return X


def check_codes(Z, n_components, *, shorter=False):
    """Check what is given to ``inverse_transform``: finite rows of `n_components` numbers.

    Parameters
    ----------
    Z : array-like or torch.Tensor of shape (n_samples, n_components)
        The codes.
    n_components : int
        The width that the decoder takes.
    shorter : bool, default=False
        Whether it also takes the first of these columns alone.

    Returns
    -------
    Z : ndarray or torch.Tensor of shape (n_samples, n_components)
        In its own dtype.
    """
    Z = stored(Z)
    if isinstance(Z, Stored):
        _check_shape(None, Z, least=1)
    elif isinstance(Z, torch.Tensor):
        Z = _check_tensor(None, Z, least=1)
    else:
        Z = check_array(Z, dtype="numeric", ensure_all_finite=False)
        Z = Z.astype(plain_dtype(Z.dtype), copy=False)
    if Z.shape[1] != n_components and not (shorter and Z.shape[1] < n_components):
        raise ValueError(
            f"Got codes with {Z.shape[1]} columns, but expected {'at most ' if shorter else ''}{n_components}: that is the "
            "n_components_ of this fit."
        )
    check_finite(Z)
    return Z


def _check_tensor(estimator, X, *, least):
    """Check number of dimensions, rows and dtype of a tensor: scikit-learn's checks take arrays on the CPU only."""
    X = X.detach()
    if X.is_complex():
        raise ValueError(f"Complex data not supported. Got a tensor of dtype {X.dtype}, but expected real numbers.")
    if X.layout != torch.strided:
        raise TypeError(f"Got a tensor of layout {X.layout}, but expected a dense one: call its to_dense().")
    _check_shape(estimator, X, least=least)
    return X.float() if X.dtype in (torch.bool, torch.float16, torch.bfloat16) else X


def _check_shape(estimator, X, *, least):
    """Refuse what isn't a table, or is empty."""
    who = "the decoder" if estimator is None else type(estimator).__name__
    if X.ndim != 2:
        what = "a tensor" if isinstance(X, torch.Tensor) else "X"
        raise ValueError(f"Got {what} of shape {tuple(X.shape)}, but {who} expected a 2D one of rows and columns.")
    if len(X) < least or X.shape[1] < 1:
        raise ValueError(
            f"Found array with {len(X)} sample(s) (shape={tuple(X.shape)}) while a minimum of {least} "
            f"sample(s) and 1 feature(s) is required by {who}."
        )


def check_finite(X, *, estimator=None, first=0, allow_nan=False, name="X"):
    """Raise an error that names row and column of the first NaN or infinity.

    A number beyond the range of float32 is refused as well: codes and reconstructions are float32.

    Parameters
    ----------
    X : ndarray, torch.Tensor or Stored of shape (n_samples, n_features)
        The rows to look at; those that are stored are looked at whenever some are read.
    estimator : estimator, default=None
        Where the names of the columns may stand.
    first : int, default=0
        The number of the first row, where X is a part of something longer.
    allow_nan : bool, default=False
        Whether NaN is let through, as a gap.
    name : str, default="X"
        What the rows are called.
    """
    tensor = isinstance(X, torch.Tensor)
    if not (X.is_floating_point() if tensor else X.dtype.kind == "f"):
        return
    if isinstance(X, Stored):
        X.look = lambda rows, first: check_finite(rows, estimator=estimator, first=first, allow_nan=allow_nan)
        return
    limit = float(np.finfo(np.float32).max) / 4
    for piece in _pieces(X):
        rows = X[piece]
        # min and max let NaN and infinity through, and need no array of their own size
        low, high = float(rows.min()), float(rows.max())
        if -limit <= low and high <= limit:
            continue
        rows = rows.cpu().numpy() if tensor else np.asarray(rows)
        bad = ~(np.abs(rows) <= limit)
        bad = bad & ~np.isnan(rows) if allow_nan else bad
        if not bad.any():
            continue
        row, column = (int(i) for i in np.argwhere(bad)[0])
        value = rows[row, column]
        what = (
            "NaN"
            if np.isnan(value)
            else "infinity"
            if np.isinf(value)
            else f"a value too large for float32 ({value}, more than {limit:.3g})"
        )
        names = getattr(estimator, "feature_names_in_", None)
        label = "" if names is None else f" ({names[column]!r})"
        who = "" if estimator is None else f" {type(estimator).__name__} does not accept it."
        if np.isnan(value) and hasattr(estimator, "allow_nan"):
            who += " With allow_nan=True, NaN marks a gap."
        raise ValueError(f"Input {name} contains {what} in column {column}{label}, row {first + piece.start + row}.{who}")


def check_units(X, seen, *, exact=False):
    """Look whether X is in the units that fit saw, as far as dtypes tell.

    Parameters
    ----------
    X : ndarray or torch.Tensor
        Checked rows.
    seen : str or dtype
        The dtype that fit saw.
    exact : bool, default=False
        Whether uint8 and other dtypes stand for different units, so that one for the other is an error.
    """
    now, seen = (str(dtype).removeprefix("torch.") for dtype in (X.dtype, seen))
    if exact and (now == "uint8") != (seen == "uint8"):
        raise ValueError(f"Got X of dtype {now}, but expected {seen}, as fit saw it: uint8 is divided by 255, others are not.")
    if seen == "uint8" and now != "uint8" and 0 < extremes(X)[1] <= 1:
        advise(
            f"fit saw uint8, from 0 to 255, but this X of dtype {now} has no number above 1. If it was divided by 255, give it "
            "as it was in fit.",
        )


def check_shares(X):
    """Refuse data outside [0, 1], or 0 to 255 for uint8, for the loss that needs it."""
    low, high = (0, 1) if str(X.dtype).endswith("uint8") else extremes(X)
    if low < 0 or high > 1:
        raise ValueError(
            f"Got loss='log_loss' with X from {low:.6g} to {high:.6g}, but expected numbers in [0, 1], or uint8. Use "
            "'squared_error', or scale X."
        )


def extremes(X):
    """Find the smallest and the largest number of X, piece by piece; gaps don't count."""
    low, high = math.inf, -math.inf
    for rows in (X[piece] for piece in _pieces(X)):
        rows = (
            rows[~rows.isnan()] if isinstance(rows, torch.Tensor) else rows[~np.isnan(rows)] if rows.dtype.kind == "f" else rows
        )
        if len(rows):
            low, high = min(low, float(rows.min())), max(high, float(rows.max()))
    return low, high


def _pieces(X):
    """Cut the rows of X into slices of about `CHUNK_BYTES`."""
    return slices(len(X), max(1, CHUNK_BYTES // max(1, X.shape[1] * X.dtype.itemsize)))


def check_weights(sample_weight, X):
    """Check the weights of the rows.

    Parameters
    ----------
    sample_weight : array-like of shape (n_samples,), number or None
        None means that all rows count the same.
    X : ndarray or torch.Tensor of shape (n_samples, n_features)
        The rows that they belong to.

    Returns
    -------
    sample_weight : ndarray of shape (n_samples,) or None
        float64, with a mean of 1 over the rows whose weight is not zero. One that is rounding beside the largest is zero.
    """
    if sample_weight is None:
        return None
    rows = np.empty((len(X), 0))
    weights = _check_sample_weight(sample_weight, rows, dtype=np.float64, ensure_non_negative=True)
    if not weights.any():
        raise ValueError("Got a sample_weight that is zero for every row, but expected a positive weight somewhere.")
    weights = weights / weights.max()  # first, so that a sum of huge ones doesn't overflow
    weights[weights < NOTHING] = 0
    return weights / weights[weights > 0].mean()


def check_sizes(sizes, name):
    """Check widths of hidden layers: an int, or several.

    Parameters
    ----------
    sizes : int or array-like of int
        As the user gave them.
    name : str
        Of the parameter.

    Returns
    -------
    sizes : tuple of int
        All at least 1.
    """
    found = (sizes,) if isinstance(sizes, numbers.Integral) else tuple(sizes)
    if not all(isinstance(size, numbers.Integral) and size >= 1 for size in found):
        raise ValueError(f"Got {name}={sizes!r}, but expected whole numbers of at least 1.")
    return tuple(int(size) for size in found)


def resolve_device(device, *, fall_back=False):
    """Find the device that a parameter names.

    Parameters
    ----------
    device : str
        "auto" (CUDA, then MPS, then CPU) or a name that torch knows, such as "cuda:1".
    fall_back : bool, default=False
        Whether a device that is not there is replaced by the CPU with a warning, as for a model that was fitted elsewhere,
        instead of an error.

    Returns
    -------
    device : torch.device
        One that this machine has.
    """
    present = ["cpu"]
    if torch.backends.mps.is_available():
        present.append("mps")
    present += [f"cuda:{i}" for i in range(torch.cuda.device_count())]
    if device == "auto":
        best = "cuda" if torch.cuda.is_available() else present[-1]
        return torch.device(best)
    try:
        found = torch.device(device)
        there = found.type == "cpu" or any(name == str(found) or name.split(":")[0] == str(found) for name in present)
    except RuntimeError as error:
        if not fall_back:
            raise ValueError(f"Got device={device!r}, but expected 'auto' or one of {present}.") from error
        there = False
    if there:
        return found
    if not fall_back:
        raise ValueError(f"Got device={device!r}, but this machine has only {present}.")
    advise(f"Got device={device!r}, but this machine has only {present}: using the CPU.")
    return torch.device("cpu")


def seeded(random_state):
    """Turn scikit-learn's `random_state` into the one whole number that all generators of a fit start from.

    None gives a number that nobody could foresee, and leaves NumPy's global generator alone.
    """
    if random_state is None:
        return int(np.random.default_rng().integers(np.iinfo(np.int32).max))
    if isinstance(random_state, numbers.Integral):
        return int(random_state)
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


def wants_tensor(estimator, X):
    """Say whether the answer is a tensor: a tensor came in and no ``set_output`` asks for something else."""
    return isinstance(X, torch.Tensor) and _get_output_config("transform", estimator)["dense"] == "default"


def visual_block(name, estimator):
    """Give what scikit-learn draws for an estimator within another; where this fails, it draws the outer one alone."""
    from sklearn.utils._repr_html.estimator import _VisualBlock  # the most private of all: only drawing depends on it

    return _VisualBlock("parallel", [estimator], names=[f"{name}: {type(estimator).__name__}"], name_details=[str(estimator)])
