"""Distances between latent vectors, measured in reconstruction space."""

import numpy as np

from skae.anomaly._scores import evaluate, score_chunks, smooth

__all__ = ["fit_latent_metric", "mean_squared_distances"]

MAX_NEIGHBOR_ROWS = 10_000
"""Maximum number of latent vectors in the neighbor search, which bounds its time and memory."""

MIN_RELATIVE_VARIANCE = 1e-10
"""Minimum variance of a latent direction, relative to the largest one. Below it is rounding."""


class LatentMetric:
    """Metric that measures latent distances in reconstruction space.

    A linear map from latent vectors to reconstructions is fitted by least squares, chunk by chunk.
    """

    def __init__(self):
        self.n_samples = 0
        self.code_sum = self.reconstruction_sum = 0.0
        self.code_products = self.cross_products = 0.0

    def update(self, codes, reconstructions):
        """Update the sums with one chunk.

        Parameters
        ----------
        codes : ndarray of shape (n_samples, n_components)
            Latent vectors.
        reconstructions : ndarray of shape (n_samples, n_features)
            Reconstructions, smoothed if errors are smoothed.
        """
        if self.n_samples == 0:
            # subtracting the means of the first chunk preserves digits
            self.code_origin = codes.mean(axis=0)
            self.reconstruction_origin = reconstructions.mean(axis=0)
        codes = codes - self.code_origin
        reconstructions = reconstructions - self.reconstruction_origin
        self.n_samples += len(codes)
        self.code_sum = self.code_sum + codes.sum(axis=0)
        self.reconstruction_sum = self.reconstruction_sum + reconstructions.sum(axis=0)
        self.code_products += codes.T @ codes
        self.cross_products += codes.T @ reconstructions

    def matrix(self):
        """Compute the matrix that maps latent vectors to a space with distances of reconstructions.

        Returns
        -------
        matrix : ndarray of shape (n_components, n_components)
            For the fitted map ``x_hat = z @ A``, a matrix M with ``M @ M.T = A @ A.T``, float64.
        """
        code_mean = self.code_sum / self.n_samples
        reconstruction_mean = self.reconstruction_sum / self.n_samples
        code_covariance = self.code_products / self.n_samples - np.outer(code_mean, code_mean)
        cross_covariance = self.cross_products / self.n_samples - np.outer(
            code_mean, reconstruction_mean
        )
        variances, directions = np.linalg.eigh(code_covariance)
        varies = variances > MIN_RELATIVE_VARIANCE * max(variances[-1], 0)
        variances = variances[varies]
        directions = directions[:, varies]
        linear_map = directions / variances @ (directions.T @ cross_covariance)
        squared_gains, axes = np.linalg.eigh(linear_map @ linear_map.T)
        return axes * np.sqrt(np.maximum(squared_gains, 0))


def fit_latent_metric(autoencoder, rows, kernels, seed):
    """Fit the latent metric, and compute mean squared errors in the same pass over the rows.

    Parameters
    ----------
    autoencoder : estimator
        Fitted autoencoder.
    rows : array-like or StreamedRows of shape (n_samples, ...)
        The autoencoder's input.
    kernels : tuple of ndarray or None
        Result of `smoothing_kernels`.
    seed : int
        Seed of the random sample of at most 10,000 rows for the neighbor search.

    Returns
    -------
    metric : ndarray of shape (n_components, n_components)
        Result of `LatentMetric.matrix`.
    codes : ndarray of shape (n_neighbor_rows, n_components)
        Latent vectors for the neighbor search, multiplied by `metric`, float64.
    mean_squared_errors : ndarray of shape (n_features,)
        Mean squared error of each feature over all rows, float64.
    """
    n_samples = len(rows)
    is_neighbor = np.random.default_rng(seed).permutation(n_samples) < MAX_NEIGHBOR_ROWS
    latent_metric = LatentMetric()
    neighbor_codes = []
    mean_squared_errors = 0.0
    for chunk in score_chunks(rows):
        codes, reconstructions, squared_errors = evaluate(autoencoder, rows[chunk], kernels)
        neighbor_codes.append(codes[is_neighbor[chunk]])
        latent_metric.update(codes, smooth(reconstructions, kernels))
        mean_squared_errors = mean_squared_errors + squared_errors.sum(axis=0) / n_samples
    metric = latent_metric.matrix()
    return metric, np.concatenate(neighbor_codes) @ metric, mean_squared_errors


def mean_squared_distances(neighbors, codes, zero_distance):
    """Compute the mean squared distance of each latent vector to its neighbors.

    Parameters
    ----------
    neighbors : NearestNeighbors
        Fitted neighbor search.
    codes : ndarray of shape (n_samples, n_components)
        Latent vectors in the space of the search.
    zero_distance : float
        Squared distance up to which the nearest neighbor is excluded as the sample itself.

    Returns
    -------
    distances : ndarray of shape (n_samples,)
        Without the farthest neighbor if the nearest one is not excluded, float64.
    """
    distances, _ = neighbors.kneighbors(codes)
    squared = np.square(distances)
    is_itself = squared[:, 0] <= zero_distance
    return np.where(is_itself, squared[:, 1:].mean(axis=1), squared[:, :-1].mean(axis=1))
