"""Thresholds of a fitted detector: conformal p-values, false alarm rates, and streams."""

import math
from numbers import Real
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from skae._typing import Auto, MatrixLike
from skae.anomaly._calibration import (
    conformal_p_values,
    conformal_threshold,
    contamination_threshold,
    extrapolated_threshold,
)
from skae.anomaly._fitting import FittedScores
from skae.anomaly._inference import InferenceMixin

__all__ = ["ThresholdMixin"]

if TYPE_CHECKING:
    from skae.anomaly._reference import NormalReference

AUTO_FALSE_ALARM_RATE = 0.02
"""False alarm rate of the automatic threshold, if the tail of the scores is exponential."""


class ThresholdMixin(InferenceMixin, row_methods=("p_values",)):
    """Mixin of a detector with the methods that depend on the scores of normal samples."""

    contamination: float | Auto
    calibration_scores_: NDArray[np.float64]
    n_outliers_: int
    _calibration_weights: NDArray[np.float64]
    _false_alarm_rate: float | None

    def _install_reference(self, fitted: FittedScores) -> None:
        """Set the reference samples, the calibration scores and the threshold."""
        self._reference: NormalReference = fitted.reference
        self.n_outliers_ = int(fitted.is_outlier.sum())
        self._outliers = fitted.outliers
        scores = self._combine(fitted.error_scores, fitted.neighbor_scores)
        weights = fitted.weights
        order = np.argsort(scores, kind="stable")
        self.calibration_scores_ = scores[order]
        self._calibration_weights = weights[order]
        if self._false_alarm_rate is not None:
            self.set_threshold(self._false_alarm_rate)
        elif isinstance(self.contamination, str):
            is_normal = ~fitted.is_outlier
            self.offset_ = -extrapolated_threshold(
                -scores[is_normal], weights[is_normal], AUTO_FALSE_ALARM_RATE
            )
        else:
            training_scores = self._combine(fitted.error_scores, fitted.group_scores)
            self.offset_ = contamination_threshold(
                training_scores, weights, float(self.contamination)
            )

    def p_values(self, X: MatrixLike) -> NDArray[np.float64]:
        """Compute the conformal p-value of each sample.

        The p-value is the fraction of normal samples, the sample included, with a score that is not
        higher. If X and the training set are exchangeable normal samples, a p-value is at most
        alpha with a probability of about alpha.

        Parameters
        ----------
        X : array-like or torch.Tensor of shape (n_samples, ...)
            Table or images, in the layout of fit.

        Returns
        -------
        p_values : ndarray of shape (n_samples,)
            Float64, at least ``1 / (n_calibration + 1)`` without sample weights.
        """
        scores = self.score_samples(X)
        return conformal_p_values(scores, self.calibration_scores_, self._calibration_weights)

    def set_threshold(self, false_alarm_rate: float) -> Self:
        """Set the threshold of `predict` for a given false alarm rate, without a new fit.

        Parameters
        ----------
        false_alarm_rate : float
            Probability that a normal sample is predicted as an anomaly, in (0, 1). `predict` then
            returns -1 for the samples with ``p_values(X) <= false_alarm_rate``.

        Returns
        -------
        self : object
            The detector with a new `offset_`.

        Raises
        ------
        ValueError
            If there are too few training samples for this rate.
        """
        check_is_fitted(self)
        is_rate = isinstance(false_alarm_rate, Real) and 0 < false_alarm_rate < 1
        if not is_rate:
            raise ValueError(
                f"Got false_alarm_rate={false_alarm_rate!r}, but expected a float in (0, 1)."
            )
        offset = conformal_threshold(
            self.calibration_scores_, self._calibration_weights, float(false_alarm_rate)
        )
        if math.isinf(offset):
            n_scores = len(self.calibration_scores_)
            raise ValueError(
                f"Got false_alarm_rate={false_alarm_rate}, but {n_scores} calibration scores allow "
                f"no rate below {1 / (n_scores + 1):.4g}. Increase the rate, or fit on more rows."
            )
        self.offset_ = offset
        self._false_alarm_rate = float(false_alarm_rate)
        return self
