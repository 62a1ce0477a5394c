"""Fit of a detector's scores: trimming, held-out errors, error scales, and reference samples."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator

from skae._input.streaming import StreamedRows
from skae.anomaly._calibration import (
    cross_fit,
    error_scales,
    fit_with_weights,
    held_out_errors,
    mean_held_out_errors,
)
from skae.anomaly._preprocessing import StandardizedRows, select_rows
from skae.anomaly._reference import NormalReference
from skae.anomaly._scores import (
    Scorer,
    as_float64_rows,
    fit_errors,
    mean_scaled_errors,
    pooling_kernels,
    score_chunks,
    smoothing_kernels,
)
from skae.anomaly._trimming import find_outliers, group_distances

__all__ = ["FittedScores", "ScoreSettings", "Window", "fit_scores", "update_scores"]

MAX_CROSS_FIT_ROWS = 5_000
"""Maximum number of samples with cross-fitting by default. With more, overfitting is small."""

MAX_REFERENCE_ROWS = 10_000
"""Maximum number of reference samples, which bounds time and memory of the neighbor search."""


@dataclass(frozen=True)
class ScoreSettings:
    """Parameters of a detector that `fit_scores` uses.

    Attributes
    ----------
    n_neighbors : int
        Number of neighbors.
    smoothing : float or "auto"
        Standard deviation of the smoothing of images' errors, in pixels.
    cross_fit : bool or "auto"
        Whether errors are estimated by cross-fitting.
    trim : bool
        Whether outliers of the training set are left out.
    is_table : bool
        Whether X is a table.
    seed : int
        Seed of the reference sample and of the halves.
    """

    n_neighbors: int
    smoothing: Any
    cross_fit: Any
    trim: bool
    is_table: bool
    seed: int


@dataclass
class Window:
    """Samples of which the reference is fitted.

    Attributes
    ----------
    points : ndarray of shape (n_samples, n_dimensions)
        Points for the neighbor search.
    errors : ndarray of shape (n_samples,)
        Mean scaled errors, held-out if possible.
    fitted_errors : ndarray of shape (n_samples,)
        Mean scaled errors of the fitted autoencoder.
    weights : ndarray of shape (n_samples,)
        Sample weights.
    """

    points: NDArray[np.float64]
    errors: NDArray[np.float64]
    fitted_errors: NDArray[np.float64]
    weights: NDArray[np.float64]

    def select(self, mask):
        """Return the samples of a boolean mask."""
        return Window(
            self.points[mask], self.errors[mask], self.fitted_errors[mask], self.weights[mask]
        )


@dataclass
class FittedScores:
    """Fitted scores, and the parts of the scores of the sampled training rows.

    Attributes
    ----------
    scorer : Scorer
        Fitted autoencoder, smoothing and pooling kernels, and error scales.
    reference : NormalReference
        Reference samples.
    error_scores, neighbor_scores : ndarray of shape (n_sampled,)
        Parts of the scores of at most 10,000 training rows, outliers included, as for new samples.
    group_scores : ndarray of shape (n_sampled,)
        Neighbor scores of these rows as training samples.
    is_outlier : ndarray of shape (n_sampled,)
        Rows that were trimmed.
    outliers : Window
        These rows.
    weights : ndarray of shape (n_sampled,)
        Sample weights.
    """

    scorer: Scorer
    reference: NormalReference
    error_scores: NDArray[np.float64]
    neighbor_scores: NDArray[np.float64]
    group_scores: NDArray[np.float64]
    is_outlier: NDArray[np.bool_]
    outliers: Window
    weights: NDArray[np.float64]


def fit_scores(autoencoder, rows, inputs, scaler, weights, settings):
    """Fit the autoencoder and everything that a score depends on.

    Parameters
    ----------
    autoencoder : estimator
        Unfitted and seeded, or a FrozenEstimator.
    rows : ndarray, torch.Tensor, DataFrame or StreamedRows of shape (n_samples, ...)
        Validated samples.
    inputs : same types or StandardizedRows of shape (n_samples, ...)
        Input of the autoencoder for these samples.
    scaler : StandardScaler or None
        Scaler between `rows` and `inputs`.
    weights : ndarray of shape (n_samples,) or None
        Positive sample weights with mean 1.
    settings : ScoreSettings
        Parameters of the detector.

    Returns
    -------
    fitted : FittedScores
        Fitted scores.
    """
    n_samples = len(rows)
    permutation = np.random.default_rng(settings.seed).permutation(n_samples)
    sampled = np.sort(permutation[:MAX_REFERENCE_ROWS])
    is_outlier = np.zeros(len(sampled), bool)
    if settings.is_table:
        table = _read_table(rows, sampled)
        distances = group_distances(table)
        if settings.trim:
            is_outlier = find_outliers(distances)
    is_frozen = isinstance(autoencoder, FrozenEstimator)
    train, train_inputs, train_weights = np.arange(n_samples), inputs, weights
    if is_outlier.any() and not is_frozen and not _is_streamed(inputs):
        train = np.delete(train, sampled[is_outlier])
        train_inputs = select_rows(inputs, train)
        train_weights = None if weights is None else weights[train]

    fitted_autoencoder = fit_with_weights(clone(autoencoder), train_inputs, train_weights)
    kernels = smoothing_kernels(fitted_autoencoder, inputs.shape[1:], settings.smoothing)
    mean_squared_errors, variance = fit_errors(fitted_autoencoder, train_inputs, kernels)
    halves = []
    uses_cross_fit = settings.cross_fit
    if isinstance(uses_cross_fit, str):
        uses_cross_fit = len(train) <= MAX_CROSS_FIT_ROWS
    if uses_cross_fit and not is_frozen:
        halves = cross_fit(autoencoder, train_inputs, train_weights, settings.seed)
        mean_squared_errors = mean_held_out_errors(halves, kernels)
    pooling = None
    if not settings.is_table:
        pooling = pooling_kernels(fitted_autoencoder, inputs.shape[1:], kernels)
    error_scale = error_scales(mean_squared_errors, variance)
    scorer = Scorer(fitted_autoencoder, kernels, pooling, error_scale, scaler)
    points, fitted_errors = _evaluate_sample(scorer, rows, inputs, sampled)
    errors = fitted_errors.copy()
    for indices, squared_errors in held_out_errors(halves, kernels):
        positions = np.searchsorted(sampled, train[indices])
        positions = np.minimum(positions, len(sampled) - 1)
        is_sampled = sampled[positions] == train[indices]
        held_out = mean_scaled_errors(squared_errors, scorer.error_scale)
        errors[positions[is_sampled]] = held_out[is_sampled]
    if not settings.is_table:
        distances = group_distances(points)
        if settings.trim:
            is_outlier = find_outliers(distances)

    sampled_weights = np.ones(len(sampled))
    if weights is not None:
        sampled_weights = weights[sampled]
    window = Window(points, errors, fitted_errors, sampled_weights)
    return _fit_reference(scorer, window, distances, is_outlier, settings.n_neighbors)


def update_scores(scorer, reference, outliers, new, *, n_neighbors, trim, max_samples):
    """Add samples to the reference, drop the oldest, and fit the reference again.

    Earlier outliers are dropped first.

    Parameters
    ----------
    scorer : Scorer
        Of the fitted detector.
    reference : NormalReference
        Reference before the update.
    outliers, new : Window
        Earlier outliers, and new samples.
    n_neighbors : int
        Number of neighbors.
    trim : bool
        Whether outliers are left out.
    max_samples : int
        Maximum number of samples, outliers included.

    Returns
    -------
    fitted : FittedScores
        With the new reference.
    """
    normal = Window(reference.points, reference.errors, reference.fitted_errors, reference.weights)
    window = Window(
        *(
            np.concatenate([getattr(part, name) for part in (outliers, normal, new)])[-max_samples:]
            for name in ("points", "errors", "fitted_errors", "weights")
        )
    )
    distances = group_distances(window.points)
    is_outlier = np.zeros(len(window.points), bool)
    if trim:
        is_outlier = find_outliers(distances)
    return _fit_reference(scorer, window, distances, is_outlier, n_neighbors)


def _fit_reference(scorer, window, distances, is_outlier, n_neighbors):
    """Fit the reference without the outliers, and score all samples."""
    is_normal = ~is_outlier
    normal = window.select(is_normal)
    reference, normal_errors, normal_neighbors = NormalReference.fit(
        normal.points,
        normal.errors,
        normal.fitted_errors,
        distances[is_normal],
        normal.weights,
        n_neighbors,
        is_table=scorer.pooling is None,
    )
    parts = np.empty((3, len(is_outlier)))
    outliers = window.select(is_outlier)
    parts[:, is_normal] = normal_errors, normal_neighbors, reference.group_scores
    if is_outlier.any():
        outlier_parts = reference.parts(outliers.points, outliers.errors)
        parts[:2, is_outlier] = outlier_parts
        parts[2, is_outlier] = outlier_parts[1]
    return FittedScores(scorer, reference, *parts, is_outlier, outliers, window.weights)


def _is_streamed(inputs):
    """Return whether the rows are read from a source when they are used."""
    return isinstance(inputs, (StreamedRows, StandardizedRows))


def _read_table(rows, sampled):
    """Read the sampled rows of a table, with missing values replaced by column means."""
    table = np.concatenate(
        [as_float64_rows(rows[chunk])[_within(sampled, chunk)] for chunk in score_chunks(rows)]
    )
    is_missing = np.isnan(table)
    if is_missing.any():
        n_observed = np.maximum((~is_missing).sum(axis=0), 1)
        means = np.where(is_missing, 0, table).sum(axis=0) / n_observed
        table = np.where(is_missing, means, table)
    return table


def _within(sampled, chunk):
    """Return the sampled indices inside of a slice, relative to its start."""
    first, last = np.searchsorted(sampled, [chunk.start, chunk.stop])
    return sampled[first:last] - chunk.start


def _evaluate_sample(scorer, rows, inputs, sampled):
    """Compute the points and mean scaled errors of the sampled rows."""
    points, errors = [], []
    for chunk in score_chunks(inputs):
        indices = _within(sampled, chunk)
        if len(indices) == 0:
            continue
        chunk_points, chunk_errors = scorer(
            select_rows(rows[chunk], indices), select_rows(inputs[chunk], indices)
        )
        points.append(chunk_points)
        errors.append(chunk_errors)
    return np.concatenate(points), np.concatenate(errors)
