"""Latent vectors in two dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_consistent_length, column_or_1d

from skae._typing import ArrayLike, Keywords, MatrixLike
from skae.displays._latent_dimensions import project_to_2d
from skae.displays._plotting import (
    DisplayMixin,
    get_image_layout,
    image_limits,
    is_image,
    merge_keywords,
    scale_image,
    to_numeric_array,
    to_plot_layout,
)

__all__ = ["LatentDisplay"]

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from matplotlib.offsetbox import AnnotationBbox

MAX_CLASSES = 20
"""Maximum number of distinct integers plotted as classes, because `tab20` has 20 colors."""


class LatentDisplay(DisplayMixin):
    """Scatter plot of latent vectors in two dimensions, with points or small images.

    Points are colored by labels. Use `from_estimator` or `from_predictions` to create a display.
    Latent vectors are also called codes.

    Parameters
    ----------
    points : ndarray of shape (n_samples, 2)
        Coordinates of the samples.
    labels : ndarray of shape (n_samples,), default=None
        Class labels, or continuous values. If None, all points have the same color.
    images : ndarray of shape (n_samples, H, W) or (n_samples, H, W, C), default=None
        Images to plot in place of points. Images that would overlap plotted ones are omitted. If
        None, points are plotted.
    xlabel, ylabel : str, default=None
        Labels of the two axes.
    label_name : str, default=None
        Title of the legend or color bar.

    Attributes
    ----------
    ax_ : Axes
        Axes with the scatter plot.
    figure_ : Figure
        Figure that contains the axes.
    scatter_ : list of PathCollection
        Point artists, one for each class; a single one for all points if there are no classes.
    thumbnails_ : list of AnnotationBbox
        Image artists.
    classes_ : ndarray or None
        Classes in the legend; None if there are no labels, or if labels are continuous.

    See Also
    --------
    TraversalDisplay : Decoded samples along latent dimensions.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_digits
    >>> from skae import DenseAutoencoder, LatentDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> autoencoder = DenseAutoencoder(2, max_iter=8, random_state=0).fit(X)
    >>> display = LatentDisplay.from_estimator(autoencoder, X, y)
    >>> len(display.scatter_)
    10
    >>> plt.close(display.figure_)
    """

    ax_: Axes
    scatter_: list[PathCollection]
    thumbnails_: list[AnnotationBbox]
    classes_: NDArray[Any] | None

    def __init__(
        self,
        *,
        points: NDArray[Any],
        labels: NDArray[Any] | None = None,
        images: NDArray[Any] | None = None,
        xlabel: str | None = None,
        ylabel: str | None = None,
        label_name: str | None = None,
    ) -> None:
        self.points = points
        self.labels = labels
        self.images = images
        self.xlabel = xlabel
        self.ylabel = ylabel
        self.label_name = label_name

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        X: MatrixLike,
        y: ArrayLike | None = None,
        *,
        components: tuple[int, int] | None = None,
        thumbnails: bool = False,
        image_shape: Sequence[int] | None = None,
        ax: Axes | None = None,
        thumbnail_size: float = 24,
        scatter_kw: Keywords | None = None,
    ) -> Self:
        """Encode X and plot the latent vectors.

        Parameters
        ----------
        estimator : estimator
            Fitted estimator with `transform`.
        X : array-like of shape (n_samples, n_features) or of images
            Samples to encode.
        y : array-like of shape (n_samples,), default=None
            Class labels, or continuous values, that color the points. The name of a Series is the
            title of the legend.
        components : (int, int), default=None
            Latent dimensions to plot. If None, the two latent dimensions, or the first two
            principal components of more than two.
        thumbnails : bool, default=False
            Whether to plot the images of X in place of points.
        image_shape : tuple of int, default=None
            Shape of one image, if X is flat and the estimator has no `image_shape_`.
        ax : Axes, default=None
            Axes to plot on. If None, a new figure is created.
        thumbnail_size : float, default=24
            Longer side of a small image, in points (1/72 inch).
        scatter_kw : dict, default=None
            Keyword arguments of matplotlib's `scatter`.

        Returns
        -------
        display : LatentDisplay
            Display that stores the plotted values.
        """
        cls._check_estimator(estimator, "transform")
        images = None
        if thumbnails:
            images = to_plot_layout(X, *get_image_layout(estimator, image_shape))
        return cls.from_predictions(
            estimator.transform(X),
            y,
            images=images,
            components=components,
            ax=ax,
            thumbnail_size=thumbnail_size,
            scatter_kw=scatter_kw,
        )

    @classmethod
    def from_predictions(
        cls,
        Z: MatrixLike,
        y: ArrayLike | None = None,
        *,
        images: MatrixLike | None = None,
        components: tuple[int, int] | None = None,
        ax: Axes | None = None,
        thumbnail_size: float = 24,
        scatter_kw: Keywords | None = None,
    ) -> Self:
        """Plot latent vectors that were computed before.

        Parameters
        ----------
        Z : array-like of shape (n_samples, n_components)
            Latent vectors with at least two dimensions.
        y : array-like of shape (n_samples,), default=None
            Class labels, or continuous values, that color the points. The name of a Series is the
            title of the legend.
        images : array-like of shape (n_samples, H, W) or (n_samples, H, W, C), default=None
            Images to plot in place of points. If None, points are plotted.
        components : (int, int), default=None
            Latent dimensions to plot. If None, the two latent dimensions, or the first two
            principal components of more than two.
        ax : Axes, default=None
            Axes to plot on. If None, a new figure is created.
        thumbnail_size : float, default=24
            Longer side of a small image, in points (1/72 inch).
        scatter_kw : dict, default=None
            Keyword arguments of matplotlib's `scatter`.

        Returns
        -------
        display : LatentDisplay
            Display that stores the plotted values.
        """
        Z = to_numeric_array(Z)
        if Z.ndim != 2 or Z.shape[1] < 2 or len(Z) < 1:
            raise ValueError(
                f"Got latent vectors of shape {Z.shape}, but expected (n_samples, n_components) "
                "with at least 1 sample and 2 components."
            )
        check_consistent_length(Z, y, images)
        points, xlabel, ylabel = project_to_2d(Z, components)
        labels = label_name = None
        if y is not None:
            labels = column_or_1d(y)
            label_name = getattr(y, "name", None)
            if labels.dtype == object:
                labels = labels.astype(str)  # None and strings cannot be sorted together
        if images is not None:
            images = to_numeric_array(images)
            if not is_image(images):
                raise ValueError(
                    f"Got images of shape {images.shape}, but expected (n, H, W) or (n, H, W, C)."
                )
        display = cls(
            points=points,
            labels=labels,
            images=images,
            xlabel=xlabel,
            ylabel=ylabel,
            label_name=label_name,
        )
        return display.plot(ax=ax, thumbnail_size=thumbnail_size, scatter_kw=scatter_kw)

    def plot(
        self,
        ax: Axes | None = None,
        *,
        thumbnail_size: float = 24,
        scatter_kw: Keywords | None = None,
    ) -> Self:
        """Plot the latent vectors.

        Parameters
        ----------
        ax : Axes, default=None
            Axes to plot on. If None, a new figure is created.
        thumbnail_size : float, default=24
            Longer side of a small image, in points (1/72 inch).
        scatter_kw : dict, default=None
            Keyword arguments of matplotlib's `scatter`.

        Returns
        -------
        self : LatentDisplay
            Display with `ax_`, `figure_` and the artists of the plot.
        """
        self._set_axes(ax, (6.4, 5.2))
        self.scatter_ = []
        self.thumbnails_ = []
        self.classes_ = None
        edge_colors = self._plot_points(scatter_kw)
        if self.images is not None:
            self._plot_thumbnails(thumbnail_size, edge_colors)
        self.ax_.set(xlabel=self.xlabel, ylabel=self.ylabel)
        return self

    def _plot_points(self, scatter_kw):
        """Plot the points and return the edge color of the thumbnail of each point."""
        from matplotlib.collections import PathCollection

        defaults = {"s": 24, "linewidths": 0, "alpha": 0.8}
        if len(self.points) > 500:
            defaults["s"] = 12
        if self.images is not None:
            defaults["alpha"] = 0.0  # thumbnails are plotted instead
        scatter_kw = merge_keywords(PathCollection, scatter_kw, **defaults)
        if self.labels is None:
            return self._plot_without_labels(scatter_kw)
        classes, class_indices = np.unique(self.labels, return_inverse=True)
        if _is_continuous(classes):
            return self._plot_continuous_labels(scatter_kw)
        return self._plot_classes(classes, class_indices, scatter_kw)

    def _plot_without_labels(self, scatter_kw):
        """Plot all points in one color and return a gray edge color for each."""
        if not {"c", "facecolor"} & set(scatter_kw):
            scatter_kw = {"color": "tab:blue", **scatter_kw}
        self.scatter_.append(self.ax_.scatter(*self.points.T, **scatter_kw))
        return ["0.7"] * len(self.points)

    def _plot_continuous_labels(self, scatter_kw):
        """Plot points colored on a continuous scale, with a color bar, and return the colors."""
        scatter = self.ax_.scatter(*self.points.T, c=self.labels, **scatter_kw)
        self.scatter_.append(scatter)
        bar = self.figure_.colorbar(scatter, ax=self.ax_, label=self.label_name or "Label")
        bar.solids.set_alpha(1)
        return scatter.to_rgba(self.labels, alpha=1)

    def _plot_classes(self, classes, class_indices, scatter_kw):
        """Plot the points of each class in one color, with a legend, and return the colors."""
        self.classes_ = classes
        colors = _palette(len(classes))
        for i, label in enumerate(classes):
            class_kw = {"color": colors[i], "label": str(label), **scatter_kw}
            self.scatter_.append(self.ax_.scatter(*self.points[class_indices == i].T, **class_kw))
        legend = self.ax_.legend(
            loc="center left",
            bbox_to_anchor=(1.0, 0.5),
            frameon=False,
            markerscale=2,
            title=self.label_name,
        )
        for handle in legend.legend_handles:
            handle.set_alpha(1)
        return colors[class_indices]

    def _plot_thumbnails(self, size, edge_colors):
        """Plot images at their points, except images that would overlap a plotted one."""
        from matplotlib.offsetbox import AnnotationBbox, OffsetImage

        low, high = image_limits(self.images)
        zoom = size / max(self.images.shape[1:3])
        self.ax_.margins(0.07)
        # The layout of the whole figure determines the final position of the axes.
        self.figure_.figure.draw_without_rendering()
        pixels = self.ax_.transData.transform(self.points)
        positions = pixels * 72 / self.figure_.dpi  # (n, 2), in points as `size`
        for i in _non_overlapping(positions, size + 3):
            box = OffsetImage(
                scale_image(self.images[i], low, high),
                zoom=zoom,
                cmap="gray",
                interpolation="nearest",
            )
            box.image.set_clim(0, 1)
            frame = {"edgecolor": edge_colors[i], "linewidth": 1.5}
            thumbnail = AnnotationBbox(box, self.points[i], pad=0.05, bboxprops=frame)
            self.ax_.add_artist(thumbnail)
            self.thumbnails_.append(thumbnail)


def _non_overlapping(positions, min_distance):
    """Return indices of positions that differ from all selected ones by at least min_distance.

    The distance is the larger of the horizontal and the vertical distance. Positions are selected
    greedily in their order.
    """
    selected = []
    for i, position in enumerate(positions):
        distances = np.abs(positions[selected] - position).max(axis=1)
        if not np.any(distances < min_distance):
            selected.append(i)
    return selected


def _is_continuous(values):
    """Return whether labels are continuous: fractions, or more distinct integers than MAX_CLASSES.

    Parameters
    ----------
    values : ndarray of shape (n_values,)
        Distinct labels.
    """
    if values.dtype.kind not in "iuf":
        return False
    return len(values) > MAX_CLASSES or not np.array_equal(values, np.rint(values))


def _palette(n):
    """Return n distinct colors as an array of shape (n, 4)."""
    import matplotlib

    if n <= 10:
        return matplotlib.colormaps["tab10"](np.arange(n))
    if n <= 20:
        return matplotlib.colormaps["tab20"](np.arange(n))
    return matplotlib.colormaps["turbo"](np.linspace(0.02, 0.98, n))
