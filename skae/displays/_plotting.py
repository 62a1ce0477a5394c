"""Behavior that displays share: estimator checks, axes, sample layouts and value ranges."""

from __future__ import annotations

from numbers import Integral
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from sklearn.utils.validation import check_is_fitted

from skae._input.dtypes import as_ndarray

__all__ = [
    "AxesLike",
    "DisplayMixin",
    "axis_limits",
    "channel_labels",
    "check_int_in_range",
    "difference_keywords",
    "feature_names_or_default",
    "get_feature_names",
    "get_image_layout",
    "has_lines",
    "image_limits",
    "is_image",
    "line_keywords",
    "line_xlabel",
    "merge_keywords",
    "plot_image",
    "scale_image",
    "symmetric_limit",
    "to_lines",
    "to_numeric_array",
    "to_plot_layout",
]

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

AxesLike: TypeAlias = "Axes | Sequence[Axes] | NDArray[np.object_]"
"""One Axes to divide into panels, or an array with one Axes for each panel."""

MAX_NAMED_FEATURES = 40
"""Maximum number of table features plotted by name; tick labels of more features would overlap."""


class DisplayMixin:
    """Mixin of all displays: checks of an estimator, and axes to plot on."""

    figure_: Figure

    @classmethod
    def _check_estimator(cls, estimator, *attributes):
        """Check that matplotlib is installed, and that a fitted estimator has the attributes."""
        _import_pyplot(f"{cls.__name__}.from_estimator")
        check_is_fitted(estimator)
        if all(hasattr(estimator, attribute) for attribute in attributes):
            return
        action = ""
        if hasattr(estimator, "autoencoder_"):
            action = " Pass its autoencoder_ instead."
        raise TypeError(
            f"Got {type(estimator).__name__}, but {cls.__name__} expected an estimator with "
            f"{' and '.join(attributes)}.{action}"
        )

    def _set_axes(self, ax, figsize):
        """Set `ax_` to `ax`, or to new axes if it is None, and `figure_` to their figure."""
        plt = _import_pyplot(f"{type(self).__name__}.plot")
        if ax is None:
            ax = plt.figure(figsize=figsize, layout="constrained").add_subplot()
        if not isinstance(ax, plt.Axes):
            raise TypeError(f"Got ax={ax!r}, but expected a matplotlib Axes.")
        self.ax_ = ax
        self.figure_ = ax.figure

    def _set_axes_grid(self, ax, shape, figsize, *, layout="constrained", **gridspec_kw):
        """Set `axes_` to a grid of axes, and `figure_` to their figure.

        Parameters
        ----------
        ax : Axes, array of Axes or None
            One Axes is turned off and divided. An array is reshaped to `shape`. If None, a new
            figure is created.
        shape : (int, int)
            Number of rows and columns.
        figsize : (float, float)
            Width and height of a new figure, in inches.
        layout : str, default="constrained"
            Layout engine of a new figure. "compressed" aligns columns of images, because the
            aspect ratio of images is fixed.
        **gridspec_kw : dict
            Keyword arguments of the grid, such as `height_ratios`.
        """
        plt = _import_pyplot(f"{type(self).__name__}.plot")
        if ax is None:
            figure = plt.figure(figsize=figsize, layout=layout)
            axes = figure.subplots(*shape, squeeze=False, gridspec_kw=gridspec_kw)
        elif isinstance(ax, plt.Axes):
            spec = ax.get_subplotspec()
            if spec is None:
                raise ValueError(
                    "Got an ax outside of a subplot grid, which cannot be divided into panels. "
                    "Pass an Axes from plt.subplots."
                )
            ax.set_axis_off()
            axes = spec.subgridspec(*shape, **gridspec_kw).subplots(squeeze=False)
        else:
            axes = _reshape_axes(ax, shape, plt.Axes)
        self.axes_ = axes
        self.figure_ = axes.flat[0].figure


def _import_pyplot(caller):
    """Import and return `matplotlib.pyplot`, or raise an ImportError that names the extra."""
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError(
            f"{caller} needs matplotlib, which is not installed: pip install skae[plot]"
        ) from error
    return plt


def _reshape_axes(axes, shape, axes_type):
    """Return an array of Axes in a shape, or raise an error if this is not possible."""
    array = np.asarray(axes, dtype=object)
    if not all(isinstance(panel, axes_type) for panel in array.flat):
        raise TypeError(f"Got ax={axes!r}, but expected a matplotlib Axes, or an array of Axes.")
    n_rows, n_columns = shape
    if array.size != n_rows * n_columns:
        raise ValueError(
            f"Got ax with {array.size} axes, but expected one Axes, or an array of "
            f"{n_rows} x {n_columns}."
        )
    return array.reshape(shape)


def merge_keywords(artist, user_kw, **defaults):
    """Return default keyword arguments of an artist, updated with the user's.

    Parameters
    ----------
    artist : type
        The matplotlib artist class that defines the aliases.
    user_kw : dict or None
        Keyword arguments of the user. Aliases such as `c` replace defaults of the full name.
    **defaults : dict
        Default keyword arguments, without aliases.
    """
    from matplotlib.cbook import normalize_kwargs

    return {**defaults, **normalize_kwargs(user_kw, artist)}


def line_keywords(line_kw, **defaults):
    """Return default keyword arguments of a line, updated with the user's."""
    from matplotlib.lines import Line2D

    return merge_keywords(Line2D, line_kw, **defaults)


def image_keywords(im_kw, **defaults):
    """Return default keyword arguments of an image, updated with the user's."""
    from matplotlib.image import AxesImage

    return merge_keywords(AxesImage, im_kw, interpolation="nearest", **defaults)


def difference_keywords(im_kw, differences, **defaults):
    """Return keyword arguments of an image of differences: blue is negative, red is positive."""
    limit = symmetric_limit(differences)
    return image_keywords(im_kw, cmap="RdBu_r", vmin=-limit, vmax=limit, **defaults)


def check_int_in_range(n, name, maximum, minimum=1):
    """Check that a parameter is an integer in a range, and return it as an int."""
    if not isinstance(n, Integral) or not minimum <= n <= maximum:
        raise ValueError(f"Got {name}={n!r}, but expected an int from {minimum} to {maximum}.")
    return int(n)


def to_numeric_array(X):
    """Convert a table, a tensor or a list to an array of real numbers, keeping numeric dtypes."""
    X = as_ndarray(X)
    if X.dtype == object and any(isinstance(value, str) for value in X.ravel()):
        raise ValueError(
            "Got a table with categories, but expected numbers, which have a scale to plot. Plot a "
            "ReconstructionDisplay or a LatentDisplay of a table with categories."
        )
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


def to_lines(X):
    """Convert signals or rows to float64 lines of shape (n, length, n_channels)."""
    n_channels = 1
    if X.ndim > 3:
        n_channels = X.shape[3]
    return np.asarray(X, np.float64).reshape(len(X), -1, n_channels)


def channel_labels(names, n_channels):
    """Return the labels of the y axes of channels: their names, or numbers."""
    if names is not None and len(names) == n_channels:
        return list(names)
    if n_channels == 1:
        return ["Value"]
    return [f"Channel {channel}" for channel in range(n_channels)]


def line_xlabel(X):
    """Return the label of the x axis of lines: position in a signal, or feature of a table."""
    if X.ndim > 2:
        return "Position"
    return "Feature"


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
    im_kw = image_keywords(im_kw, cmap="gray", vmin=0, vmax=1)
    ax.set(xticks=[], yticks=[])
    return ax.imshow(scale_image(image, low, high), **im_kw)


def scale_image(image, low, high):
    """Scale an image from [low, high] to [0, 1]; average channels unless there are 3 or 4."""
    image = np.clip((np.asarray(image, dtype=np.float64) - low) / (high - low), 0, 1)
    if image.ndim == 3 and image.shape[-1] not in (3, 4):
        image = image.mean(-1)
    return image


def get_feature_names(X, estimator=None):
    """Return the feature names seen in fit, or else the column names of X, or else None."""
    names = getattr(estimator, "feature_names_in_", getattr(X, "columns", None))
    if names is None:
        return None
    return [str(name) for name in names]


def feature_names_or_default(names, n_features):
    """Return feature names, or x0, x1, ... if `names` is None; check their number."""
    if names is None:
        return [f"x{i}" for i in range(n_features)]
    if len(names) != n_features:
        raise ValueError(
            f"Got {len(names)} feature_names, but expected {n_features}: one for each column."
        )
    return list(names)
