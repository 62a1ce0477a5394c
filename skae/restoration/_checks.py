"""What is given to a restorer: images, the range of their numbers, and the damage."""

import functools
import math

import numpy as np
from sklearn.utils import check_array

from skae import _validation as check
from skae import corruptions
from skae._damage import check_level, check_pair, checked
from skae._stored import plain_dtype, refuse_names
from skae._warning import advise

__all__ = [
    "GAP_MAKERS",
    "check_gaps",
    "check_images",
    "find_corruption",
    "find_fill",
    "find_range",
    "warn_if_channels_first",
    "warn_if_other_units",
]


GAP_MAKERS = ("masking", "patches")
"""The damage that leaves gaps, where there may be any, and all else as it was."""


def check_images(estimator, X, name, *, gaps=None):
    """Check images, and give them as (n, height, width, channels) in their own dtype.

    `gaps` says whether NaN is let through; None where no parameter could change that.
    """
    refuse_names(X)
    shapes = {np.shape(image) for image in X} if isinstance(X, (list, tuple)) else set()
    if len(shapes) > 1:
        some = " and ".join(map(str, sorted(shapes)[:2]))
        raise ValueError(
            f"Got images of shapes {some} in {name}, but expected all of one shape: fit pieces that are cut from them, and "
            "predict those of each shape in a call of its own."
        )
    X = check_array(
        X, dtype="numeric", ensure_2d=False, allow_nd=True, ensure_all_finite=False, input_name=name, estimator=estimator
    )
    if X.ndim not in (3, 4) or 0 in X.shape:
        raise ValueError(
            f"Got {name} of shape {X.shape}, but expected at least one image: (n_samples, height, width) or "
            "(n_samples, height, width, n_channels)."
        )
    X = X.astype(plain_dtype(X.dtype), copy=False)
    check.check_finite(X.reshape(len(X), -1), estimator=estimator if gaps is False else None, allow_nan=bool(gaps), name=name)
    return X if X.ndim == 4 else X[..., None]


def check_gaps(corruption, damaged):
    """Refuse to learn to fill gaps where there are none to learn from: what the mask does to the network would be random.

    Parameters
    ----------
    corruption : str or callable
        That of the restorer, used if `damaged` is None.
    damaged : ndarray or None
        Damaged images that were given.
    """
    if damaged is not None and not (damaged.dtype.kind == "f" and np.isnan(damaged).any()):
        raise ValueError("Got X without NaN, but expected some with allow_nan=True: gaps are what it learns to fill.")
    if damaged is None and not callable(corruption) and corruption not in GAP_MAKERS:
        raise ValueError(
            f"Got allow_nan=True with corruption={corruption!r}, which leaves no gaps, but expected 'masking', 'patches' or a "
            "callable."
        )


def warn_if_channels_first(images):
    """Say that images may lie in another way than they are taken."""
    _, height, width, channels = images.shape
    if height in (1, 3, 4) and channels not in (1, 3, 4):
        advise(
            f"X has shape {images.shape}, and is taken as images of {height} x {width} pixels with {channels} channels. If the "
            "channels come first, move them: np.moveaxis(X, 1, -1).",
        )


def warn_if_other_units(images, data_range):
    """Say that images have hardly the units that fit saw: 0 to 1 in place of 0 to 255, or the other way round."""
    low, high = check.extremes(images)
    if low > high:  # nothing is known
        return
    largest, expected = max(abs(low), abs(high)), max(map(abs, data_range))
    if largest > 50 * expected or 0 < 50 * largest < expected:
        advise(
            f"The largest number of X is {largest:.3g}, but fit saw images between {data_range[0]:.6g} and "
            f"{data_range[1]:.6g}. Give X in the units of fit.",
        )


def find_range(data_range, clean):
    """Say which numbers stand for black and white in clean images."""
    if data_range != "auto":
        return check_pair(data_range, "data_range")
    if clean.dtype in (np.uint8, np.uint16):
        return 0.0, float(np.iinfo(clean.dtype).max)
    low, high = float(clean.min()), float(clean.max())
    if low >= 0 and high <= 1:
        return 0.0, 1.0
    return (low, high) if low < high else (low, low + 1)


def find_fill(fill_value, data_range, dtype):
    """Say what stands in holes, in units of X."""
    if fill_value != "auto":
        return float(fill_value)
    middle = sum(data_range) / 2
    return float(math.ceil(middle)) if dtype.kind in "iu" else middle


def find_corruption(corruption, level, fill):
    """Give a function ``(x, generator) -> damaged x`` of pieces in [0, 1].

    Parameters
    ----------
    corruption, corruption_level
        Those of the restorer.
    fill : float
        What stands in holes, in [0, 1]; NaN leaves gaps.
    """
    if callable(corruption):
        return lambda x, generator: checked(corruption, math.isnan(fill), x, level, generator)
    low, high = check_level(corruption, level)
    values = {"salt_and_pepper": {"low": 0.0, "high": 1.0}, "masking": {"fill": fill}, "patches": {"fill": fill}}
    damage = functools.partial(getattr(corruptions, corruption), **values.get(corruption, {}))
    return lambda x, generator: damage(x, (low, high), generator)
