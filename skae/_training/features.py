"""Features of images: filters from a sample, and principal components beside the pixels."""

from dataclasses import dataclass

import torch
from torch.nn import functional

from skae._input.dtypes import to_tensor
from skae._input.rows import row_chunks, sample_indices, subset_rows, take_rows
from skae._training.moments import Moments, chunk_weights_of

__all__ = ["FeaturePCA", "fit_features"]

MAX_SAMPLES = 10_000
"""The most images from which principal components of features are computed."""

MAX_NUMBERS = 2**26
"""The most numbers of their features, which are in memory at once as float32."""

MAX_FILTER_IMAGES = 4096
MAX_FILTER_NUMBERS = 2**24
"""The most images from which filters are estimated, and the most numbers of them."""

OVERSAMPLING = 32
N_ITERATIONS = 3
"""Directions beyond the wanted ones, and rounds, of subspace iteration."""

MAX_EXACT = 1024
"""Features up to which the eigenvectors of their covariance are computed."""

RIDGE = 1e-6
"""Ridge of the regression of pixels on coordinates, relative to the largest variance."""


@dataclass
class FeaturePCA:
    """Principal components of features beside pixels, and the regression of pixels on them.

    Attributes
    ----------
    pattern : torch.Tensor of shape (d,)
        Mean image less its mean, in units of standardized samples.
    mean : torch.Tensor of shape (n_features,)
        Means of the features.
    components : torch.Tensor of shape (m, n_features)
        Coefficients of the features less their means.
    pixel_components : torch.Tensor of shape (m, n_pixels)
        Coefficients of the block means of standardized samples.
    variances : torch.Tensor of shape (m,)
        Variances of the coordinates; the first k explain the variance of the pixels that they
        predict. float64, and 0 where the samples span fewer directions.
    decoder : torch.Tensor of shape (p, k)
        Linear regression of p principal coordinates of pixels on the first k coordinates.
    """

    pattern: torch.Tensor
    mean: torch.Tensor
    components: torch.Tensor
    pixel_components: torch.Tensor
    variances: torch.Tensor
    decoder: torch.Tensor


@torch.no_grad()
def fit_features(network, pixel_weight, pca, rows, weights, generator, device):
    """Fit the features of a network to rows, and compute their principal components.

    Parameters
    ----------
    network : skae.networks.ConvNetwork
        Its feature module is fitted.
    pixel_weight : float
        Variance of the pixels as a fraction of that of the features.
    pca : PCAResult
        PCA of pixels.
    rows : array-like of shape (n, d)
        Training rows. Missing values are imputed by the mean.
    weights : ndarray of shape (n,) or None
        Sample weights.
    generator : torch.Generator
        Selects rows and patches.
    device : torch.device
        Where features are computed.

    Returns
    -------
    features : FeaturePCA
        The principal components.
    """
    moments = Moments(pca.reference, pca.shift, pca.scale, pca.feature_scale)
    module, grid = network.features.module, network.grid
    mean = moments.mean / moments.divisor
    pattern = (mean - mean.mean()).float()
    n_filtered = max(1, min(MAX_FILTER_IMAGES, MAX_FILTER_NUMBERS // rows.shape[1]))
    sample = take_rows(rows, sample_indices(rows, n_filtered, generator))
    images = moments.standardize(to_tensor(sample), "cpu").nan_to_num(0.0) + pattern
    module.fit(grid.images(images), generator)

    n_pixels = network.components.shape[1]
    n_samples = max(2, min(MAX_SAMPLES, MAX_NUMBERS // (module.n_outputs + n_pixels)))
    rows, weights = subset_rows(rows, weights, sample_indices(rows, n_samples, generator))
    values = torch.empty(len(rows), module.n_outputs + n_pixels, device=device)
    network.features.to(device)
    pattern = pattern.to(device)
    for chunk in row_chunks(len(rows), network.max_features_held):
        x = moments.standardize(to_tensor(rows[chunk]), device).nan_to_num(0.0)
        values[chunk, : module.n_outputs] = network.features.compute(grid.images(x + pattern))
        values[chunk, module.n_outputs :] = grid.view(x)
    network.features.cpu()
    if not values.isfinite().all():
        raise ValueError(
            f"Got NaN or infinity from {type(module).__name__}, but expected finite features."
        )
    weights = chunk_weights_of(weights, slice(None), len(rows), device, torch.float32)
    weights = weights / weights.sum()

    m, k = network.features.components.shape[0], network.whitening.shape[0]
    return _decompose(
        values,
        weights[:, None],
        module.n_outputs,
        pixel_weight=pixel_weight,
        pixel_coordinates=pca.components,
        n_coordinates=m,
        n_components=k,
        pattern=pattern.cpu(),
        generator=generator,
    )


def _decompose(
    values,
    weights,
    n_features,
    *,
    pixel_weight,
    pixel_coordinates,
    n_coordinates,
    n_components,
    pattern,
    generator,
):
    """Compute principal components of features and pixels, and regress the pixels on them.

    Parameters
    ----------
    values : torch.Tensor of shape (n, n_features + n_pixels)
        Features, then block means of standardized samples. It is changed in place.
    weights : torch.Tensor of shape (n, 1)
        Sample weights with a sum of 1.
    n_features : int
        Number of features.
    pixel_weight : float
        Variance of the pixels as a fraction of that of the features.
    pixel_coordinates : torch.Tensor of shape (p, n_pixels)
        Principal components of the pixels.
    n_coordinates, n_components : int
        m and k.
    pattern : torch.Tensor of shape (d,)
        Passed on.
    generator : torch.Generator
        Draws the start of subspace iteration.
    """
    pixels = values[:, n_features:] @ pixel_coordinates.T.to(values.device)  # (n, p)
    roots = weights.sqrt()
    mean = (weights.T @ values)[0]
    values -= mean
    values *= roots
    variances = torch.linalg.vector_norm(values, dim=0).square()
    # the features of small variance are noise, and stay smaller
    scales = (variances + variances[:n_features].mean()).sqrt().clamp(min=1e-6)
    feature_variance = float((variances[:n_features] / scales[:n_features].square()).sum())
    pixel_variance = float(variances[n_features:].sum())
    unit = (max(pixel_weight * feature_variance, 1e-12) / max(pixel_variance, 1e-12)) ** 0.5
    if feature_variance == 0:
        unit = 1.0
    scales[n_features:] = 1 / unit
    if pixel_weight == 0 and feature_variance > 0:
        scales[n_features:] = torch.inf
    values /= scales
    directions, variances = _principal_directions(values, n_coordinates, generator)  # (D, m), (m,)
    u = values @ directions / roots.clamp(min=1e-30)  # (n, m)
    pixels -= (weights * pixels).sum(0)
    slopes = _regress(pixels, u[:, :n_components], weights)  # (p, k)

    # the first k coordinates get the units of the pixels that they predict
    explained = float((slopes.square() * variances[:n_components]).sum())
    total = float(variances[:n_components].sum())
    factor = 1.0
    if explained > 0 and total > 0:
        factor = (explained / total) ** 0.5
    components = (directions * factor / scales[:, None]).T.cpu()
    # few samples span fewer directions
    n_padded = n_coordinates - len(components)
    components = functional.pad(components, (0, 0, 0, n_padded))
    variances = functional.pad(variances.double().cpu() * factor**2, (0, n_padded))
    decoder = functional.pad((slopes / factor).cpu(), (0, n_components - slopes.shape[1]))
    return FeaturePCA(
        pattern=pattern,
        mean=mean[:n_features].cpu(),
        components=components[:, :n_features].contiguous(),
        pixel_components=components[:, n_features:].contiguous(),
        variances=variances,
        decoder=decoder,
    )


def _principal_directions(values, n_directions, generator):
    """Return leading right singular vectors (D, m) of rows (n, D), and squared singular values.

    Small matrices are decomposed exactly, others by subspace iteration. Signs are fixed as in
    scikit-learn.
    """
    n, n_features = values.shape
    n_directions = min(n_directions, max(1, n - 1), n_features)
    basis = torch.eye(n_features, device=values.device)
    if n_features > MAX_EXACT:
        width = min(n_directions + OVERSAMPLING, n, n_features)
        basis = torch.randn(n_features, width, generator=generator).to(values.device)
        for _ in range(N_ITERATIONS):
            basis = torch.linalg.qr(values.T @ (values @ basis)).Q
    projected = (values @ basis).cpu().double()
    variances, vectors = torch.linalg.eigh(projected.T @ projected)
    variances = variances.flip(0)[:n_directions].clamp(min=0)
    vectors = vectors.flip(1)[:, :n_directions].float().to(values.device)
    directions = basis @ vectors
    largest = directions.abs().argmax(0, keepdim=True)
    directions = directions * directions.gather(0, largest).sign()
    return directions, variances.float().to(values.device)


def _regress(targets, inputs, weights):
    """Return slopes (p, k) of a weighted linear regression without intercept."""
    targets, inputs, weights = targets.cpu().double(), inputs.cpu().double(), weights.cpu().double()
    weighted = weights * inputs
    products = inputs.T @ weighted  # (k, k)
    ridge = RIDGE * max(float(products.diagonal().max()), 1e-30)
    products.diagonal().add_(ridge)
    return torch.linalg.solve(products, weighted.T @ targets).T.float()
