"""Imputation of missing values by the conditional means of a normal distribution."""

import torch

__all__ = ["conditional_means"]


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
