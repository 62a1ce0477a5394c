"""Latent traversals: samples decoded along latent dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from skae._typing import ArrayLike, Keywords, MatrixLike
from skae.displays._latent_dimensions import get_start, select_components, traverse
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
    to_lines,
    to_numeric_array,
    to_plot_layout,
)

__all__ = ["TraversalDisplay"]

if TYPE_CHECKING:
    from matplotlib.lines import Line2D

MAX_STEPS = 25
"""Maximum number of values of each latent dimension, because more columns are too small to see."""


class TraversalDisplay(DisplayMixin):
    """Plot of samples decoded along one latent dimension, or on a grid of two.

    Use `from_estimator` to create a display. Images are plotted in one row for each latent
    dimension. Signals, and tables of more than 40 features, are plotted as lines colored by the
    step, in one panel for each channel. Smaller tables are plotted as a strip of colors for each
    feature.

    Parameters
    ----------
    decoded : ndarray of shape (n_rows, n_steps, ...)
        Decoded samples: rows of a table, or images; signals if their height is 1.
    steps : ndarray of shape (n_steps,)
        Changes of the latent dimension from the start, in standard deviations.
    components : list of int
        Latent dimension of each row. With `grid`, the latent dimension that increases from left to
        right, and the one that increases from bottom to top.
    grid : bool, default=False
        Whether two latent dimensions are varied at once. Then `n_rows` is `n_steps`, and the first
        row has the last step.
    feature_names : list of str, default=None
        Names of the columns of a table, or of the channels of signals. If None, they are numbered.
    feature_scales : ndarray of shape (n_features,), default=None
        Standard deviations of the columns of a table, by which changes are divided. If None,
        changes are plotted in units of X.
    value_range : (float, float), default=None
        Values of images plotted black and white. If None, they are computed from `decoded`.

    Attributes
    ----------
    axes_ : ndarray of Axes
        Axes of the plot, of shape (n_rows, n_steps) for images and with `grid`, of shape
        (1, n_rows) for tables, and (n_channels, n_rows) for signals.
    figure_ : Figure
        Figure that contains the axes.
    images_ : ndarray of AxesImage or None
        Image artists of images and tables, in the shape of `axes_`; None for signals.
    lines_ : list of list of Line2D or None
        Line artists of signals, for each of the axes; None for images and tables.

    See Also
    --------
    LatentDisplay : Scatter plot of latent vectors in two dimensions.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_digits
    >>> from skae import ConvAutoencoder, TraversalDisplay
    >>> images = load_digits().images[:300]
    >>> autoencoder = ConvAutoencoder(3, max_iter=20, random_state=0).fit(images)
    >>> display = TraversalDisplay.from_estimator(autoencoder, images, n_steps=5)
    >>> display.axes_.shape
    (3, 5)
    >>> plt.close(display.figure_)
    """

    axes_: NDArray[np.object_]
    images_: NDArray[np.object_] | None
    lines_: list[list[Line2D]] | None

    def __init__(
        self,
        *,
        decoded: NDArray[Any],
        steps: NDArray[Any],
        components: Sequence[int],
        grid: bool = False,
        feature_names: Sequence[str] | None = None,
        feature_scales: NDArray[Any] | None = None,
        value_range: tuple[float, float] | None = None,
    ) -> None:
        self.decoded = decoded
        self.steps = steps
        self.components = components
        self.grid = grid
        self.feature_names = feature_names
        self.feature_scales = feature_scales
        self.value_range = value_range

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        X: MatrixLike,
        *,
        components: Sequence[int] | None = None,
        grid: bool = False,
        n_steps: int = 7,
        span: float = 2.0,
        start: ArrayLike | None = None,
        image_shape: Sequence[int] | None = None,
        ax: AxesLike | None = None,
        im_kw: Keywords | None = None,
        line_kw: Keywords | None = None,
    ) -> Self:
        """Decode and plot latent vectors that differ in one latent dimension, or in two.

        The latent vectors of X determine the start and the standard deviation of each dimension.

        Parameters
        ----------
        estimator : estimator
            Fitted estimator with `transform` and `inverse_transform`.
        X : array-like of shape (n_samples, n_features) or of images
            Samples to encode, at least two.
        components : list of int, default=None
            Latent dimensions to vary. If None, those with the largest standard deviations: at most
            8, or 2 with `grid`.
        grid : bool, default=False
            Whether to vary two latent dimensions at once, for images and signals.
        n_steps : int, default=7
            Number of values of each latent dimension, from 2 to 25. The start is in the middle if
            it is odd.
        span : float, default=2.0
            Largest change in both directions, in standard deviations of the latent dimension.
        start : array-like of shape (n_components,), default=None
            Latent vector to start from, such as that of one image. If None, the mean over X.
        image_shape : tuple of int, default=None
            Shape of one image, if X is flat and the estimator has no `image_shape_`.
        ax : Axes or array of Axes, default=None
            One Axes, which is divided into panels, or one Axes for each panel. If None, a new
            figure is created.
        im_kw, line_kw : dict, default=None
            Keyword arguments of matplotlib for images and for lines.

        Returns
        -------
        display : TraversalDisplay
            Display that stores the plotted values.
        """
        cls._check_estimator(estimator, "transform", "inverse_transform")
        n_steps = check_int_in_range(n_steps, "n_steps", MAX_STEPS, minimum=2)
        if not isinstance(span, Real) or not 0 < span < np.inf:
            raise ValueError(f"Got span={span!r}, but expected a finite float > 0.")
        Z = to_numeric_array(estimator.transform(X)).astype(np.float64)
        if len(Z) < 2:
            raise ValueError(
                "Got X with 1 sample, but expected at least 2. Latent dimensions are varied by "
                "their standard deviations over X."
            )
        spread = Z.std(0)
        components = select_components(components, spread, grid)
        steps = np.linspace(-span, span, n_steps)
        Z = traverse(get_start(start, Z), steps, spread, components, grid)
        decoded = estimator.inverse_transform(Z.reshape(-1, Z.shape[-1]).astype(np.float32))
        layout = get_image_layout(estimator, image_shape)
        decoded = to_plot_layout(decoded, *layout)
        samples = to_plot_layout(X, *layout)
        feature_scales = None
        if samples.ndim == 2:
            feature_scales = np.nanstd(samples, axis=0, dtype=np.float64)
        display = cls(
            decoded=decoded.reshape(*Z.shape[:2], *decoded.shape[1:]),
            steps=steps,
            components=components,
            grid=grid,
            feature_names=get_feature_names(X, estimator),
            feature_scales=feature_scales,
            value_range=image_limits(samples),
        )
        return display.plot(ax=ax, im_kw=im_kw, line_kw=line_kw)

    def plot(
        self,
        ax: AxesLike | None = None,
        *,
        im_kw: Keywords | None = None,
        line_kw: Keywords | None = None,
    ) -> Self:
        """Plot the decoded samples.

        Parameters
        ----------
        ax : Axes or array of Axes, default=None
            One Axes, which is divided into panels, or one Axes for each panel. If None, a new
            figure is created.
        im_kw, line_kw : dict, default=None
            Keyword arguments of matplotlib for images and for lines.

        Returns
        -------
        self : TraversalDisplay
            Display with `axes_`, `figure_` and the artists of the plot.
        """
        self.images_ = None
        self.lines_ = None
        samples = self.decoded[0]
        if is_image(samples):
            self._plot_images(ax, im_kw)
        elif has_lines(samples) and self.grid:
            self._plot_signal_grid(ax, line_kw)
        elif has_lines(samples):
            self._plot_signals(ax, line_kw)
        elif self.grid:
            raise ValueError("Got grid=True with rows of a table, but expected images or signals.")
        else:
            self._plot_table(ax, im_kw)
        return self

    def _plot_images(self, ax, im_kw):
        """Plot a row of images for each latent dimension, or a grid of images for two."""
        n_rows, n_steps, height, width = self.decoded.shape[:4]
        figsize = (min(14, 0.9 * n_steps + 0.8), min(14, 0.9 * n_rows * height / width + 0.6))
        self._set_axes_grid(ax, (n_rows, n_steps), figsize, layout="compressed")
        limits = self.value_range or image_limits(self.decoded)
        self.images_ = np.empty((n_rows, n_steps), dtype=object)
        for i in np.ndindex(n_rows, n_steps):
            self.images_[i] = plot_image(self.axes_[i], self.decoded[i], *limits, im_kw)
        if self.grid:
            self._label_grid()
            return
        for panel, step in zip(self.axes_[0], self.steps, strict=True):
            panel.set_title(_step_label(step), fontsize="medium")
        for panel, component in zip(self.axes_[:, 0], self.components, strict=True):
            label = f"Latent\ndimension {component}"
            panel.set_ylabel(label, rotation=0, ha="right", va="center")

    def _label_grid(self):
        """Label the edges of a grid with the steps, and its top with the latent dimensions."""
        for panel, step in zip(self.axes_[-1], self.steps, strict=True):
            panel.set_xlabel(_step_label(step))
        for panel, step in zip(self.axes_[::-1, 0], self.steps, strict=True):
            panel.set_ylabel(_step_label(step), rotation=0, ha="right", va="center")
        across, up = self.components
        self.axes_[0, len(self.steps) // 2].set_title(
            f"Horizontal: latent dimension {across}\nVertical: latent dimension {up}",
            fontsize="medium",
        )

    def _plot_signal_grid(self, ax, line_kw):
        """Plot each decoded signal in its panel of the grid, with one color for each channel."""
        n_rows, n_steps = self.decoded.shape[:2]
        figsize = (min(14, 1.2 * n_steps + 0.8), min(14, 0.8 * n_rows + 0.6))
        self._set_axes_grid(ax, (n_rows, n_steps), figsize)
        lines = to_lines(self.decoded.reshape(-1, *self.decoded.shape[2:]))
        n_channels = lines.shape[2]
        if n_channels > 1:
            lines = _scale_channels(lines)
        limits = axis_limits(lines)
        self.lines_ = []
        for panel, channels in zip(self.axes_.flat, lines, strict=True):
            artists = []
            for channel in range(n_channels):
                color = f"C{channel % 10}"
                artists += panel.plot(channels[:, channel], **line_keywords(line_kw, color=color))
            self.lines_.append(artists)
            panel.set(xticks=[], yticks=[], ylim=limits)
        self._label_grid()

    def _plot_signals(self, ax, line_kw):
        """Plot the decoded signals of each latent dimension and channel, colored by the step."""
        n_rows, n_steps = self.decoded.shape[:2]
        lines = to_lines(self.decoded.reshape(-1, *self.decoded.shape[2:]))
        lines = lines.reshape(n_rows, n_steps, *lines.shape[1:])  # (n_rows, n_steps, length, C)
        n_channels = lines.shape[3]
        height = min(16, 1.5 * n_channels + 1.5)
        self._set_axes_grid(ax, (n_channels, n_rows), (min(16, 3.0 * n_rows + 1.2), height))
        from matplotlib.cm import ScalarMappable  # after the check that matplotlib is installed

        mappable = ScalarMappable(cmap="viridis")
        mappable.set_clim(self.steps[0], self.steps[-1])
        self.lines_ = []
        labels = channel_labels(self.feature_names, n_channels)
        if n_channels == 1:
            labels = ["Decoded value"]
        for channel, label in enumerate(labels):
            limits = axis_limits(lines[..., channel])
            for row, panel in enumerate(self.axes_[channel]):
                artists = []
                for step, line in zip(self.steps, lines[row, ..., channel], strict=True):
                    color = mappable.to_rgba(step)
                    keywords = line_keywords(line_kw, color=color, linewidth=1.2)
                    artists += panel.plot(line, **keywords)
                self.lines_.append(artists)
                panel.set_ylim(limits)
                panel.tick_params(labelbottom=channel == n_channels - 1, labelleft=row == 0)
            self.axes_[channel, 0].set_ylabel(label)
        for panel in self.axes_[-1]:
            panel.set_xlabel(line_xlabel(self.decoded[0]))
        self._label_panels(mappable, "Latent step\n(standard deviations)")

    def _plot_table(self, ax, im_kw):
        """Plot the changes of each feature as a strip of colors."""
        n_rows, n_steps, d = self.decoded.shape
        names = feature_names_or_default(self.feature_names, d)
        name_width = 0.09 * max(map(len, names))
        figsize = (min(16, 1.7 * n_rows + name_width + 1.4), 1.3 + 0.2 * d)
        self._set_axes_grid(ax, (1, n_rows), figsize)
        changes = self._feature_changes()  # (n_rows, n_steps, d)
        im_kw = difference_keywords(im_kw, changes, aspect="auto")
        step_labels = [_step_label(self.steps[0]), _step_label(self.steps[-1])]
        self.images_ = np.empty((1, n_rows), dtype=object)
        for row, panel in enumerate(self.axes_[0]):
            self.images_[0, row] = panel.imshow(changes[row].T, **im_kw)
            panel.set_xticks([0, n_steps - 1], step_labels)
            panel.set_yticks(range(d), names)
        label = "Feature change"
        if self.feature_scales is not None:
            label += "\n(standard deviations)"
        self._label_panels(self.images_[0, 0], label)

    def _feature_changes(self):
        """Return changes of features from the middle step, divided by `feature_scales`.

        The mean over the steps replaces the middle step if the number of steps is even. Changes of
        features with a scale of 0 are not divided.
        """
        n_steps = self.decoded.shape[1]
        center = self.decoded[:, [n_steps // 2]]  # (n_rows, 1, d)
        if n_steps % 2 == 0:
            center = self.decoded.mean(1, keepdims=True)
        changes = self.decoded - center
        if self.feature_scales is None:
            return changes
        return changes / np.where(self.feature_scales > 0, self.feature_scales, 1.0)

    def _label_panels(self, mappable, colorbar_label):
        """Label the panel of each latent dimension, and plot a color bar beside all of them."""
        for panel, component in zip(self.axes_[0], self.components, strict=True):
            panel.set_title(f"Latent dimension {component}", fontsize="medium")
            panel.tick_params(labelleft=panel is self.axes_[0, 0])
        panels = list(self.axes_.flat)
        self.figure_.colorbar(mappable, ax=panels, label=colorbar_label, fraction=0.05, pad=0.02)


def _scale_channels(lines):
    """Scale each channel of lines (n, length, n_channels) to [0, 1] over all lines."""
    low = np.nanmin(lines, axis=(0, 1))
    high = np.nanmax(lines, axis=(0, 1))
    return (lines - low) / np.where(high > low, high - low, 1)


def _step_label(step):
    """Return the label of a step in standard deviations, with matplotlib's minus sign."""
    if abs(step) <= 1e-9:
        return "0"
    return f"{step:+.2g} SD".replace("-", "\N{MINUS SIGN}")
