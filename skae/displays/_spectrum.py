"""Explained variance by number of components."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator

from skae._typing import Keywords, MatrixLike, Numbers
from skae.displays._plotting import DisplayMixin, line_keywords, to_numeric_array

__all__ = ["SpectrumDisplay"]

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.lines import Line2D


class SpectrumDisplay(DisplayMixin):
    """Plot of the explained variance ratio by number of components, compared with PCA.

    Use `from_estimator` to create a display.

    Parameters
    ----------
    n_components : array-like of int of shape (n_points,)
        Numbers of latent dimensions.
    explained : array-like of shape (n_points,)
        Cumulative explained variance ratio for each number of latent dimensions.
    pca_n_components, pca_explained : array-like, default=None
        Numbers of components and explained variance ratios of PCA. If None, PCA is not plotted.
    name : str, default="autoencoder"
        Name of the curve in the legend.
    rows : str, default=None
        Name of the scored samples, for the label of the y axis. If None, it is omitted.

    Attributes
    ----------
    ax_ : Axes
        Axes with the curves.
    figure_ : Figure
        Figure that contains the axes.
    line_ : Line2D
        Curve of the autoencoder or autoencoders.
    pca_line_ : Line2D or None
        Curve of PCA; None if PCA is not plotted.

    See Also
    --------
    TrainingDisplay : Training loss and validation scores by epoch.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_digits
    >>> from skae import DenseAutoencoder, SpectrumDisplay
    >>> X = load_digits().data
    >>> X_train, X_test = X[300:], X[:300]
    >>> ordered = DenseAutoencoder(
    ...     6, bottleneck="ordered", max_iter=60, random_state=0
    ... )
    >>> ordered = ordered.fit(X_train)
    >>> display = SpectrumDisplay.from_estimator(ordered, X_test, X_train=X_train)
    >>> display.n_components.tolist()
    [1, 2, 3, 4, 5, 6]
    >>> plt.close(display.figure_)
    """

    ax_: Axes
    line_: Line2D
    pca_line_: Line2D | None

    def __init__(
        self,
        *,
        n_components: Numbers,
        explained: Numbers,
        pca_n_components: Numbers | None = None,
        pca_explained: Numbers | None = None,
        name: str = "autoencoder",
        rows: str | None = None,
    ) -> None:
        self.n_components = n_components
        self.explained = explained
        self.pca_n_components = pca_n_components
        self.pca_explained = pca_explained
        self.name = name
        self.rows = rows

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator | Sequence[BaseEstimator],
        X: MatrixLike | None = None,
        *,
        X_train: MatrixLike | None = None,
        name: str | None = None,
        ax: Axes | None = None,
        line_kw: Keywords | None = None,
        pca_kw: Keywords | None = None,
    ) -> Self:
        """Plot the explained variance of an ordered autoencoder, or of several autoencoders.

        Parameters
        ----------
        estimator : estimator or list of estimators
            One fitted autoencoder with ``bottleneck="ordered"``, or several fitted autoencoders
            with different numbers of latent dimensions.
        X : array-like of shape (n_samples, n_features) or of images, default=None
            Samples to score, preferably a test set. If None, `explained_variance_ratio_` of one
            ordered autoencoder is plotted, without PCA.
        X_train : array-like of shape (n_samples, n_features) or of images, default=None
            Samples to fit PCA on; for a fair comparison, the training set of the autoencoder. If
            None, PCA is not plotted.
        name : str, default=None
            Name of the curve in the legend. If None, the class name of the estimator.
        ax : Axes, default=None
            Axes to plot on. If None, a new figure is created.
        line_kw, pca_kw : dict, default=None
            Keyword arguments of matplotlib's `plot` for the two curves.

        Returns
        -------
        display : SpectrumDisplay
            Display that stores the plotted values.
        """
        autoencoders: Any = estimator
        is_single = not isinstance(estimator, (list, tuple))
        if is_single:
            autoencoders = [estimator]
        if len(autoencoders) == 0:
            raise ValueError("Got an empty list, but expected fitted autoencoders.")
        for autoencoder in autoencoders:
            cls._check_estimator(autoencoder, "n_components_", "reconstruction_error")
        first = autoencoders[0]
        if is_single and not hasattr(first, "explained_variance_ratio_"):
            raise ValueError(
                f"Got one {type(first).__name__} that is not ordered, but expected "
                "bottleneck='ordered', or a list of autoencoders with different n_components."
            )
        if X is None and (X_train is not None or not is_single):
            raise ValueError(
                "Got X=None, but expected samples to score. "
                "X is optional only for one ordered autoencoder without X_train."
            )
        rows = None
        if X is None:
            rows = "validation set"
        if is_single:
            n_components, explained = _score_ordered(first, X)
        else:
            n_components, explained = _score_each(autoencoders, X)
        pca_n_components = pca_explained = None
        if X_train is not None:
            pca_n_components, pca_explained = _score_pca(X_train, X, int(n_components[-1]))
        display = cls(
            n_components=n_components,
            explained=explained,
            pca_n_components=pca_n_components,
            pca_explained=pca_explained,
            name=name or type(first).__name__,
            rows=rows,
        )
        return display.plot(ax=ax, line_kw=line_kw, pca_kw=pca_kw)

    def plot(
        self,
        ax: Axes | None = None,
        *,
        line_kw: Keywords | None = None,
        pca_kw: Keywords | None = None,
    ) -> Self:
        """Plot the explained variance ratios.

        Parameters
        ----------
        ax : Axes, default=None
            Axes to plot on. If None, a new figure is created.
        line_kw, pca_kw : dict, default=None
            Keyword arguments of matplotlib's `plot` for the two curves.

        Returns
        -------
        self : SpectrumDisplay
            Display with `ax_`, `figure_` and the artists of the plot.
        """
        shape = np.shape(self.n_components)
        if np.shape(self.explained) != shape:
            raise ValueError(
                f"Got explained of shape {np.shape(self.explained)}, but expected {shape}: "
                "one value for each of n_components."
            )
        self._set_axes(ax, (5.6, 3.8))
        from matplotlib.ticker import MaxNLocator  # after the check that matplotlib is installed

        self.pca_line_ = None
        markers = {"marker": "o", "markersize": 4}
        if self.pca_n_components is not None and self.pca_explained is not None:
            pca_kw = line_keywords(pca_kw, color="0.5", linestyle="--", label="PCA", **markers)
            self.pca_line_ = self.ax_.plot(self.pca_n_components, self.pca_explained, **pca_kw)[0]
        line_kw = line_keywords(line_kw, color="tab:blue", label=self.name, **markers)
        self.line_ = self.ax_.plot(self.n_components, self.explained, **line_kw)[0]
        ylabel = "Explained variance ratio"
        if self.rows is not None:
            ylabel += f"\n({self.rows})"
        self.ax_.set(xlabel="Number of components", ylabel=ylabel)
        self.ax_.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        self.ax_.grid(color="0.92")
        self.ax_.legend(frameon=False, loc="lower right")
        return self


def _to_flat_rows(X):
    """Convert samples to a numeric array of shape (n_samples, n_features)."""
    X = to_numeric_array(X)
    return X.reshape(len(X), -1)


def _explained_variance_ratio(squared_errors, X):
    """Return one minus squared errors over the squared deviation of X from its mean.

    If X is constant, the ratio is 1 without an error and 0 otherwise.
    """
    total = np.square(X - X.mean(0, dtype=np.float64)).sum()
    if total > 0:
        return 1 - np.asarray(squared_errors) / total
    return np.equal(squared_errors, 0).astype(np.float64)


def _score_ordered(autoencoder, X):
    """Return numbers of leading latent dimensions, and their explained variance ratios.

    If X is None, the ratios are cumulative sums of `explained_variance_ratio_`.
    """
    n_components = np.arange(1, autoencoder.n_components_ + 1)
    if X is None:
        return n_components, np.cumsum(autoencoder.explained_variance_ratio_)
    Z = to_numeric_array(autoencoder.transform(X))
    rows = _to_flat_rows(X).astype(np.float64)
    squared_errors = []
    for k in n_components:
        reconstructions = _to_flat_rows(autoencoder.inverse_transform(Z[:, :k]))
        squared_errors.append(np.square(reconstructions - rows).sum())
    return n_components, _explained_variance_ratio(squared_errors, rows)


def _score_each(autoencoders, X):
    """Return the sorted numbers of latent dimensions of autoencoders, and their scores."""
    pairs = sorted(
        (autoencoder.n_components_, autoencoder.score(X)) for autoencoder in autoencoders
    )
    n_components, scores = zip(*pairs, strict=True)
    return np.array(n_components), np.array(scores)


def _score_pca(X_train, X, max_components):
    """Return numbers of components of PCA, and their explained variance ratios on X.

    Components of PCA are orthogonal, so that the squares explained by each can be summed.
    """
    from sklearn.decomposition import PCA  # imported here, because the import is slow

    rows = _to_flat_rows(X)
    train_rows = _to_flat_rows(X_train)
    pca = PCA(min(max_components, *train_rows.shape)).fit(train_rows)
    total = np.square(rows - pca.mean_).sum()
    explained = np.cumsum(np.square(pca.transform(rows)).sum(0))
    ratios = _explained_variance_ratio(total - explained, rows)
    return np.arange(1, len(ratios) + 1), ratios
