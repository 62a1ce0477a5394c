"""Scores and predictions of a fitted detector."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from skae._devices import uses_default_torch_state
from skae._input.dask_rows import DaskMixin
from skae._input.streaming import dense_or_streamed
from skae._input.units import warn_if_other_units, without_unit_warnings
from skae._typing import MatrixLike
from skae.anomaly._preprocessing import (
    accepts_missing_values,
    autoencoder_input,
    encode_if_table,
    validate_rows,
)
from skae.anomaly._scores import Scorer, evaluate, score_chunks

__all__ = ["InferenceMixin"]

if TYPE_CHECKING:
    from sklearn.base import BaseEstimator
    from sklearn.preprocessing import StandardScaler

    from skae._input.table_schema import TableSchema
    from skae.anomaly._reference import NormalReference


class InferenceMixin(
    DaskMixin,
    row_methods=("score_samples", "score_parts", "error_map", "decision_function", "predict"),
):
    """Mixin of a detector with the methods that score samples."""

    autoencoder_: "BaseEstimator"
    n_features_in_: int
    offset_: float
    error_scale_: NDArray[np.float64]
    scaler_: "StandardScaler | None"
    _kernels: Any
    _pooling: Any
    _units: tuple[float, float]
    _standardizes_table: bool
    _neighbor_weight: float
    _table: "TableSchema | None" = None
    _reference: "NormalReference"

    @uses_default_torch_state
    def score_samples(self, X: MatrixLike) -> NDArray[np.float64]:
        """Compute the score of each sample.

        Parameters
        ----------
        X : array-like, sparse matrix or torch.Tensor of shape (n_samples, ...)
            Table or images, in the layout of fit.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            Scores of at most 0, float64. Lower is more anomalous, and normal samples have a mean of
            about -1. For training samples, held-out errors are used, and
            the distance to a tenth of X instead of the nearest neighbors. Lazy if X is a dask
            collection.
        """
        return self._combine(*self.score_parts(X))

    @uses_default_torch_state
    def score_parts(self, X: MatrixLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Compute the two parts of the score of each sample.

        Parameters
        ----------
        X : array-like, sparse matrix or torch.Tensor of shape (n_samples, ...)
            Table or images, in the layout of fit.

        Returns
        -------
        errors : ndarray of shape (n_samples,)
            Negative log tail probability of the mean of `error_map` over each sample, float64.
            Normal samples have a mean of about 1.
        distances : ndarray of shape (n_samples,)
            Negative log tail probability of the distance to the nearest neighbors, averaged over
            the views, float64. Normal samples have a mean of about 1.
        """
        check_is_fitted(self)
        return self._reference.parts(*self._evaluate(X))

    @uses_default_torch_state
    def error_map(self, X: MatrixLike) -> NDArray[np.float32]:
        """Compute the squared error of each feature or pixel.

        Parameters
        ----------
        X : array-like, sparse matrix or torch.Tensor of shape (n_samples, ...)
            Table or images, in the layout of fit.

        Returns
        -------
        errors : ndarray of the shape of X
            Squared errors, smoothed for images, divided by `error_scale_`, float32. The error of a
            missing value is NaN in tables. The error of a category is the sum over its indicators.
        """
        check_is_fitted(self)
        rows, inputs = self._preprocess(X)
        errors = np.empty((len(rows), math.prod(rows.shape[1:])), np.float32)
        with without_unit_warnings(self._standardizes_table):
            for chunk in score_chunks(rows):
                _, squared_errors = evaluate(self.autoencoder_, inputs[chunk], self._kernels)
                errors[chunk] = squared_errors / self.error_scale_
        if self._table is not None:
            starts = [features.start for features in self._table.slices]
            return np.add.reduceat(errors, starts, axis=1)
        return errors.reshape(rows.shape)

    def decision_function(self, X: MatrixLike) -> NDArray[np.float64]:
        """Compute the difference of each score from the threshold.

        Parameters
        ----------
        X : array-like, sparse matrix or torch.Tensor of shape (n_samples, ...)
            Table or images, in the layout of fit.

        Returns
        -------
        decision : ndarray of shape (n_samples,)
            ``score_samples(X) - offset_``: negative for anomalies.
        """
        return self.score_samples(X) - self.offset_

    def predict(self, X: MatrixLike) -> NDArray[np.int64]:
        """Classify samples as normal or anomalous.

        Parameters
        ----------
        X : array-like, sparse matrix or torch.Tensor of shape (n_samples, ...)
            Table or images, in the layout of fit.

        Returns
        -------
        labels : ndarray of shape (n_samples,)
            1 for normal samples, -1 for anomalies.
        """
        return np.where(self.decision_function(X) < 0, -1, 1)

    def _evaluate(self, X):
        """Compute the points of samples for the neighbor search, and their mean scaled errors."""
        return self._evaluate_rows(*self._preprocess(X))

    def _evaluate_rows(self, rows, inputs):
        """Compute points and mean scaled errors of validated rows in chunks."""
        scorer = self._scorer()
        points, errors = [], []
        with without_unit_warnings(self._standardizes_table):  # the units are already compared
            for chunk in score_chunks(rows):
                chunk_points, chunk_errors = scorer(rows[chunk], inputs[chunk])
                points.append(chunk_points)
                errors.append(chunk_errors)
        return np.concatenate(points), np.concatenate(errors)

    def _score_as_new(self, rows, inputs):
        """Compute the scores of validated rows, of which training samples count as new."""
        points, errors = self._evaluate_rows(rows, inputs)
        return self._combine(*self._reference.parts(points, errors, as_new=True))

    def _preprocess(self, X):
        """Validate X; return the rows and the autoencoder's input."""
        allow_nan = accepts_missing_values(self.autoencoder_)
        X = encode_if_table(self, X, allow_nan=allow_nan, reset=False)
        if self._table is None:
            X = dense_or_streamed(X)
        rows = validate_rows(
            self, X, standardize=self._standardizes_table, allow_nan=allow_nan, reset=False
        )
        if self._standardizes_table:
            max_abs, small_share = self._units
            warn_if_other_units(rows, max_abs, small_share=small_share)
        return rows, autoencoder_input(X, rows, self.scaler_)

    def _scorer(self):
        """Return the function that computes points and errors of samples."""
        return Scorer(
            self.autoencoder_, self._kernels, self._pooling, self.error_scale_, self.scaler_
        )

    def _combine(self, errors, distances):
        """Compute scores as the negative weighted quadratic mean of the two parts."""
        total = np.square(errors) + self._neighbor_weight * np.square(distances)
        return -np.sqrt(total / (1 + self._neighbor_weight))
