"""Mean, scale and principal components of X, in chunks: the initial linear part of each network."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from skae._input.dtypes import to_tensor
from skae._input.rows import row_chunks, sample_indices, subset_rows
from skae.networks.layers import to_device

__all__ = ["PCAResult", "fit_pca", "random_pca"]

MAX_COVARIANCE_FEATURES = 4096
"""Up to this many features PCA uses their covariance; with more, the Gram matrix of the rows."""

MAX_SAMPLES = 4096
"""Number of rows for the first estimate of mean and scale, and the most rows in a Gram matrix."""

MAX_GRAM_NUMBERS = 2**27
"""The most numbers of the rows of a Gram matrix, which are in memory at once as float32."""

MAX_DOUBLE_FLOPS = 2e10
"""Up to this many operations the covariance is summed in float64; with more, in float32."""

MAX_FLOPS = 1e12
"""Up to this many operations the covariance is that of all rows; with more, of a sample of them."""

MAX_MEAN_ERROR = 0.01
"""The largest mean squared error of a sample's mean, in units of scale. Beyond it, use all rows."""

SMALLEST = 1e-300
"""Lower bound of divisors, so that no quotient is NaN."""


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
        Root of the mean variance of the features, in units of X or of `feature_scale`. It is 1 for
        constant data.
    feature_scale : torch.Tensor of shape (d,) or None
        Unit of each feature, in units of X, float64. None: the features have one unit.
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


class Moments(NamedTuple):
    """Mean and scale of rows; the mean is a row and a shift, so that no digits are lost.

    Attributes
    ----------
    reference : torch.Tensor of shape (d,)
        A row near the mean, in the dtype of X.
    shift : torch.Tensor of shape (d,)
        The mean less `reference`, float64.
    scale : float
        Root of the mean variance of the features, in units of X or of `feature_scale`.
    feature_scale : torch.Tensor of shape (d,) or None
        Unit of each feature. None: the features have one unit.
    """

    reference: torch.Tensor
    shift: torch.Tensor
    scale: float
    feature_scale: torch.Tensor | None = None

    @property
    def divisor(self):
        """Scale of deviations from the mean in units of X, float64: one, or one per feature."""
        scale = torch.tensor(self.scale, dtype=torch.float64)
        if self.feature_scale is not None:
            scale = scale * self.feature_scale
        return scale

    def standardize(self, rows, device):
        """Center rows, and divide them by the scale.

        Dtypes of at most 32 bits are computed in float32 on the device, others first in float64.
        """
        if rows.dtype in (torch.int64, torch.float64):
            deviation = _subtract(rows, self.reference.to(rows.device))
            divisor = self.divisor.to(rows.device, torch.float64)
            standardized = (deviation - self.shift.to(rows.device)) / divisor
            return standardized.to(device, torch.float32)
        mean = self.reference.double() + self.shift
        high = mean.float()
        low = (mean - high.double()).float()
        rows, high, low = (to_device(values, device) for values in (rows, high, low))
        deviation = torch.sub(rows, high).sub_(low)
        return deviation.div_(self.divisor.to(device, torch.float32))


class Eigenvectors(NamedTuple):
    """Principal directions by decreasing variance, before any of them is left out.

    Attributes
    ----------
    moments : Moments
        Mean and scale of the rows.
    components : torch.Tensor of shape (m, d)
        Orthonormal rows.
    variances : torch.Tensor of shape (m,)
        Variances along the components, in squared units of the scale.
    total : float
        Sum of the variances of all features.
    """

    moments: Moments
    components: torch.Tensor
    variances: torch.Tensor
    total: float


def fit_pca(X, weights, n_coordinates, *, generator, feature_scale=None, view=None, device="cpu"):
    """Compute the principal components of X.

    Parameters
    ----------
    X : ndarray, torch.Tensor, StreamedRows or RowSubset of shape (n, d)
        Rows in any real dtype, which are read in chunks.
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
    moments, components, variances, total = decompose(
        X, weights, feature_scale, device, view, n_viewed
    )
    # directions of less variance are rounding errors
    precision = 1e-7
    if variances.dtype == torch.float64:
        precision = 1e-13
    rank = int((variances > precision * variances[0].clamp(min=SMALLEST)).sum())
    n_components = max(1, min(n_coordinates, len(X) - 1, rank))
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
    moments = _compute_moments(X, weights, feature_scale)
    n_rows = min(MAX_SAMPLES, max(2, MAX_GRAM_NUMBERS // n_features))
    sample, _ = subset_rows(X, None, sample_indices(X, n_rows))
    rows = moments.standardize(to_tensor(sample[:]), "cpu")
    if view is not None:
        rows = view(rows)
    n_viewed = rows.shape[1]
    n_components = max(1, min(n_coordinates, n_samples - 1, n_viewed))
    directions = torch.randn(n_viewed, n_components, generator=generator)
    components = torch.linalg.qr(directions).Q.T
    variances = (rows @ components.T).double().square().mean(0)
    order = variances.argsort(descending=True)
    return PCAResult(
        *moments,
        components=components[order].contiguous(),
        variances=variances[order],
        total=float(rows.double().square().sum(1).mean()),
        rule="random",
    )


def _with_fixed_signs(components):
    """Flip components so that the largest coefficient is positive, as scikit-learn does."""
    largest = components.abs().argmax(1, keepdim=True)
    return components * components.gather(1, largest).sign()


# --------------------------------------------------------------------------------- mean and scale


def _compute_moments(X, weights, feature_scale):
    """Compute mean and overall scale of rows in float64; for uint8 without float64 copies."""
    n_samples, n_features = X.shape
    reference = to_tensor(X[:1])[0].cpu()
    total_weight = 0.0
    sums = torch.zeros(n_features, dtype=torch.float64)
    squares = torch.zeros(n_features, dtype=torch.float64)
    for chunk in row_chunks(n_samples, 2 * n_features):
        rows = to_tensor(X[chunk]).cpu()
        if rows.dtype == torch.uint8 and weights is None:
            deviation = rows.float().sub_(reference.float())
            total_weight += len(rows)
            sums += deviation.sum(0, dtype=torch.float64)
            squares += deviation.square_().sum(0, dtype=torch.float64)
            continue
        deviation = _subtract(rows, reference)
        chunk_weights = _chunk_weights(weights, chunk, len(rows), "cpu", torch.float64)
        total_weight += float(chunk_weights.sum())
        sums += chunk_weights @ deviation
        squares += chunk_weights @ deviation.square_()
    total_weight = max(total_weight, SMALLEST)
    shift = sums / total_weight
    squares = squares / total_weight
    variances = (squares - shift.square()).clamp(min=0)
    if feature_scale is not None:
        squares = squares / feature_scale.square()
        variances = variances / feature_scale.square()
    variance = float(variances.mean())
    # less than this remains of constant data by rounding
    negligible = 1e-24 * float(squares.mean())
    scale = 1.0
    if variance > negligible:
        scale = float(np.sqrt(variance))
    return Moments(reference, shift, scale, feature_scale)


def _subtract(rows, reference):
    """Return rows less a reference row as float64; 64-bit integers are subtracted as integers."""
    if rows.dtype == torch.int64 and reference.dtype == torch.int64:
        return (rows - reference).double()
    return rows.double() - reference.double()


def _chunk_weights(weights, chunk, n_rows, device, dtype):
    """Return the weights of a chunk of rows as a tensor; ones without weights."""
    if weights is None:
        return torch.ones(n_rows, dtype=dtype, device=device)
    return torch.from_numpy(weights[chunk]).to(device, dtype)


# ------------------------------------------------------------------------------------- covariance


def _decompose_covariance(X, weights, feature_scale, device, view, n_viewed):
    """Compute principal directions from the covariance of the viewed features."""
    sample, sample_weights = subset_rows(X, weights, sample_indices(X, MAX_SAMPLES))
    moments = _compute_moments(sample, sample_weights, feature_scale)
    viewed_mean, mean, covariance = _covariance(X, weights, moments, device, view, n_viewed)
    is_finite = bool(torch.isfinite(covariance).all())
    if not is_finite or float(viewed_mean.square().mean()) > MAX_MEAN_ERROR:
        moments = _compute_moments(X, weights, feature_scale)
        viewed_mean, mean, covariance = _covariance(X, weights, moments, device, view, n_viewed)
    moments = moments._replace(shift=moments.shift + mean.cpu() * moments.divisor)
    variances, vectors = torch.linalg.eigh(covariance)
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
    dtype = torch.float32
    flops = n_samples * n_viewed * n_viewed
    if flops <= MAX_DOUBLE_FLOPS and torch.device(device).type != "mps":
        dtype = torch.float64
    products = torch.zeros(n_viewed, n_viewed, dtype=dtype, device=device)
    viewed_sum = torch.zeros(n_viewed, dtype=dtype, device=device)
    full_sum = torch.zeros(n_features, dtype=dtype, device=device)
    total_weight = 0.0
    for chunk in row_chunks(n_samples, n_features):
        rows = moments.standardize(to_tensor(X[chunk]), device)
        chunk_weights = _chunk_weights(weights, chunk, len(rows), device, dtype)
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
        products.addmm_(weighted, rows)
    viewed_mean = viewed_sum / total_weight
    covariance = products / total_weight - torch.outer(viewed_mean, viewed_mean)
    if view is None:
        return viewed_mean, viewed_mean, covariance
    return viewed_mean, full_sum / total_weight, covariance


# ------------------------------------------------------------------------------------ Gram matrix


def _decompose_gram_matrix(X, weights, feature_scale, device, view, n_viewed):
    """Compute principal directions from the Gram matrix of the rows, if features are many."""
    moments = _compute_moments(X, weights, feature_scale)
    rows = _standardized_rows(X, moments, device, view, n_viewed)
    root_weights = torch.ones(len(rows), device=device)
    if weights is not None:
        root_weights = torch.from_numpy(weights).to(device, torch.float32).sqrt()
    rows = rows * root_weights[:, None]
    total_weight = float(root_weights.square().sum())
    gram_matrix = (rows @ rows.T) / total_weight
    if gram_matrix.device.type != "mps":
        gram_matrix = gram_matrix.double()
    variances, vectors = torch.linalg.eigh(gram_matrix)
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
