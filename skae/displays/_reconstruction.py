"""Samples, what an autoencoder makes of them, and what it misses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_consistent_length

from skae._typing import Keywords, MatrixLike
from skae.displays import _drawing as draw

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    from skae.displays._drawing import AxesLike

__all__ = ["ReconstructionDisplay"]

MOST_SAMPLES = 40
"""Samples in one picture: more are too small to see."""


class ReconstructionDisplay:
    """Samples beside their reconstructions, and the difference between them.

    Use `from_estimator` or `from_predictions` to make one. Images are drawn as images, with a map of the difference; signals,
    and tables of more than 40 features, as lines; rows of smaller tables as two dots for each feature.

    Parameters
    ----------
    originals : ndarray of shape (n_samples, n_features), (n_samples, H, W) or (n_samples, H, W, C)
        Rows of a table, or images; signals where H is 1. At most 40 samples.
    reconstructions : ndarray of the same shape
        In the same units.
    feature_names : list of str, default=None
        Names of the columns of a table.

    Attributes
    ----------
    axes_ : ndarray of Axes of shape (n_rows, n_samples)
        Rows of images: originals, reconstructions, differences. Rows of signals: both, and differences. One row of tables.
    figure_ : Figure
        The figure.
    images_ : ndarray of AxesImage of shape (3, n_samples) or None
        Of images.
    lines_ : list of list of Line2D or None
        Of signals and tables: for each sample what was drawn.

    See Also
    --------
    TraversalDisplay : What each number of a code does.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_digits
    >>> from skae import ConvAutoencoder, ReconstructionDisplay
    >>> images = load_digits().images[:300]
    >>> autoencoder = ConvAutoencoder(8, max_iter=2, random_state=0).fit(images)
    >>> display = ReconstructionDisplay.from_estimator(autoencoder, images, n_samples=4)
    >>> display.axes_.shape
    (3, 4)
    >>> plt.close(display.figure_)
    """

    axes_: NDArray[np.object_]
    figure_: Figure
    images_: NDArray[np.object_] | None
    lines_: list[list[Line2D]] | None

    def __init__(
        self, *, originals: NDArray[Any], reconstructions: NDArray[Any], feature_names: Sequence[str] | None = None
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
        """Draw the first samples of X and what a fitted autoencoder makes of them.

        Parameters
        ----------
        estimator : estimator
            Fitted; with `reconstruct`, or with `transform` and `inverse_transform`, as PCA or a Pipeline.
        X : array-like of shape (n, n_features) or of images
            As the estimator takes it.
        n_samples : int, default=6
            How many of the first rows are drawn, fewer if X has fewer; at most 40.
        image_shape : tuple of int, default=None
            Shape of one image, where the estimator has no `image_shape_` and X is flat.
        ax : Axes or array of Axes, default=None
            One to divide, or as many as are needed. None: a new figure.
        im_kw, error_kw, line_kw : dict, default=None
            Keywords for the images, for the maps of differences, and for the lines of reconstructions.

        Returns
        -------
        display : ReconstructionDisplay
            Drawn.
        """
        draw.pyplot(f"{cls.__name__}.from_estimator")
        draw.check_fitted(estimator, "transform", "inverse_transform")
        n_samples = draw.check_count(n_samples, "n_samples", MOST_SAMPLES)
        first = X[:n_samples]
        if hasattr(estimator, "reconstruct"):
            found = estimator.reconstruct(first)
        else:
            found = estimator.inverse_transform(estimator.transform(first))
        shape = getattr(estimator, "image_shape_", image_shape)
        axis = getattr(estimator, "channel_axis_", -1)
        first, found = draw.arranged(first, shape, axis), draw.arranged(found, shape, axis)
        names = draw.feature_names(estimator, first.shape[1]) if first.ndim == 2 else None
        display = cls(originals=first, reconstructions=found, feature_names=names)
        return display.plot(ax=ax, im_kw=im_kw, error_kw=error_kw, line_kw=line_kw)

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
        """Draw samples and reconstructions that are there.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or of images
            At most 40.
        X_hat : array-like of the same shape
            Reconstructions.
        image_shape : tuple of int, default=None
            Shape of one image, if rows are flat; ``(1, d)`` for signals.
        channel_axis : int, default=-1
            1 if channels come first.
        feature_names : list of str, default=None
            Names of the columns of a table.
        ax : Axes or array of Axes, default=None
            One to divide, or as many as are needed. None: a new figure.
        im_kw, error_kw, line_kw : dict, default=None
            Keywords for the images, for the maps of differences, and for the lines of reconstructions.

        Returns
        -------
        display : ReconstructionDisplay
            Drawn.
        """
        draw.pyplot(f"{cls.__name__}.from_predictions")
        check_consistent_length(X, X_hat)
        if feature_names is None and hasattr(X, "columns"):
            feature_names = [str(name) for name in X.columns]
        X, X_hat = draw.arranged(X, image_shape, channel_axis), draw.arranged(X_hat, image_shape, channel_axis)
        display = cls(originals=X, reconstructions=X_hat, feature_names=feature_names)
        return display.plot(ax=ax, im_kw=im_kw, error_kw=error_kw, line_kw=line_kw)

    def plot(
        self,
        ax: AxesLike | None = None,
        *,
        im_kw: Keywords | None = None,
        error_kw: Keywords | None = None,
        line_kw: Keywords | None = None,
    ) -> Self:
        """Draw.

        Parameters
        ----------
        ax : Axes or array of Axes, default=None
            One to divide, or as many as are needed. None: a new figure.
        im_kw, error_kw, line_kw : dict, default=None
            Keywords for the images, for the maps of differences, and for the lines of reconstructions.

        Returns
        -------
        self : ReconstructionDisplay
            With `axes_`, `figure_` and the artists.
        """
        draw.pyplot(f"{type(self).__name__}.plot")
        shape = np.shape(self.originals)
        if shape != np.shape(self.reconstructions):
            raise ValueError(
                f"Got reconstructions of shape {np.shape(self.reconstructions)}, but expected {shape}, that of the originals."
            )
        if not 1 <= shape[0] <= MOST_SAMPLES:
            raise ValueError(f"Got {shape[0]} samples, but expected 1 to {MOST_SAMPLES}: choose some.")
        self.images_ = self.lines_ = None
        if draw.is_image(self.originals):
            self._images(ax, im_kw, error_kw)
        elif draw.is_signal(self.originals):
            self._signals(ax, line_kw)
        else:
            self._table(ax, line_kw)
        return self

    def _images(self, ax, im_kw, error_kw):
        """Draw three rows of images."""
        from matplotlib.image import AxesImage

        n = len(self.originals)
        tall = self.originals.shape[1] / self.originals.shape[2]
        size = (min(16, 1.2 * n) + 2.4, min(12, 3 * max(0.6, 1.2 * tall) + 0.3))
        self.axes_, self.figure_ = draw.axes_grid(ax, (3, n), type(self).__name__, size, layout="compressed")
        low, high = draw.limits(self.originals)
        error = np.asarray(self.reconstructions, dtype=np.float64) - self.originals
        error = error.mean(-1) if error.ndim == 4 else error
        most = float(np.nanmax(np.abs(error))) or 1.0
        error_kw = styled_error(error_kw, most, AxesImage)
        self.images_ = np.empty((3, n), dtype=object)
        for i in range(n):
            self.images_[0, i] = draw.draw_image(self.axes_[0, i], self.originals[i], low, high, im_kw)
            self.images_[1, i] = draw.draw_image(self.axes_[1, i], self.reconstructions[i], low, high, im_kw)
            self.images_[2, i] = self.axes_[2, i].imshow(error[i], **error_kw)
            self.axes_[2, i].set(xticks=[], yticks=[])
        for row, label in zip(self.axes_, ("original", "reconstruction", "reconstruction\nminus original"), strict=True):
            row[0].set_ylabel(label, rotation=0, ha="right", va="center")
        self.figure_.colorbar(
            self.images_[2, 0], ax=list(self.axes_[2]), label="difference", fraction=max(0.05, 0.12 / n), pad=0.01, aspect=8
        )

    def _signals(self, ax, line_kw):
        """Draw two rows of lines."""
        from matplotlib.lines import Line2D

        n = len(self.originals)
        size = (min(16, 3.0 * n + 0.6), 3.6)
        self.axes_, self.figure_ = draw.axes_grid(ax, (2, n), type(self).__name__, size, height_ratios=[2, 1])
        original, found = (
            np.asarray(X, np.float64).reshape(n, -1, *X.shape[3:]) for X in (self.originals, self.reconstructions)
        )
        missed = found - original
        line_kw = styled_line(line_kw, Line2D)
        self.lines_ = []
        for i, (upper, lower) in enumerate(self.axes_.T):
            lines = upper.plot(original[i], color="0.6", linewidth=2.5, label="original")
            lines += upper.plot(found[i], **line_kw)
            lower.axhline(0, color="0.8", linewidth=1)
            lines += lower.plot(missed[i], **{**line_kw, "label": "difference"})
            share(upper, lower, original, found, missed, first=i == 0)
            upper.set_title(f"sample {i}", fontsize="medium")
            lower.set_xlabel("position" if self.originals.ndim > 2 else "feature")
            self.lines_.append(lines)
        self.axes_[0, 0].set_ylabel("value")
        self.axes_[1, 0].set_ylabel("difference")
        self._legend(ax, self.lines_[0][0], self.lines_[0][len(self.lines_[0]) // 3])

    def _table(self, ax, line_kw):
        """Draw two dots for each feature, and a line between them."""
        from matplotlib.lines import Line2D

        n, d = self.originals.shape
        names = [f"x{j}" for j in range(d)] if self.feature_names is None else list(self.feature_names)
        if len(names) != d:
            raise ValueError(f"Got {len(names)} feature_names, but expected {d}: one for each column.")
        size = (min(16, 1.9 * n + 0.09 * max(map(len, names)) + 0.6), 1.3 + 0.2 * d)
        self.axes_, self.figure_ = draw.axes_grid(ax, (1, n), type(self).__name__, size)
        places = np.arange(d)
        low, high, margin = value_range(self.originals, self.reconstructions)
        line_kw = styled_line({"linestyle": "none", "marker": "o", "markersize": 4, **(line_kw or {})}, Line2D)
        self.lines_ = []
        for i, panel in enumerate(self.axes_[0]):
            before, after = self.originals[i], self.reconstructions[i]
            panel.hlines(places, before, after, color=line_kw["color"], linewidth=1, zorder=1)
            lines = panel.plot(before, places, "o", color="0.3", markersize=6, markerfacecolor="white", label="original")
            lines += panel.plot(after, places, **line_kw)
            panel.set(xlabel="value", xlim=(low - margin, high + margin), ylim=(d - 0.5, -0.5))
            panel.set_title(f"sample {i}", fontsize="medium")
            panel.set_yticks(places, names if i == 0 else [])
            panel.grid(axis="y", color="0.92")
            panel.set_axisbelow(True)
            self.lines_.append(lines)
        self._legend(ax, *self.lines_[0][:2])

    def _legend(self, ax, *handles):
        """Say which is which: above all panels of a figure of our own, else in the last of them."""
        if ax is None:
            self.figure_.legend(handles=handles, loc="outside upper left", ncols=2, frameon=False)
        else:
            self.axes_[0, -1].legend(handles=handles, loc="best", fontsize="small")


def styled_error(given, most, artist):
    """Keywords for a map of differences: blue is too low, red too high."""
    return draw.styled({"cmap": "RdBu_r", "vmin": -most, "vmax": most, "interpolation": "nearest"}, given, artist)


def styled_line(given, artist):
    """Keywords for the line of a reconstruction."""
    return draw.styled({"color": "tab:blue", "linewidth": 1.2, "label": "reconstruction"}, given, artist)


def value_range(original, found):
    """Give the smallest and the largest number of both, and a margin."""
    low, high = float(min(np.nanmin(original), np.nanmin(found))), float(max(np.nanmax(original), np.nanmax(found)))
    return low, high, 0.05 * (high - low) or 1.0


def share(upper, lower, original, found, missed, *, first):
    """Give the panels of all samples the same range, and numbers to the first alone."""
    low, high, margin = value_range(original, found)
    most = 1.1 * float(np.nanmax(np.abs(missed))) or 1.0
    upper.set_ylim(low - margin, high + margin)
    lower.set_ylim(-most, most)
    upper.tick_params(labelbottom=False, labelleft=first)
    lower.tick_params(labelleft=first)
