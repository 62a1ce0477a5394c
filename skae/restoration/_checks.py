"""What is given to a restorer: images, the range of their numbers, and the damage."""

import functools
import math
import warnings
from numbers import Real

import numpy as np
from sklearn.utils import check_array

from skae import _validation as check
from skae import corruptions

__all__ = [
    "LEVELS",
    "check_images",
    "find_corruption",
    "find_fill",
    "find_range",
    "warn_if_channels_first",
    "warn_if_other_units",
]

LEVELS = {
    "gaussian": (0, math.inf),
    "masking": (0, 1),
    "salt_and_pepper": (0, 1),
    "patches": (0, 1),
    "blur": (0, math.inf),
    "jpeg": (1, 100),
}
"""What `corruption` may be, and between which numbers its level may be."""


def check_images(estimator, X, name):
    """Check images, and give them as (n, height, width, channels) in their own dtype."""
    X = check_array(
        X, dtype="numeric", ensure_2d=False, allow_nd=True, ensure_all_finite=False, input_name=name, estimator=estimator
    )
    if X.ndim not in (3, 4) or 0 in X.shape:
        raise ValueError(
            f"Got {name} of shape {X.shape}, but expected at least one image: (n_samples, height, width) or "
            "(n_samples, height, width, n_channels)."
        )
    check.check_finite(X.reshape(len(X), -1))
    return X if X.ndim == 4 else X[..., None]


def warn_if_channels_first(images):
    """Say that images may lie in another way than they are taken."""
    _, height, width, channels = images.shape
    if height in (1, 3, 4) and channels not in (1, 3, 4):
        warnings.warn(
            f"X has shape {images.shape}, and is taken as images of {height} x {width} pixels with {channels} channels. If the "
            "channels come first, move them: np.moveaxis(X, 1, -1).",
            stacklevel=5,
        )


def warn_if_other_units(images, data_range):
    """Say that images have hardly the units that fit saw: 0 to 1 in place of 0 to 255, or the other way round."""
    largest, expected = (max(abs(low), abs(high)) for low, high in (check.extremes(images), data_range))
    if largest > 50 * expected or 0 < 50 * largest < expected:
        warnings.warn(
            f"The largest number of X is {largest:.3g}, but fit saw images between {data_range[0]:.6g} and "
            f"{data_range[1]:.6g}. Give X in the units of fit.",
            stacklevel=3,
        )


def find_range(data_range, clean):
    """Say which numbers stand for black and white in clean images."""
    if data_range != "auto":
        low, high = _pair(data_range, "data_range")
        if low == high:
            raise ValueError(f"Got data_range={data_range!r}, but expected two rising numbers.")
        return low, high
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
        What stands in holes, in [0, 1].
    """
    if callable(corruption):
        return lambda x, generator: corruption(x, level, generator)
    least, most = LEVELS[corruption]
    low, high = (level, level) if isinstance(level, Real) else _pair(level, "corruption_level")
    if not least <= low <= high <= most:
        raise ValueError(
            f"Got corruption_level={level!r}, but expected a number from {least} to {most}, or a rising pair of them, for "
            f"corruption={corruption!r}."
        )
    values = {"salt_and_pepper": {"low": 0.0, "high": 1.0}, "masking": {"fill": fill}, "patches": {"fill": fill}}
    damage = functools.partial(getattr(corruptions, corruption), **values.get(corruption, {}))
    return lambda x, generator: damage(x, (float(low), float(high)), generator)


def _pair(values, name):
    """Check two rising finite numbers."""
    good = len(values) == 2 and all(isinstance(value, Real) and math.isfinite(value) for value in values)
    if not good or values[0] > values[1]:
        raise ValueError(f"Got {name}={values!r}, but expected two rising numbers.")
    return float(values[0]), float(values[1])
