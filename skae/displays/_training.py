"""What a training did."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from skae._html import start_name
from skae._typing import Keywords, Numbers
from skae.displays import _drawing as draw

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    from skae.displays._drawing import AxesLike

__all__ = ["TrainingDisplay"]

MOST_MARKED = 30
"""Epochs that have a dot each; more of them are a line."""


class TrainingDisplay:
    """The loss of each epoch, the score on samples held out beside that of the start, and the epoch that was taken.

    Use `from_estimator` to make one.

    Parameters
    ----------
    loss_curve : array-like of shape (n_epochs,)
        Mean training loss of each epoch.
    validation_scores : array-like of shape (n_looks,), default=None
        Share explained of what was held out, at the start and at each look.
    validation_iters : array-like of shape (n_looks,), default=None
        The epochs of the looks. None: 0, 1, 2 and so on.
    best_iter : int, default=None
        The epoch whose weights were taken; 0 is the start.
    best_validation_score : float, default=None
        The share explained by the weights taken. It is above the curve where they are those of a part of the way from the
        start to the trained ones.
    start_name : str, default="PCA"
        What the start is called.

    Attributes
    ----------
    axes_ : ndarray of Axes of shape (2,) or (1,)
        The loss, and the scores if there are any.
    figure_ : Figure
        The figure.
    loss_line_, score_line_, start_line_ : Line2D
        The curves, and the level of the start; None where there are no scores.
    best_lines_ : list of Line2D
        The epoch that was taken, one line in each of the axes; empty where none is known.
    best_point_ : Line2D
        The score of the weights taken; None where it isn't known.

    See Also
    --------
    SpectrumDisplay : How much is explained by how many components.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_digits
    >>> from skae import DenseAutoencoder, TrainingDisplay
    >>> autoencoder = DenseAutoencoder(4, max_iter=5, random_state=0).fit(load_digits().data)
    >>> display = TrainingDisplay.from_estimator(autoencoder)
    >>> display.axes_.shape
    (2,)
    >>> plt.close(display.figure_)
    """

    axes_: NDArray[np.object_]
    figure_: Figure
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
        """Draw the training of a fitted autoencoder.

        Parameters
        ----------
        estimator : estimator
            A fitted autoencoder.
        ax : Axes or array of Axes, default=None
            One to divide, or as many as are needed. None: a new figure.
        loss_kw, score_kw, start_kw, best_kw : dict, default=None
            Keywords for the lines: loss, scores, level of the start, best epoch.

        Returns
        -------
        display : TrainingDisplay
            Drawn.
        """
        draw.pyplot(f"{cls.__name__}.from_estimator")
        check_is_fitted(estimator)
        if not hasattr(estimator, "loss_curve_"):
            raise TypeError(f"Got {type(estimator).__name__}, but expected an autoencoder, which has a loss_curve_.")
        display = cls(
            loss_curve=list(estimator.loss_curve_),
            validation_scores=estimator.validation_scores_,
            best_iter=estimator.best_iter_,
            best_validation_score=estimator.best_validation_score_,
            validation_iters=estimator.validation_iters_,
            start_name=start_name(estimator),
        )
        return display.plot(ax=ax, loss_kw=loss_kw, score_kw=score_kw, start_kw=start_kw, best_kw=best_kw)

    def plot(
        self,
        ax: AxesLike | None = None,
        *,
        loss_kw: Keywords | None = None,
        score_kw: Keywords | None = None,
        start_kw: Keywords | None = None,
        best_kw: Keywords | None = None,
    ) -> Self:
        """Draw.

        Parameters
        ----------
        ax : Axes or array of Axes, default=None
            One to divide, or as many as are needed. None: a new figure.
        loss_kw, score_kw, start_kw, best_kw : dict, default=None
            Keywords for the lines: loss, scores, level of the start, best epoch.

        Returns
        -------
        self : TrainingDisplay
            With `axes_`, `figure_` and the artists.
        """
        draw.pyplot(f"{type(self).__name__}.plot")
        from matplotlib.lines import Line2D
        from matplotlib.ticker import MaxNLocator

        scored = self.validation_scores is not None
        n_epochs = len(self.loss_curve)
        axes, self.figure_ = draw.axes_grid(ax, (1 + scored, 1), type(self).__name__, (5.6, 5.0 if scored else 2.8))
        self.axes_ = axes[:, 0]
        self.score_line_ = self.start_line_ = self.best_point_ = None
        kw = {"color": "tab:orange", "marker": "o" if n_epochs <= MOST_MARKED else "", "markersize": 3, "label": "training"}
        kw = draw.styled(kw, loss_kw, Line2D)
        self.loss_line_ = self.axes_[0].plot(np.arange(1, n_epochs + 1), self.loss_curve, **kw)[0]
        self.axes_[0].set(ylabel="training loss")
        if self.validation_scores is not None:
            looks = np.arange(len(self.validation_scores)) if self.validation_iters is None else self.validation_iters
            kw = draw.styled({"color": "tab:blue", "marker": "o", "markersize": 4, "label": "held out"}, score_kw, Line2D)
            self.score_line_ = self.axes_[1].plot(looks, self.validation_scores, **kw)[0]
            kw = draw.styled({"color": "0.4", "linestyle": "--", "label": self.start_name}, start_kw, Line2D)
            self.start_line_ = self.axes_[1].axhline(self.validation_scores[0], **kw)
            self.axes_[1].set(ylabel="share explained,\nheld out")
        self.best_lines_ = []
        for panel in self.axes_:
            if self.best_iter is not None:
                kw = {"color": "tab:green", "linestyle": ":", "label": f"epoch {self.best_iter} taken"}
                self.best_lines_.append(panel.axvline(self.best_iter, **draw.styled(kw, best_kw, Line2D)))
            panel.set_xlim(-0.04 * max(n_epochs, 1), 1.04 * max(n_epochs, 1))
            panel.xaxis.set_major_locator(MaxNLocator(integer=True))
        if scored and self.best_iter is not None and self.best_validation_score is not None:
            kw = draw.styled({"color": "tab:green", "linestyle": "", "marker": "D", "markersize": 5}, best_kw, Line2D)
            self.best_point_ = self.axes_[1].plot(self.best_iter, self.best_validation_score, **{**kw, "label": None})[0]
        if ax is None:
            self.figure_.align_ylabels(self.axes_)
        self.axes_[-1].set_xlabel("epoch")
        self.axes_[-1].legend(frameon=False, loc="best")
        return self
