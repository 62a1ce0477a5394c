"""Agreement of all processes at the start of a fit: equal versions, parameters and data."""

import numpy as np
import torch

from skae._input.rows import sample_indices, take_rows
from skae._input.validation import resolve_seed
from skae._training.fit_digest import Digest, NotDigestible
from skae._version import __version__
from skae.distributed._context import active_group

__all__ = ["agree_on_fit", "agreed_seed"]

IGNORED_PARAMETERS = ("checkpoint_dir", "device", "random_state", "verbose")
"""Parameters that may differ between processes."""

MAX_DIGEST_BYTES = 2**26
"""Rows of at most this many bytes are compared; of more rows, evenly spaced ones."""

DIGEST_LENGTH = 12
"""Hexadecimal digits of each digest that is sent."""


def agreed_seed(random_state):
    """Return the seed of a fit; without a seed of the user, that of the first process.

    Parameters
    ----------
    random_state : int, RandomState or None
        As the user set it.
    """
    seed = resolve_seed(random_state)
    group = active_group()
    if group is not None and not isinstance(random_state, (int, np.integer)):
        seed = group.share_json(seed)
    return seed


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
    group = active_group()
    if group is None:
        return
    digests = {
        "versions": _digest((__version__, torch.__version__, np.__version__)),
        "estimators": _digest(type(estimator)),
        "random_state": _digest(seed),
        "fits before": _digest(start()),
    }
    for name, value in estimator.get_params(deep=False).items():
        if name not in IGNORED_PARAMETERS:
            digests[name] = _digest(value)
    for name, value in data().items():
        digests[name] = _digest_rows(value)
    described = group.gather_values(digests)
    differences = []
    for name in described[0]:
        others = [i for i, one in enumerate(described) if one.get(name) != described[0][name]]
        if others:
            differences.append(f"{name} ({', '.join(map(str, others))})")
    if differences or any(set(one) != set(digests) for one in described):
        raise ValueError(
            f"The processes called {type(estimator).__name__}.fit with different arguments. Not the "
            f"same as in process 0, with the numbers of the processes: {', '.join(differences)}. "
            "Pass the same values in each process, or rows that only this process has as "
            "skae.distributed.Shard(X)."
        )


def _digest(value):
    """Return the digest of a value; of a value without a digest, that of its type."""
    digest = Digest()
    try:
        digest.add(value)
    except NotDigestible:
        digest = Digest()
        digest.add(type(value).__qualname__)
    return digest.hexdigest()[:DIGEST_LENGTH]


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
