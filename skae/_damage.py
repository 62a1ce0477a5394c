"""Which damage is done to inputs, and how much of it: what the parameters of estimators name."""

import math
from functools import partial
from numbers import Real

import torch

from skae import corruptions

__all__ = ["check_corruption", "check_level", "check_pair", "checked"]


def check_level(corruption, level):
    """Check how much damage is to be done: a number, or a rising pair of them.

    Parameters
    ----------
    corruption : str or callable
        A name in `skae.corruptions` says between which numbers; a callable takes any from 0.
    level : float or (float, float)
        As the user gave it.

    Returns
    -------
    low, high : float
        The same where all rows get as much.
    """
    pair = (level, level) if isinstance(level, Real) else tuple(level)
    least, most = (0, math.inf) if callable(corruption) else corruptions.LEVELS[corruption]
    if not _rise(pair) or not least <= pair[0] <= pair[1] <= most:
        limit = f"of at least {least}" if most == math.inf else f"from {least} to {most}"
        what = "" if callable(corruption) else f", for corruption={corruption!r}"
        raise ValueError(
            f"Got corruption_level={level!r}, but expected a number {limit}, or a pair of such, the lower one first{what}."
        )
    return float(pair[0]), float(pair[1])


def check_pair(values, name):
    """Check two finite numbers, the second of which is larger."""
    if not _rise(values) or values[0] == values[1]:
        raise ValueError(f"Got {name}={values!r}, but expected two rising numbers.")
    return float(values[0]), float(values[1])


def _rise(values):
    """Say whether these are two finite numbers of which the second is no smaller."""
    good = len(values) == 2 and all(isinstance(value, Real) and math.isfinite(value) for value in values)
    return good and values[0] <= values[1]


def check_corruption(corruption, level, *, allow_nan=False):
    """Find the damage that a parameter names.

    Parameters
    ----------
    corruption : str, callable or None
        A name in `skae.corruptions`, or ``(x, level, generator) -> x``.
    level : float or (float, float)
        How much of it.
    allow_nan : bool, default=False
        Whether what is masked or cut out becomes a gap, in place of a mean.

    Returns
    -------
    corrupt : callable or None
        ``(x, generator) -> x``.
    """
    if corruption is None:
        return None
    low, high = check_level(corruption, level)
    level = (low, high) if low < high else low
    function = partial(checked, corruption, allow_nan) if callable(corruption) else getattr(corruptions, corruption)
    return partial(_damage, function, level, corruption in ("masking", "patches") if allow_nan else None)


def _damage(function, level, makes_gaps, x, generator):
    """Do damage; a function of its own, so that a net with it can be pickled. `makes_gaps` is None where there are no gaps."""
    if makes_gaps is None:
        return function(x, level, generator)
    if makes_gaps:
        return function(x, level, generator, fill=math.nan)
    # gaps stay gaps, and other damage sees means in their places
    return torch.where(x.isnan(), x, function(x.nan_to_num(0.0), level, generator))


def checked(function, allow_nan, x, level, generator):
    """Do the damage of a function of the user's; refuse what it made, if that is no tensor like the one that it was given."""
    damaged = function(x, level, generator)
    expected = f"a tensor of shape {tuple(x.shape)} and dtype {str(x.dtype).removeprefix('torch.')}, as it was given"
    if not isinstance(damaged, torch.Tensor):
        found = type(damaged).__name__
    elif damaged.shape != x.shape or damaged.dtype != x.dtype:
        found = f"a tensor of shape {tuple(damaged.shape)} and dtype {str(damaged.dtype).removeprefix('torch.')}"
    elif not (damaged.nan_to_num(0.0, math.inf, -math.inf) if allow_nan else damaged).isfinite().all():
        found, expected = (
            ("infinity", "finite numbers, or NaN for gaps") if allow_nan else ("NaN or infinity", "finite numbers")
        )
    else:
        return damaged
    raise ValueError(f"Got a corruption that makes {found}, but expected {expected}.")
