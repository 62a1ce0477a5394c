"""How much is explained by how many components."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from skae._typing import Keywords, MatrixLike, Numbers
from skae.displays import _drawing as draw

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

__all__ = ["SpectrumDisplay"]


class SpectrumDisplay:
    """Share of the variance explained by the number of components, beside PCA.

    Use `from_estimator` to make one.

    Parameters
    ----------
    n_components : array-like of int of shape (n_points,)
        Lengths of codes.
    explained : array-like of shape (n_points,)
        Share of the variance that codes of this length explain.
    pca_n_components, pca_explained : array-like, default=None
        The same of PCA.
    name : str, default="autoencoder"
        For the legend.
    rows : str, default=None
        Which rows it is about, for the label of the axis.

    Attributes
    ----------
    ax_ : Axes
        The axes.
    figure_ : Figure
        The figure.
    line_ : Line2D
        Of the autoencoders.
    pca_line_ : Line2D or None
        Of PCA.

    See Also
    --------
    TrainingDisplay : What a training did.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_digits
    >>> from skae import DenseAutoencoder, SpectrumDisplay
    >>> X = load_digits().data
    >>> autoencoder = DenseAutoencoder(6, bottleneck="ordered", max_iter=3, random_state=0).fit(X[300:])
    >>> display = SpectrumDisplay.from_estimator(autoencoder, X[:300], X_train=X[300:])
    >>> display.n_components.tolist()
    [1, 2, 3, 4, 5, 6]
    >>> plt.close(display.figure_)
    """

    ax_: Axes
    figure_: Figure
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
        """Draw an ordered autoencoder, or several autoencoders.

        Parameters
        ----------
        estimator : estimator or list of estimators
            Fitted: one with ``bottleneck="ordered"``, or several of different lengths.
        X : array-like of shape (n_samples, n_features) or of images, default=None
            Rows to score by, best those that no fit saw. None: what an ordered autoencoder found out in fit, without PCA.
        X_train : array-like of shape (n_samples, n_features) or of images, default=None
            Rows that PCA is fitted on: those of the autoencoder, for a fair comparison. None: PCA is not drawn.
        name : str, default=None
            For the legend; None: the name of the class.
        ax : Axes, default=None
            Where to draw. None: a new figure.
        line_kw, pca_kw : dict, default=None
            Keywords for the two lines.

        Returns
        -------
        display : SpectrumDisplay
            Drawn.
        """
        draw.pyplot(f"{cls.__name__}.from_estimator")
        several: list[Any] = list(estimator) if isinstance(estimator, (list, tuple)) else [estimator]
        if not several:
            raise ValueError("Got an empty list, but expected fitted autoencoders.")
        for each in several:
            check_is_fitted(each)
            if not hasattr(each, "reconstruction_error"):
                raise TypeError(f"Got {type(each).__name__}, but expected an autoencoder; X_train is what PCA is fitted on.")
        alone, one = not isinstance(estimator, (list, tuple)), several[0]
        ordered = alone and hasattr(one, "explained_variance_ratio_")
        if alone and not ordered:
            raise ValueError(
                f"Got one {type(one).__name__} whose codes are not ordered, but expected bottleneck='ordered', or a list of "
                "autoencoders of different lengths."
            )
        if X is None and (X_train is not None or not ordered):
            raise ValueError("Got X=None, but expected rows to score by: only an ordered autoencoder alone goes without.")
        if X is None:
            lengths, explained = np.arange(1, one.n_components_ + 1), np.cumsum(one.explained_variance_ratio_)
        elif ordered:
            lengths = np.arange(1, one.n_components_ + 1)
            explained = _by_length(one, X, lengths)
        else:
            several = sorted(several, key=lambda each: each.n_components_)
            lengths = np.array([each.n_components_ for each in several])
            explained = np.array([each.score(X) for each in several])
        pca_lengths = pca_explained = None
        if X_train is not None:
            pca_lengths, pca_explained = _of_pca(X_train, X, int(lengths[-1]))
        display = cls(
            n_components=lengths,
            explained=explained,
            pca_n_components=pca_lengths,
            pca_explained=pca_explained,
            name=type(one).__name__ if name is None else name,
            rows=None if X is not None else "held out in fit",
        )
        return display.plot(ax=ax, line_kw=line_kw, pca_kw=pca_kw)

    def plot(self, ax: Axes | None = None, *, line_kw: Keywords | None = None, pca_kw: Keywords | None = None) -> Self:
        """Draw.

        Parameters
        ----------
        ax : Axes, default=None
            Where to draw. None: a new figure.
        line_kw, pca_kw : dict, default=None
            Keywords for the two lines.

        Returns
        -------
        self : SpectrumDisplay
            With `ax_`, `figure_` and the artists.
        """
        draw.pyplot(f"{type(self).__name__}.plot")
        from matplotlib.lines import Line2D
        from matplotlib.ticker import MaxNLocator

        if np.shape(self.n_components) != np.shape(self.explained):
            shapes = np.shape(self.explained), np.shape(self.n_components)
            raise ValueError(f"Got explained of shape {shapes[0]}, but expected {shapes[1]}: one for each of n_components.")
        self.ax_, self.figure_ = draw.one_axes(ax, type(self).__name__, (5.6, 3.8))
        self.pca_line_ = None
        if self.pca_n_components is not None and self.pca_explained is not None:
            kw = {"color": "0.5", "linestyle": "--", "marker": "o", "markersize": 4, "label": "PCA"}
            kw = draw.styled(kw, pca_kw, Line2D)
            self.pca_line_ = self.ax_.plot(self.pca_n_components, self.pca_explained, **kw)[0]
        kw = draw.styled({"color": "tab:blue", "marker": "o", "markersize": 4, "label": self.name}, line_kw, Line2D)
        self.line_ = self.ax_.plot(self.n_components, self.explained, **kw)[0]
        where = "" if self.rows is None else f",\n{self.rows}"
        self.ax_.set(xlabel="number of components", ylabel=f"share of variance explained{where}")
        self.ax_.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        self.ax_.grid(color="0.92")
        self.ax_.legend(frameon=False, loc="lower right")
        return self


def _rows(X):
    """Give flat rows."""
    X = draw.as_numbers(X)
    return X.reshape(len(X), -1)


def _share(missed, X):
    """Give one minus the squares missed over the squares about the mean."""
    spread = np.square(X - X.mean(0, dtype=np.float64)).sum()
    return float(1 - missed / spread) if spread > 0 else float(missed == 0)


def _by_length(autoencoder, X, lengths):
    """Score the first columns of ordered codes."""
    codes, rows = draw.as_numbers(autoencoder.transform(X)), _rows(X).astype(np.float64)
    decoded = (_rows(autoencoder.inverse_transform(codes[:, :k])) for k in lengths)
    return np.array([_share(np.square(found - rows).sum(), rows) for found in decoded])


def _of_pca(X_train, X, most):
    """Score PCA of each length: its components are orthogonal, so what each adds can be summed."""
    rows = _rows(X)
    from sklearn.decomposition import PCA  # slow to import, so only where it is needed

    pca = PCA(min(most, *_rows(X_train).shape)).fit(_rows(X_train))
    about = np.square(rows - pca.mean_).sum()
    gained = np.cumsum(np.square(pca.transform(rows)).sum(0))
    return np.arange(1, len(gained) + 1), np.array([_share(about - one, rows) for one in gained])
