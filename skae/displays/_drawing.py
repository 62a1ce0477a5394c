"""What several displays share: axes to draw on, and how a sample becomes a picture."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from skae._wrapped import as_plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes

AxesLike: TypeAlias = "Axes | Sequence[Axes] | NDArray[np.object_]"
"""One to divide, or as many as are needed."""

__all__ = [
    "arranged",
    "as_numbers",
    "axes_grid",
    "check_count",
    "check_fitted",
    "draw_image",
    "feature_names",
    "is_image",
    "is_signal",
    "limits",
    "one_axes",
    "pyplot",
    "styled",
]

MOST_NAMED = 40
"""Features of a table up to which each is drawn with its name; more of them are drawn as a line."""


def pyplot(caller):
    """Import matplotlib, or say how to get it."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(f"{caller} needs matplotlib, which is not installed: pip install skae[plot]") from error
    return plt


def check_fitted(estimator, *methods):
    """Check that an estimator is fitted and has the methods that a display calls."""
    check_is_fitted(estimator)
    missing = [method for method in methods if not hasattr(estimator, method)]
    if missing:
        hint = ": its autoencoder_ does" if hasattr(estimator, "autoencoder_") else ""
        raise TypeError(f"Got {type(estimator).__name__}, but expected an estimator that has {' and '.join(missing)}{hint}.")


def styled(defaults, given, artist):
    """Put the user's keywords over the defaults; short names, such as `c`, stand for the long ones.

    Parameters
    ----------
    defaults, given : dict
        Keywords; `given` may be None.
    artist : type
        Of matplotlib, whose aliases count.
    """
    from matplotlib.cbook import normalize_kwargs

    return {**normalize_kwargs(defaults, artist), **normalize_kwargs(given or {}, artist)}


def one_axes(ax, caller, figsize=None):
    """Give the axes that were passed, or new ones, and their figure."""
    plt = pyplot(caller)
    if ax is None:
        _, ax = plt.subplots(figsize=figsize, layout="constrained")
    if not isinstance(ax, plt.Axes):
        raise TypeError(f"Got ax={ax!r}, but {caller} expected an Axes of matplotlib.")
    return ax, ax.figure


def axes_grid(ax, shape, caller, figsize, *, layout="constrained", **gridspec_kw):
    """Give an array of axes: new ones, those passed, or a division of the one passed.

    Parameters
    ----------
    ax : Axes, array of Axes or None
        One is turned off, and divided; an array has to have the shape.
    shape : (int, int)
        Rows and columns.
    caller : str
        Who asks, for messages.
    figsize : (float, float)
        Of a new figure, in inches.
    layout : str, default="constrained"
        Of a new figure; "compressed" for images, whose shape is fixed, so that those of one column stand below each other.
    **gridspec_kw : dict
        What a division gets, such as `height_ratios`.

    Returns
    -------
    axes : ndarray of Axes of shape `shape`
        To draw on.
    figure : Figure
        Theirs.
    """
    plt = pyplot(caller)
    if ax is None:
        figure, axes = plt.subplots(*shape, figsize=figsize, squeeze=False, layout=layout, gridspec_kw=gridspec_kw)
        return axes, figure
    if isinstance(ax, plt.Axes):
        spec = ax.get_subplotspec()
        if spec is None:
            raise ValueError(
                f"Got an ax that is not part of a grid, but {caller} expected one from plt.subplots, to divide it."
            )
        ax.set_axis_off()
        return spec.subgridspec(*shape, **gridspec_kw).subplots(squeeze=False), ax.figure
    axes = np.asarray(ax, dtype=object)
    if not all(isinstance(one, plt.Axes) for one in axes.flat):
        raise TypeError(f"Got ax={ax!r}, but {caller} expected an Axes of matplotlib, or an array of them.")
    if axes.size != shape[0] * shape[1]:
        raise ValueError(f"Got ax with {axes.size} axes, but {caller} expected one, or {shape[0]} x {shape[1]}.")
    return axes.reshape(shape), axes.flat[0].figure


def check_count(n, name, most, least=1):
    """Refuse what is not a whole number in a range."""
    if not isinstance(n, Integral) or not least <= n <= most:
        raise ValueError(f"Got {name}={n!r}, but expected an int from {least} to {most}.")
    return int(n)


def as_numbers(X):
    """Turn a table, a tensor or a list into an array of numbers, in its own dtype."""
    X = as_plain(X)
    X = X.astype(np.float64) if X.dtype == object or X.dtype == bool else X
    if X.dtype.kind not in "iuf":
        raise ValueError(f"Got an array of dtype {X.dtype}, but expected real numbers.")
    return X


def arranged(X, image_shape=None, channel_axis=-1):
    """Lay samples out so that their shape says how to draw them.

    Parameters
    ----------
    X : array-like of shape (n_samples, ...)
        As an autoencoder takes them.
    image_shape : tuple of int, default=None
        Shape of one image, if rows are flat images.
    channel_axis : int, default=-1
        Where channels stand; 1 or -3 for first. The axis of samples counts.

    Returns
    -------
    X : ndarray of shape (n, d), (n, H, W) or (n, H, W, C)
        Rows of a table; images, or signals where H is 1.
    """
    X = as_numbers(X)
    if image_shape is not None:
        if X.ndim < 2 or X[0].size != np.prod(image_shape):
            raise ValueError(f"Got X of shape {X.shape}, but expected images of shape {tuple(image_shape)}, or rows of them.")
        X = X.reshape(len(X), *image_shape)
    if X.ndim not in (2, 3, 4):
        raise ValueError(f"Got X of shape {X.shape}, but expected (n, d), (n, H, W) or images with channels.")
    if X.ndim == 4 and channel_axis in (1, -3):
        X = np.moveaxis(X, 1, -1)
    return X[..., 0] if X.ndim == 4 and X.shape[-1] == 1 else X


def is_image(X):
    """Say whether samples laid out by `arranged` are images."""
    return X.ndim > 2 and X.shape[1] > 1


def is_signal(X):
    """Say whether they are drawn as lines: signals, and tables of many features."""
    return not is_image(X) and (X.ndim > 2 or X.shape[1] > MOST_NAMED)


def limits(X):
    """Give the numbers that are drawn black and white: 0 and 255 of uint8, 0 and 1 where all lie between, else the extremes."""
    if X.dtype == np.uint8:
        return 0.0, 255.0
    low, high = (float(found) for found in (np.nanmin(X), np.nanmax(X)))
    if low >= 0 and high <= 1:
        return 0.0, 1.0
    return low, high if high > low else low + 1.0


def draw_image(ax, image, low, high, im_kw=None):
    """Draw one image, grey or in colour; channels that are no colours are averaged.

    Parameters
    ----------
    ax : Axes
        To draw on.
    image : ndarray of shape (H, W) or (H, W, C)
        In units of X.
    low, high : float
        What is black, and white.
    im_kw : dict, default=None
        For imshow.

    Returns
    -------
    im : AxesImage
        What was drawn.
    """
    from matplotlib.image import AxesImage

    ax.set(xticks=[], yticks=[])
    return ax.imshow(
        shown(image, low, high), **styled({"cmap": "gray", "vmin": 0, "vmax": 1, "interpolation": "nearest"}, im_kw, AxesImage)
    )


def shown(image, low, high):
    """Scale an image to [0, 1]; channels that are no colours are averaged."""
    image = np.clip((np.asarray(image, dtype=np.float64) - low) / (high - low), 0, 1)
    return image.mean(-1) if image.ndim == 3 and image.shape[-1] not in (3, 4) else image


def feature_names(estimator, n_features):
    """Give the names of the columns that fit saw, or their numbers."""
    names = getattr(estimator, "feature_names_in_", None)
    return [f"x{i}" for i in range(n_features)] if names is None or len(names) != n_features else [str(name) for name in names]
