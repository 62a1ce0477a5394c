"""Training loss and validation scores by epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from skae._typing import Keywords, Numbers
from skae.displays._plotting import AxesLike, DisplayMixin, line_keywords

__all__ = ["TrainingDisplay", "start_name"]

if TYPE_CHECKING:
    from matplotlib.lines import Line2D

MAX_MARKED_EPOCHS = 30
"""Maximum number of epochs with a dot each; dots of more epochs would overlap."""


class TrainingDisplay(DisplayMixin):
    """Plot of the training loss, the validation scores and the best epoch.

    Validation scores are compared with the score of the initial network. Use `from_estimator` to
    create a display.

    Parameters
    ----------
    loss_curve : array-like of shape (n_epochs,)
        Mean training loss of each epoch.
    validation_scores : array-like of shape (n_evaluations,), default=None
        Explained variance ratio of the validation set, first of the initial network, then of each
        evaluation. If None, scores are not plotted.
    validation_iters : array-like of shape (n_evaluations,), default=None
        Epoch of each evaluation. If None, 0, 1, 2, and so on.
    best_iter : int, default=None
        Epoch of the selected weights; 0 is the initial network. If None, it is not plotted.
    best_validation_score : float, default=None
        Validation score of the selected weights. It is above the curve if they are an
        interpolation between initial and trained weights. If None, it is not plotted.
    start_name : str, default="PCA"
        Name of the initial network in the legend.

    Attributes
    ----------
    axes_ : ndarray of Axes of shape (2,) or (1,)
        Axes with the training loss, and axes with the validation scores if there are any.
    figure_ : Figure
        Figure that contains the axes.
    loss_line_, score_line_, start_line_ : Line2D
        Curves of loss and scores, and level of the initial score. The last two are None without
        validation scores.
    best_lines_ : list of Line2D
        Vertical line at the best epoch, one in each of the axes; empty without `best_iter`.
    best_point_ : Line2D
        Score of the selected weights; None without this score.

    See Also
    --------
    SpectrumDisplay : Explained variance ratio by number of components.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_digits
    >>> from skae import DenseAutoencoder, TrainingDisplay
    >>> X = load_digits().data
    >>> autoencoder = DenseAutoencoder(4, max_iter=8, random_state=0).fit(X)
    >>> display = TrainingDisplay.from_estimator(autoencoder)
    >>> display.axes_.shape
    (2,)
    >>> plt.close(display.figure_)
    """

    axes_: NDArray[np.object_]
    loss_line_: Line2D
    score_line_: Line2D | None
    start_line_: Line2D | None
    best_lines_: list[Line2D]
    best_point_: Line2D | None

    def __init__(
        self,
        *,
        loss_curve: Numbers,
        validation_scores: Numbers | None = None,
        validation_iters: Numbers | None = None,
        best_iter: int | None = None,
        best_validation_score: float | None = None,
        start_name: str = "PCA",
    ) -> None:
        self.loss_curve = loss_curve
        self.validation_scores = validation_scores
        self.validation_iters = validation_iters
        self.best_iter = best_iter
        self.best_validation_score = best_validation_score
        self.start_name = start_name

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        *,
        ax: AxesLike | None = None,
        loss_kw: Keywords | None = None,
        score_kw: Keywords | None = None,
        start_kw: Keywords | None = None,
        best_kw: Keywords | None = None,
    ) -> Self:
        """Plot training loss and validation scores of a fitted autoencoder.

        Parameters
        ----------
        estimator : estimator
            Fitted autoencoder.
        ax : Axes or array of Axes, default=None
            One Axes, which is divided into panels, or one Axes for each panel. If None, a new
            figure is created.
        loss_kw, score_kw, start_kw, best_kw : dict, default=None
            Keyword arguments of matplotlib for the lines of the loss, the scores, the initial
            score and the best epoch.

        Returns
        -------
        display : TrainingDisplay
            Display that stores the plotted values.
        """
        cls._check_estimator(estimator, "loss_curve_")
        display = cls(
            loss_curve=list(estimator.loss_curve_),
            validation_scores=estimator.validation_scores_,
            best_iter=estimator.best_iter_,
            best_validation_score=estimator.best_validation_score_,
            validation_iters=estimator.validation_iters_,
            start_name=start_name(estimator),
        )
        return display.plot(
            ax=ax, loss_kw=loss_kw, score_kw=score_kw, start_kw=start_kw, best_kw=best_kw
        )

    def plot(
        self,
        ax: AxesLike | None = None,
        *,
        loss_kw: Keywords | None = None,
        score_kw: Keywords | None = None,
        start_kw: Keywords | None = None,
        best_kw: Keywords | None = None,
    ) -> Self:
        """Plot training loss, validation scores and the best epoch.

        Parameters
        ----------
        ax : Axes or array of Axes, default=None
            One Axes, which is divided into panels, or one Axes for each panel. If None, a new
            figure is created.
        loss_kw, score_kw, start_kw, best_kw : dict, default=None
            Keyword arguments of matplotlib for the lines of the loss, the scores, the initial
            score and the best epoch.

        Returns
        -------
        self : TrainingDisplay
            Display with `axes_`, `figure_` and the artists of the plot.
        """
        has_scores = self.validation_scores is not None
        figsize = (5.6, 2.8)
        if has_scores:
            figsize = (5.6, 5.0)
        self._set_axes_grid(ax, (1 + has_scores, 1), figsize)
        self.axes_ = self.axes_[:, 0]
        self.score_line_ = None
        self.start_line_ = None
        self.best_lines_ = []
        self.best_point_ = None
        self._plot_loss(loss_kw)
        if has_scores:
            self._plot_scores(score_kw, start_kw)
        if self.best_iter is not None:
            self._plot_best_epoch(best_kw)
        self._set_epoch_axis()
        if ax is None:
            self.figure_.align_ylabels(self.axes_)
        self.axes_[-1].legend(frameon=False, loc="best")
        return self

    def _plot_loss(self, loss_kw):
        """Plot the training loss of each epoch."""
        n_epochs = len(self.loss_curve)
        marker = "o"
        if n_epochs > MAX_MARKED_EPOCHS:
            marker = ""
        loss_kw = line_keywords(
            loss_kw, color="tab:orange", marker=marker, markersize=3, label="Training set"
        )
        epochs = np.arange(1, n_epochs + 1)
        self.loss_line_ = self.axes_[0].plot(epochs, self.loss_curve, **loss_kw)[0]
        self.axes_[0].set_ylabel("Training loss")

    def _plot_scores(self, score_kw, start_kw):
        """Plot the validation scores, and a horizontal line at the initial score."""
        epochs = self.validation_iters
        if epochs is None:
            epochs = np.arange(len(self.validation_scores))
        score_kw = line_keywords(
            score_kw, color="tab:blue", marker="o", markersize=4, label="Validation set"
        )
        self.score_line_ = self.axes_[1].plot(epochs, self.validation_scores, **score_kw)[0]
        start_kw = line_keywords(start_kw, color="0.4", linestyle="--", label=self.start_name)
        self.start_line_ = self.axes_[1].axhline(self.validation_scores[0], **start_kw)
        self.axes_[1].set_ylabel("Explained variance ratio\n(validation set)")

    def _plot_best_epoch(self, best_kw):
        """Plot a vertical line at the best epoch, and a dot at the score of the best weights."""
        label = f"Best epoch: {self.best_iter}"
        line_kw = line_keywords(best_kw, color="tab:green", linestyle=":", label=label)
        self.best_lines_ = [panel.axvline(self.best_iter, **line_kw) for panel in self.axes_]
        if self.validation_scores is None or self.best_validation_score is None:
            return
        point_kw = line_keywords(best_kw, color="tab:green", linestyle="", marker="D", markersize=5)
        point_kw["label"] = None
        best_point = (self.best_iter, self.best_validation_score)
        self.best_point_ = self.axes_[1].plot(*best_point, **point_kw)[0]

    def _set_epoch_axis(self):
        """Set the range, the ticks and the label of the epochs."""
        from matplotlib.ticker import MaxNLocator

        n_epochs = max(len(self.loss_curve), 1)
        for panel in self.axes_:
            panel.set_xlim(-0.04 * n_epochs, 1.04 * n_epochs)
            panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        self.axes_[-1].set_xlabel("Epoch")


def start_name(estimator):
    """Return the name of the initial network, and so of the first validation score.

    The initial network is PCA if the weights start from PCA, the bottleneck is deterministic and
    the output is linear. The name is "PCA" then, and "initial network" otherwise.
    """
    if estimator._spec.network.starts_as_pca and estimator.init_.split(",")[0] == "pca":
        return "PCA"
    return "initial network"
