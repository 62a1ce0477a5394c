"""Principal directions of a sparse matrix by sparse products; the mean is never subtracted from it.

Let S be the matrix, w weights with sum 1, and m the mean. All methods use
``C = S.T @ diag(w) @ S - m @ m.T``, the covariance of the features.
"""

import numpy as np
import torch
from scipy.linalg import eigh
from scipy.sparse import diags_array

from skae._input.rows import chunk_slices
from skae._training.moments import SMALLEST, Eigenvectors

__all__ = ["decompose_sparse"]

MAX_EXACT_SIZE = 4096
"""Up to this many features or samples, the eigenvectors of their dense matrix are computed."""

N_BLOCKS = 4
"""Number of blocks of a Krylov space, each with 3/8 of the directions that are wanted.

For a third of the directions the error is that of scikit-learn's ``randomized_svd`` with five
iterations.
"""

MAX_CHUNK_NUMBERS = 2**23
"""The most numbers in the product of a chunk of rows and a block of directions: 32 MiB."""


def decompose_sparse(X, weights, moments, n_coordinates, generator):
    """Compute principal directions of sparse rows.

    Parameters
    ----------
    X : SparseRows of shape (n, d)
        Rows, with a mean that `can_center_products` accepts.
    weights : ndarray of shape (n,) or None
        Sample weights.
    moments : Moments
        Mean and scale of the rows.
    n_coordinates : int
        The largest number of directions.
    generator : torch.Generator
        Draws the first directions of a Krylov space.

    Returns
    -------
    rule : str
        "pca", or "pca, randomized" if both the samples and the features are many.
    eigenvectors : Eigenvectors
        Directions by decreasing variance.
    """
    n_samples, n_features = X.shape
    if weights is None:
        weights = np.ones(n_samples)
    weights = weights / weights.sum()
    matrix = X.as_double()
    mean = moments.mean.numpy()
    squares = float(weights @ matrix.power(2).sum(axis=1))
    total = max(0.0, squares - float(mean @ mean)) / moments.scale**2
    rule = "pca"
    if n_features <= min(n_samples, MAX_EXACT_SIZE):
        variances, components = _from_covariance(matrix, weights, mean, n_coordinates)
    elif n_samples <= MAX_EXACT_SIZE:
        variances, components = _from_gram_matrix(matrix, weights, mean, n_coordinates)
    else:
        rule = "pca, randomized"
        variances, components = _from_krylov_space(matrix, weights, mean, n_coordinates, generator)
    variances = torch.from_numpy(variances / moments.scale**2)
    return rule, Eigenvectors(moments, torch.from_numpy(components), variances, total)


def _leading_eigenvectors(matrix, n_vectors):
    """Return eigenvalues in descending order, and eigenvectors as columns, of a dense matrix."""
    n = len(matrix)
    n_vectors = min(n_vectors, n)
    values, vectors = eigh(matrix, subset_by_index=[n - n_vectors, n - 1])
    return values[::-1].copy(), vectors[:, ::-1].copy()


def _from_covariance(matrix, weights, mean, n_coordinates):
    """Return variances (m,) and directions (m, d) from the covariance of the features."""
    products = (matrix.T @ (diags_array(weights) @ matrix)).toarray()
    variances, vectors = _leading_eigenvectors(products - np.outer(mean, mean), n_coordinates)
    return variances, np.ascontiguousarray(vectors.T)


def _from_gram_matrix(matrix, weights, mean, n_coordinates):
    """Return variances (m,) and directions (m, d) from the Gram matrix of the samples."""
    roots = np.sqrt(weights)
    rows = (diags_array(roots) @ matrix).tocsr()
    products = (rows @ rows.T).toarray()
    offsets = np.outer(rows @ mean, roots)
    gram_matrix = products - offsets - offsets.T + (mean @ mean) * np.outer(roots, roots)
    variances, vectors = _leading_eigenvectors(gram_matrix, n_coordinates)
    is_positive = variances > 1e-13 * max(variances[0], SMALLEST)
    is_positive[0] = True  # constant data: one direction of zero variance
    vectors = vectors[:, is_positive]
    directions = rows.T @ vectors - np.outer(mean, roots @ vectors)
    return variances[is_positive], np.linalg.qr(directions)[0].T.copy()


def _from_krylov_space(matrix, weights, mean, n_coordinates, generator):
    """Return variances (m,) and directions (m, d) of a Krylov space of the covariance [1]_.

    A block of random directions is multiplied by the covariance several times. All blocks together
    span a space with the leading directions, in which eigenvectors are computed.

    References
    ----------
    .. [1] C. Musco and C. Musco, "Randomized block Krylov methods for stronger and faster
       approximate singular value decomposition", NeurIPS 2015.
    """
    n_features = len(mean)
    n_directions = min(n_coordinates + n_coordinates // 2, n_features)
    block_size = -(-n_directions // N_BLOCKS)
    single = matrix.astype(np.float32)
    basis = np.empty((n_features, 0), np.float32)
    products = np.empty((n_features, 0), np.float32)
    block = torch.randn(n_features, block_size, generator=generator).numpy()
    for _ in range(N_BLOCKS):
        for _ in range(2):  # once leaves rounding errors of the size of small directions
            block = block - basis @ (basis.T @ block)
            block = np.linalg.qr(block)[0]
        basis = np.hstack([basis, block])
        block = _covariance_product(single, weights, mean, block)
        products = np.hstack([products, block])
    covariance = basis.T.astype(np.float64) @ products
    variances, vectors = _leading_eigenvectors((covariance + covariance.T) / 2, n_coordinates)
    return variances, (basis @ vectors.astype(np.float32)).T


def _covariance_product(matrix, weights, mean, directions):
    """Return the product of the covariance with directions (d, b), by chunks of rows."""
    weights, mean = weights.astype(np.float32), mean.astype(np.float32)
    result = np.zeros_like(directions)
    chunk_size = max(1, MAX_CHUNK_NUMBERS // directions.shape[1])
    for chunk in chunk_slices(matrix.shape[0], chunk_size):
        rows = matrix[chunk]
        scores = (rows @ directions - mean @ directions) * weights[chunk, None]
        result += rows.T @ scores
        result -= np.outer(mean, scores.sum(0))
    return result
