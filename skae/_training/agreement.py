"""Agreement of all processes at the start of a fit: equal versions, parameters and data."""

import numpy as np
import torch
from sklearn.base import BaseEstimator

from skae._devices import resolve_device
from skae._input.rows import sample_indices, take_rows
from skae._training.fit_digest import Digest, NotDigestible
from skae._version import __version__
from skae.distributed._context import active_group

__all__ = ["agree_on_fit", "agree_on_parameters"]

IGNORED_PARAMETERS = ("checkpoint_dir", "device", "random_state", "verbose")
"""Parameters that may differ between processes."""

MAX_DIGEST_BYTES = 2**26
"""Rows of at most this many bytes are compared; of more rows, evenly spaced ones."""

DIGEST_LENGTH = 12
"""Hexadecimal digits of each digest that is sent."""

MAX_DEPTH = 4
"""Nesting depth up to which the parts of a value without a digest are compared."""


def agree_on_fit(estimator, data, seed, start):
    """Raise an error in all processes if they differ in versions, parameters or data.

    Parameters
    ----------
    estimator : estimator
        With valid parameters.
    data : callable
        Function without arguments that returns rows, arrays and plain values by name.
    seed : int
        Seed of the fit.
    start : callable
        Function without arguments that returns the state that the training begins with.

    Raises
    ------
    ValueError
        The message names the differences, and the processes.
    """
    if active_group() is None:
        return
    names = list(getattr(estimator, "feature_names_in_", ()))
    digests = {
        **_common_digests(estimator, seed),
        "columns of X": _digest((names, getattr(estimator, "_table", None))),
        "type of the device": resolve_device(estimator.device).type,
        "fits before": _digest(start()),
        **{name: _digest_rows(value) for name, value in data().items()},
    }
    _compare(type(estimator).__name__, digests)


def agree_on_parameters(estimator, seed):
    """Raise an error in all processes if they differ in versions or parameters.

    Parameters
    ----------
    estimator : estimator
        With valid parameters. It fits others, which compare the data.
    seed : int
        Seed of the fit.

    Raises
    ------
    ValueError
        As in `agree_on_fit`.
    """
    if active_group() is not None:
        _compare(type(estimator).__name__, _common_digests(estimator, seed))


def _common_digests(estimator, seed):
    """Return digests of versions, seed and parameters, by name."""
    digests = {
        "versions": _digest((__version__, torch.__version__, np.__version__)),
        "estimators": _digest(type(estimator)),
        "random_state": _digest(seed),
    }
    for name, value in estimator.get_params(deep=False).items():
        if name not in IGNORED_PARAMETERS:
            digests[name] = _digest(value)
    return digests


def _compare(class_name, digests):
    """Raise an error that names the digests in which the processes differ."""
    described = active_group().gather_values(digests)
    differences = []
    for name in described[0]:
        others = [i for i, one in enumerate(described) if one.get(name) != described[0][name]]
        if others:
            differences.append(f"{name} ({', '.join(map(str, others))})")
    if differences or any(set(one) != set(digests) for one in described):
        raise ValueError(
            f"The processes called {class_name}.fit with different arguments. Not the "
            f"same as in process 0, with the numbers of the processes: {', '.join(differences)}. "
            "Pass the same values in each process, or rows that only this process has as "
            "skae.distributed.Shard(X)."
        )


class ProcessDigest(Digest):
    """Digest that is equal in all processes of one program: functions without a name have one."""

    def _add_name(self, value):
        self._add_bytes("name", f"{value.__module__}.{value.__qualname__}".encode())

    def _add_function(self, function):
        super()._add_function(function)
        for cell in getattr(function, "__closure__", None) or ():
            try:
                self.add(cell.cell_contents)
            except ValueError as error:  # from the cell
                raise NotDigestible(f"{function.__qualname__} is not complete") from error


def _digest(value, max_depth=MAX_DEPTH):
    """Return the digest of a value; of a part without a digest, that of its type."""
    digest = ProcessDigest()
    try:
        digest.add(value)
    except NotDigestible:
        digest = ProcessDigest()
        digest.add((type(value).__qualname__, _digests_of_parts(value, max_depth)))
    return digest.hexdigest()[:DIGEST_LENGTH]


def _digests_of_parts(value, max_depth):
    """Return the digests of the items of a value, or of its attributes; None if it has neither."""
    if max_depth == 0:
        return None
    if isinstance(value, BaseEstimator):
        value = value.get_params(deep=False)
    elif hasattr(value, "__dict__") and not isinstance(value, type):
        value = vars(value)
    if isinstance(value, dict):
        return [(_digest(name), _digest(one, max_depth - 1)) for name, one in value.items()]
    if isinstance(value, (list, tuple)):
        return [_digest(one, max_depth - 1) for one in value]
    return None


def _digest_rows(value):
    """Return the digest of shape, dtype and rows, or of another value."""
    shape = getattr(value, "shape", ())
    if len(shape) < 2 or not hasattr(value, "dtype"):
        return _digest(value)
    digest = Digest()
    digest.add((str(value.dtype), tuple(shape)))
    row_bytes = max(1, int(np.prod(shape[1:]))) * value.dtype.itemsize
    n_rows = max(1, MAX_DIGEST_BYTES // row_bytes)
    if n_rows < shape[0]:
        value = take_rows(value, sample_indices(value, n_rows))
    digest.add_rows(value)
    return digest.hexdigest()[:DIGEST_LENGTH]
