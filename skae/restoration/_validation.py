"""Validation of images, and resolution of the data range, the fill value and the corruption."""

import functools
import math

import numpy as np
from sklearn.utils import check_array

from skae import corruptions
from skae._input.dtypes import min_and_max, supported_dtype
from skae._input.streaming import check_not_file_names
from skae._input.validation import check_finite
from skae._warnings import warn_user
from skae.corruptions import check_level, check_pair, checked

__all__ = [
    "MASKING_CORRUPTIONS",
    "check_images",
    "check_masked_regions",
    "resolve_corruption",
    "resolve_data_range",
    "resolve_fill_value",
    "warn_if_channels_first",
    "warn_if_other_units",
]

MASKING_CORRUPTIONS = ("masking", "patches")
"""Corruptions that mask with NaN if allow_nan=True, and leave all other pixels unchanged."""

MAX_UNIT_RATIO = 50
"""Ratio of the largest absolute values of X and of `fit` above which the units seem to differ.
Images of uint8 and images in [0, 1] differ by a factor of 255."""


def check_images(estimator, X, name, *, allow_nan=None):
    """Check images, and convert them to shape (n, height, width, channels).

    Parameters
    ----------
    estimator : ImageRestorer
        The estimator that messages name.
    X : array-like of shape (n, height, width) or (n, height, width, channels)
        The images.
    name : str
        Name of X in messages.
    allow_nan : bool or None, default=None
        Whether NaN is accepted. If False, the message suggests ``allow_nan=True``. None refuses NaN
        without this suggestion, for images that can't have NaN with any parameter.

    Returns
    -------
    images : ndarray of shape (n, height, width, channels)
        The images in their own dtype.

    Raises
    ------
    TypeError
        If X is the name of a file or folder.
    ValueError
        If X isn't a batch of finite, real images of equal shape.
    """
    check_not_file_names(X)
    _check_equal_shapes(X, name)
    X = check_array(
        X,
        dtype="numeric",
        ensure_2d=False,
        allow_nd=True,
        ensure_all_finite=False,
        input_name=name,
        estimator=estimator,
    )
    if X.ndim not in (3, 4) or 0 in X.shape:
        raise ValueError(
            f"Got {name} of shape {X.shape}, but expected at least one image: "
            "(n_samples, height, width) or (n_samples, height, width, n_channels)."
        )
    X = X.astype(supported_dtype(X.dtype), copy=False)
    flat = X.reshape(len(X), -1)
    if allow_nan is False:
        check_finite(flat, estimator=estimator, name=name)
    else:
        check_finite(flat, allow_nan=bool(allow_nan), name=name)
    if X.ndim == 3:
        return X[..., None]
    return X


def _check_equal_shapes(X, name):
    """Raise a ValueError if X is a list of images of different shapes."""
    if not isinstance(X, (list, tuple)):
        return
    shapes = sorted({np.shape(image) for image in X})
    if len(shapes) > 1:
        raise ValueError(
            f"Got images of shapes {shapes[0]} and {shapes[1]} in {name}, but expected images of "
            "one shape. Crop the images to one shape for fit, and call predict once for each shape."
        )


def check_masked_regions(corruption, corrupted):
    """Raise a ValueError if no corrupted image can have NaN in training with allow_nan=True.

    Without NaN in training, the weights that read the mask would stay random.

    Parameters
    ----------
    corruption : str or callable
        Parameter of the restorer, used if `corrupted` is None.
    corrupted : ndarray or None
        Corrupted images given to `fit`.
    """
    if corrupted is None:
        if not callable(corruption) and corruption not in MASKING_CORRUPTIONS:
            raise ValueError(
                f"Got allow_nan=True with corruption={corruption!r}, which masks no pixels, but "
                "expected 'masking', 'patches' or a callable."
            )
        return
    if corrupted.dtype.kind != "f" or not np.isnan(corrupted).any():
        raise ValueError(
            "Got X without NaN, but expected NaN with allow_nan=True: NaN marks the masked regions "
            "that the restorer learns to inpaint. Set allow_nan=False, or mask pixels of X with "
            "NaN."
        )


def warn_if_channels_first(images):
    """Warn if the shape of images suggests that their channels come first."""
    _, height, width, channels = images.shape
    if height in (1, 3, 4) and channels not in (1, 3, 4):
        warn_user(
            f"X has shape {images.shape}, which is read as images of {height} x {width} pixels "
            f"with {channels} channels. If the channels come first, move them to the last axis: "
            "np.moveaxis(X, 1, -1).",
        )


def warn_if_other_units(images, data_range):
    """Warn if images seem to be in other units than in fit, such as 0 to 1 and not 0 to 255."""
    low, high = min_and_max(images)
    if low > high:  # all values are NaN
        return
    max_abs = max(abs(low), abs(high))
    fit_max_abs = max(map(abs, data_range))
    is_too_large = max_abs > MAX_UNIT_RATIO * fit_max_abs
    is_too_small = 0 < MAX_UNIT_RATIO * max_abs < fit_max_abs
    if is_too_large or is_too_small:
        warn_user(
            f"The largest absolute value of X is {max_abs:.3g}, but images in fit were between "
            f"{data_range[0]:.6g} and {data_range[1]:.6g}. Scale X to the units used in fit.",
        )


def resolve_data_range(data_range, clean):
    """Return the values of black and white, estimated from clean images if 'auto'."""
    if data_range != "auto":
        return check_pair(data_range, "data_range")
    if clean.dtype in (np.uint8, np.uint16):
        return 0.0, float(np.iinfo(clean.dtype).max)
    low = float(clean.min())
    high = float(clean.max())
    if low >= 0 and high <= 1:
        return 0.0, 1.0
    if low == high:
        return low, low + 1
    return low, high


def resolve_fill_value(fill_value, data_range, dtype):
    """Return the value of masked pixels in units of X; 'auto' is the middle of the data range."""
    if fill_value != "auto":
        return float(fill_value)
    middle = sum(data_range) / 2
    if dtype.kind in "iu":
        return float(math.ceil(middle))
    return middle


def resolve_corruption(corruption, level, fill):
    """Resolve the corruption to a function ``(x, generator) -> corrupted x`` of crops in [0, 1].

    Parameters
    ----------
    corruption : str or callable
        Parameter of the restorer.
    level : float or (float, float)
        Parameter `corruption_level` of the restorer.
    fill : float
        Value of masked pixels, in [0, 1], or NaN.

    Returns
    -------
    corrupt : callable
        The corruption.
    """
    if callable(corruption):
        allow_nan = math.isnan(fill)

        def corrupt_with_callable(x, generator):
            return checked(corruption, allow_nan, x, level, generator)

        return corrupt_with_callable
    level_range = check_level(corruption, level)
    options = {}
    if corruption == "salt_and_pepper":
        options = {"low": 0.0, "high": 1.0}
    elif corruption in MASKING_CORRUPTIONS:
        options = {"fill": fill}
    function = functools.partial(getattr(corruptions, corruption), **options)

    def corrupt(x, generator):
        return function(x, level_range, generator)

    return corrupt
