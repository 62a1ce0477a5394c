"""Validation of images, and resolution of the data range, the fill value and the corruption."""

import functools
import inspect
import math

import numpy as np
from sklearn.utils import check_array

from skae._input.array_likes import as_numpy, check_not_file_names, is_sequence_of_arrays
from skae._input.dtypes import as_supported, min_and_max
from skae._input.validation import MAX_ABSOLUTE_VALUE, check_finite
from skae._warnings import warn_user
from skae.corruptions._base import corrupt, is_rising

__all__ = [
    "batch_shape",
    "check_identity_link",
    "check_images",
    "check_masked_regions",
    "check_no_masked_weight",
    "resolve_data_range",
    "resolve_fill_value",
    "restorer_corruption",
    "warn_if_channels_first",
    "warn_unused_parameters",
]

MIN_RANGE = float(np.finfo(np.float32).tiny)
"""Smallest data range: images are divided by the range in float32."""

MIN_RELATIVE_RANGE = 1e-6
"""Data range of constant images relative to their value, if the value is above 1e6."""

AUTO_LEVEL = 0.1
"""Level of a corruption that "auto" stands for in restorers."""


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
    check_not_file_names(X, name)
    _check_equal_shapes(X, name)
    X = check_array(
        as_numpy(X, name),
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
    X = as_supported(X)
    flat = X.reshape(len(X), -1)
    if allow_nan is False:
        check_finite(flat, estimator=estimator, name=name)
    else:
        check_finite(flat, allow_nan=bool(allow_nan), name=name)
    if X.ndim == 3:
        return X[..., None]
    return X


def batch_shape(X):
    """Return the shape of an array, or of the array of a list of images."""
    if is_sequence_of_arrays(X):
        return (len(X), *np.shape(next(iter(X))))
    return np.shape(X)


def _check_equal_shapes(X, name):
    """Raise a ValueError if X is a list of images of different shapes."""
    if not is_sequence_of_arrays(X):
        return
    arrays = [image for image in X if not isinstance(image, (list, tuple))]
    shapes = list(dict.fromkeys(tuple(np.shape(image)) for image in arrays))
    if len(shapes) > 1:
        raise ValueError(
            f"Got images of shapes {shapes[0]} and {shapes[1]} in {name}, but expected images of "
            "one shape. For fit, crop the images to one shape, or read them with "
            "skae.datasets.ImageFolder(folder, size=...). Call predict once for each shape."
        )


def check_identity_link(loss):
    """Raise a ValueError if a loss is computed from logits, which the network does not return.

    Parameters
    ----------
    loss : Loss
        Parameter of the restorer as an object.
    """
    if loss.link != "identity":
        raise ValueError(
            f"Got loss={loss!r}, which is computed from logits, but expected a loss of images, "
            "such as 'squared_error'. The network of a restorer has no sigmoid."
        )


def check_masked_regions(corruption, corrupted):
    """Raise a ValueError if no corrupted image can have NaN in training with allow_nan=True.

    Without NaN in training, the weights that read the mask would stay random.

    Parameters
    ----------
    corruption : Corruption
        Parameter of the restorer as an object, used if `corrupted` is None.
    corrupted : ndarray or None
        Corrupted images given to `fit`.
    """
    if corrupted is None:
        if not corruption.can_mask and not corruption.masks:
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


def check_no_masked_weight(corruption):
    """Raise a ValueError if masked values have a weight in the loss, which restorers don't have."""
    if corruption.weight_in_loss is not None:
        raise ValueError(
            f"Got corruption={corruption!r}, but a restorer has no weight of masked pixels. With "
            "allow_nan=True, the loss counts masked pixels alone. Set masked_weight='auto'."
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


def warn_unused_parameters(restorer, images, corruption):
    """Warn of each parameter that the user set, and that this fit does not use.

    Parameters
    ----------
    restorer : ImageRestorer
        With valid parameters.
    images : TrainingImages
        The checked images.
    corruption : Corruption
        Parameter of the restorer as an object.
    """
    has_pairs = images.corrupted is not None
    defaults = inspect.signature(type(restorer)).parameters
    default_corruption = defaults["corruption"].default
    if has_pairs and restorer.corruption != default_corruption:
        warn_user(
            f"Got corruption={restorer.corruption!r} with y: pairs of corrupted and clean images "
            "are not corrupted again, so corruption has no effect. Pass clean images only, or set "
            f"corruption={default_corruption!r}, the default."
        )
    masks = corruption.masks and not has_pairs
    if restorer.fill_value != "auto" and not masks and not restorer.allow_nan:
        warn_user(
            f"Got fill_value={restorer.fill_value!r}, but no pixel is masked: fill_value has no "
            "effect. Use corruption='masking' or 'patches', or set fill_value='auto'."
        )
    height, width = images.clean.shape[1:3]
    is_default = restorer.patch_size == defaults["patch_size"].default
    if not is_default and restorer.patch_size > max(height, width):
        warn_user(
            f"Got patch_size={restorer.patch_size} with images of {height} x {width} pixels: crops "
            f"are whole images. Set patch_size to at most {max(height, width)}."
        )


def resolve_data_range(data_range, clean):
    """Return the values of black and white, estimated from clean images if 'auto'."""
    if data_range != "auto":
        if not is_rising(data_range) or data_range[0] == data_range[1]:
            raise ValueError(f"Got data_range={data_range!r}, but expected two rising numbers.")
        low, high = data_range
        if max(map(abs, data_range)) > MAX_ABSOLUTE_VALUE or high - low < MIN_RANGE:
            raise ValueError(
                f"Got data_range={data_range!r}, but expected numbers of at most "
                f"{MAX_ABSOLUTE_VALUE:.3g} with a difference of at least {MIN_RANGE:.3g}. Scale "
                "the images."
            )
        return float(data_range[0]), float(data_range[1])
    if clean.dtype in (np.uint8, np.uint16):
        return 0.0, float(np.iinfo(clean.dtype).max)
    low, high = min_and_max(clean)
    if low >= 0 and high <= 1:
        return 0.0, 1.0
    if high - low < MIN_RANGE:
        return low, low + max(1.0, MIN_RELATIVE_RANGE * abs(low))
    return low, high


def resolve_fill_value(fill_value, data_range, dtype):
    """Return the value of masked pixels in units of X; 'auto' is the middle of the data range."""
    if fill_value != "auto":
        if abs(fill_value) > MAX_ABSOLUTE_VALUE:
            raise ValueError(
                f"Got fill_value={fill_value!r}, but expected at most {MAX_ABSOLUTE_VALUE:.3g}, "
                "which float32 holds."
            )
        return float(fill_value)
    middle = sum(data_range) / 2
    if dtype.kind in "iu":
        return float(math.ceil(middle))
    return middle


def restorer_corruption(corruption, fill):
    """Return a corruption as a function ``(x, generator) -> corrupted x`` of crops in [0, 1].

    Parameters
    ----------
    corruption : Corruption
        Parameter of the restorer, as an object.
    fill : float
        Value of masked pixels, in [0, 1], or NaN.

    Returns
    -------
    corrupt : callable
        The corruption.
    """
    resolved = corruption.resolve(level=AUTO_LEVEL, fill_value=fill, low=0.0, high=1.0)
    return functools.partial(corrupt, resolved, math.isnan(fill))
