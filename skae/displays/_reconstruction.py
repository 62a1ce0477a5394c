"""Samples, reconstructions and reconstruction errors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_consistent_length

from skae._input.table_schema import EncodedTable
from skae._typing import Keywords, MatrixLike
from skae.displays._plotting import (
    AxesLike,
    DisplayMixin,
    axis_limits,
    channel_labels,
    check_int_in_range,
    difference_keywords,
    feature_names_or_default,
    get_feature_names,
    get_image_layout,
    has_lines,
    image_limits,
    is_image,
    line_keywords,
    line_xlabel,
    plot_image,
    symmetric_limit,
    to_lines,
    to_plot_layout,
)

__all__ = ["ReconstructionDisplay"]

if TYPE_CHECKING:
    from matplotlib.lines import Line2D

MAX_SAMPLES = 40
"""Maximum number of samples in one plot, because more are too small to see."""


class ReconstructionDisplay(DisplayMixin):
    """Plot of samples, their reconstructions, and the differences.

    Use `from_estimator` or `from_predictions` to create a display. Images are plotted as images,
    with a map of the differences. Signals, and tables of more than 40 features, are plotted as
    lines, in one panel for each channel. Rows of smaller tables are plotted as two dots for each
    feature.

    Parameters
    ----------
    originals : ndarray of shape (n_samples, n_features), (n_samples, H, W) or (n_samples, H, W, C)
        Rows of a table, or images; signals with C channels if H is 1. At most 40 samples.
    reconstructions : ndarray of the same shape
        Reconstructions in the units of `originals`.
    feature_names : list of str, default=None
        Names of the columns of a table, or of the channels of signals. If None, they are numbered.

    Attributes
    ----------
    axes_ : ndarray of Axes of shape (n_rows, n_samples)
        Axes of the plot. Images have three rows: originals, reconstructions and differences.
        Signals have two: originals with reconstructions, and differences. Signals with several
        channels have one for each channel, without differences. Tables have one.
    figure_ : Figure
        Figure that contains the axes.
    images_ : ndarray of AxesImage of shape (3, n_samples) or None
        Image artists; None for signals and tables.
    lines_ : list of list of Line2D or None
        Line artists of each signal or table row; None for images.

    See Also
    --------
    TraversalDisplay : Decoded samples along latent dimensions.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_digits
    >>> from skae import ConvAutoencoder, ReconstructionDisplay
    >>> images = load_digits().images[:300]
    >>> autoencoder = ConvAutoencoder(8, max_iter=20, random_state=0).fit(images)
    >>> display = ReconstructionDisplay.from_estimator(
    ...     autoencoder, images, n_samples=4
    ... )
    >>> display.axes_.shape
    (3, 4)
    >>> plt.close(display.figure_)
    """

    axes_: NDArray[np.object_]
    images_: NDArray[np.object_] | None
    lines_: list[list[Line2D]] | None

    def __init__(
        self,
        *,
        originals: NDArray[Any],
        reconstructions: NDArray[Any],
        feature_names: Sequence[str] | None = None,
    ) -> None:
        self.originals = originals
        self.reconstructions = reconstructions
        self.feature_names = feature_names

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        X: MatrixLike,
        *,
        n_samples: int = 6,
        image_shape: Sequence[int] | None = None,
        ax: AxesLike | None = None,
        im_kw: Keywords | None = None,
        error_kw: Keywords | None = None,
        line_kw: Keywords | None = None,
    ) -> Self:
        """Plot the first samples of X and their reconstructions.

        Parameters
        ----------
        estimator : estimator
            Fitted estimator with `transform` and `inverse_transform`, such as PCA or a Pipeline.
            `reconstruct` is used if the estimator has it.
        X : array-like of shape (n, n_features) or of images
            Samples to reconstruct. A table with categories is plotted with standardized numbers,
            and one indicator for each category.
        n_samples : int, default=6
            Number of samples to plot, from 1 to 40. All of X are plotted if X has fewer.
        image_shape : tuple of int, default=None
            Shape of one image, if X is flat and the estimator has no `image_shape_`.
        ax : Axes or array of Axes, default=None
            One Axes, which is divided into panels, or one Axes for each panel. If None, a new
            figure is created.
        im_kw, error_kw, line_kw : dict, default=None
            Keyword arguments of matplotlib for images, maps of differences, and lines of
            reconstructions.

        Returns
        -------
        display : ReconstructionDisplay
            Display that stores the plotted values.
        """
        cls._check_estimator(estimator, "transform", "inverse_transform")
        X = X[: check_int_in_range(n_samples, "n_samples", MAX_SAMPLES)]
        feature_names = get_feature_names(X, estimator)
        schema = getattr(estimator, "_table", None)
        if schema is not None and schema.has_categories:
            X = EncodedTable(schema.encode(X, allow_nan=True), schema)
            feature_names = schema.feature_names
        if hasattr(estimator, "reconstruct"):
            X_hat = estimator.reconstruct(X)
        else:
            X_hat = estimator.inverse_transform(estimator.transform(X))
        image_shape, channel_axis = get_image_layout(estimator, image_shape)
        return cls.from_predictions(
            X,
            X_hat,
            image_shape=image_shape,
            channel_axis=channel_axis,
            feature_names=feature_names,
            ax=ax,
            im_kw=im_kw,
            error_kw=error_kw,
            line_kw=line_kw,
        )

    @classmethod
    def from_predictions(
        cls,
        X: MatrixLike,
        X_hat: MatrixLike,
        *,
        image_shape: Sequence[int] | None = None,
        channel_axis: int = -1,
        feature_names: Sequence[str] | None = None,
        ax: AxesLike | None = None,
        im_kw: Keywords | None = None,
        error_kw: Keywords | None = None,
        line_kw: Keywords | None = None,
    ) -> Self:
        """Plot samples and reconstructions that were computed before.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or of images
            Samples, at most 40.
        X_hat : array-like of the same shape
            Reconstructions of the samples.
        image_shape : tuple of int, default=None
            Shape of one image, if rows are flat images; ``(1, time)`` or ``(1, time, channels)``
            for signals.
        channel_axis : int, default=-1
            Axis of the channels; 1 if channels come first.
        feature_names : list of str, default=None
            Names of the columns of a table, or of the channels of signals. If None, the column
            names of a data frame, or numbers.
        ax : Axes or array of Axes, default=None
            One Axes, which is divided into panels, or one Axes for each panel. If None, a new
            figure is created.
        im_kw, error_kw, line_kw : dict, default=None
            Keyword arguments of matplotlib for images, maps of differences, and lines of
            reconstructions.

        Returns
        -------
        display : ReconstructionDisplay
            Display that stores the plotted values.
        """
        check_consistent_length(X, X_hat)
        if feature_names is None:
            feature_names = get_feature_names(X)
        display = cls(
            originals=to_plot_layout(X, image_shape, channel_axis),
            reconstructions=to_plot_layout(X_hat, image_shape, channel_axis),
            feature_names=feature_names,
        )
        return display.plot(ax=ax, im_kw=im_kw, error_kw=error_kw, line_kw=line_kw)

    def plot(
        self,
        ax: AxesLike | None = None,
        *,
        im_kw: Keywords | None = None,
        error_kw: Keywords | None = None,
        line_kw: Keywords | None = None,
    ) -> Self:
        """Plot the samples, the reconstructions and the differences.

        Parameters
        ----------
        ax : Axes or array of Axes, default=None
            One Axes, which is divided into panels, or one Axes for each panel. If None, a new
            figure is created.
        im_kw, error_kw, line_kw : dict, default=None
            Keyword arguments of matplotlib for images, maps of differences, and lines of
            reconstructions.

        Returns
        -------
        self : ReconstructionDisplay
            Display with `axes_`, `figure_` and the artists of the plot.
        """
        shape = np.shape(self.originals)
        if shape != np.shape(self.reconstructions):
            raise ValueError(
                f"Got reconstructions of shape {np.shape(self.reconstructions)}, "
                f"but expected {shape}, the shape of the originals."
            )
        if not 1 <= shape[0] <= MAX_SAMPLES:
            raise ValueError(
                f"Got {shape[0]} samples, but expected 1 to {MAX_SAMPLES}. Pass a subset of X."
            )
        self.images_ = None
        self.lines_ = None
        if is_image(self.originals):
            self._plot_images(ax, im_kw, error_kw)
        elif has_lines(self.originals):
            self._plot_signals(ax, line_kw)
        else:
            self._plot_table(ax, line_kw)
        return self

    def _plot_images(self, ax, im_kw, error_kw):
        """Plot three rows of images: originals, reconstructions and differences."""
        n, height, width = self.originals.shape[:3]
        row_height = max(0.6, 1.2 * height / width)
        figsize = (min(16, 1.2 * n) + 2.4, min(12, 3 * row_height + 0.3))
        self._set_axes_grid(ax, (3, n), figsize, layout="compressed")
        limits = image_limits(self.originals)
        errors = np.asarray(self.reconstructions, dtype=np.float64) - self.originals
        if errors.ndim == 4:
            errors = errors.mean(-1)  # (n, H, W)
        error_kw = difference_keywords(error_kw, errors)
        self.images_ = np.empty((3, n), dtype=object)
        for i, (top, middle, bottom) in enumerate(self.axes_.T):
            self.images_[0, i] = plot_image(top, self.originals[i], *limits, im_kw)
            self.images_[1, i] = plot_image(middle, self.reconstructions[i], *limits, im_kw)
            self.images_[2, i] = bottom.imshow(errors[i], **error_kw)
            bottom.set(xticks=[], yticks=[])
        row_labels = ("Original", "Reconstruction", "Difference")
        for panel, label in zip(self.axes_[:, 0], row_labels, strict=True):
            panel.set_ylabel(label, rotation=0, ha="right", va="center")
        self.figure_.colorbar(
            self.images_[2, 0],
            ax=list(self.axes_[2]),
            label="Reconstruction\nminus original",
            fraction=max(0.05, 0.12 / n),
            pad=0.01,
            aspect=8,
        )

    def _plot_signals(self, ax, line_kw):
        """Plot a row of lines for each channel, and the differences of signals of one channel."""
        originals = to_lines(self.originals)
        reconstructions = to_lines(self.reconstructions)
        n, _, n_channels = originals.shape
        height_ratios = [1] * n_channels
        height = min(16, 1.5 * n_channels + 0.8)
        if n_channels == 1:
            height_ratios = [2, 1]
            height = 3.6
        shape = (len(height_ratios), n)
        self._set_axes_grid(
            ax, shape, (min(16, 3.0 * n + 0.6), height), height_ratios=height_ratios
        )
        line_kw = _reconstruction_keywords(line_kw, linewidth=1.2)
        self.lines_ = [[] for _ in range(n)]
        labels = channel_labels(self.feature_names, n_channels)
        for channel, label in enumerate(labels):
            values, fitted = originals[..., channel], reconstructions[..., channel]
            limits = axis_limits(values, fitted)
            for i, panel in enumerate(self.axes_[channel]):
                lines = panel.plot(values[i], color="0.6", linewidth=2.5, label="Original")
                self.lines_[i] += lines + panel.plot(fitted[i], **line_kw)
                panel.set_ylim(limits)
            self.axes_[channel, 0].set_ylabel(label)
        if n_channels == 1:
            self._plot_differences((reconstructions - originals)[..., 0], line_kw)
        for i, column in enumerate(self.axes_.T):
            column[0].set_title(f"Sample {i}", fontsize="medium")
            column[-1].set_xlabel(line_xlabel(self.originals))
            for panel in column:
                panel.tick_params(labelbottom=panel is column[-1], labelleft=i == 0)
        self._plot_legend(ax)

    def _plot_differences(self, errors, line_kw):
        """Plot the differences of signals of one channel in the last row of panels."""
        limit = symmetric_limit(errors, scale=1.1)
        error_kw = {**line_kw, "label": "Difference"}
        for i, panel in enumerate(self.axes_[-1]):
            panel.axhline(0, color="0.8", linewidth=1)
            self.lines_[i] += panel.plot(errors[i], **error_kw)
            panel.set_ylim(-limit, limit)
        self.axes_[-1, 0].set_ylabel("Difference")

    def _plot_table(self, ax, line_kw):
        """Plot original and reconstruction of each feature as two dots, joined by a line."""
        n, d = self.originals.shape
        names = feature_names_or_default(self.feature_names, d)
        name_width = 0.09 * max(map(len, names))
        self._set_axes_grid(ax, (1, n), (min(16, 1.9 * n + name_width + 0.6), 1.3 + 0.2 * d))
        positions = np.arange(d)
        value_limits = axis_limits(self.originals, self.reconstructions)
        original_kw = {"color": "0.3", "markersize": 6, "markerfacecolor": "white"}
        line_kw = _reconstruction_keywords(line_kw, linestyle="none", marker="o", markersize=4)
        self.lines_ = []
        for i, panel in enumerate(self.axes_[0]):
            x, x_hat = self.originals[i], self.reconstructions[i]
            panel.hlines(positions, x, x_hat, color=line_kw["color"], linewidth=1, zorder=1)
            lines = panel.plot(x, positions, "o", label="Original", **original_kw)
            lines += panel.plot(x_hat, positions, **line_kw)
            self.lines_.append(lines)
            panel.set_title(f"Sample {i}", fontsize="medium")
            panel.set(xlabel="Value", xlim=value_limits, ylim=(d - 0.5, -0.5))
            panel.set_yticks(positions, names)
            panel.tick_params(labelleft=i == 0)
            panel.grid(axis="y", color="0.92")
            panel.set_axisbelow(True)
        self._plot_legend(ax)

    def _plot_legend(self, ax):
        """Plot the legend above all panels of a new figure, or in the last of the given axes."""
        handles, labels = self.axes_[0, 0].get_legend_handles_labels()
        entries = dict(zip(labels, handles, strict=True))  # one line for all channels of a signal
        if ax is None:
            legend_kw = {"loc": "outside upper left", "ncols": 2, "frameon": False}
            self.figure_.legend(entries.values(), entries, **legend_kw)
        else:
            self.axes_[0, -1].legend(entries.values(), entries, loc="best", fontsize="small")


def _reconstruction_keywords(line_kw, **defaults):
    """Return keyword arguments of the line, or of the dots, of a reconstruction."""
    return line_keywords(line_kw, color="tab:blue", label="Reconstruction", **defaults)
