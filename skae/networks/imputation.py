"""Imputation of missing values by the conditional means of a normal distribution."""

from typing import NamedTuple

import torch

__all__ = [
    "FactorCovariance",
    "conditional_means",
    "conditional_means_of_factors",
    "factor_posterior",
    "n_imputation_factors",
]

MAX_FACTORS = 32
"""Most factors of a low-rank covariance."""

MAX_FACTOR_PRODUCTS = 2**24
"""Most products of pairs of loadings, for all columns together."""


MAX_SOLVER_STEPS = 10
"""Steps of conjugate gradients: further steps do not change the networks' results."""


def conditional_means(x, precision):
    """Estimate missing values by their conditional means, given the observed values.

    Parameters
    ----------
    x : torch.Tensor of shape (..., n_samples, n_features)
        Centered samples, NaN where values are missing.
    precision : torch.Tensor of shape (..., n_features, n_features)
        Inverse of the covariance matrix.

    Returns
    -------
    expected : torch.Tensor of the shape of x
        Zero where x is observed. Where x is missing ``precision @ (x + expected)`` is zero: one
        linear system per sample. Conjugate gradients solve all systems of a batch at once, which
        takes less time than one factorization per sample.
    """
    is_missing = x.isnan().to(x.dtype)
    units = precision.diagonal(dim1=-2, dim2=-1).rsqrt().unsqueeze(-2)  # (..., 1, d)
    scaled_precision = precision * units * units.mT  # with a diagonal of ones
    residual = -((x.nan_to_num(0.0) / units) @ scaled_precision) * is_missing
    expected = torch.zeros_like(x)
    direction = residual
    squared_norm = residual.square().sum(-1, keepdim=True)  # (..., n, 1)
    for _ in range(min(MAX_SOLVER_STEPS, x.shape[-1])):
        product = (direction @ scaled_precision) * is_missing
        curvature = (direction * product).sum(-1, keepdim=True)
        step = squared_norm / curvature.clamp(min=1e-30)
        expected = expected + step * direction
        residual = residual - step * product
        previous = squared_norm
        squared_norm = residual.square().sum(-1, keepdim=True)
        direction = residual + squared_norm / previous.clamp(min=1e-30) * direction
    return expected * units


class FactorCovariance(NamedTuple):
    """The low-rank covariance ``loadings @ loadings.T + diag(noise)``.

    Parameters
    ----------
    loadings : torch.Tensor of shape (..., n_features, n_factors)
        Linear map from standard normal factors to columns.
    noise : torch.Tensor of shape (..., n_features)
        Variances of the independent noise of the columns.
    """

    loadings: torch.Tensor
    noise: torch.Tensor


def n_imputation_factors(n_features):
    """Return the number of factors of the low-rank covariance of a wide table."""
    return max(1, min(MAX_FACTORS, int((MAX_FACTOR_PRODUCTS / n_features) ** 0.5)))


def factor_posterior(deviations, known, covariance):
    """Compute mean and covariance of the factors, given the observed values of each sample.

    Parameters
    ----------
    deviations : torch.Tensor of shape (..., n_samples, n_features)
        Centered samples, zero where values are missing.
    known : torch.Tensor of the shape of `deviations`
        1 for observed values, 0 for missing values.
    covariance : FactorCovariance
        Covariance of the samples.

    Returns
    -------
    z : torch.Tensor of shape (..., n_samples, n_factors)
        Means.
    posterior : torch.Tensor of shape (..., n_samples, n_factors, n_factors)
        Covariances.
    """
    loadings, noise = covariance
    k = loadings.shape[-1]
    scaled = loadings / noise.unsqueeze(-1)  # (..., d, k)
    products = (loadings.unsqueeze(-1) * scaled.unsqueeze(-2)).flatten(-2)  # (..., d, k * k)
    precision = (known @ products).unflatten(-1, (k, k))  # (..., n, k, k)
    precision = precision + torch.eye(k, dtype=loadings.dtype, device=loadings.device)
    posterior = torch.cholesky_inverse(torch.linalg.cholesky(precision))
    z = (posterior @ (deviations @ scaled).unsqueeze(-1)).squeeze(-1)
    return z, posterior


def conditional_means_of_factors(x, covariance):
    """Estimate missing values by their conditional means under a low-rank covariance.

    Parameters
    ----------
    x : torch.Tensor of shape (..., n_samples, n_features)
        Centered samples, NaN where values are missing.
    covariance : FactorCovariance
        Covariance of the samples.

    Returns
    -------
    expected : torch.Tensor of the shape of x
        Zero where x is observed.
    """
    is_missing = x.isnan()
    z, _ = factor_posterior(x.nan_to_num(0.0), (~is_missing).to(x.dtype), covariance)
    return (z @ covariance.loadings.mT) * is_missing
