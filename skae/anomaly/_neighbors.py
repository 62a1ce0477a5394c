"""Distances to the nearest normal samples, relative to the local density."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import NDArray

__all__ = ["NeighborDistances"]

if TYPE_CHECKING:
    from sklearn.neighbors import NearestNeighbors

LOCAL_EXPONENT = 0.3
"""Exponent of the local scale. With 0, distances are those of nearest neighbors; with 1, they are
relative to the local density, as in the local outlier factor."""

MIN_LOCAL_SCALE = 1e-3
"""Addition to the local scale, relative to its mean, so that copies do not have a scale of zero."""

ROUNDING = 1e-7
"""Distances below this fraction of the mean absolute norm of the samples are rounding errors."""


@dataclass
class NeighborDistances:
    """Mean distance to the nearest normal samples, divided by a power of their own mean distance.

    A normal sample at distance zero is not counted as a neighbor, because it is assumed to be the
    sample itself.

    Attributes
    ----------
    search : NearestNeighbors
        Fitted search, with one more neighbor than is averaged.
    local_scales : ndarray of shape (n_normal,)
        Power of the mean distance of each normal sample to its own neighbors, float64.
    zero_distance : float
        Distances up to this one are zero.
    """

    search: "NearestNeighbors"
    local_scales: NDArray[np.float64]
    zero_distance: float

    @classmethod
    def fit(cls, rows, n_neighbors, metric) -> tuple[Self, NDArray[np.float64]]:
        """Fit the search and the local scales.

        Parameters
        ----------
        rows : ndarray of shape (n_normal, n_features)
            Normal samples, float64.
        n_neighbors : int
            Number of neighbors, at most ``n_normal - 1``.
        metric : {"manhattan", "euclidean"}
            Distance.

        Returns
        -------
        distances : NeighborDistances
            Fitted.
        scores : ndarray of shape (n_normal,)
            Scores of the normal samples, without themselves.
        """
        from sklearn.neighbors import NearestNeighbors  # slow to import

        search = NearestNeighbors(n_neighbors=n_neighbors + 1, metric=metric).fit(rows)
        typical_norm = np.abs(rows - rows.mean(axis=0)).sum(axis=1).mean()
        distances = cls(search, np.ones(len(rows)), float(ROUNDING * typical_norm))
        mean_distances, neighbors, _ = distances._find(rows)
        distances.local_scales = np.power(
            mean_distances + MIN_LOCAL_SCALE * mean_distances.mean() + np.finfo(float).tiny,
            LOCAL_EXPONENT,
        )
        return distances, mean_distances / distances.local_scales[neighbors].mean(axis=1)

    def _find(self, rows, *, as_new=False):
        """Return mean distances, the neighbors, and the equal normal samples or -1."""
        distances, indices = self.search.kneighbors(rows)
        is_itself = (distances[:, 0] <= self.zero_distance) & (not as_new)
        columns = is_itself[:, None] + np.arange(distances.shape[1] - 1)
        neighbors = np.take_along_axis(indices, columns, axis=1)
        mean_distances = np.take_along_axis(distances, columns, axis=1).mean(axis=1)
        return mean_distances, neighbors, np.where(is_itself, indices[:, 0], -1)

    def score(self, rows, *, as_new=False):
        """Compute the scores of samples, and the normal samples that are equal to them.

        Parameters
        ----------
        rows : ndarray of shape (n_samples, n_features)
            Samples, float64.
        as_new : bool, default=False
            Whether a normal sample at distance zero is another sample, and counts as a neighbor.

        Returns
        -------
        scores : ndarray of shape (n_samples,)
            Relative distances, at least 0, float64.
        twins : ndarray of shape (n_samples,)
            Index of the normal sample at distance zero, or -1.
        """
        mean_distances, neighbors, twins = self._find(rows, as_new=as_new)
        return mean_distances / self.local_scales[neighbors].mean(axis=1), twins
