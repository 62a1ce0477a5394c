"""Mean, scale and principal components of X, in chunks: the initial linear part of each network."""

from dataclasses import dataclass

import torch

from skae._input.dtypes import to_tensor
from skae._input.rows import row_chunks, sample_indices, subset_rows
from skae._input.sparse_rows import SparseRows, can_center_products
from skae._training.features import FeaturePCA
from skae._training.moments import (
    SMALLEST,
    Eigenvectors,
    chunk_weights_of,
    compute_moments,
)
from skae._training.process_sums import eigenvectors_of, own_chunks, sum_of_processes
from skae._training.sparse_pca import decompose_sparse

__all__ = ["PCAResult", "fit_pca", "random_pca"]

MAX_COVARIANCE_FEATURES = 4096
"""Up to this many features PCA uses their covariance; with more, the Gram matrix of the rows."""

MAX_SAMPLES = 4096
"""Number of rows for the first estimate of mean and scale, and the most rows in a Gram matrix."""

MAX_GRAM_NUMBERS = 2**27
"""The most numbers of the rows of a Gram matrix, which are in memory at once as float32."""

MAX_DOUBLE_FLOPS = 2e10
"""Up to this many operations products of rows are computed in float64; with more, in float32."""

MAX_FLOPS = 1e12
"""Up to this many operations the covariance is that of all rows; with more, of a sample of them."""

BLOCK_ROWS = 384
"""Rows of a covariance that are computed at once."""

MAX_MEAN_ERROR = 0.01
"""The largest mean squared error of a sample's mean, in units of scale. Beyond it, use all rows."""


@dataclass
class PCAResult:
    """A linear autoencoder of X, in units of `scale`, times `feature_scale` if it is not None.

    Attributes
    ----------
    reference : torch.Tensor of shape (d,)
        A row near the mean, in the dtype of X.
    shift : torch.Tensor of shape (d,)
        The mean less `reference`, float64.
    scale : float
        Root of the mean variance of the features, in units of X. It is 1 for constant data.
    components : torch.Tensor of shape (m, d)
        Orthonormal rows, float32, by decreasing variance.
    variances : torch.Tensor of shape (m,)
        Variances along the components, in squared units of `scale`, float64.
    total : float
        Sum of the variances of all features, in squared units of `scale`.
    rule : str
        "pca" if all rows and features were used, else a description of the initialization.
    normal : tuple of torch.Tensor or None
        Mean and precision of the normal distribution for imputation, in units of X, float64.
    features : skae._training.features.FeaturePCA or None
        Principal components of features of images.
    """

    reference: torch.Tensor
    shift: torch.Tensor
    scale: float
    feature_scale: torch.Tensor | None
    components: torch.Tensor
    variances: torch.Tensor
    total: float
    rule: str
    normal: tuple | None = None
    features: FeaturePCA | None = None


def fit_pca(X, weights, n_coordinates, *, generator, feature_scale=None, view=None, device="cpu"):
    """Compute the principal components of X.

    Parameters
    ----------
    X : ndarray, torch.Tensor, SparseRows, StreamedRows or RowSubset of shape (n, d)
        Rows in any real dtype, which are read in chunks. Sparse rows remain sparse, unless their
        mean is too large for `can_center_products`.
    weights : ndarray of shape (n,) or None
        Sample weights.
    n_coordinates : int
        The largest number of components.
    generator : torch.Generator
        Draws a sample of rows if there are too many.
    feature_scale : torch.Tensor of shape (d,), default=None
        Unit of each feature, by which centered rows are divided. None: the features have one unit.
    view : callable, default=None
        Function of centered rows, such as means of blocks, before components are computed:
        (b, d) to (b, d'). None: the rows themselves.
    device : torch.device, default="cpu"
        Device of matrix products.

    Returns
    -------
    pca : PCAResult
        With at least one and at most `n_coordinates` components.
    """
    n_samples, n_features = X.shape
    if isinstance(X, SparseRows):
        moments = compute_moments(X, weights)
        if can_center_products(X, moments.mean.numpy(), moments.scale):
            rule, eigenvectors = decompose_sparse(X, weights, moments, n_coordinates, generator)
            return _leading_components(eigenvectors, n_coordinates, n_samples, rule)
    n_viewed = n_features
    if view is not None:
        n_viewed = view(torch.zeros(1, n_features)).shape[1]
    if n_viewed <= min(n_samples, MAX_COVARIANCE_FEATURES):
        max_rows = max(4 * n_viewed, round(MAX_FLOPS / n_viewed**2))
        decompose = _decompose_covariance
    else:
        max_rows = min(MAX_SAMPLES, max(2, MAX_GRAM_NUMBERS // n_viewed))
        decompose = _decompose_gram_matrix
    rule = "pca"
    if n_viewed < n_features:
        rule = f"pca of {n_viewed} block means"
    if max_rows < n_samples:
        X, weights = subset_rows(X, weights, sample_indices(X, max_rows, generator))
        rule += f", {len(X)} rows"
    eigenvectors = decompose(X, weights, feature_scale, device, view, n_viewed)
    return _leading_components(eigenvectors, n_coordinates, len(X), rule)


def _leading_components(eigenvectors, n_coordinates, n_samples, rule):
    """Return the first `n_coordinates` directions, or fewer if the others are rounding errors."""
    moments, components, variances, total = eigenvectors
    # directions of less variance are rounding errors
    precision = 1e-7
    if variances.dtype == torch.float64:
        precision = 1e-13
    rank = int((variances > precision * variances[0].clamp(min=SMALLEST)).sum())
    n_components = max(1, min(n_coordinates, n_samples - 1, rank))
    return PCAResult(
        *moments,
        components=_with_fixed_signs(components[:n_components]).float().cpu().contiguous(),
        variances=variances[:n_components].double().clamp(min=0).cpu(),
        total=max(total, 0.0),
        rule=rule,
    )


def random_pca(
    X, weights, n_coordinates, *, generator, feature_scale=None, view=None, device="cpu"
):
    """Draw random directions, and compute mean, scale and the variances along the directions.

    Parameters
    ----------
    X, weights, n_coordinates, generator, feature_scale, view
        As in `fit_pca`.
    device : torch.device, default="cpu"
        Not used: the computation is small.

    Returns
    -------
    pca : PCAResult
        With orthonormal directions by decreasing variance.
    """
    n_samples, n_features = X.shape
    moments = compute_moments(X, weights, feature_scale)
    n_rows = min(MAX_SAMPLES, max(2, MAX_GRAM_NUMBERS // n_features))
    sample, _ = subset_rows(X, None, sample_indices(X, n_rows))
    n_viewed = n_features
    if view is not None:
        n_viewed = view(torch.zeros(1, n_features)).shape[1]
    n_components = max(1, min(n_coordinates, n_samples - 1, n_viewed))
    directions = torch.randn(n_viewed, n_components, generator=generator)
    components = torch.linalg.qr(directions).Q.T
    variances = torch.zeros(n_components, dtype=torch.float64)
    total = 0.0
    for chunk in row_chunks(*sample.shape):
        rows = moments.standardize(to_tensor(sample[chunk]), "cpu")
        if view is not None:
            rows = view(rows)
        variances += (rows @ components.T).double().square().sum(0) / len(sample)
        total += float(rows.double().square().sum()) / len(sample)
    order = variances.argsort(descending=True)
    return PCAResult(
        *moments,
        components=components[order].contiguous(),
        variances=variances[order],
        total=total,
        rule="random",
    )


def _with_fixed_signs(components):
    """Flip components so that the largest coefficient is positive, as scikit-learn does."""
    largest = components.abs().argmax(1, keepdim=True)
    return components * components.gather(1, largest).sign()


# ------------------------------------------------------------------------------------- covariance


def _decompose_covariance(X, weights, feature_scale, device, view, n_viewed):
    """Compute principal directions from the covariance of the viewed features."""
    sample, sample_weights = subset_rows(X, weights, sample_indices(X, MAX_SAMPLES))
    moments = compute_moments(sample, sample_weights, feature_scale)
    viewed_mean, mean, covariance = _covariance(X, weights, moments, device, view, n_viewed)
    is_finite = bool(torch.isfinite(covariance).all())
    if not is_finite or float(viewed_mean.square().mean()) > MAX_MEAN_ERROR:
        moments = compute_moments(X, weights, feature_scale)
        viewed_mean, mean, covariance = _covariance(X, weights, moments, device, view, n_viewed)
    moments = moments._replace(shift=moments.shift + mean.cpu() * moments.divisor)
    variances, vectors = eigenvectors_of(covariance)
    total = float(covariance.trace())
    return Eigenvectors(moments, vectors.flip(1).T, variances.flip(0), total)


def _covariance(X, weights, moments, device, view, n_viewed):
    """Compute means and covariance of standardized rows in one pass.

    Returns
    -------
    viewed_mean : torch.Tensor of shape (n_viewed,)
        Mean of the viewed features; the moments have been subtracted.
    mean : torch.Tensor of shape (d,)
        The same for all features.
    covariance : torch.Tensor of shape (n_viewed, n_viewed)
        Covariance of the viewed features.
    """
    n_samples, n_features = X.shape
    dtype = sum_dtype = torch.float32
    if torch.device(device).type != "mps":  # which has no float64
        # float64 sums are the same in any order of the chunks, as of several processes
        sum_dtype = torch.float64
        if n_samples * n_viewed * n_viewed <= MAX_DOUBLE_FLOPS:
            dtype = torch.float64
    products = torch.zeros(n_viewed, n_viewed, dtype=sum_dtype, device=device)
    viewed_sum = torch.zeros(n_viewed, dtype=sum_dtype, device=device)
    full_sum = torch.zeros(n_features, dtype=sum_dtype, device=device)
    total_weight = 0.0
    for values, chunk in own_chunks(X, n_features):
        rows = moments.standardize(to_tensor(values), device)
        chunk_weights = chunk_weights_of(weights, chunk, len(rows), device, dtype)
        if weights is None:
            total_weight += len(rows)
        else:
            total_weight += float(chunk_weights.sum())
        if view is not None:
            full_sum += chunk_weights @ rows.to(dtype)
            rows = view(rows)
        rows = rows.to(dtype)
        viewed_sum += chunk_weights @ rows
        weighted = rows.T
        if weights is not None:
            weighted = weighted * chunk_weights
        _add_upper_triangle(products, weighted, rows)
    products, viewed_sum, full_sum, total_weight = sum_of_processes(
        [products, viewed_sum, full_sum, total_weight]
    )
    viewed_mean = viewed_sum / total_weight
    products = products.triu() + products.triu(1).T
    covariance = products / total_weight - torch.outer(viewed_mean, viewed_mean)
    covariance = covariance.to(dtype)
    if view is None:
        return viewed_mean, viewed_mean, covariance
    return viewed_mean, full_sum / total_weight, covariance


def _add_upper_triangle(products, weighted, rows):
    """Add the symmetric product of two matrices, without most of its lower triangle.

    Parameters
    ----------
    products : torch.Tensor of shape (d, d)
        Changed in place.
    weighted : torch.Tensor of shape (d, n)
        Transposed rows, times their sample weights.
    rows : torch.Tensor of shape (n, d)
        Rows.
    """
    for start in range(0, len(products), BLOCK_ROWS):
        stop = start + BLOCK_ROWS
        products[start:stop, start:] += weighted[start:stop] @ rows[:, start:]


# ------------------------------------------------------------------------------------ Gram matrix


def _decompose_gram_matrix(X, weights, feature_scale, device, view, n_viewed):
    """Compute principal directions from the Gram matrix of the rows, if features are many."""
    moments = compute_moments(X, weights, feature_scale)
    rows = _standardized_rows(X, moments, device, view, n_viewed)
    root_weights = torch.ones(len(rows), device=device)
    if weights is not None:
        root_weights = torch.from_numpy(weights).to(device, torch.float32).sqrt()
    rows = rows * root_weights[:, None]
    total_weight = float(root_weights.square().sum())
    gram_matrix = (rows @ rows.T) / total_weight
    if gram_matrix.device.type != "mps":
        gram_matrix = gram_matrix.double()
    variances, vectors = eigenvectors_of(gram_matrix)
    variances, vectors = variances.flip(0), vectors.flip(1)
    is_positive = variances > 1e-7 * variances[0].clamp(min=SMALLEST)
    if not bool(is_positive.any()):
        is_positive[0] = True  # constant data: one direction of zero variance
    components = vectors[:, is_positive].T.float() @ rows
    # orthonormal also if two variances are nearly equal
    components = torch.linalg.qr(components.T).Q.T
    total = float(rows.square().sum()) / total_weight
    return Eigenvectors(moments, components, variances[is_positive], total)


def _standardized_rows(X, moments, device, view, n_viewed):
    """Standardize all rows into one array: many small arrays would fragment the memory."""
    rows = torch.empty(len(X), n_viewed, device=device)
    for chunk in row_chunks(*X.shape):
        standardized = moments.standardize(to_tensor(X[chunk]), device)
        if view is not None:
            standardized = view(standardized)
        rows[chunk] = standardized
    return rows
