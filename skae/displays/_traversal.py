"""Latent traversals: samples decoded along latent dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from skae._typing import ArrayLike, Keywords, MatrixLike
from skae.displays._latent_dimensions import get_start, traverse, validate_components
from skae.displays._plotting import (
    axis_limits,
    check_fitted,
    check_int_in_range,
    get_axes_grid,
    get_feature_names,
    get_image_layout,
    has_lines,
    image_limits,
    import_pyplot,
    is_image,
    line_xlabel,
    merge_keywords,
    names_or_default,
    plot_image,
    set_feature_ticks,
    symmetric_limit,
    to_numeric_array,
    to_plot_layout,
)

__all__ = ["TraversalDisplay"]

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    from skae.displays._plotting import AxesLike

MAX_STEPS = 25
"""Maximum number of values of each latent dimension, because more columns are too small to see."""


class TraversalDisplay:
    """Plot of samples decoded along one latent dimension, or on a grid of two.

    Use `from_estimator` to create a display. Images are plotted in one row for each latent
    dimension. Signals, and tables of more than 40 features, are plotted as lines colored by the
    step. Smaller tables are plotted as a strip of colors for each feature.

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
        Names of the columns of a table. If None, they are x0, x1, and so on.
    feature_scales : ndarray of shape (n_features,), default=None
        Standard deviations of the columns of a table, by which changes are divided. If None,
        changes are plotted in units of X.
    value_range : (float, float), default=None
        Values of images plotted black and white. If None, they are computed from `decoded`.

    Attributes
    ----------
    axes_ : ndarray of Axes
        Axes of the plot, of shape (n_rows, n_steps) for images and with `grid`, of shape
        (1, n_rows) for tables and signals.
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
    >>> autoencoder = ConvAutoencoder(3, max_iter=2, random_state=0).fit(images)
    >>> display = TraversalDisplay.from_estimator(autoencoder, images, n_steps=5)
    >>> display.axes_.shape
    (3, 5)
    >>> plt.close(display.figure_)
    """

    axes_: NDArray[np.object_]
    figure_: Figure
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
        import_pyplot(f"{cls.__name__}.from_estimator")
        check_fitted(estimator, "transform", "inverse_transform")
        n_steps = check_int_in_range(n_steps, "n_steps", MAX_STEPS, minimum=2)
        if not np.isreal(span) or not np.isfinite(span) or span <= 0:
            raise ValueError(f"Got span={span!r}, but expected a finite float > 0.")
        Z = to_numeric_array(estimator.transform(X)).astype(np.float64)
        if len(Z) < 2:
            raise ValueError(
                "Got X with 1 sample, but expected at least 2. Latent dimensions are varied by "
                "their standard deviations over X."
            )
        spread = Z.std(0)
        components = validate_components(components, spread, grid)
        steps = np.linspace(-span, span, n_steps)
        Z_traversal = traverse(get_start(start, Z), steps, spread, components, grid)
        n_rows, n_steps, n_components = Z_traversal.shape
        decoded = estimator.inverse_transform(
            Z_traversal.reshape(-1, n_components).astype(np.float32)
        )
        shape, channel_axis = get_image_layout(estimator, image_shape)
        decoded = to_plot_layout(decoded, shape, channel_axis)
        samples = to_plot_layout(X, shape, channel_axis)
        feature_names = feature_scales = None
        if samples.ndim == 2:
            feature_names = get_feature_names(estimator, samples.shape[1])
            feature_scales = np.nanstd(samples, axis=0, dtype=np.float64)
        display = cls(
            decoded=decoded.reshape(n_rows, n_steps, *decoded.shape[1:]),
            steps=steps,
            components=components,
            grid=grid,
            feature_names=feature_names,
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
        import_pyplot(f"{type(self).__name__}.plot")
        self.images_ = None
        self.lines_ = None
        samples = self.decoded[0]
        if is_image(samples):
            self._plot_images(ax, im_kw)
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
        size = (min(14, 0.9 * n_steps + 0.8), min(14, 0.9 * n_rows * height / width + 0.6))
        self.axes_, self.figure_ = get_axes_grid(
            ax, (n_rows, n_steps), type(self).__name__, size, layout="compressed"
        )
        limits = self.value_range
        if limits is None:
            limits = image_limits(self.decoded)
        self.images_ = np.empty((n_rows, n_steps), dtype=object)
        for index in np.ndindex(n_rows, n_steps):
            self.images_[index] = plot_image(self.axes_[index], self.decoded[index], *limits, im_kw)
        if self.grid:
            self._label_grid()
        else:
            self._label_rows()

    def _label_grid(self):
        """Label the edges of a grid with the steps, and its top with the latent dimensions."""
        labels = [_step_label(step) for step in self.steps]
        for panel, label in zip(self.axes_[-1], labels, strict=True):
            panel.set_xlabel(label)
        for panel, label in zip(self.axes_[:, 0], labels[::-1], strict=True):
            panel.set_ylabel(label, rotation=0, ha="right", va="center")
        middle = self.axes_.shape[1] // 2
        across, up = self.components[0], self.components[1]
        self.axes_[0, middle].set_title(f"across: code {across}, up: code {up}")

    def _label_rows(self):
        """Label columns with the steps, and rows with the latent dimensions."""
        for panel, step in zip(self.axes_[0], self.steps, strict=True):
            panel.set_title(_step_label(step), fontsize="medium")
        for panel, component in zip(self.axes_[:, 0], self.components, strict=True):
            panel.set_ylabel(f"code {component}", rotation=0, ha="right", va="center")

    def _plot_signals(self, ax, line_kw):
        """Plot decoded signals as lines: in one panel for each row, or each cell of a grid."""
        n_rows, n_steps = self.decoded.shape[:2]
        lines = self.decoded.reshape(n_rows, n_steps, -1, *self.decoded.shape[4:])
        self.lines_ = []
        if self.grid:
            self._plot_signal_grid(ax, lines, line_kw)
        else:
            self._plot_signal_rows(ax, lines, line_kw)

    def _plot_signal_grid(self, ax, lines, line_kw):
        """Plot each decoded signal in its panel of the grid."""
        from matplotlib.lines import Line2D

        n_rows, n_steps = lines.shape[:2]
        size = (min(14, 1.2 * n_steps + 0.8), min(14, 0.8 * n_rows + 0.6))
        self.axes_, self.figure_ = get_axes_grid(ax, (n_rows, n_steps), type(self).__name__, size)
        line_kw = merge_keywords({"color": "tab:blue"}, line_kw, Line2D)
        limits = axis_limits(lines)
        for index in np.ndindex(n_rows, n_steps):
            panel = self.axes_[index]
            self.lines_.append(panel.plot(lines[index], **line_kw))
            panel.set(xticks=[], yticks=[], ylim=limits)
        self._label_grid()

    def _plot_signal_rows(self, ax, lines, line_kw):
        """Plot the decoded signals of each latent dimension in one panel, colored by the step."""
        import matplotlib
        from matplotlib.lines import Line2D

        n_rows = len(lines)
        size = (min(16, 3.0 * n_rows + 1.2), 3.0)
        self.axes_, self.figure_ = get_axes_grid(ax, (1, n_rows), type(self).__name__, size)
        norm = matplotlib.colors.Normalize(self.steps[0], self.steps[-1])
        colors = matplotlib.cm.ScalarMappable(norm, "viridis")
        limits = axis_limits(lines)
        for row, panel in enumerate(self.axes_[0]):
            artists = []
            for step, line in zip(self.steps, lines[row], strict=True):
                defaults = {"color": colors.to_rgba(step), "linewidth": 1.2}
                artists += panel.plot(line, **merge_keywords(defaults, line_kw, Line2D))
            self.lines_.append(artists)
            panel.set(ylim=limits, xlabel=line_xlabel(self.decoded[0]))
            panel.set_title(f"code {self.components[row]}", fontsize="medium")
            panel.tick_params(labelleft=row == 0)
        self.axes_[0, 0].set_ylabel("decoded value")
        self._plot_colorbar(colors, "change of the code,\nin standard deviations")

    def _plot_table(self, ax, im_kw):
        """Plot the changes of each feature as a strip of colors."""
        from matplotlib.image import AxesImage

        n_rows, n_steps, d = self.decoded.shape
        names = names_or_default(self.feature_names, d)
        size = (min(16, 1.7 * n_rows + 0.09 * max(map(len, names)) + 1.4), 1.3 + 0.2 * d)
        self.axes_, self.figure_ = get_axes_grid(ax, (1, n_rows), type(self).__name__, size)
        changes = self._feature_changes()  # (n_rows, n_steps, d)
        limit = symmetric_limit(changes)
        defaults = {"cmap": "RdBu_r", "vmin": -limit, "vmax": limit, "interpolation": "nearest"}
        im_kw = merge_keywords({**defaults, "aspect": "auto", "extent": None}, im_kw, AxesImage)
        ends = [0, n_steps - 1]
        end_labels = [_step_label(self.steps[end]) for end in ends]
        self.images_ = np.empty((1, n_rows), dtype=object)
        for row, panel in enumerate(self.axes_[0]):
            self.images_[0, row] = panel.imshow(changes[row].T, **im_kw)
            panel.set_title(f"code {self.components[row]}", fontsize="medium")
            panel.set_xticks(ends, end_labels)
            set_feature_ticks(panel, names, show_names=row == 0)
        label = "change of the feature"
        if self.feature_scales is not None:
            label += ", in standard deviations"
        self._plot_colorbar(self.images_[0, 0], label)

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

    def _plot_colorbar(self, mappable, label):
        """Plot a color bar beside all panels."""
        self.figure_.colorbar(
            mappable, ax=list(self.axes_[0]), label=label, fraction=0.05, pad=0.02
        )


def _step_label(step):
    """Return the label of a step in standard deviations, with matplotlib's minus sign."""
    if abs(step) <= 1e-9:
        return "0"
    return f"{step:+.2g} sd".replace("-", "\N{MINUS SIGN}")
