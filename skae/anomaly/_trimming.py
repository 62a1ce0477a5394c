"""Outliers of the training set: samples far from most others, alone or in groups."""

import numpy as np

from skae.anomaly._column_scaling import Standardization

__all__ = ["find_outliers", "group_distances"]

GROUP_FRACTION = 0.1
"""Fraction of the samples up to which a group of alike samples is an outlier. The distance to this
fraction of the samples is large for all members of a smaller group."""

MAX_SEARCHED_SAMPLES = 1_000
"""Number of samples among which distances are measured, which bounds time and memory."""

MAX_OUTLIER_FRACTION = 0.15
"""Largest fraction of outliers. Only the farthest samples count if there are more."""

FENCE = 4.0
"""Interquartile ranges above the third quartile of log distances. With Tukey's 1.5 or 3, the scores
of new samples are less accurate if X has heavy tails and no outliers."""

MIN_DISTANCE = 1e-3
"""Addition to all distances, relative to their mean, so that logarithms of copies are finite."""

MAX_DIMENSIONS = 32
"""Number of principal components of wider data, which bounds the time of the neighbor search."""

MIN_SAMPLES = 20
"""Fewest samples that are trimmed. Quartiles of fewer samples are unreliable."""


def group_distances(points):
    """Compute the distance of each sample to the nearest tenth of the samples.

    Alike anomalies are neighbors of each other, but not of a tenth of the samples.

    Parameters
    ----------
    points : ndarray of shape (n_samples, n_features)
        Samples, float64.

    Returns
    -------
    distances : ndarray of shape (n_samples,)
        Manhattan distances of standardized features, float64.
    """
    # slow to import
    from sklearn.decomposition import PCA
    from sklearn.neighbors import NearestNeighbors

    n_samples = len(points)
    points = Standardization.fit(points).transform(points)
    if points.shape[1] > MAX_DIMENSIONS:
        n_components = min(MAX_DIMENSIONS, n_samples)
        points = PCA(n_components, svd_solver="randomized", random_state=0).fit_transform(points)
    generator = np.random.default_rng(0)
    searched = generator.permutation(n_samples)[:MAX_SEARCHED_SAMPLES]
    n_neighbors = int(np.ceil(GROUP_FRACTION * len(searched)))
    search = NearestNeighbors(n_neighbors=n_neighbors, metric="manhattan").fit(points[searched])
    return search.kneighbors(points)[0][:, -1]


def find_outliers(distances):
    """Return a mask of samples that are far from most others.

    Parameters
    ----------
    distances : ndarray of shape (n_samples,)
        Result of `group_distances`.

    Returns
    -------
    is_outlier : ndarray of shape (n_samples,)
        Boolean mask of the distances far above Tukey's fence of the logarithms.
    """
    n_samples = len(distances)
    is_outlier = np.zeros(n_samples, bool)
    if n_samples < MIN_SAMPLES:
        return is_outlier
    shift = MIN_DISTANCE * distances.mean() + np.finfo(float).tiny
    logarithms = np.log(distances + shift)
    first_quartile, third_quartile = np.quantile(logarithms, [0.25, 0.75])
    fence = third_quartile + FENCE * (third_quartile - first_quartile)
    max_outliers = int(MAX_OUTLIER_FRACTION * n_samples)
    farthest = np.argsort(logarithms)[n_samples - max_outliers :]
    is_outlier[farthest] = logarithms[farthest] > fence
    return is_outlier
