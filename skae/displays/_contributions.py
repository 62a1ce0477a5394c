"""Contributions of features to an anomaly score."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from skae._typing import Keywords, MatrixLike
from skae.displays._plotting import DisplayMixin, merge_keywords

__all__ = ["ContributionDisplay"]

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.container import BarContainer
    from sklearn.base import BaseEstimator

MAX_FEATURES = 10
"""Default number of plotted features."""


class ContributionDisplay(DisplayMixin):
    """Bar plot of the features with the largest contributions to an anomaly score.

    Use `from_estimator` or `from_explanation` to create a display.

    Parameters
    ----------
    feature_names : list of str
        Names of the features, by descending contribution.
    contributions : ndarray of shape (n_features,)
        Contributions of the features.
    values, expected : ndarray of shape (n_features,)
        Values and expected values of the features.

    Attributes
    ----------
    ax_ : Axes
        Axes with the bars.
    figure_ : Figure
        Figure that contains the axes.
    bars_ : BarContainer
        Bars of the features.

    See Also
    --------
    skae.ReconstructionDetector.explain : Contributions as arrays and tables.

    Examples
    --------
    >>> import matplotlib.pyplot as plt
    >>> from sklearn.datasets import load_iris
    >>> from skae import ContributionDisplay, ReconstructionDetector
    >>> X = load_iris().data
    >>> detector = ReconstructionDetector(random_state=0).fit(X[::2])
    >>> faulty = X[[1]] + [0, 0, 5, 0]
    >>> display = ContributionDisplay.from_estimator(detector, faulty)
    >>> display.feature_names[0]
    'x2'
    >>> plt.close(display.figure_)
    """

    ax_: Axes
    bars_: BarContainer

    def __init__(
        self, *, feature_names: Any, contributions: Any, values: Any, expected: Any
    ) -> None:
        self.feature_names = feature_names
        self.contributions = contributions
        self.values = values
        self.expected = expected

    @classmethod
    def from_estimator(
        cls,
        estimator: BaseEstimator,
        X: MatrixLike,
        *,
        sample: int = 0,
        max_features: int = MAX_FEATURES,
        ax: Axes | None = None,
        bar_kw: Keywords | None = None,
    ) -> Self:
        """Explain one sample of a table, and plot its contributions.

        Parameters
        ----------
        estimator : ReconstructionDetector
            Fitted detector of tables.
        X : array-like of shape (n_samples, n_features)
            Samples.
        sample : int, default=0
            Index of the plotted sample.
        max_features : int, default=10
            Maximum number of plotted features.
        ax : Axes, default=None
            Axes to plot on. If None, a new figure is created.
        bar_kw : dict, default=None
            Keyword arguments of matplotlib's `barh`.

        Returns
        -------
        display : ContributionDisplay
            Display that stores the plotted values.
        """
        cls._check_estimator(estimator, "explain")
        return cls.from_explanation(
            estimator.explain(X), sample=sample, max_features=max_features, ax=ax, bar_kw=bar_kw
        )

    @classmethod
    def from_explanation(
        cls,
        explanation: Any,
        *,
        sample: int = 0,
        max_features: int = MAX_FEATURES,
        ax: Axes | None = None,
        bar_kw: Keywords | None = None,
    ) -> Self:
        """Plot the contributions of one sample of an explanation.

        Parameters
        ----------
        explanation : skae.anomaly.Explanation
            Result of ``explain`` or of :func:`skae.anomaly.explain_pipeline` for a table.
        sample : int, default=0
            Index of the plotted sample.
        max_features : int, default=10
            Maximum number of plotted features.
        ax : Axes, default=None
            Axes to plot on. If None, a new figure is created.
        bar_kw : dict, default=None
            Keyword arguments of matplotlib's `barh`.

        Returns
        -------
        display : ContributionDisplay
            Display that stores the plotted values.

        Raises
        ------
        ValueError
            If the explanation is of images.
        """
        if not explanation.feature_names:
            raise ValueError("Got an explanation of images. Plot its contributions as an image.")
        order = np.argsort(-explanation.contributions[sample], kind="stable")[:max_features]
        display = cls(
            feature_names=[explanation.feature_names[j] for j in order],
            contributions=explanation.contributions[sample][order],
            values=explanation.values[sample][order],
            expected=explanation.expected[sample][order],
        )
        return display.plot(ax=ax, bar_kw=bar_kw)

    def plot(self, *, ax: Axes | None = None, bar_kw: Keywords | None = None) -> Self:
        """Plot the contributions.

        Parameters
        ----------
        ax : Axes, default=None
            Axes to plot on. If None, a new figure is created.
        bar_kw : dict, default=None
            Keyword arguments of matplotlib's `barh`.

        Returns
        -------
        display : ContributionDisplay
            The display itself.
        """
        from matplotlib.patches import Rectangle

        self._set_axes(ax, (6.4, 0.6 + 0.34 * len(self.feature_names)))
        labels = [
            f"{name} = {_format(value)} (expected {_format(expected)})"
            for name, value, expected in zip(
                self.feature_names, self.values, self.expected, strict=True
            )
        ]
        positions = np.arange(len(labels))
        self.bars_ = self.ax_.barh(
            positions, self.contributions, **merge_keywords(Rectangle, bar_kw)
        )
        self.ax_.set_yticks(positions, labels)
        self.ax_.invert_yaxis()
        self.ax_.set_xlabel("Decrease of the anomaly score")
        return self


def _format(value):
    """Return a value with at most four digits."""
    if isinstance(value, (float, np.floating)):
        return f"{value:.4g}"
    return str(value)
