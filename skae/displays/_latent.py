"""Codes in two dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_consistent_length, column_or_1d

from skae._typing import ArrayLike, Keywords, MatrixLike
from skae.displays import _drawing as draw

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import PathCollection
    from matplotlib.figure import Figure
    from matplotlib.offsetbox import AnnotationBbox

__all__ = ["LatentDisplay"]

MOST_CLASSES = 20
"""Different whole numbers up to which labels are classes; more are a scale."""


class LatentDisplay:
    """Codes as points in two dimensions, coloured by labels, or as small images.

    Use `from_estimator` or `from_predictions` to make one.

    Parameters
    ----------
    points : ndarray of shape (n_samples, 2)
        Where the samples lie.
    labels : ndarray of shape (n_samples,), default=None
        Classes, or numbers.
    images : ndarray of shape (n_samples, H, W) or (n_samples, H, W, C), default=None
        To be drawn in place of points, as many as don't cover each other.
    xlabel, ylabel : str, default=None
        What the two dimensions are.
    label_name : str, default=None
        What the labels are.

    Attributes
    ----------
    ax_ : Axes
        The axes.
    figure_ : Figure
        The figure.
    scatter_ : list of PathCollection
        The points: one for each class, or one of all.
    thumbnails_ : list of AnnotationBbox
        The images.
    classes_ : ndarray or None
        The classes in the legend.

    See Also
    --------
    TraversalDisplay : What each number of a code does.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_digits
    >>> from skae import DenseAutoencoder, LatentDisplay
    >>> X, y = load_digits(return_X_y=True)
    >>> autoencoder = DenseAutoencoder(2, max_iter=2, random_state=0).fit(X)
    >>> display = LatentDisplay.from_estimator(autoencoder, X, y)
    >>> len(display.scatter_)
    10
    >>> plt.close(display.figure_)
    """

    ax_: Axes
    figure_: Figure
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
        """Encode X and draw the codes.

        Parameters
        ----------
        estimator : estimator
            Fitted, with `transform`.
        X : array-like of shape (n_samples, n_features) or of images
            As the estimator takes it.
        y : array-like of shape (n_samples,), default=None
            Classes or numbers to colour by; the name of a Series stands in the legend.
        components : (int, int), default=None
            Which two numbers of a code to draw. None: both of two; the first two principal components of longer codes.
        thumbnails : bool, default=False
            Whether to draw the images of X in place of points.
        image_shape : tuple of int, default=None
            Shape of one image, where the estimator has no `image_shape_` and X is flat.
        ax : Axes, default=None
            Where to draw. None: a new figure.
        thumbnail_size : float, default=24
            Longer side of a small image, in points.
        scatter_kw : dict, default=None
            Keywords for scatter.

        Returns
        -------
        display : LatentDisplay
            Drawn.
        """
        draw.pyplot(f"{cls.__name__}.from_estimator")
        draw.check_fitted(estimator, "transform")
        images = None
        if thumbnails:
            shape = getattr(estimator, "image_shape_", image_shape)
            images = draw.arranged(X, shape, getattr(estimator, "channel_axis_", -1))
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
        """Draw codes that are there.

        Parameters
        ----------
        Z : array-like of shape (n_samples, n_components)
            Codes of at least two numbers.
        y : array-like of shape (n_samples,), default=None
            Classes or numbers to colour by; the name of a Series stands in the legend.
        images : array-like of shape (n_samples, H, W) or (n_samples, H, W, C), default=None
            To draw in place of points.
        components : (int, int), default=None
            Which two numbers of a code to draw. None: both of two; the first two principal components of longer codes.
        ax : Axes, default=None
            Where to draw. None: a new figure.
        thumbnail_size : float, default=24
            Longer side of a small image, in points.
        scatter_kw : dict, default=None
            Keywords for scatter.

        Returns
        -------
        display : LatentDisplay
            Drawn.
        """
        draw.pyplot(f"{cls.__name__}.from_predictions")
        Z = draw.as_numbers(Z)
        if Z.ndim != 2 or Z.shape[1] < 2 or len(Z) < 1:
            raise ValueError(f"Got codes of shape {Z.shape}, but expected rows of at least 2 numbers.")
        check_consistent_length(Z, *(one for one in (y, images) if one is not None))
        points, xlabel, ylabel = _flattened(Z, components)
        labels, label_name = (None, None) if y is None else (column_or_1d(y), getattr(y, "name", None))
        images = None if images is None else draw.as_numbers(images)
        if labels is not None and labels.dtype == object:
            labels = labels.astype(str)  # None and names can't be sorted together
        display = cls(points=points, labels=labels, images=images, xlabel=xlabel, ylabel=ylabel, label_name=label_name)
        return display.plot(ax=ax, thumbnail_size=thumbnail_size, scatter_kw=scatter_kw)

    def plot(self, ax: Axes | None = None, *, thumbnail_size: float = 24, scatter_kw: Keywords | None = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : Axes, default=None
            Where to draw. None: a new figure.
        thumbnail_size : float, default=24
            Longer side of a small image, in points.
        scatter_kw : dict, default=None
            Keywords for scatter.

        Returns
        -------
        self : LatentDisplay
            With `ax_`, `figure_` and the artists.
        """
        draw.pyplot(f"{type(self).__name__}.plot")
        if self.images is not None and not draw.is_image(np.asarray(self.images)):
            raise ValueError(f"Got images of shape {np.shape(self.images)}, but expected (n, H, W) or (n, H, W, C).")
        self.ax_, self.figure_ = draw.one_axes(ax, type(self).__name__, (6.4, 5.2))
        self.scatter_, self.thumbnails_, self.classes_ = [], [], None
        colours = self._points(scatter_kw)
        if self.images is not None:
            self._thumbnails(thumbnail_size, colours)
        self.ax_.set(xlabel=self.xlabel, ylabel=self.ylabel)
        return self

    def _points(self, scatter_kw):
        """Draw points, hidden where images take their place, and give the colour of each."""
        from matplotlib.collections import PathCollection

        size = 12 if len(self.points) > 500 else 24
        defaults = {"s": size, "linewidths": 0, "alpha": 0.0 if self.images is not None else 0.8}
        scatter_kw = draw.styled(defaults, scatter_kw, PathCollection)
        if self.labels is None:
            scatter_kw = {"color": "tab:blue", **scatter_kw} if not {"c", "facecolor"} & set(scatter_kw) else scatter_kw
            self.scatter_ = [self.ax_.scatter(*self.points.T, **scatter_kw)]
            return None
        values, places = np.unique(self.labels, return_inverse=True)
        if _is_scale(values):
            found = self.ax_.scatter(*self.points.T, c=self.labels, **scatter_kw)
            bar = self.figure_.colorbar(found, ax=self.ax_, label=self.label_name or "label")
            bar.solids.set_alpha(1)
            self.scatter_ = [found]
            return found.to_rgba(self.labels, alpha=1)
        self.classes_ = values
        palette = _palette(len(values))
        for i, value in enumerate(values):
            of_class = self.points[places == i]
            self.scatter_.append(self.ax_.scatter(*of_class.T, label=str(value), **{"color": palette[i], **scatter_kw}))
        legend = self.ax_.legend(
            loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, markerscale=2, title=self.label_name
        )
        for handle in legend.legend_handles:
            handle.set_alpha(1)
        return palette[places]

    def _thumbnails(self, size, colours):
        """Draw images where they don't cover one that is there."""
        from matplotlib.offsetbox import AnnotationBbox, OffsetImage

        low, high = draw.limits(self.images)
        self.ax_.margins(0.07)
        self.figure_.figure.draw_without_rendering()  # the whole figure, so that the axes have the place that they will have
        at = self.ax_.transData.transform(self.points) * 72 / self.figure_.dpi  # in points, as `size` is
        zoom = size / max(self.images.shape[1:3])
        kept = np.empty((0, 2))
        for i in range(len(at)):
            if len(kept) and np.abs(kept - at[i]).max(1).min() < size + 3:
                continue
            kept = np.vstack([kept, at[i]])
            box = OffsetImage(draw.shown(self.images[i], low, high), zoom=zoom, cmap="gray", interpolation="nearest")
            box.image.set_clim(0, 1)
            frame = {"edgecolor": "0.7" if colours is None else colours[i], "linewidth": 1.5}
            self.thumbnails_.append(AnnotationBbox(box, self.points[i], pad=0.05, bboxprops=frame))
            self.ax_.add_artist(self.thumbnails_[-1])


def _flattened(Z, components):
    """Give two dimensions of codes, and what they are called."""
    k = Z.shape[1]
    if components is not None:
        try:
            first, second = (int(one) for one in components)
        except (TypeError, ValueError):
            first = second = -1
        if not 0 <= min(first, second) <= max(first, second) < k:
            raise ValueError(f"Got components={components!r}, but expected two numbers from 0 to {k - 1}.")
        return Z[:, [first, second]], f"code {first}", f"code {second}"
    if k == 2:
        return Z, "code 0", "code 1"
    if len(Z) < 2:
        raise ValueError("Got one code, but expected at least 2 for principal components: choose components=(0, 1).")
    from sklearn.decomposition import PCA  # slow to import, so only where it is needed

    pca = PCA(2).fit(Z)
    labels = [f"principal component {i + 1} of codes ({share:.0%})" for i, share in enumerate(pca.explained_variance_ratio_)]
    return pca.transform(Z), *labels


def _is_scale(values):
    """Say whether labels are numbers on a scale: fractions, or many different ones."""
    if values.dtype.kind not in "iuf":
        return False
    return len(values) > MOST_CLASSES or not np.array_equal(values, np.rint(values))


def _palette(n):
    """Give colours that differ."""
    import matplotlib

    if n <= 10:
        return matplotlib.colormaps["tab10"](np.arange(n))
    if n <= 20:
        return matplotlib.colormaps["tab20"](np.arange(n))
    return matplotlib.colormaps["turbo"](np.linspace(0.02, 0.98, n))
