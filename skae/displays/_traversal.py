"""What each number of a code does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from skae._typing import ArrayLike, Keywords, MatrixLike
from skae.displays import _drawing as draw

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    from skae.displays._drawing import AxesLike

__all__ = ["TraversalDisplay"]

MOST_COMPONENTS = 8
"""Of a code that are drawn unless others are asked for."""


class TraversalDisplay:
    """Samples decoded while one number of the code is changed, or two of them on a grid.

    Use `from_estimator` to make one. Images are drawn in a row for each number of the code; signals, and tables of more than 40
    features, as lines coloured by the step; smaller tables as a strip of colours for each feature.

    Parameters
    ----------
    decoded : ndarray of shape (n_rows, n_steps, ...)
        What was decoded: rows of a table, or images; signals where their height is 1.
    steps : ndarray of shape (n_steps,)
        In standard deviations from where the traversal starts.
    components : list of int
        Which number of the code each row is about; with `grid` the one that changes from left to right, and from top to bottom.
    grid : bool, default=False
        Whether two numbers are changed at once; `n_rows` is then `n_steps`, and the first row has the last step.
    feature_names : list of str, default=None
        Names of the columns of a table.
    feature_scales : ndarray of shape (n_features,), default=None
        Standard deviations of the columns of a table, to measure changes in.
    value_range : (float, float), default=None
        What is black and white in images; None: what `decoded` has.

    Attributes
    ----------
    axes_ : ndarray of Axes of shape (n_rows, n_steps), or (1, n_rows) of tables and signals without `grid`
        The axes.
    figure_ : Figure
        The figure.
    images_ : ndarray of AxesImage or None
        Of images and tables, in the shape of `axes_`.
    lines_ : list of list of Line2D or None
        Of signals, for each of the axes.

    See Also
    --------
    LatentDisplay : Codes in two dimensions.

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
        """Encode X to see how codes vary, and decode codes that differ in one number, or in two.

        Parameters
        ----------
        estimator : estimator
            Fitted, with `transform` and `inverse_transform`.
        X : array-like of shape (n_samples, n_features) or of images
            At least two rows, as the estimator takes them.
        components : list of int, default=None
            Which numbers of the code. None: all, at most the 8 that vary most; with `grid` the two that do.
        grid : bool, default=False
            Whether to change two numbers at once, for images and signals.
        n_steps : int, default=7
            How many values of each number; from 2 to 25. An odd one has the start in its middle.
        span : float, default=2.0
            How far to go to both sides, in standard deviations of that number over X.
        start : array-like of shape (n_components,), default=None
            The code to start from, such as that of one image. None: the mean.
        image_shape : tuple of int, default=None
            Shape of one image, where the estimator has no `image_shape_` and X is flat.
        ax : Axes or array of Axes, default=None
            One to divide, or as many as are needed. None: a new figure.
        im_kw, line_kw : dict, default=None
            Keywords for images, and for lines.

        Returns
        -------
        display : TraversalDisplay
            Drawn.
        """
        draw.pyplot(f"{cls.__name__}.from_estimator")
        draw.check_fitted(estimator, "transform", "inverse_transform")
        n_steps = draw.check_count(n_steps, "n_steps", 25, least=2)
        if not np.isreal(span) or not np.isfinite(span) or span <= 0:
            raise ValueError(f"Got span={span!r}, but expected a number above 0.")
        codes = draw.as_numbers(estimator.transform(X)).astype(np.float64)
        if len(codes) < 2:
            raise ValueError("Got X of one row, but expected at least 2, which say how codes vary.")
        middle, spread, k = codes.mean(0), codes.std(0), codes.shape[1]
        components = _checked_components(components, spread, grid)
        if start is not None:
            middle = draw.as_numbers(start).astype(np.float64).ravel()
            if middle.shape != (k,):
                raise ValueError(f"Got start of {middle.size} numbers, but expected one code of {k}.")
        steps = np.linspace(-span, span, n_steps)
        changed = np.tile(middle, (n_steps if grid else len(components), n_steps, 1))
        if grid:
            changed[..., components[0]] += steps * spread[components[0]]
            changed[..., components[1]] += steps[::-1, None] * spread[components[1]]
        else:
            for row, component in enumerate(components):
                changed[row, :, component] += steps * spread[component]
        decoded = estimator.inverse_transform(changed.reshape(-1, k).astype(np.float32))
        shape, axis = getattr(estimator, "image_shape_", image_shape), getattr(estimator, "channel_axis_", -1)
        decoded, seen = draw.arranged(decoded, shape, axis), draw.arranged(X, shape, axis)
        table = seen.ndim == 2
        display = cls(
            decoded=decoded.reshape(*changed.shape[:2], *decoded.shape[1:]),
            steps=steps,
            components=components,
            grid=grid,
            feature_names=draw.feature_names(estimator, seen.shape[1]) if table else None,
            feature_scales=np.nanstd(seen, axis=0, dtype=np.float64) if table else None,
            value_range=draw.limits(seen),
        )
        return display.plot(ax=ax, im_kw=im_kw, line_kw=line_kw)

    def plot(self, ax: AxesLike | None = None, *, im_kw: Keywords | None = None, line_kw: Keywords | None = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : Axes or array of Axes, default=None
            One to divide, or as many as are needed. None: a new figure.
        im_kw, line_kw : dict, default=None
            Keywords for images, and for lines.

        Returns
        -------
        self : TraversalDisplay
            With `axes_`, `figure_` and the artists.
        """
        draw.pyplot(f"{type(self).__name__}.plot")
        self.images_ = self.lines_ = None
        sample = self.decoded[0]
        if draw.is_image(sample):
            self._images(ax, im_kw)
        elif self.grid and not draw.is_signal(sample):
            raise ValueError("Got grid=True with rows of a table, but expected images or signals.")
        elif draw.is_signal(sample):
            self._signals(ax, line_kw)
        else:
            self._table(ax, im_kw)
        return self

    def _images(self, ax, im_kw):
        """Draw a row of images for each number of the code, or a grid of two."""
        n_rows, n_steps, height, width = self.decoded.shape[:4]
        size = (min(14, 0.9 * n_steps + 0.8), min(14, 0.9 * n_rows * height / width + 0.6))
        self.axes_, self.figure_ = draw.axes_grid(ax, (n_rows, n_steps), type(self).__name__, size, layout="compressed")
        low, high = draw.limits(self.decoded) if self.value_range is None else self.value_range
        self.images_ = np.empty((n_rows, n_steps), dtype=object)
        for place in np.ndindex(n_rows, n_steps):
            self.images_[place] = draw.draw_image(self.axes_[place], self.decoded[place], low, high, im_kw)
        self._name_grid()

    def _name_grid(self):
        """Say at the edges what changes, and how far."""
        labels = [_step_name(step) for step in self.steps]
        if self.grid:
            for panel, label in zip(self.axes_[-1], labels, strict=True):
                panel.set_xlabel(label)
            for panel, label in zip(self.axes_[:, 0], labels[::-1], strict=True):
                panel.set_ylabel(label, rotation=0, ha="right", va="center")
            middle = self.axes_.shape[1] // 2
            self.axes_[0, middle].set_title(f"across: code {self.components[0]}, up: code {self.components[1]}")
            return
        for panel, label in zip(self.axes_[0], labels, strict=True):
            panel.set_title(label, fontsize="medium")
        for panel, component in zip(self.axes_[:, 0], self.components, strict=True):
            panel.set_ylabel(f"code {component}", rotation=0, ha="right", va="center")

    def _signals(self, ax, line_kw):
        """Lines for each step; on a grid one line in each of the axes."""
        import matplotlib
        from matplotlib.lines import Line2D

        lines = self.decoded.reshape(*self.decoded.shape[:2], -1, *self.decoded.shape[4:])
        n_rows, n_steps = lines.shape[:2]
        low, high = float(lines.min()), float(lines.max())
        margin = 0.05 * (high - low) or 1.0
        self.lines_ = []
        if self.grid:
            size = (min(14, 1.2 * n_steps + 0.8), min(14, 0.8 * n_rows + 0.6))
            self.axes_, self.figure_ = draw.axes_grid(ax, (n_rows, n_steps), type(self).__name__, size)
            for place in np.ndindex(n_rows, n_steps):
                panel = self.axes_[place]
                self.lines_.append(panel.plot(lines[place], **draw.styled({"color": "tab:blue"}, line_kw, Line2D)))
                panel.set(xticks=[], yticks=[], ylim=(low - margin, high + margin))
            self._name_grid()
            return
        size = (min(16, 3.0 * n_rows + 1.2), 3.0)
        self.axes_, self.figure_ = draw.axes_grid(ax, (1, n_rows), type(self).__name__, size)
        norm = matplotlib.colors.Normalize(self.steps[0], self.steps[-1])
        colours = matplotlib.cm.ScalarMappable(norm, "viridis")
        for row, panel in enumerate(self.axes_[0]):
            drawn = []
            for step, line in zip(self.steps, lines[row], strict=True):
                drawn += panel.plot(line, **draw.styled({"color": colours.to_rgba(step), "linewidth": 1.2}, line_kw, Line2D))
            self.lines_.append(drawn)
            panel.set(ylim=(low - margin, high + margin), xlabel="position" if self.decoded.ndim > 3 else "feature")
            panel.set_title(f"code {self.components[row]}", fontsize="medium")
            panel.tick_params(labelleft=row == 0)
        self.axes_[0, 0].set_ylabel("decoded value")
        self.figure_.colorbar(
            colours, ax=list(self.axes_[0]), label="change of the code,\nin standard deviations", fraction=0.05, pad=0.02
        )

    def _table(self, ax, im_kw):
        """Draw a strip of colours for each feature."""
        from matplotlib.image import AxesImage

        n_rows, n_steps, d = self.decoded.shape
        names = [f"x{j}" for j in range(d)] if self.feature_names is None else list(self.feature_names)
        size = (min(16, 1.7 * n_rows + 0.09 * max(map(len, names)) + 1.4), 1.3 + 0.2 * d)
        self.axes_, self.figure_ = draw.axes_grid(ax, (1, n_rows), type(self).__name__, size)
        centre = self.decoded.mean(1, keepdims=True) if n_steps % 2 == 0 else self.decoded[:, [n_steps // 2]]
        scales = np.ones(d) if self.feature_scales is None else np.where(self.feature_scales > 0, self.feature_scales, 1.0)
        changes = (self.decoded - centre) / scales
        most = float(np.abs(changes).max()) or 1.0
        kw = {"cmap": "RdBu_r", "vmin": -most, "vmax": most, "aspect": "auto", "interpolation": "nearest"}
        kw = draw.styled({**kw, "extent": None}, im_kw, AxesImage)
        self.images_ = np.empty((1, n_rows), dtype=object)
        for row, panel in enumerate(self.axes_[0]):
            self.images_[0, row] = panel.imshow(changes[row].T, **kw)
            panel.set_title(f"code {self.components[row]}", fontsize="medium")
            ends = [0, n_steps - 1]
            panel.set_xticks(ends, [_step_name(self.steps[end]) for end in ends])
            panel.set_yticks(np.arange(d), names if row == 0 else [])
        unit = "" if self.feature_scales is None else ", in standard deviations"
        self.figure_.colorbar(
            self.images_[0, 0], ax=list(self.axes_[0]), label=f"change of the feature{unit}", fraction=0.05, pad=0.02
        )


def _step_name(step):
    """Say how far a step is from the start, with the minus that matplotlib writes."""
    return f"{step:+.2g} sd".replace("-", "\N{MINUS SIGN}") if abs(step) > 1e-9 else "0"


def _checked_components(components, spread, grid):
    """Give which numbers of a code to change."""
    k = len(spread)
    if components is None:
        most = np.sort(np.argsort(-spread, kind="stable")[: 2 if grid else MOST_COMPONENTS])
        components = most.tolist()
    try:
        found = [int(one) for one in components]
        right = all(0 <= one < k for one in found) and found == list(components)
    except (TypeError, ValueError):
        found, right = [], False
    if not right or not 1 <= len(found) <= 25 or len(set(found)) < len(found):
        raise ValueError(f"Got components={components!r}, but expected different whole numbers from 0 to {k - 1}, at most 25.")
    if grid and len(found) != 2:
        raise ValueError(f"Got components={components!r} with grid=True, but expected two.")
    return found
