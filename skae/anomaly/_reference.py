"""Normal samples with which new samples are compared, and the two parts of the anomaly score."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from skae.anomaly._column_scaling import NormalScores, Standardization
from skae.anomaly._neighbors import NeighborDistances
from skae.anomaly._tail_probability import TailProbability

__all__ = ["NeighborView", "NormalReference"]

EQUAL_ERRORS = 1e-4
"""Difference of the errors of equal samples, which are computed in float32."""


@dataclass
class NeighborView:
    """Neighbor distances in one scaling of the reference samples.

    Attributes
    ----------
    scaling : Standardization or NormalScores
        Scaling of the columns.
    distances : NeighborDistances
        Fitted on the scaled reference samples.
    tail : TailProbability
        Tail probabilities of the distances.
    """

    scaling: Standardization | NormalScores
    distances: NeighborDistances
    tail: TailProbability

    @classmethod
    def fit(cls, points, scaling, n_neighbors, metric, weights):
        """Fit a view, and compute the distances of the reference samples to each other."""
        points = scaling.transform(points)
        distances, scores = NeighborDistances.fit(points, n_neighbors, metric)
        tail = TailProbability.fit(scores, weights)
        return cls(scaling, distances, tail), tail(scores)

    def score(self, points, *, as_new=False):
        """Return negative log tail probabilities and the indices of equal reference samples."""
        scores, twins = self.distances.score(self.scaling.transform(points), as_new=as_new)
        return self.tail(scores), twins


@dataclass
class NormalReference:
    """Reference samples of a detector.

    Tables have two views, standardized columns and normal scores with Manhattan distances. Images
    have one view, smoothed and pooled pixels with Euclidean distances.

    Attributes
    ----------
    points : ndarray of shape (n_reference, n_dimensions)
        Rows of the table, or smoothed and pooled images, float64.
    errors : ndarray of shape (n_reference,)
        Mean scaled reconstruction errors, held-out if there was cross-fitting, float64.
    fitted_errors : ndarray of shape (n_reference,)
        Mean scaled errors of the fitted autoencoder, float64.
    is_table : bool
        Whether the points are rows of a table.
    views : list of NeighborView
        Neighbor distances.
    weights : ndarray of shape (n_reference,)
        Sample weights, float64.
    group_scores : ndarray of shape (n_reference,)
        Negative log tail probabilities of the distances of the points to a tenth of the training
        set, float64.
    error_tail : TailProbability
        Tail probabilities of the errors.
    """

    points: NDArray[np.float64]
    errors: NDArray[np.float64]
    fitted_errors: NDArray[np.float64]
    is_table: bool
    views: list[NeighborView]
    weights: NDArray[np.float64]
    group_scores: NDArray[np.float64]
    error_tail: TailProbability

    @classmethod
    def fit(
        cls, points, errors, fitted_errors, group_distances, weights, n_neighbors, *, is_table
    ) -> tuple[Self, NDArray[np.float64], NDArray[np.float64]]:
        """Fit the views and the tail probabilities.

        Parameters
        ----------
        points : ndarray of shape (n_reference, n_dimensions)
            Normal samples.
        errors : ndarray of shape (n_reference,)
            Their mean scaled errors, held-out if possible.
        fitted_errors : ndarray of shape (n_reference,)
            Their mean scaled errors with the fitted autoencoder.
        group_distances : ndarray of shape (n_reference,)
            Their distances to a tenth of the training set.
        weights : ndarray of shape (n_reference,)
            Their weights in the tail probabilities.
        n_neighbors : int
            Number of neighbors, reduced to the number of other samples.
        is_table : bool
            Whether the points are rows of a table.

        Returns
        -------
        reference : NormalReference
            Fitted.
        error_scores : ndarray of shape (n_reference,)
            Negative log tail probabilities of the errors of the reference samples, float64.
        neighbor_scores : ndarray of shape (n_reference,)
            Those of their neighbor distances, as for new samples, float64.
        """
        n_neighbors = min(n_neighbors, len(points) - 1)
        errors = _average_over_equal(points, errors)
        views = []
        view_scores = []
        if is_table:
            metric = "manhattan"
            scalings = [Standardization.fit(points, weights), NormalScores.fit(points)]
        else:
            metric = "euclidean"
            # scikit-learn's Euclidean distances of centered points are more accurate
            scalings = [Standardization(points.mean(axis=0), np.ones(points.shape[1]))]
        for scaling in scalings:
            view, scores = NeighborView.fit(points, scaling, n_neighbors, metric, weights)
            views.append(view)
            view_scores.append(scores)
        error_tail = TailProbability.fit(errors, weights, typical_score=1.0)
        group_scores = TailProbability.fit(group_distances, weights)(group_distances)
        reference = cls(
            points, errors, fitted_errors, is_table, views, weights, group_scores, error_tail
        )
        return reference, error_tail(errors), np.mean(view_scores, axis=0)

    def parts(self, points, errors, *, as_new=False):
        """Compute the two parts of the anomaly score.

        A sample that is equal to a reference sample is assumed to be this training sample. It has
        the held-out error, and the distance to a tenth of the training set, because its nearest
        neighbors may be anomalies as well.

        Parameters
        ----------
        points : ndarray of shape (n_samples, n_dimensions)
            Samples, as in fit.
        errors : ndarray of shape (n_samples,)
            Their mean scaled errors.
        as_new : bool, default=False
            Whether training samples are scored like new samples.

        Returns
        -------
        error_scores : ndarray of shape (n_samples,)
            Negative log tail probabilities of the errors, float64.
        neighbor_scores : ndarray of shape (n_samples,)
            Negative log tail probabilities of the distances, averaged over the views, float64.
        """
        view_scores = []
        for view in self.views:
            scores, equal_samples = view.score(points, as_new=as_new)
            view_scores.append(scores)
            if view is self.views[0]:
                twins = equal_samples
        if as_new:
            return self.error_tail(errors), np.mean(view_scores, axis=0)
        # two different images may have equal points
        difference = np.abs(errors - self.fitted_errors[twins])
        is_training_sample = (twins >= 0) & (difference <= EQUAL_ERRORS * (1 + errors))
        errors = np.where(is_training_sample, self.errors[twins], errors)
        neighbor_scores = np.where(
            is_training_sample, self.group_scores[twins], np.mean(view_scores, axis=0)
        )
        return self.error_tail(errors), neighbor_scores


def _average_over_equal(points, errors):
    """Return the errors, averaged over equal points."""
    _, groups = np.unique(points, axis=0, return_inverse=True)
    groups = groups.reshape(-1)
    sums = np.bincount(groups, weights=errors)
    return (sums / np.bincount(groups))[groups]
