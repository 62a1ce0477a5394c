"""Shared helpers of the displays: axes, keyword arguments, plotting layout and value ranges."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skae._input.dtypes import as_ndarray

__all__ = [
    "AxesLike",
    "axis_limits",
    "check_fitted",
    "check_int_in_range",
    "get_axes",
    "get_axes_grid",
    "get_feature_names",
    "get_image_layout",
    "has_lines",
    "image_limits",
    "import_pyplot",
    "is_image",
    "line_xlabel",
    "merge_keywords",
    "names_or_default",
    "plot_image",
    "scale_image",
    "set_feature_ticks",
    "symmetric_limit",
    "to_numeric_array",
    "to_plot_layout",
]

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from numpy.typing import NDArray

AxesLike: TypeAlias = "Axes | Sequence[Axes] | NDArray[np.object_]"
"""One Axes to divide into panels, or an array with one Axes for each panel."""

MAX_NAMED_FEATURES = 40
"""Maximum number of table features plotted by name; tick labels of more features would overlap."""


def import_pyplot(caller):
    """Import and return `matplotlib.pyplot`, or raise an ImportError that names the extra."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f"{caller} needs matplotlib, which is not installed: pip install skae[plot]"
        ) from error
    return plt


def check_fitted(estimator, *methods):
    """Check that an estimator is fitted and has the methods that a display calls."""
    check_is_fitted(estimator)
    missing = [method for method in methods if not hasattr(estimator, method)]
    if not missing:
        return
    action = f"Pass an estimator with {' and '.join(methods)}."
    if hasattr(estimator, "autoencoder_"):
        action = "Pass its autoencoder_ instead."
    raise TypeError(
        f"Got {type(estimator).__name__}, which has no method {' or '.join(missing)}. {action}"
    )


def merge_keywords(defaults, user_kw, artist):
    """Return default keyword arguments of an artist, updated with the user's.

    Parameters
    ----------
    defaults : dict
        Default keyword arguments.
    user_kw : dict or None
        Keyword arguments of the user. Aliases such as `c` replace defaults of the full name.
    artist : type
        The matplotlib artist class that defines the aliases.
    """
    from matplotlib.cbook import normalize_kwargs

    return {**normalize_kwargs(defaults, artist), **normalize_kwargs(user_kw or {}, artist)}


def get_axes(ax, caller, figsize=None):
    """Return `ax`, or new axes if it is None, and their figure."""
    plt = import_pyplot(caller)
    if ax is None:
        _, ax = plt.subplots(figsize=figsize, layout="constrained")
    if not isinstance(ax, plt.Axes):
        raise TypeError(f"Got ax={ax!r}, but {caller} expected a matplotlib Axes.")
    return ax, ax.figure


def get_axes_grid(ax, shape, caller, figsize, *, layout="constrained", **gridspec_kw):
    """Return a grid of axes: new axes, a division of one Axes, or the array of Axes passed.

    Parameters
    ----------
    ax : Axes, array of Axes or None
        One Axes is turned off and divided. An array is reshaped to `shape`.
    shape : (int, int)
        Number of rows and columns.
    caller : str
        Name of the public class or method, for messages.
    figsize : (float, float)
        Width and height of a new figure, in inches.
    layout : str, default="constrained"
        Layout engine of a new figure. "compressed" aligns columns of images, because the aspect
        ratio of images is fixed.
    **gridspec_kw : dict
        Keyword arguments of the grid, such as `height_ratios`.

    Returns
    -------
    axes : ndarray of Axes of shape `shape`
        Axes to plot on.
    figure : Figure
        Figure of the axes.
    """
    plt = import_pyplot(caller)
    if ax is None:
        figure, axes = plt.subplots(
            *shape, figsize=figsize, squeeze=False, layout=layout, gridspec_kw=gridspec_kw
        )
        return axes, figure
    if isinstance(ax, plt.Axes):
        spec = ax.get_subplotspec()
        if spec is None:
            raise ValueError(
                f"Got an ax outside of a subplot grid, which {caller} cannot divide into panels. "
                "Pass an Axes from plt.subplots."
            )
        ax.set_axis_off()
        return spec.subgridspec(*shape, **gridspec_kw).subplots(squeeze=False), ax.figure
    axes = np.asarray(ax, dtype=object)
    if not all(isinstance(panel, plt.Axes) for panel in axes.flat):
        raise TypeError(
            f"Got ax={ax!r}, but {caller} expected a matplotlib Axes, or an array of Axes."
        )
    n_rows, n_columns = shape
    if axes.size != n_rows * n_columns:
        raise ValueError(
            f"Got ax with {axes.size} axes, but {caller} expected one Axes, "
            f"or an array of {n_rows} x {n_columns}."
        )
    return axes.reshape(shape), axes.flat[0].figure


def check_int_in_range(n, name, maximum, minimum=1):
    """Check that a parameter is an integer in a range, and return it as an int."""
    if not isinstance(n, Integral) or not minimum <= n <= maximum:
        raise ValueError(f"Got {name}={n!r}, but expected an int from {minimum} to {maximum}.")
    return int(n)


def to_numeric_array(X):
    """Convert a table, a tensor or a list to an array of real numbers, keeping numeric dtypes."""
    X = as_ndarray(X)
    if X.dtype == object or X.dtype == bool:
        X = X.astype(np.float64)
    if X.dtype.kind not in "iuf":
        raise ValueError(f"Got an array of dtype {X.dtype}, but expected real numbers.")
    return X


def get_image_layout(estimator, image_shape):
    """Return the fitted image shape and channel axis, or `image_shape` and -1 if not fitted."""
    return getattr(estimator, "image_shape_", image_shape), getattr(estimator, "channel_axis_", -1)


def to_plot_layout(X, image_shape=None, channel_axis=-1):
    """Convert samples to an array with a shape that determines the kind of plot.

    Parameters
    ----------
    X : array-like of shape (n_samples, ...)
        Samples in any layout that autoencoders accept.
    image_shape : tuple of int, default=None
        Shape of one image, if rows are flat images.
    channel_axis : int, default=-1
        Axis of the channels, counting the axis of samples; 1 or -3 for channels first.

    Returns
    -------
    X : ndarray of shape (n, d), (n, H, W) or (n, H, W, C)
        Rows of a table; images, or signals if H is 1.
    """
    X = to_numeric_array(X)
    if image_shape is not None:
        if X.ndim < 2 or X[0].size != np.prod(image_shape):
            raise ValueError(
                f"Got X of shape {X.shape}, but expected images of shape {tuple(image_shape)}, "
                "or rows of flat images of this shape."
            )
        X = X.reshape(len(X), *image_shape)
    if X.ndim not in (2, 3, 4):
        raise ValueError(
            f"Got X of shape {X.shape}, but expected (n, d), (n, H, W), (n, H, W, C) "
            "or (n, C, H, W)."
        )
    if X.ndim == 4 and channel_axis in (1, -3):
        X = np.moveaxis(X, 1, -1)
    if X.ndim == 4 and X.shape[-1] == 1:
        X = X[..., 0]
    return X


def is_image(X):
    """Return whether samples from `to_plot_layout` are images."""
    return X.ndim > 2 and X.shape[1] > 1


def has_lines(X):
    """Return whether samples are plotted as lines: signals, and tables of many features."""
    if X.ndim > 2:
        return not is_image(X)
    return X.shape[1] > MAX_NAMED_FEATURES


def line_xlabel(X):
    """Return the label of the x axis of lines: position in a signal, or feature of a table."""
    if X.ndim > 2:
        return "position"
    return "feature"


def data_range(*arrays):
    """Return the smallest and the largest value of all arrays as floats, ignoring NaN."""
    low = min(np.nanmin(X) for X in arrays)
    high = max(np.nanmax(X) for X in arrays)
    return float(low), float(high)


def image_limits(X):
    """Return the values plotted black and white.

    The limits are 0 and 255 for uint8. They are 0 and 1 if all values are between 0 and 1, and the
    smallest and the largest value otherwise.
    """
    if X.dtype == np.uint8:
        return 0.0, 255.0
    low, high = data_range(X)
    if low >= 0 and high <= 1:
        return 0.0, 1.0
    if high <= low:
        high = low + 1.0
    return low, high


def axis_limits(*arrays):
    """Return limits of an axis that shows all values of the arrays, with a margin of 5 percent."""
    low, high = data_range(*arrays)
    margin = 0.05 * (high - low)
    if margin == 0:
        margin = 1.0
    return low - margin, high + margin


def symmetric_limit(X, scale=1.0):
    """Return `scale` times the largest absolute value, or 1 if all values are 0."""
    limit = scale * float(np.nanmax(np.abs(X)))
    if limit == 0:
        return 1.0
    return limit


def plot_image(ax, image, low, high, im_kw=None):
    """Plot one image in gray or in color.

    Parameters
    ----------
    ax : Axes
        Axes to plot on.
    image : ndarray of shape (H, W) or (H, W, C)
        Image in units of X. The mean of the channels is plotted unless C is 3 or 4.
    low, high : float
        Values plotted black and white.
    im_kw : dict, default=None
        Keyword arguments of `imshow`.

    Returns
    -------
    im : AxesImage
        The image artist.
    """
    from matplotlib.image import AxesImage

    defaults = {"cmap": "gray", "vmin": 0, "vmax": 1, "interpolation": "nearest"}
    ax.set(xticks=[], yticks=[])
    return ax.imshow(scale_image(image, low, high), **merge_keywords(defaults, im_kw, AxesImage))


def scale_image(image, low, high):
    """Scale an image from [low, high] to [0, 1]; average channels unless there are 3 or 4."""
    image = np.clip((np.asarray(image, dtype=np.float64) - low) / (high - low), 0, 1)
    if image.ndim == 3 and image.shape[-1] not in (3, 4):
        image = image.mean(-1)
    return image


def names_or_default(names, n_features):
    """Return feature names as a list, or x0, x1, ... if `names` is None."""
    if names is None:
        return [f"x{i}" for i in range(n_features)]
    return list(names)


def get_feature_names(estimator, n_features):
    """Return the feature names seen in fit, or x0, x1, ... if their number is not n_features."""
    names = getattr(estimator, "feature_names_in_", None)
    if names is None or len(names) != n_features:
        return names_or_default(None, n_features)
    return [str(name) for name in names]


def set_feature_ticks(ax, names, *, show_names):
    """Set one tick on the y axis for each feature, with or without names."""
    labels = []
    if show_names:
        labels = names
    ax.set_yticks(np.arange(len(names)), labels)
